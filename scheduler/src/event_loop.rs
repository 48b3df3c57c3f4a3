//! The loop: takes what arrives, lets the core decide, stores, acts. Many arrivals share one
//! synced batch; nothing leaves before what it promises is stored.

use crate::admission::{Admission, Order, OrderRefusal};
use crate::arrival::{Arrival, UploadAnswer};
use crate::effects::Effects;
use crate::grpc::name_of;
use crate::leaving::Leaving;
use crate::objects::Hold;
use crate::pricing::{PriceOrder, PriceRefusal, Pricing};
use crate::sessions::Session;
use crate::signals::Stop;
use crate::status::Snapshot;
use crate::store::{Batch, Change, Store};
use poco_chain::failpoint;
use poco_core::{Address, B256, TaskId};
use poco_proto::v1::scheduler_message::Body;
use poco_proto::v1::{Ack, Refusal, refusal};
use poco_scheduler_core::{Action, Core, Input, Login, Moment, Operation, Record, TaskReport};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

/// Arrivals that share one batch: enough that a sync is paid by many, few enough that the first
/// does not wait long.
const TURN_ARRIVALS_MAX: usize = 512;

/// Actions of one turn after which no more is taken in: they are what takes long, and the first of
/// them waits for the last to be stored.
const TURN_ACTIONS_MAX: usize = 1024;

/// Sleep where the core has no timer; it is told of everything else.
const IDLE: Duration = Duration::from_secs(3600);

pub(crate) struct EventLoop {
    pub(crate) core: Core,
    pub(crate) store: Store,
    pub(crate) effects: Effects,
    pub(crate) admission: Admission,
    pub(crate) pricing: Pricing,
    /// How long a stop waits for what is under way.
    pub(crate) patience: Duration,
    /// The core's moment 0.
    pub(crate) origin: Instant,
    /// Why the loop must end, once it must.
    pub(crate) fatal: Option<String>,
}

/// What one turn leads to.
#[derive(Default)]
struct Turn {
    batch: Batch,
    /// Questions for the node.
    reads: Vec<Action>,
    actions: Vec<Action>,
    acknowledged: Vec<(Address, u64, u64)>,
    ordered: Vec<Ordered>,
    priced: Vec<(oneshot::Sender<Result<bool, PriceRefusal>>, bool)>,
}

/// An order that is taken, and who waits to hear so.
struct Ordered {
    order: Order,
    is_news: bool,
    reply: oneshot::Sender<Result<bool, OrderRefusal>>,
}

