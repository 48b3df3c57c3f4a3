//! What comes to the loop, through its one bounded queue.

use crate::admission::{Order, OrderRefusal};
use crate::pricing::{PriceOrder, PriceRefusal};
use crate::sessions::Session;
use crate::status::Snapshot;
use crate::watchers::Watched;
use poco_chain::Cursor;
use poco_core::{Address, B256, TaskId};
use poco_scheduler_core::{
    Core, Explanation, Input, Login, Offer, OrderTerms, ReportBody, SalesPolicy, Stats,
    StoredResult, TaskReport, UploadRefusal, UploadTerms,
};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Arrivals that wait; who brings more waits too.
pub(crate) const QUEUE_LEN: usize = 1024;

pub(crate) type Arrivals = mpsc::Sender<Arrival>;

/// One thing for the loop.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// An answer, or the end of something.
    Core(Input),
    /// More of the chain; the cursor is stored with what follows from it.
    Chain { input: Input, cursor: Cursor },
    /// A wallet proved itself on a stream of its own.
    LoggedIn { login: Login, session: Session },
    /// A stream ended.
    Left { worker: Address, session: u64 },
    /// A report; acknowledged under its number once stored.
    Report { worker: Address, session: u64, number: u64, task: TaskId, body: ReportBody },
    /// What a worker told for the settlement lane.
    Told { worker: Address, session: u64, input: Box<Input> },
    /// Whether a result may come over this session, and from whom.
    UploadAsked { token: B256, task: TaskId, reply: oneshot::Sender<UploadAnswer> },
    /// A result lies in the object store.
    Stored { task: TaskId, result: StoredResult, reply: oneshot::Sender<Result<(), UploadRefusal>> },
    /// Whether a worker was given a task, of which it tells something.
    GivenAsked { worker: Address, task: TaskId, reply: oneshot::Sender<bool> },
    /// Somebody wants to see a task.
    TaskAsked { task: TaskId, reply: oneshot::Sender<Option<TaskReport>> },
    /// Somebody wants to see a task at each change; `None` where the core does not hold it.
    WatchAsked { task: TaskId, reply: oneshot::Sender<Option<Watched>> },
    /// Somebody wants to know why something is where it is; `None` for a task that the core does
    /// not hold.
    ExplainAsked { subject: Box<Subject>, reply: oneshot::Sender<Option<Explanation>> },
    /// Somebody wants the numbers.
    StatsAsked { reply: oneshot::Sender<Stats> },
    /// Somebody wants to see everything.
    SnapshotAsked { reply: oneshot::Sender<Snapshot> },
    /// The operator orders something; answered once it is stored, with whether it changed anything.
    Ordered { order: Order, reply: oneshot::Sender<Result<bool, OrderRefusal>> },
    /// The operator orders a price; answered as above.
    Priced { order: PriceOrder, reply: oneshot::Sender<Result<bool, PriceRefusal>> },
    /// The seller wants to know what should be on offer.
    OffersAsked { policy: Arc<SalesPolicy>, reply: oneshot::Sender<Vec<Offer>> },
    /// Going on would do harm; why.
    Fatal(String),
}

/// What is to be explained.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Task(TaskId),
    Worker(Address),
    Order(OrderTerms),
    Pool,
}

impl Subject {
    pub(crate) fn explain(self, core: &Core) -> Option<Explanation> {
        match self {
            Self::Task(task) => core.explain_task(task),
            Self::Worker(worker) => Some(core.explain_worker(worker)),
            Self::Order(terms) => Some(core.explain_order(terms)),
            Self::Pool => Some(core.explain_pool()),
        }
    }
}

/// Who sends, and what the result must fulfil; `None` where the session is not open.
pub(crate) type UploadAnswer = Option<(Address, Result<UploadTerms, UploadRefusal>)>;
