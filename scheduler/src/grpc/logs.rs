//! What the runs of a task print and what becomes of them, for the requester of its deal.
//!
//! Nobody else may read: not the workers of the task, who could copy a vote from another's output,
//! not its beneficiary, for whom the result is, and not the owner of app or dataset. Who asks proves
//! itself once, with the first message.

use super::observer::{has_ended, watch};
use super::{Context, find};
use crate::transcripts::{Cursor, Piece};
use crate::translate;
use crate::watchers::Watched;
use poco_core::{Address, TaskId};
use poco_proto::v1::log_event::Kind;
use poco_proto::v1::logs_part::Body;
use poco_proto::v1::{LogEvent, LogOutput, LogsPart, LogsRequest};
use poco_proto::words;
use poco_scheduler_core::{Failure, ReplicaReport, ReportStatus, Stage, TaskReport};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until};
use tonic::Status;

/// Requesters that read at a time; each costs what is on its way to it.
pub(super) const READERS_MAX: usize = 1024;
/// Parts on their way to one reader; one that reads slowly misses what is forgotten meanwhile.
const PARTS_LEN: usize = 16;
/// How long the end of a run waits for the last of what it printed, which travels behind reports.
const LAST_WORDS_TIME: Duration = Duration::from_secs(3);

/// Checks who asks, and begins to tell.
///
/// # Errors
/// `unauthenticated` without a valid answer to a challenge, `permission_denied` to anybody but the
/// requester, `not_found` for a task that this pool does not know.
pub(super) async fn read(
    context: &Context,
    request: LogsRequest,
    permit: OwnedSemaphorePermit,
) -> Result<mpsc::Receiver<Result<LogsPart, Status>>, Status> {
    let unreadable = |error: words::BadLength| Status::invalid_argument(error.to_string());
    let task = words::task(&request.task).map_err(unreadable)?;
    let only = match request.worker.is_empty() {
        true => None,
        false => Some(words::address("worker", &request.worker).map_err(unreadable)?),
    };
    let report = authorize(context, task, &request.authorization).await?;
    let changes = match request.follow {
        true => watch(context, task).await?,
        false => Watched::Once(Box::new(report)),
    };
    let (sender, parts) = mpsc::channel(PARTS_LEN);
    let teller = Teller {
        context: context.clone(),
        task,
        only,
        cursor: Cursor::default(),
        sender,
        runs: BTreeMap::new(),
        owed: BTreeMap::new(),
    };
    tokio::spawn(async move {
        // Whether the reader has gone or has heard everything, there is no more to do.
        let _ = teller.tell(changes).await;
        drop(permit);
    });
    Ok(parts)
}

/// The report of a task, where `proof` is the answer of its deal's requester to a challenge.
///
/// # Errors
/// As [`read`].
pub(crate) async fn authorize(
    context: &Context,
    task: TaskId,
    proof: &str,
) -> Result<TaskReport, Status> {
    let Some(caller) = context.challenges.close(proof) else {
        return Err(Status::unauthenticated("invalid authorization"));
    };
    let report = find(context, task).await?;
    // Deals are for ever on chain, but not in the core.
    let deal = context.chain.deal(report.deal).await.map_err(|error| {
        tracing::warn!(%task, %error, "a requester cannot be looked up");
        Status::unavailable("the pool cannot reach the chain at the moment; try again")
    })?;
    match deal {
        Some(deal) if deal.requester == caller => Ok(report),
        Some(_) | None => {
            context.meters.refused("logs-of-another");
            Err(Status::permission_denied("only the requester of the task may read its logs"))
        }
    }
}

/// The reader has gone.
struct Gone;

/// Tells one reader.
struct Teller {
    context: Context,
    task: TaskId,
    only: Option<Address>,
    cursor: Cursor,
    sender: mpsc::Sender<Result<LogsPart, Status>>,
    /// What was told of each run.
    runs: BTreeMap<Address, Seen>,
    /// Ends of runs that wait for their last words, and until when.
    owed: BTreeMap<Address, (LogEvent, Instant)>,
}

/// A run as the reader knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    state: State,
    is_connected: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum State {
    Preparing,
    Running,
    Ended,
    Failed(Failure),
    Lost,
}

