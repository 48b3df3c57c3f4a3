//! Starts what the core decided, after it was stored. Every answer comes back as an arrival.

use crate::arrival::{Arrival, Outbox};
use crate::link::{Connection, ballot_message, disclosure_message, report_message, upload};
use crate::reads;
use crate::runs::{Order, Runs};
use poco_chain::{Chain, RpcError, SendError, Sender, Transaction, Wallet, failpoint};
use poco_core::lane::{BlindedVote, ballot_hash};
use poco_core::{Address, DealId, TaskId, U256};
use poco_proto::v1;
use poco_worker_core::{Action, Input, Intent, Outcome, Stored, UploadOutcome};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::Instant;
use v1::worker_message::Body;

/// All that the core's actions reach.
pub(crate) struct Effects {
    pub(crate) chain: Chain,
    pub(crate) sender: Sender,
    pub(crate) worker: Address,
    pub(crate) wallet: Arc<Wallet>,
    pub(crate) runs: Runs,
    pub(crate) arrivals: mpsc::Sender<Arrival>,
    pub(crate) connection: Option<Connection>,
}

impl Effects {
    /// Starts one action. Those that are records were written before.
    pub(crate) fn start(&mut self, action: Action) {
        match action {
            Action::Persist(_) | Action::Forget(_) => {}
            Action::ReadFacts { task, deal } => self.read_facts(task, deal),
            Action::ReadTask { task, from_block } => self.read_task(task, from_block),
            Action::ReadVote { task, deal, index, from_block } => {
                self.read_vote((task, deal, index), from_block);
            }
            Action::ReadScores { task, workers } => self.read_scores(task, workers),
            Action::Ballot { deal, first, entries } => self.ballot(deal, first, &entries),
            Action::Disclose { task, vote, digest } => {
                tracing::info!(%task, with_digest = digest.is_some(), "telling the committed vote");
                failpoint::hit("worker.lane.tell-vote.before");
                self.say(Body::Disclosure(disclosure_message(task, vote, digest)));
                failpoint::hit("worker.lane.tell-vote.after");
            }
            Action::TransactLane { task, intent, call } => {
                let transaction = Transaction::lane(&self.chain, &call);
                self.transact(task, intent, transaction);
            }
            Action::Run { task, deal, index, work } => {
                tracing::info!(%task, %deal, index, "running");
                self.runs.run(Order { task, deal, index, work });
            }
            Action::Discard(task) => self.runs.discard(task),
            Action::Transact { task, intent, call } => {
                let transaction = Transaction::hub(&self.chain, &call);
                self.transact(task, intent, transaction);
            }
            Action::Upload { task, result } => self.upload(task, *result),
            Action::Report { task, stage, failure, transaction } => {
                match &failure {
                    Some(failure) => {
                        tracing::info!(%task, ?stage, cause = ?failure.cause, detail = failure.detail, "reporting");
                    }
                    None => tracing::info!(%task, ?stage, "reporting"),
                }
                let failure = failure.map(|failure| *failure);
                let report = report_message(task, stage, failure, transaction);
                self.say(Body::Report(report));
            }
        }
    }

    /// Acknowledges a command on the stream it came by.
    pub(crate) fn acknowledge(&mut self, id: u64, outbox: &Outbox) {
        // A stream that is gone needs no acknowledgement: the scheduler sends the command again.
        if let Err(TrySendError::Full(_)) = outbox.try_send(Body::Ack(v1::Ack { id })) {
            self.break_off();
        }
    }

    fn say(&mut self, body: Body) {
        let Some(connection) = &self.connection else { return };
        if let Err(TrySendError::Full(_)) = connection.outbox.try_send(body) {
            self.break_off();
        }
    }

