//! Carries out what the core wants, after its records are stored. Whatever takes time runs beside
//! the loop and comes back as an arrival.

use crate::arrival::{Arrival, Arrivals};
use crate::event_loop::{UploadReplies, UploadReply};
use crate::heartbeats::Heartbeats;
use crate::meters::Meters;
use crate::objects::Objects;
use crate::reads::Reads;
use crate::sessions::{Outgoing, Sessions, Unsigned};
use crate::store::Store;
use crate::sweep::sweep;
use crate::transcripts::PRINTED_BYTES_MAX;
use crate::translate;
use crate::watchers::Watchers;
use poco_chain::{Chain, SendError, Sender, Transaction, Wallet, failpoint};
use poco_core::{Address, TaskId, Timestamp};
use poco_proto::v1::scheduler_message::Body;
use poco_proto::v1::{BallotWanted, Command, Ended, Reveal, Row, Upload, Welcome, command};
use poco_proto::words;
use poco_scheduler_core::{
    Action, Command as Wanted, Core, Input, Intent, Kind, Level, Notice, TransactionFailure,
    TransactionTrouble,
};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Tellers of fatal trouble; the first is enough.
const FATAL_LEN: usize = 1;

/// What effects need to be carried out.
pub(crate) struct Tools {
    pub(crate) chain: Chain,
    pub(crate) workerpool: Address,
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) sender: Sender,
    pub(crate) store: Store,
    pub(crate) results: Objects,
    pub(crate) meters: Arc<Meters>,
    pub(crate) arrivals: Arrivals,
    pub(crate) heartbeats: Heartbeats,
}

/// Carries actions out.
pub(crate) struct Effects {
    tools: Tools,
    reads: Reads,
    pub(crate) sessions: Sessions,
    pub(crate) watchers: Watchers,
    uploads: UploadReplies,
    last_upload: u64,
    fatal: (mpsc::Sender<String>, mpsc::Receiver<String>),
    sweeping: Option<JoinHandle<()>>,
}

impl Effects {
    pub(crate) fn new(tools: Tools) -> Self {
        Self {
            reads: Reads::new(tools.chain.clone(), tools.arrivals.clone()),
            tools,
            sessions: Sessions::default(),
            watchers: Watchers::default(),
            uploads: UploadReplies::new(),
            last_upload: 0,
            fatal: mpsc::channel(FATAL_LEN),
            sweeping: None,
        }
    }

    /// Ready once something failed without which the process cannot go on.
    pub(crate) async fn failed(&mut self) -> String {
        self.fatal.1.recv().await.unwrap_or_default()
    }

    /// Counts something that was refused.
    pub(crate) fn refused(&self, reason: &str) {
        self.tools.meters.refused(reason);
    }

    /// Tells a worker that a task is not its own, as after a reconnect.
    pub(crate) fn disown(&self, worker: Address, task: TaskId) {
        self.refused("report-of-no-task");
        let reason = "this pool has not given you this task, or it has ended".into();
        self.tell(worker, Wanted::Abandon { task, reason });
    }

    /// Remembers who waits for the answer about a stored result; gives it a number.
    pub(crate) fn expect_answer(&mut self, reply: UploadReply) -> u64 {
        self.last_upload = self.last_upload.wrapping_add(1);
        self.uploads.insert(self.last_upload, reply);
        self.last_upload
    }

    pub(crate) fn start(&mut self, action: Action, core: &Core) {
        match action {
            Action::ReadDeal { deal, epoch, at_least } => self.reads.deal(deal, epoch, at_least),
            Action::ReadTask { task, epoch, at_least } => self.reads.task(task, epoch, at_least),
            Action::ReadScore(worker) => self.reads.score(worker),
            Action::ReadGuard { guard, worker } => self.reads.guard(guard, worker),
            Action::ReadBond(worker) => self.reads.bond(worker, self.tools.workerpool),
            Action::Transact { intent, call } => {
                self.transact(intent, Transaction::hub(&self.tools.chain, &call));
            }
            Action::TransactLane { intent, call } => {
                self.transact(intent, Transaction::lane(&self.tools.chain, &call));
            }
            Action::Welcome { worker, live } => {
                failpoint::hit("scheduler.welcome.before");
                let live = live.iter().map(translate::live_task).collect();
                let heartbeats = self.tools.heartbeats;
                // The stream itself knows its session and fills it in.
                let welcome = Welcome {
                    session: Vec::new(),
                    live,
                    heartbeat_seconds: heartbeats.seconds(),
                    idle_heartbeat_seconds: heartbeats.idle_seconds(),
                    printed_bytes_max: PRINTED_BYTES_MAX,
                };
                self.sessions.send(worker, Body::Welcome(welcome).into());
                failpoint::hit("scheduler.welcome.after");
            }
            Action::Tell { worker, command } => self.tell(worker, command),
            Action::AnswerUpload { upload, answer } => {
                if let Some(UploadReply { answer: reply, hold }) = self.uploads.remove(&upload) {
                    failpoint::hit("scheduler.upload.receipt.before");
                    // The worker has gone; it asks again when it is told to upload.
                    let _ = reply.send(answer);
                    drop(hold);
                    failpoint::hit("scheduler.upload.receipt.after");
                }
            }
            Action::Changed(task) => self.show(task, core),
            Action::Sweep { now } => self.sweep(now),
            Action::Measured { status, millis } => self.tools.meters.measured(status, millis),
            Action::Note(notice) => note(&notice),
            Action::Put(_)
            | Action::DeleteDeal(_)
            | Action::DeleteCommit(_)
            | Action::DeleteTask(_)
            | Action::Retire { .. } => unreachable!("the loop stores these"),
        }
    }