impl State {
    fn of(replica: &ReplicaReport) -> Self {
        if let Some(failure) = &replica.failure {
            return Self::Failed(failure.clone());
        }
        match replica.stage {
            None => Self::Lost,
            Some(Stage::Promised | Stage::Accepted | Stage::Pulling | Stage::Fetching) => {
                Self::Preparing
            }
            Some(Stage::Running) => Self::Running,
            Some(
                Stage::Computed
                | Stage::Balloted
                | Stage::Committed
                | Stage::Contributed
                | Stage::Revealed
                | Stage::Uploaded,
            ) => Self::Ended,
        }
    }

    /// Whether the app may still print.
    fn is_open(&self) -> bool {
        match self {
            Self::Preparing | Self::Running => true,
            Self::Ended | Self::Failed(_) | Self::Lost => false,
        }
    }

    fn event(&self) -> Option<LogEvent> {
        Some(match self {
            Self::Preparing => return None,
            Self::Running => event(Kind::Running, "the app runs"),
            Self::Ended => event(Kind::Ended, "the app has ended"),
            Self::Failed(failure) => LogEvent {
                failure: Some(translate::failure_told(failure)),
                ..event(Kind::Failed, &format!("no result: {failure}"))
            },
            Self::Lost => event(Kind::Lost, "the worker is lost; another one takes its place"),
        })
    }
}

impl Seen {
    /// What is worth a word to somebody who knew the run as `before`.
    fn change(&self, before: Option<&Self>) -> Option<LogEvent> {
        let Some(before) = before.filter(|before| before.state == self.state) else {
            return self.state.event();
        };
        match (before.is_connected, self.is_connected) {
            // What was over when its worker went is over.
            (true, false) | (false, true) if !self.state.is_open() => None,
            (true, false) => Some(event(Kind::Away, "the worker cannot be reached")),
            (false, true) => Some(event(Kind::Back, "the worker is back")),
            (true, true) | (false, false) => None,
        }
    }
}

fn event(kind: Kind, text: &str) -> LogEvent {
    LogEvent { kind: kind.into(), text: text.into(), failure: None }
}

impl Teller {
    async fn tell(mut self, watched: Watched) -> Result<(), Gone> {
        let mut changes = match watched {
            Watched::Changes(changes) => changes,
            Watched::Once(report) => return self.tell_once(&report).await,
        };
        let stop = self.context.stop.clone();
        let mut news = self.context.transcripts.watch(self.task);
        loop {
            let report = changes.borrow_and_update().clone();
            self.look(&report);
            self.show_printed().await?;
            self.settle(false).await?;
            if is_over(&report) && self.owed.is_empty() {
                return self.conclude(&report).await;
            }
            let patience = self.owed.values().map(|(_, until)| *until).min();
            tokio::select! {
                changed = changes.changed() => if changed.is_err() {
                    // The core has forgotten it: what is left is its last report.
                    if let Ok(report) = find(&self.context, self.task).await {
                        self.tell_once(&report).await?;
                    }
                    return Ok(());
                },
                heard = news.changed() => if heard.is_err() {
                    news = self.context.transcripts.watch(self.task);
                },
                () = sleep_until(patience.unwrap_or_else(Instant::now)), if patience.is_some() => {}
                () = self.sender.closed() => return Err(Gone),
                () = stop.cancelled() => return Ok(()),
            }
        }
    }

    /// All that is known now.
    async fn tell_once(&mut self, report: &TaskReport) -> Result<(), Gone> {
        self.look(report);
        self.show_printed().await?;
        self.settle(true).await?;
        if is_over(report) { self.conclude(report).await } else { Ok(()) }
    }

    /// Notes what has become of the runs since the last look; all of it is owed to the reader.
    fn look(&mut self, report: &TaskReport) {
        let only = self.only;
        let wanted = |replica: &&ReplicaReport| only.is_none_or(|only| only == replica.worker);
        for replica in report.replicas.iter().filter(wanted) {
            let (state, is_connected) = (State::of(replica), replica.is_connected);
            let now = Seen { state, is_connected };
            let before = self.runs.insert(replica.worker, now.clone());
            let Some(told) = now.change(before.as_ref()) else { continue };
            // A run that was lost or is away says nothing more for now.
            let waits = is_connected && !now.state.is_open();
            let until = if waits { Instant::now() + LAST_WORDS_TIME } else { Instant::now() };
            self.owed.insert(replica.worker, (told, until));
        }
    }

