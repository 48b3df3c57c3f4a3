//! Tells the pool what runs print, as long as a stream to it is open and it wants to know.
//!
//! Nobody waits for any of this: a run goes on, ends and is voted for whether or not it is told. What
//! is told, and when, `poco_worker_core::Transcript` decides.

use crate::link::Audience;
use futures::{Stream, StreamExt as _};
use poco_core::TaskId;
use poco_proto::v1;
use poco_sandbox::{EngineError, Printed, Reading, Run, RunState, Sandbox};
use poco_worker_core::{Channel, Millis, PART_BYTES_MAX, Part, Transcript};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, sleep_until};

/// How often the output of a run is read from its start again, where the engine broke off.
const READS_MAX: u32 = 20;
/// The pause before: an engine that restarts has its containers back within seconds.
const READ_PAUSE: Duration = Duration::from_secs(2);
/// The pause before a log that was turned over is read on.
const REREAD_PAUSE: Duration = Duration::from_millis(100);
/// Lines of the end that are looked for when a run is over: more than is kept of it.
const LAST_LINES: u32 = 2000;
/// Bytes in one message, which is sent whole.
const MESSAGE_BYTES_MAX: usize = 2 * PART_BYTES_MAX;
/// Parts in one message: an app may print single bytes to both streams in turn.
const MESSAGE_PARTS_MAX: usize = 64;

/// Tells of all runs of this process. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Teller {
    is_on: bool,
    audience: watch::Receiver<Option<Audience>>,
    runs: Arc<Mutex<BTreeMap<TaskId, Told>>>,
}

/// A run that is told of.
#[derive(Debug)]
struct Told {
    telling: AbortHandle,
    has_ended: watch::Sender<bool>,
}

impl Teller {
    /// Tells whoever is the audience, or nobody where it is not switched on.
    pub(crate) fn new(is_on: bool, audience: watch::Receiver<Option<Audience>>) -> Self {
        Self { is_on, audience, runs: Arc::default() }
    }

    /// Begins to tell of a run; ends by itself when all of it is told.
    pub(crate) fn begin(&self, sandbox: &Sandbox, task: TaskId, run: &Run) {
        if !self.is_on {
            return;
        }
        let (sandbox, run, audience) = (sandbox.clone(), run.clone(), self.audience.clone());
        let (has_ended, ended) = watch::channel(false);
        let telling = tokio::spawn(async move {
            for _ in 0..READS_MAX {
                let mut telling = Telling::new(task, audience.clone(), ended.clone());
                match telling.tell(&sandbox, &run).await {
                    Ok(()) => return,
                    Err(error) => tracing::debug!(%task, %error, "what a run prints was lost"),
                }
                sleep(READ_PAUSE).await;
            }
        });
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.retain(|_, run| !run.telling.is_finished());
        let told = Told { telling: telling.abort_handle(), has_ended };
        if let Some(before) = runs.insert(task, told) {
            before.telling.abort();
        }
    }

    /// The run has ended: what is told of it now is its end, however much came before that nobody has
    /// read yet. Its result is on its way, and what is left of the run goes with the task.
    pub(crate) fn hurry(&self, task: TaskId) {
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.get(&task) {
            run.has_ended.send_replace(true);
        }
    }

    /// Nothing more is told of a task.
    pub(crate) fn end(&self, task: TaskId) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(run) = runs.remove(&task) {
            run.telling.abort();
        }
    }

    /// Nothing more is told at all.
    pub(crate) fn end_all(&self) {
        let mut runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *runs).into_values().for_each(|run| run.telling.abort());
    }
}

/// One reading of a run's output, from its start.
struct Telling {
    task: TaskId,
    number: u64,
    audience: watch::Receiver<Option<Audience>>,
    ended: watch::Receiver<bool>,
    /// Who listens now.
    open: Option<mpsc::Sender<v1::Printed>>,
    transcript: Transcript,
    origin: Instant,
    /// The audience that is open now has heard that this is all.
    is_said: bool,
}

impl Telling {
    fn new(
        task: TaskId,
        mut audience: watch::Receiver<Option<Audience>>,
        ended: watch::Receiver<bool>,
    ) -> Self {
        // Whoever listens already is as good as new.
        audience.mark_changed();
        Self {
            task,
            number: rand::random(),
            audience,
            ended,
            open: None,
            transcript: Transcript::new(Millis(0)),
            origin: Instant::now(),
            is_said: false,
        }
    }