impl EventLoop {
    /// Runs until `stop`, then finishes what is in the queue.
    ///
    /// # Errors
    /// Where the store cannot be written, or the sender has stopped: no promise can be kept then.
    /// And where going on would do harm.
    pub(crate) async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrival>,
        stop: &Stop,
    ) -> anyhow::Result<()> {
        // What the core wants at its start.
        self.turn([])?;
        let mut leaving: Option<Leaving> = None;
        while !leaving.as_mut().is_some_and(|it| it.is_over(Instant::now(), self.core.unfinished()))
        {
            let due = self.core.next_timer().map(|at| self.origin + Duration::from_millis(at.0));
            let due = due.unwrap_or_else(|| Instant::now() + IDLE);
            let due = leaving.as_ref().map_or(due, |leaving| due.min(leaving.look_at()));
            let first = tokio::select! {
                biased;
                () = stop.at_once.cancelled() => break,
                () = stop.gently.cancelled(), if leaving.is_none() => {
                    leaving = Some(Leaving::begin(Instant::now(), self.patience));
                    Some(Arrival::Core(Input::Operation(Operation::Stop)))
                }
                failed = self.effects.failed() => anyhow::bail!("{failed}"),
                arrival = arrivals.recv() => arrival,
                () = sleep_until(due) => Some(Arrival::Core(Input::Timer)),
            };
            let more = std::iter::from_fn(|| arrivals.try_recv().ok());
            self.turn(first.into_iter().chain(more))?;
        }
        // What is in the queue now: nobody is waited for.
        let mut rest = arrivals.len();
        while rest > 0 {
            let more = std::iter::from_fn(|| arrivals.try_recv().ok());
            rest = rest.saturating_sub(self.turn(more)?.max(1));
        }
        self.effects.close();
        Ok(())
    }

    /// Takes in as many of `arrivals` as fit one turn, and answers how many.
    fn turn(&mut self, arrivals: impl IntoIterator<Item = Arrival>) -> anyhow::Result<usize> {
        let (mut turn, mut taken) = (Turn::default(), 0);
        self.drain(&mut turn);
        let mut arrivals = arrivals.into_iter();
        while taken < TURN_ARRIVALS_MAX
            && turn.actions.len() < TURN_ACTIONS_MAX
            && let Some(arrival) = arrivals.next()
        {
            self.take(arrival, &mut turn);
            self.drain(&mut turn);
            taken += 1;
        }
        let Turn { batch, reads, actions, acknowledged, ordered, priced } = turn;
        // A question promises nothing, and may be asked again: the node answers meanwhile.
        for read in reads {
            self.effects.start(read, &self.core);
        }
        // RocksDB waits for the disk.
        tokio::task::block_in_place(|| self.store.commit(&batch))?;
        for (worker, session, number) in acknowledged {
            if self.effects.sessions.is_current(worker, session) {
                failpoint::hit("scheduler.acknowledge.before");
                self.effects.sessions.send(worker, Body::Ack(Ack { id: number }).into());
                failpoint::hit("scheduler.acknowledge.after");
            }
        }
        for Ordered { order, is_news, reply } in ordered {
            if let Order::Deny(worker) = order {
                self.effects.sessions.cut(worker);
            }
            // Who gave it has gone otherwise; it holds all the same.
            let _ = reply.send(Ok(is_news));
        }
        for (reply, is_news) in priced {
            let _ = reply.send(Ok(is_news));
        }
        if let Some(reason) = self.fatal.take() {
            anyhow::bail!(reason);
        }
        for action in actions {
            self.effects.start(action, &self.core);
        }
        Ok(taken)
    }

    fn take(&mut self, arrival: Arrival, turn: &mut Turn) {
        match arrival {
            Arrival::Core(input) => self.tell(input),
            Arrival::Chain { input, cursor } => {
                self.tell(input);
                turn.batch.cursor = Some(cursor);
            }
            Arrival::LoggedIn { login, session } => self.log_in(login, session),
            Arrival::Left { worker, session } => {
                if self.effects.sessions.close(worker, session) {
                    tracing::info!(%worker, "worker disconnected");
                    self.tell(Input::Disconnected { worker });
                }
            }
            Arrival::Report { worker, session, number, task, body } => {
                if self.effects.sessions.is_current(worker, session) {
                    if !self.core.is_given(worker, task) {
                        self.effects.disown(worker, task);
                    }
                    self.tell(Input::Report { worker, task, body });
                    turn.acknowledged.push((worker, session, number));
                }
            }
            Arrival::Told { worker, session, input } => {
                if self.effects.sessions.is_current(worker, session) {
                    if let Input::Disclosed { task, .. } = &*input
                        && !self.core.is_given(worker, *task)
                    {
                        self.effects.refused("vote-of-no-task");
                    }
                    self.tell(*input);
                }
            }
            Arrival::UploadAsked { token, task, reply } => {
                // Who asked has gone otherwise; so below.
                let _ = reply.send(self.upload_terms(token, task));
            }
            Arrival::Stored { task, result, reply } => {
                let upload = self.effects.expect_answer(reply);
                self.tell(Input::ResultStored { upload, task, result });
            }
            Arrival::GivenAsked { worker, task, reply } => {
                let _ = reply.send(self.core.is_given(worker, task));
            }
            Arrival::TaskAsked { task, reply } => {
                let _ = reply.send(task.report(&self.core));
            }
            Arrival::WatchAsked { task, reply } => {
                let watch = |report: TaskReport| self.effects.watchers.watch(report.task, report);
                let _ = reply.send(task.report(&self.core).map(watch));
            }
            Arrival::UnmadeAsked { reply } => drop(reply.send(self.core.unmade())),
            Arrival::ExplainAsked { subject, reply } => {
                let _ = reply.send(subject.explain(&self.core, &self.pricing.policy()));
            }
            Arrival::WeighAsked { terms, reply } => {
                let _ = reply.send(self.core.weigh_order(&terms));
            }
            Arrival::StatsAsked { reply } => drop(reply.send(self.core.stats())),
            Arrival::MembersAsked { reply } => drop(reply.send(self.core.members())),
            Arrival::SnapshotAsked { reply } => drop(reply.send(self.snapshot())),
            Arrival::Ordered { order, reply } => self.take_order(order, reply, turn),
            Arrival::Priced { order, reply } => self.take_price(order, reply, turn),
            Arrival::OffersAsked { policy, reply } => {
                let _ = reply.send(self.core.offers(&policy));
            }
            Arrival::Fatal(reason) => self.fatal = Some(reason),
        }
    }

    fn log_in(&mut self, login: Login, session: Session) {
        let (worker, outbox) = (login.worker, session.outbox.clone());
        match self.effects.sessions.open(worker, session) {
            Ok(()) => {
                tracing::info!(%worker, slots = login.capacity.slots, "worker connected");
                self.tell(Input::Connected(login));
            }
            // The stream has just been opened: its outbox is empty and takes this.
            Err(why) => {
                let refusal = refuse(why);
                self.effects.refused(name_of(refusal.cause()));
                drop(outbox.try_send(Box::new(Body::Refusal(refusal).into())));
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            stats: self.core.stats(),
            workers: self.core.workers(),
            concerns: self.core.concerns(),
            funds: self.core.funds(),
        }
    }

    fn take_order(
        &mut self,
        order: Order,
        reply: oneshot::Sender<Result<bool, OrderRefusal>>,
        turn: &mut Turn,
    ) {
        let mut standing = self.admission.standing();
        let is_news = match standing.apply(order) {
            Ok(is_news) => is_news,
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        tracing::info!(?order, is_news, "the operator orders");
        self.admission.replace(standing.clone());
        turn.batch.changes.push(Change::Standing(standing));
        if let Some(operation) = order.operation() {
            self.tell(Input::Operation(operation));
        }
        turn.ordered.push(Ordered { order, is_news, reply });
    }

    fn take_price(
        &self,
        order: PriceOrder,
        reply: oneshot::Sender<Result<bool, PriceRefusal>>,
        turn: &mut Turn,
    ) {
        match self.pricing.with(order) {
            Ok((prices, is_news)) => {
                tracing::info!(?order, is_news, "the operator orders a price");
                self.pricing.replace(prices.clone());
                turn.batch.changes.push(Change::Prices(prices));
                turn.priced.push((reply, is_news));
            }
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
            }
        }
    }

    fn upload_terms(&self, token: B256, task: TaskId) -> UploadAnswer {
        let worker = self.effects.sessions.worker_of(token)?;
        Some((worker, self.core.upload_terms(worker, task)))
    }

    fn tell(&mut self, input: Input) {
        let millis = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.core.handle(Moment(millis), input);
    }

    /// Sorts what the core wants into what is stored and what is done after.
    fn drain(&mut self, turn: &mut Turn) {
        while let Some(action) = self.core.poll_action() {
            match action {
                Action::Put(record) => self.put(record, turn),
                Action::DeleteDeal(deal) => turn.batch.changes.push(Change::DeleteDeal(deal)),
                Action::DeleteCommit(key) => turn.batch.changes.push(Change::DeleteCommit(key)),
                Action::DeleteTask(task) => turn.batch.changes.push(Change::DeleteTask(task)),
                Action::Retire { task, report, keep_until } => {
                    turn.batch.changes.push(Change::Retire { task, report, keep_until });
                    turn.actions.push(Action::Changed(task));
                }
                read @ (Action::ReadDeal { .. }
                | Action::ReadTask { .. }
                | Action::ReadScore(_)
                | Action::ReadGuard { .. }
                | Action::ReadBond(_)) => turn.reads.push(read),
                other @ (Action::Sweep { .. }
                | Action::Measured { .. }
                | Action::TransactLane { .. }
                | Action::Transact { .. }
                | Action::Welcome { .. }
                | Action::Tell { .. }
                | Action::AnswerUpload { .. }
                | Action::Changed(_)
                | Action::Note(_)) => turn.actions.push(other),
            }
        }
    }

    fn put(&self, record: Record, turn: &mut Turn) {
        if let Record::Task(task) = &record
            && let Some(result) = task.result.clone()
            && let Some(beneficiary) = self.core.beneficiary(task.id)
        {
            turn.batch.changes.push(Change::Result { task: task.id, result, beneficiary });
        }
        turn.batch.changes.push(Change::Put(record));
    }
}

fn refuse(why: crate::sessions::NotOpened) -> Refusal {
    let (cause, detail) = match why {
        crate::sessions::NotOpened::AlreadyConnected => (
            refusal::Cause::AlreadyConnected,
            "another worker of this wallet is connected; each needs a wallet of its own",
        ),
        crate::sessions::NotOpened::Full => {
            (refusal::Cause::Full, "this pool takes no more workers now")
        }
    };
    Refusal { cause: cause.into(), detail: detail.into() }
}

/// Who waits for the core's answer to an upload, and what keeps its object there until then.
#[derive(Debug)]
pub(crate) struct UploadReply {
    pub(crate) answer: tokio::sync::oneshot::Sender<Result<(), poco_scheduler_core::UploadRefusal>>,
    pub(crate) hold: Hold,
}

/// Uploads that wait for the core's answer.
pub(crate) type UploadReplies = BTreeMap<u64, UploadReply>;