    /// A stream that takes nothing more is as good as broken; the next one is told everything.
    fn break_off(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.end.cancel();
        }
    }

    fn read_facts(&self, task: TaskId, deal: poco_core::DealId) {
        let (chain, worker) = (self.chain.clone(), self.worker);
        self.answer(async move {
            match reads::facts(&chain, worker, task, deal).await {
                Ok((head, facts)) => {
                    vec![head_of(head), Input::Facts { task, facts: Box::new(facts) }.into()]
                }
                Err(error) => vec![unread(task, &error)],
            }
        });
    }

    fn read_task(&self, task: TaskId, from_block: u64) {
        let (chain, worker) = (self.chain.clone(), self.worker);
        self.answer(async move {
            match reads::view(&chain, worker, task, from_block).await {
                Ok((head, view)) => {
                    vec![head_of(head), Input::View { task, view: Box::new(view) }.into()]
                }
                Err(error) => vec![unread(task, &error)],
            }
        });
    }

    fn read_vote(&self, of: (TaskId, DealId, u64), from_block: u64) {
        let (chain, worker) = (self.chain.clone(), self.worker);
        self.answer(async move {
            match reads::vote(&chain, worker, of, from_block).await {
                Ok((head, view)) => {
                    vec![head_of(head), Input::View { task: of.0, view: Box::new(view) }.into()]
                }
                Err(error) => vec![unread(of.0, &error)],
            }
        });
    }

    /// Where it fails the scheduler tells the row again.
    fn read_scores(&self, task: TaskId, workers: Vec<Address>) {
        let chain = self.chain.clone();
        self.answer(async move {
            match reads::scores(&chain, workers).await {
                Ok(scores) => vec![Input::Scores { task, scores }.into()],
                Err(error) => {
                    tracing::debug!(%task, %error, "scores could not be read");
                    Vec::new()
                }
            }
        });
    }

    /// Signs what the journal holds; lost on its way it is asked for again.
    fn ballot(&mut self, deal: DealId, first: u64, entries: &[BlindedVote]) {
        let hash = ballot_hash(self.chain.domain_separator(), deal, U256::from(first), entries);
        failpoint::hit("worker.lane.ballot.before");
        let signature = self.wallet.sign_hash(hash);
        tracing::info!(%deal, first, tasks = entries.len(), "signing a ballot");
        self.say(Body::Ballot(ballot_message(deal, first, entries, &signature)));
        failpoint::hit("worker.lane.ballot.after");
    }

    fn transact(&self, task: TaskId, intent: Intent, transaction: Transaction) {
        let sender = self.sender.clone();
        self.answer(async move {
            let (name, before, after) = points_of(intent);
            failpoint::hit(before);
            let sent = sender.send(&format!("{name} {task}"), transaction).await;
            failpoint::hit(after);
            let outcome = match sent {
                Ok(receipt) => {
                    let (transaction, block) = (receipt.transaction, receipt.block.number);
                    tracing::info!(%task, call = name, %transaction, block, "mined");
                    Outcome::Mined { transaction, block }
                }
                Err(SendError::Refused(refusal)) => {
                    tracing::info!(%task, call = name, reason = refusal.reason, "refused");
                    Outcome::Refused { reason: refusal.reason }
                }
                Err(
                    error @ (SendError::NoGas { .. }
                    | SendError::FeeAboveCap { .. }
                    | SendError::Stopped),
                ) => {
                    tracing::warn!(%task, call = name, %error, "not sent");
                    Outcome::NotSent { detail: error.to_string() }
                }
            };
            vec![Input::Settled { task, intent, outcome }.into()]
        });
    }

    fn upload(&self, task: TaskId, stored: Stored) {
        let (connection, path) = (self.connection.clone(), self.runs.zip(task));
        self.answer(async move {
            failpoint::hit("worker.upload.before");
            let outcome = match connection {
                Some(connection) => {
                    upload(connection, task, path, stored).await.map_err(|error| error.to_string())
                }
                None => Err("there is no stream to the scheduler".into()),
            };
            failpoint::hit("worker.upload.after");
            let outcome = match outcome {
                Ok(location) => UploadOutcome::Stored { location },
                Err(detail) => {
                    tracing::warn!(%task, error = detail, "the upload failed");
                    UploadOutcome::Failed { detail }
                }
            };
            vec![Input::UploadEnded { task, outcome }.into()]
        });
    }

    /// Runs something whose answers go to the loop.
    fn answer(&self, work: impl Future<Output = Vec<Arrival>> + Send + 'static) {
        let arrivals = self.arrivals.clone();
        tokio::spawn(async move {
            for arrival in work.await {
                // A closed queue: the process ends, and the next one asks again.
                let _ = arrivals.send(arrival).await;
            }
        });
    }
}

/// What a transaction is called, and the failpoints around it.
fn points_of(intent: Intent) -> (&'static str, &'static str, &'static str) {
    match intent {
        Intent::Contribute => ("contribute", "worker.contribute.before", "worker.contribute.after"),
        Intent::Reveal => ("reveal", "worker.reveal.before", "worker.reveal.after"),
        Intent::ContributeAndFinalize => (
            "contributeAndFinalize",
            "worker.contribute-and-finalize.before",
            "worker.contribute-and-finalize.after",
        ),
        Intent::Disclose => {
            ("disclose", "worker.lane.disclose.before", "worker.lane.disclose.after")
        }
        Intent::Close => ("close", "worker.lane.close.before", "worker.lane.close.after"),
        Intent::Release => ("release", "worker.lane.release.before", "worker.lane.release.after"),
    }
}

fn head_of(head: poco_chain::BlockRef) -> Arrival {
    Arrival::Head { timestamp: head.timestamp, seen: Instant::now() }
}

fn unread(task: TaskId, error: &RpcError) -> Arrival {
    tracing::debug!(%task, %error, "the chain could not be read");
    Input::Unread(task).into()
}