    /// Returns when the run is over and all of it is told.
    async fn tell(&mut self, sandbox: &Sandbox, run: &Run) -> Result<(), EngineError> {
        let mut reading = Reading::default();
        while !*self.ended.borrow() {
            if !self.read(sandbox.printed(run, &mut reading, None), false).await? {
                return Ok(());
            }
            // The engine may end a reading before the run: when it turns the log over.
            let state = sandbox.find(run.id).await?.map(|run| run.state);
            if !matches!(state, Some(RunState::Created | RunState::Running)) {
                break;
            }
            sleep(REREAD_PAUSE).await;
        }
        // Told by now or not, the end is what people want to see.
        if !self.read(sandbox.printed(run, &mut reading, Some(LAST_LINES)), true).await? {
            return Ok(());
        }
        self.transcript.end();
        let mut nothing = futures::stream::pending();
        while !self.is_said {
            if self.step(&mut nothing).await?.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Reads and tells until a reading ends, or the run where it is not the last; `false` where the
    /// worker stops.
    async fn read(
        &mut self,
        printed: impl Stream<Item = Result<Printed, EngineError>>,
        is_last: bool,
    ) -> Result<bool, EngineError> {
        let mut printed = std::pin::pin!(printed);
        // A run that ends meanwhile may have printed more than is read in the time it has left.
        while is_last || !*self.ended.borrow() {
            match self.step(&mut printed).await? {
                Some(true) => {}
                Some(false) => return Ok(true),
                None => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whatever comes first; `false` at the end of the reading, `None` where the worker stops.
    async fn step(
        &mut self,
        printed: &mut (impl Stream<Item = Result<Printed, EngineError>> + Unpin),
    ) -> Result<Option<bool>, EngineError> {
        let due = self.due();
        let is_due = due.is_some_and(|due| due <= Instant::now());
        let outbox = self.open.clone();
        tokio::select! {
            changed = self.audience.changed() => match changed {
                Ok(()) => self.meet(),
                Err(_) => return Ok(None),
            },
            permit = reserve(outbox), if is_due => match permit {
                Some(permit) => {
                    permit.send(self.message());
                }
                // The stream has ended, and the next one is on its way.
                None => self.open = None,
            },
            more = printed.next() => match more {
                Some(part) => self.print(&part?),
                None => return Ok(Some(false)),
            },
            // Who follows looks up.
            Ok(()) = self.ended.changed() => {}
            () = sleep_until(due.unwrap_or(self.origin)), if due.is_some() && !is_due => {}
        }
        Ok(Some(true))
    }

    fn print(&mut self, part: &Printed) {
        let channel = if part.is_stderr { Channel::Err } else { Channel::Out };
        if part.is_behind_gap {
            self.transcript.miss(channel);
        }
        self.transcript.print(channel, &part.bytes);
    }

    /// Turns to whoever listens now.
    fn meet(&mut self) {
        let audience = self.audience.borrow_and_update().clone();
        if let Some(audience) = &audience {
            self.transcript.begin(audience.bytes_max);
        }
        self.open = audience.map(|audience| audience.outbox);
    }

    /// When there is something to say to somebody.
    fn due(&self) -> Option<Instant> {
        self.open.as_ref()?;
        // That it is over is said even where nothing was printed.
        let is_owed = self.transcript.is_told().then_some(Millis(0));
        let due = self.transcript.due().or(is_owed)?;
        Some(self.origin + Duration::from_millis(due.0))
    }

    fn message(&mut self) -> v1::Printed {
        let millis = u64::try_from(self.origin.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (mut parts, mut bytes) = (Vec::new(), 0);
        while bytes + PART_BYTES_MAX <= MESSAGE_BYTES_MAX && parts.len() < MESSAGE_PARTS_MAX {
            let Some(Part { channel, offset, data }) = self.transcript.poll(Millis(millis)) else {
                break;
            };
            bytes += data.len();
            parts.push(v1::PrintedPart { is_stderr: channel == Channel::Err, offset, data });
        }
        self.is_said = self.transcript.is_told();
        v1::Printed {
            task: self.task.0.to_vec(),
            telling: self.number,
            parts,
            is_over: self.is_said,
        }
    }
}

/// Waits until a message can be sent; `None` where nobody takes any.
async fn reserve(
    outbox: Option<mpsc::Sender<v1::Printed>>,
) -> Option<mpsc::OwnedPermit<v1::Printed>> {
    outbox?.reserve_owned().await.ok()
}