    /// One at a time, however long it takes.
    fn sweep(&mut self, now: Timestamp) {
        if self.sweeping.as_ref().is_none_or(JoinHandle::is_finished) {
            let (store, results) = (self.tools.store.clone(), self.tools.results.clone());
            self.sweeping = Some(tokio::spawn(sweep(store, results, now)));
        }
    }

    /// Ends what waits: streams are closed by their own tasks when the process stops.
    pub(crate) fn close(self) {
        tracing::info!(workers = self.sessions.len(), "stopped");
    }

    fn tell(&self, worker: Address, command: Wanted) {
        let (name, body) = match command {
            Wanted::Assign { task, deal, index, lane } => {
                let wallet = self.tools.wallet.clone();
                // Deals of more than 2^64 tasks cannot be paid for.
                let index = index.saturating_to();
                let unsigned = Unsigned { worker, task, deal, index, lane, wallet };
                let unsigned = Outgoing::Unsigned(unsigned);
                return self.send(worker, "assign", unsigned);
            }
            Wanted::Reveal(task) => {
                ("reveal", command::Body::Reveal(Reveal { task: task.0.to_vec() }))
            }
            Wanted::Upload(task) => {
                ("upload", command::Body::Upload(Upload { task: task.0.to_vec() }))
            }
            Wanted::Ballot { deal, first, count } => {
                // As with the index of an assignment.
                let (deal, first) = (deal.0.to_vec(), first.saturating_to());
                ("lane.ballot", command::Body::BallotWanted(BallotWanted { deal, first, count }))
            }
            Wanted::Row { task, votes } => {
                let votes = votes.into_iter().map(words::row_vote_message).collect();
                ("lane.row", command::Body::Row(Row { task: task.0.to_vec(), votes }))
            }
            Wanted::Abandon { task, reason } => {
                let abandon = poco_proto::v1::Abandon { task: task.0.to_vec(), reason };
                ("abandon", command::Body::Abandon(abandon))
            }
            Wanted::Ended(task) => ("ended", command::Body::Ended(Ended { task: task.0.to_vec() })),
        };
        self.send(worker, name, Body::Command(Command { body: Some(body) }).into());
    }

    fn send(&self, worker: Address, name: &str, command: Outgoing) {
        failpoint::hit(&format!("scheduler.{name}.before"));
        self.tools.meters.commands.with_label_values(&[name]).inc();
        self.sessions.send(worker, command);
        failpoint::hit(&format!("scheduler.{name}.after"));
    }

    fn transact(&self, intent: Intent, transaction: Transaction) {
        let (sender, arrivals) = (self.tools.sender.clone(), self.tools.arrivals.clone());
        let (meters, fatal) = (self.tools.meters.clone(), self.fatal.0.clone());
        tokio::spawn(async move {
            let name = intent.kind.name();
            let point = match intent.kind {
                Kind::Commit | Kind::Settle | Kind::Disclose | Kind::Close => {
                    format!("scheduler.lane.{name}")
                }
                Kind::Initialize
                | Kind::Finalize
                | Kind::Reopen
                | Kind::Claim
                | Kind::InitializeAndClaim => format!("scheduler.{name}"),
            };
            failpoint::hit(&format!("{point}.before"));
            let sent = sender.send(&intent.to_string(), transaction).await;
            failpoint::hit(&format!("{point}.after"));
            let outcome = match &sent {
                Ok(receipt) => {
                    meters.paid(receipt.gas_used, receipt.fee_wei);
                    "mined"
                }
                Err(SendError::Refused(_)) => "refused",
                Err(SendError::NoGas { .. }) => "no-gas",
                Err(SendError::FeeAboveCap { .. }) => "fee-above-cap",
                Err(SendError::Stopped) => "stopped",
            };
            meters.ended(name, outcome);
            let failure = |trouble, error: &SendError| {
                Err(TransactionFailure { trouble, reason: error.to_string() })
            };
            let result = match &sent {
                Ok(receipt) => {
                    tracing::info!(
                        intent = %intent, transaction = %receipt.transaction,
                        block = receipt.block.number, gas = receipt.gas_used, "mined"
                    );
                    Ok(receipt.block.number)
                }
                Err(error @ SendError::Refused(refusal)) => {
                    let worker = refusal.worker_at_fault();
                    failure(
                        worker.map_or(TransactionTrouble::Refused, TransactionTrouble::Worker),
                        error,
                    )
                }
                Err(error @ (SendError::NoGas { .. } | SendError::FeeAboveCap { .. })) => {
                    failure(TransactionTrouble::Unpaid, error)
                }
                Err(SendError::Stopped) => {
                    // Full: somebody else has told it already.
                    let _ =
                        fatal.try_send("transactions cannot be noted any more, so none is sent: see the line above".into());
                    return;
                }
            };
            // The loop has ended; the ledger tells the next process.
            let _ = arrivals.send(Arrival::Core(Input::Outcome { intent, result })).await;
        });
    }

    fn show(&mut self, task: TaskId, core: &Core) {
        if !self.watchers.is_watched(task) {
            return;
        }
        match core.task_report(task) {
            Some(report) => self.watchers.show(task, report),
            None => self.watchers.end(task),
        }
    }
}

fn note(notice: &Notice) {
    match notice.level() {
        Level::Error => tracing::error!("{notice}"),
        Level::Warn => tracing::warn!("{notice}"),
        Level::Info => tracing::info!("{notice}"),
        Level::Debug => tracing::debug!("{notice}"),
    }
}
