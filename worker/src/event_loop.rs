//! The loop: arrivals in, the core's actions out, their records synced in between.

use crate::arrival::{Arrival, Outbox};
use crate::clock::Clock;
use crate::effects::Effects;
use crate::journal::{Change, Journal};
use anyhow::Context as _;
use poco_core::TaskId;
use poco_worker_core::{Action, Core, Input, Stage};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// Arrivals taken in before their records are written together: one sync for many tasks, and no
/// task waits for more than some milliseconds of work.
const BATCH_MAX: usize = 64;

/// What the loop owns.
pub(crate) struct EventLoop {
    pub(crate) core: Core,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
    pub(crate) effects: Effects,
    pub(crate) arrivals: mpsc::Receiver<Arrival>,
    pub(crate) status: watch::Sender<Status>,
    pub(crate) live: watch::Sender<Vec<(TaskId, Stage)>>,
}

/// What others may know of the loop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Status {
    /// The stream to the scheduler is open.
    pub(crate) is_connected: bool,
    /// The core's tasks.
    pub(crate) live: Vec<(TaskId, Stage)>,
    /// Batches written since the start.
    pub(crate) batches: u64,
}

impl EventLoop {
    /// Runs until `stop`. Containers go on; what is owed is in the journal.
    ///
    /// # Errors
    /// Where the journal cannot be written: without it no promise can be kept.
    pub(crate) async fn run(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        // What a restart resumes.
        self.settle(Vec::new()).await?;
        loop {
            let timer = self.core.next_timer().map(|at| self.clock.instant(at));
            let first = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                arrival = self.arrivals.recv() => arrival,
                () = sleep_until(timer) => Some(Input::Timer.into()),
            };
            let Some(first) = first else { break };
            let mut acknowledgements = Vec::new();
            self.take(first, &mut acknowledgements);
            for _ in 1..BATCH_MAX {
                let Ok(arrival) = self.arrivals.try_recv() else { break };
                self.take(arrival, &mut acknowledgements);
            }
            self.settle(acknowledgements).await?;
        }
        self.core.handle(self.clock.now(), Input::Leave);
        self.settle(Vec::new()).await?;
        self.effects.runs.let_go();
        Ok(())
    }

    fn take(&mut self, arrival: Arrival, acknowledgements: &mut Vec<(u64, Outbox)>) {
        let input = match arrival {
            Arrival::Input(input) => input,
            Arrival::Command { input, id, outbox } => {
                acknowledgements.push((id, outbox));
                match input {
                    Some(input) => input,
                    None => return,
                }
            }
            Arrival::Connected { live, connection } => {
                self.effects.connection = Some(connection);
                Input::Connected { live }
            }
            Arrival::Head { timestamp, seen } => return self.clock.on_head(timestamp, seen),
        };
        if input == Input::Disconnected {
            self.effects.connection = None;
        }
        tracing::trace!(?input, "input");
        self.core.handle(self.clock.now(), input);
    }

    /// Stores what was promised, then does it.
    async fn settle(&mut self, acknowledgements: Vec<(u64, Outbox)>) -> anyhow::Result<()> {
        let actions: Vec<Action> = std::iter::from_fn(|| self.core.poll_action()).collect();
        let changes: Vec<Change> = actions.iter().filter_map(change).collect();
        if !changes.is_empty() {
            let journal = self.journal.clone();
            let written = tokio::task::spawn_blocking(move || journal.write(&changes)).await;
            written.context("writing the journal broke off")??;
        }
        for (id, outbox) in acknowledgements {
            self.effects.acknowledge(id, &outbox);
        }
        for action in actions {
            self.effects.start(action);
        }
        self.publish();
        Ok(())
    }

    fn publish(&self) {
        let live = self.core.live();
        self.live.send_if_modified(|known| {
            let is_new = *known != live;
            known.clone_from(&live);
            is_new
        });
        let is_connected = self.effects.connection.is_some();
        self.status.send_modify(|status| {
            *status = Status { is_connected, live, batches: status.batches.saturating_add(1) };
        });
    }
}

/// The record of an action, if it is one. A later change of the same task comes later in the batch.
fn change(action: &Action) -> Option<Change> {
    match action {
        Action::Persist(record) => Some(Change::Put(record.clone())),
        Action::Forget(task) => Some(Change::Remove(*task)),
        Action::ReadFacts { .. }
        | Action::ReadTask { .. }
        | Action::ReadVote { .. }
        | Action::ReadScores { .. }
        | Action::Ballot { .. }
        | Action::Disclose { .. }
        | Action::TransactLane { .. }
        | Action::Run { .. }
        | Action::Discard(_)
        | Action::Transact { .. }
        | Action::Upload { .. }
        | Action::Report { .. } => None,
    }
}

async fn sleep_until(at: Option<tokio::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
