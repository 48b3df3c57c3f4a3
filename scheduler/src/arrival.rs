//! What comes to the loop, through its one bounded queue.

use crate::admission::{Order, OrderRefusal};
use crate::event_loop::UploadReply;
use crate::pricing::{PriceOrder, PriceRefusal};
use crate::sessions::Session;
use crate::status::Snapshot;
use crate::watchers::Watched;
use poco_chain::Cursor;
use poco_core::{Address, B256, DealId, TaskId};
use poco_scheduler_core::{
    Core, Explanation, Input, Login, MemberRecord, Offer, OrderTerms, ReportBody, SalesPolicy,
    Stats, StoredResult, TaskReport, Unmade, UploadRefusal, UploadTerms, Weighed,
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
    /// A result lies in the object store, held there until the answer.
    Stored { task: TaskId, result: StoredResult, reply: UploadReply },
    /// Whether a worker was given a task, of which it tells something.
    GivenAsked { worker: Address, task: TaskId, reply: oneshot::Sender<bool> },
    /// Somebody wants to see a task.
    TaskAsked { task: Which, reply: oneshot::Sender<Option<TaskReport>> },
    /// Somebody wants to see a task at each change; `None` where the core does not hold it.
    WatchAsked { task: Which, reply: oneshot::Sender<Option<Watched>> },
    /// Somebody looks for a task among those that are not made.
    UnmadeAsked { reply: oneshot::Sender<Vec<Unmade>> },
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
    /// Somebody wants to compute again in which order workers were tried.
    MembersAsked { reply: oneshot::Sender<Vec<MemberRecord>> },
    /// The seller wants to know whether an order would be served.
    WeighAsked { terms: Box<OrderTerms>, reply: oneshot::Sender<Weighed> },
    /// The seller wants to know what should be on offer.
    OffersAsked { policy: Arc<SalesPolicy>, reply: oneshot::Sender<Vec<Offer>> },
    /// Going on would do harm; why.
    Fatal(String),
}

/// Which task somebody means.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Which {
    /// The one with this id, if it is made.
    Id(TaskId),
    /// The one so far from the first of a deal, made or not.
    At(DealId, u64),
}

impl Which {
    pub(crate) fn report(self, core: &Core) -> Option<TaskReport> {
        match self {
            Self::Id(task) => core.task_report(task),
            Self::At(deal, offset) => core.task_report_at(deal, offset),
        }
    }

    fn explain(self, core: &Core) -> Option<Explanation> {
        match self {
            Self::Id(task) => core.explain_task(task),
            Self::At(deal, offset) => core.explain_task_at(deal, offset),
        }
    }
}

/// What is to be explained.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    Task(Which),
    Worker(Address),
    Order(OrderTerms),
    Pool,
}

impl Subject {
    /// Why it is where it is, in a pool that sells by `policy`.
    pub(crate) fn explain(self, core: &Core, policy: &SalesPolicy) -> Option<Explanation> {
        // A pool that sells nothing by itself is sold from by other means, at prices unknown here.
        let policy = (!policy.prices.is_empty()).then_some(policy);
        match self {
            Self::Task(task) => task.explain(core),
            Self::Worker(worker) => Some(core.explain_worker(worker)),
            Self::Order(terms) => Some(core.explain_order(&terms, policy)),
            Self::Pool => Some(core.explain_pool()),
        }
    }
}

/// Who sends, and what the result must fulfil; `None` where the session is not open.
pub(crate) type UploadAnswer = Option<(Address, Result<UploadTerms, UploadRefusal>)>;