    /// Tells the events whose time has come, or all.
    async fn settle(&mut self, is_all: bool) -> Result<(), Gone> {
        let now = Instant::now();
        let due: Vec<Address> =
            self.owed.keys().copied().filter(|worker| self.is_due(*worker, now)).collect();
        let due = if is_all { self.owed.keys().copied().collect() } else { due };
        for worker in due {
            // What came with the last words is shown before the end.
            self.show_printed().await?;
            if let Some((event, _)) = self.owed.remove(&worker) {
                self.say(Some(worker), Body::Event(event)).await?;
            }
        }
        Ok(())
    }

    fn is_due(&self, worker: Address, now: Instant) -> bool {
        let is_late = self.owed.get(&worker).is_some_and(|(_, until)| *until <= now);
        is_late || self.context.transcripts.is_over(self.task, worker)
    }

    async fn show_printed(&mut self) -> Result<(), Gone> {
        let pieces = self.context.transcripts.read(self.task, self.only, &mut self.cursor);
        for piece in pieces {
            match piece {
                Piece::Output { worker, is_stderr, data, lost } => {
                    let output = LogOutput { is_stderr, data: data.to_vec(), lost };
                    self.say(Some(worker), Body::Output(output)).await?;
                }
                Piece::Again { worker } => {
                    let told = "the worker tells its run from the start again";
                    self.say(Some(worker), Body::Event(event(Kind::Again, told))).await?;
                }
            }
        }
        Ok(())
    }

    async fn conclude(&mut self, report: &TaskReport) -> Result<(), Gone> {
        let text = match (&report.given_up, report.status) {
            (_, ReportStatus::Completed) => "the task is completed".to_owned(),
            (_, ReportStatus::Failed) => "the task failed and is refunded".to_owned(),
            (
                Some(reason),
                ReportStatus::Pending | ReportStatus::Active | ReportStatus::Revealing,
            ) => format!("the pool has given the task up: {reason}"),
            (None, ReportStatus::Pending | ReportStatus::Active | ReportStatus::Revealing) => {
                return Ok(());
            }
        };
        self.say(None, Body::Event(event(Kind::Over, &text))).await
    }

    async fn say(&self, worker: Option<Address>, body: Body) -> Result<(), Gone> {
        let worker = worker.map(|worker| worker.to_vec()).unwrap_or_default();
        self.sender.send(Ok(LogsPart { worker, body: Some(body) })).await.map_err(|_| Gone)
    }
}

/// Whether nothing more will be printed.
fn is_over(report: &TaskReport) -> bool {
    has_ended(report) || report.given_up.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::Timestamp;

    fn seen(stage: Option<Stage>, is_connected: bool) -> Seen {
        let (worker, updated) = (Address::ZERO, Timestamp::default());
        let replica = ReplicaReport { worker, stage, is_connected, failure: None, updated };
        Seen { state: State::of(&replica), is_connected }
    }

    #[test]
    fn a_reader_hears_of_what_becomes_of_a_run_and_of_no_more() {
        let running = |is_connected| seen(Some(Stage::Running), is_connected);
        let computed = |is_connected| seen(Some(Stage::Computed), is_connected);
        let kind =
            |now: Seen, before: Option<Seen>| now.change(before.as_ref()).map(|event| event.kind());
        assert_eq!(kind(seen(Some(Stage::Pulling), true), None), None);
        assert_eq!(
            kind(running(true), Some(seen(Some(Stage::Pulling), true))),
            Some(Kind::Running)
        );
        assert_eq!(kind(running(true), Some(running(true))), None);
        assert_eq!(kind(running(false), Some(running(true))), Some(Kind::Away));
        assert_eq!(kind(running(true), Some(running(false))), Some(Kind::Back));
        assert_eq!(kind(seen(None, false), Some(running(false))), Some(Kind::Lost));
        assert_eq!(kind(computed(true), Some(running(true))), Some(Kind::Ended));
        let revealed = seen(Some(Stage::Revealed), false);
        assert_eq!(kind(revealed, Some(computed(true))), None, "how it was voted for is no log");
    }
}
