//! The loop: takes what arrives, lets the core decide, stores, acts. Many arrivals share one
//! synced batch; nothing leaves before what it promises is stored.

use crate::arrival::{Arrival, UploadAnswer};
use crate::effects::Effects;
use crate::store::{Batch, Change, Store};
use poco_chain::failpoint;
use poco_core::{B256, TaskId};
use poco_proto::v1::scheduler_message::Body;
use poco_proto::v1::{Ack, Refusal, refusal};
use poco_scheduler_core::{Action, Core, Input, Moment, Record};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// Arrivals that share one batch: enough that a sync is paid by many, few enough that the first
/// does not wait long.
const TURN_ARRIVALS_MAX: usize = 128;

/// Sleep where the core has no timer; it is told of everything else.
const IDLE: Duration = Duration::from_secs(3600);

pub(crate) struct EventLoop {
    pub(crate) core: Core,
    pub(crate) store: Store,
    pub(crate) effects: Effects,
    /// The core's moment 0.
    pub(crate) origin: Instant,
    /// How long a live session may be silent before another takes its place.
    pub(crate) silence: Duration,
}

/// What one turn leads to.
#[derive(Default)]
struct Turn {
    batch: Batch,
    actions: Vec<Action>,
    acknowledged: Vec<(poco_core::Address, u64, u64)>,
}

impl EventLoop {
    /// Runs until `stop`, then finishes what is in the queue.
    ///
    /// # Errors
    /// Where the store cannot be written, or the sender has stopped: no promise can be kept then.
    pub(crate) async fn run(
        mut self,
        mut arrivals: mpsc::Receiver<Arrival>,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        // What the core wants at its start.
        self.turn([])?;
        loop {
            let due = self.core.next_timer().map(|at| self.origin + Duration::from_millis(at.0));
            let due = due.unwrap_or_else(|| Instant::now() + IDLE);
            let first = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                failed = self.effects.failed() => anyhow::bail!("{failed}"),
                arrival = arrivals.recv() => arrival,
                () = sleep_until(due) => Some(Arrival::Core(Input::Timer)),
            };
            let more = std::iter::from_fn(|| arrivals.try_recv().ok());
            let all: Vec<Arrival> = first.into_iter().chain(more).take(TURN_ARRIVALS_MAX).collect();
            self.turn(all)?;
        }
        let rest: Vec<Arrival> = std::iter::from_fn(|| arrivals.try_recv().ok()).collect();
        self.turn(rest)?;
        self.effects.close();
        Ok(())
    }

    fn turn(&mut self, arrivals: impl IntoIterator<Item = Arrival>) -> anyhow::Result<()> {
        let mut turn = Turn::default();
        self.drain(&mut turn);
        for arrival in arrivals {
            self.take(arrival, &mut turn);
            self.drain(&mut turn);
        }
        let Turn { batch, actions, acknowledged } = turn;
        // RocksDB waits for the disk.
        tokio::task::block_in_place(|| self.store.commit(&batch))?;
        for (worker, session, number) in acknowledged {
            if self.effects.sessions.is_current(worker, session) {
                failpoint::hit("scheduler.acknowledge.before");
                self.effects.sessions.send(worker, Body::Ack(Ack { id: number }));
                failpoint::hit("scheduler.acknowledge.after");
            }
        }
        for action in actions {
            self.effects.start(action, &self.core);
        }
        Ok(())
    }

    fn take(&mut self, arrival: Arrival, turn: &mut Turn) {
        match arrival {
            Arrival::Core(input) => self.tell(input),
            Arrival::Chain { input, cursor } => {
                self.tell(input);
                turn.batch.cursor = Some(cursor);
            }
            Arrival::LoggedIn { login, session } => {
                let (worker, outbox) = (login.worker, session.outbox.clone());
                match self.effects.sessions.open(worker, session, self.silence) {
                    Ok(()) => {
                        tracing::info!(%worker, slots = login.capacity.slots, "worker connected");
                        self.tell(Input::Connected(login));
                    }
                    // The stream has just been opened: its outbox is empty and takes this.
                    Err(why) => drop(outbox.try_send(Body::Refusal(refuse(why)))),
                }
            }
            Arrival::Left { worker, session } => {
                if self.effects.sessions.close(worker, session) {
                    tracing::info!(%worker, "worker disconnected");
                    self.tell(Input::Disconnected { worker });
                }
            }
            Arrival::Report { worker, session, number, task, body } => {
                if self.effects.sessions.is_current(worker, session) {
                    self.tell(Input::Report { worker, task, body });
                    turn.acknowledged.push((worker, session, number));
                }
            }
            Arrival::Told { worker, session, input } => {
                if self.effects.sessions.is_current(worker, session) {
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
            Arrival::TaskAsked { task, reply } => {
                let _ = reply.send(self.core.task_report(task));
            }
            Arrival::WatchAsked { task, reply } => {
                let report = self.core.task_report(task);
                let watch = report.map(|report| self.effects.watchers.watch(task, report));
                let _ = reply.send(watch);
            }
            Arrival::ExplainAsked { subject, reply } => {
                let _ = reply.send(subject.explain(&self.core));
            }
            Arrival::StatsAsked { reply } => {
                let _ = reply.send(self.core.stats());
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
                other @ (Action::Sweep { .. }
                | Action::ReadDeal { .. }
                | Action::ReadTask { .. }
                | Action::ReadScore(_)
                | Action::ReadGuard { .. }
                | Action::ReadBond(_)
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

/// Uploads that wait for the core's answer.
pub(crate) type UploadReplies =
    BTreeMap<u64, tokio::sync::oneshot::Sender<Result<(), poco_scheduler_core::UploadRefusal>>>;
