//! The streams between workers and scheduler, and uploads: messages in order, late, or lost with
//! the whole stream.

use crate::process::{Died, Host};
use crate::world::{Event, World};
use poco_core::lane::{Ballot, Vote};
use poco_core::{Address, Bytes, DealId, ResultDigest, TaskId, U256};
use poco_scheduler_core::{
    Capacity, Command, Input, Login, ReportBody, Stage, StoredResult, UploadTerms,
};
use poco_worker_core::{
    Assignment, Input as WorkerInput, Lane as WorkerLane, Stage as WorkerStage, Stored,
    UploadOutcome,
};
use std::collections::BTreeSet;

/// A side that hears nothing for so long takes the stream for lost.
const SILENT_MILLIS: u64 = 15_000;

/// One stream. Either side may believe it open after it broke.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) id: u64,
    pub(crate) worker: usize,
    is_broken: bool,
    is_answered: bool,
    /// Tasks that the worker named when it logged in.
    named: BTreeSet<TaskId>,
    /// Others that it was asked about, and has said nothing of yet.
    asked: BTreeSet<TaskId>,
    /// No message overtakes another.
    up_at: u64,
    down_at: u64,
}

/// What the scheduler says.
#[derive(Clone, Debug)]
pub(crate) enum ToWorker {
    Welcome(Vec<(TaskId, Stage)>),
    Command(Command, Bytes),
    Acknowledge(TaskId, WorkerStage),
}

/// What a worker says.
#[derive(Clone, Debug)]
pub(crate) enum ToScheduler {
    Report(TaskId, WorkerStage, ReportBody),
    Ballot(DealId, Ballot),
    Disclosure(TaskId, Vote, Option<ResultDigest>),
}

/// A result on its way.
#[derive(Clone, Debug)]
pub(crate) struct Upload {
    worker: usize,
    worker_life: u64,
    task: TaskId,
    stored: Stored,
    content: ResultDigest,
}

impl Session {
    /// Asked about a task that it does not know, a worker says that it has lost it. Told in the same breath to
    /// run it, it runs what another gets as well.
    fn on_said(&mut self, message: &ToWorker) {
        match message {
            ToWorker::Welcome(live) => {
                self.is_answered = true;
                let asked = live.iter().map(|(task, _)| *task);
                self.asked = asked.filter(|task| !self.named.contains(task)).collect();
            }
            ToWorker::Command(Command::Assign { task, .. }, _) => {
                let (worker, is_asked) = (self.worker, self.asked.contains(task));
                assert!(!is_asked, "worker {worker} is asked about {task} and told to run it");
            }
            ToWorker::Command(..) | ToWorker::Acknowledge(..) => {}
        }
    }
}

impl World {
    /// A worker tries to log in; if it cannot, it tries again.
    pub(crate) fn connect(&mut self, worker: usize) {
        let host = Host::of_worker(worker);
        let again = self.dice.of(500..=4_000);
        if self.workers[worker].session.is_some() {
            return;
        }
        let is_cut = self.workers[worker].cut_until > self.now;
        if is_cut || !self.process(Host::SCHEDULER).is_up {
            self.for_process(host, again, |host, life| Event::Connect { host, life });
            return;
        }
        let address = self.process(host).wallet.address;
        if let Some(old) = self.sessions.get(&address)
            && !old.is_broken
        {
            self.for_process(host, again, |host, life| Event::Connect { host, life });
            return;
        }
        self.last_session += 1;
        let id = self.last_session;
        let now = self.now;
        let live = self.live_of(worker);
        let session = Session {
            id,
            worker,
            is_broken: false,
            is_answered: false,
            named: live.iter().map(|(task, _)| *task).collect(),
            asked: BTreeSet::new(),
            up_at: now,
            down_at: now,
        };
        self.workers[worker].session = Some(id);
        self.sessions.insert(address, session);
        self.workers[worker].has_returned |= !live.is_empty();
        let (life, delay) = (self.process(Host::SCHEDULER).life, self.delay());
        self.after(delay, Event::LoggedIn { life, id, worker, live });
    }

    fn live_of(&self, worker: usize) -> Vec<(TaskId, Option<Stage>)> {
        let core = self.workers[worker].core.as_ref();
        let live = core.map(poco_worker_core::Core::live).unwrap_or_default();
        live.into_iter().map(|(task, stage)| (task, stage_of(stage))).collect()
    }

    /// The login arrives.
    pub(crate) fn logged_in(
        &mut self,
        id: u64,
        worker: usize,
        live: Vec<(TaskId, Option<Stage>)>,
    ) -> Result<(), Died> {
        let address = self.process(Host::of_worker(worker)).wallet.address;
        let is_current = self.sessions.get(&address).is_some_and(|known| known.id == id);
        // The standing is read before the login is taken; without an answer it is refused.
        let Some(seen) = self.ask_node(Host::SCHEDULER).filter(|_| is_current) else {
            self.break_session(address);
            return Ok(());
        };
        let hub = &self.chain.block(seen).expect("a node shows blocks that are there").hub;
        let plan = self.workers[worker].plan;
        let login = Login {
            worker: address,
            capacity: Capacity { slots: plan.slots, ..Capacity::default() },
            score: hub.score(address),
            bond: Some(hub.bond(address, self.scheduler.settings.workerpool)),
            live,
        };
        self.tell_scheduler(Input::Connected(login), None)
    }

    /// Breaks a stream: what is on it is lost, and each side notices in its own time.
    pub(crate) fn break_session(&mut self, address: Address) {
        let Some(session) = self.sessions.get_mut(&address) else { return };
        if session.is_broken {
            return;
        }
        session.is_broken = true;
        let (id, worker) = (session.id, session.worker);
        self.reached.note("a stream broke");
        let (up, down) = (self.dice.of(0..=SILENT_MILLIS), self.dice.of(0..=SILENT_MILLIS));
        let life = self.process(Host::SCHEDULER).life;
        self.after(up, Event::Left { life, id, worker });
        self.for_process(Host::of_worker(worker), down, |host, life| Event::Lost {
            host,
            life,
            id,
        });
    }

    pub(crate) fn break_all_sessions(&mut self) {
        let all: Vec<Address> = self.sessions.keys().copied().collect();
        for address in all {
            self.break_session(address);
        }
    }

    /// The scheduler notices that a stream has ended.
    pub(crate) fn left(&mut self, id: u64, worker: usize) -> Result<(), Died> {
        let address = self.process(Host::of_worker(worker)).wallet.address;
        if self.sessions.get(&address).is_none_or(|known| known.id != id) {
            return Ok(());
        }
        self.sessions.remove(&address);
        self.tell_scheduler(Input::Disconnected { worker: address }, None)
    }

    fn may_break(&mut self, address: Address) {
        let often = self.scenario.faults.broken_per_mille;
        if self.is_troubled() && self.dice.per_mille(often) {
            self.break_session(address);
        }
    }

    /// Says something to a worker; dropped where it is not connected.
    pub(crate) fn say_to_worker(&mut self, address: Address, message: ToWorker) {
        self.may_break(address);
        let delay = self.delay();
        let at = self.now + delay;
        let Some(session) = self.sessions.get_mut(&address) else { return };
        session.on_said(&message);
        // A command meant for the stream before: the login settles it.
        if session.is_broken || !session.is_answered {
            return;
        }
        session.down_at = session.down_at.max(at);
        let (at, id, worker) = (session.down_at, session.id, session.worker);
        let life = self.process(Host::of_worker(worker)).life;
        self.at(at, Event::ToWorker { life, id, worker, message: Box::new(message) });
    }

    /// Says something to the scheduler; dropped where there is no stream.
    pub(crate) fn say_to_scheduler(&mut self, worker: usize, message: ToScheduler) {
        let address = self.process(Host::of_worker(worker)).wallet.address;
        self.may_break(address);
        let at = self.now + self.delay();
        let ours = self.workers[worker].session;
        let Some(session) = self.sessions.get_mut(&address) else { return };
        if session.is_broken || ours != Some(session.id) {
            return;
        }
        session.up_at = session.up_at.max(at);
        let (at, id) = (session.up_at, session.id);
        let life = self.process(Host::SCHEDULER).life;
        self.at(at, Event::ToScheduler { life, id, worker, message: Box::new(message) });
    }

    /// Whether the scheduler has answered a login of this worker, as far as it knows.
    pub(crate) fn is_answered(&self, address: Address) -> bool {
        self.sessions.get(&address).is_some_and(|known| known.is_answered)
    }

    /// Whether a message may arrive over this stream.
    pub(crate) fn is_open(&self, id: u64, worker: usize) -> bool {
        let address = self.process(Host::of_worker(worker)).wallet.address;
        self.sessions.get(&address).is_some_and(|known| known.id == id && !known.is_broken)
    }

    pub(crate) fn hear_worker(&mut self, worker: usize, message: ToScheduler) -> Result<(), Died> {
        let address = self.process(Host::of_worker(worker)).wallet.address;
        match message {
            ToScheduler::Report(task, stage, body) => {
                if let Some(session) = self.sessions.get_mut(&address) {
                    session.asked.remove(&task);
                }
                self.tell_scheduler(Input::Report { worker: address, task, body }, None)?;
                self.process_mut(Host::SCHEDULER).step()?;
                self.say_to_worker(address, ToWorker::Acknowledge(task, stage));
                Ok(())
            }
            ToScheduler::Ballot(deal, ballot) => {
                self.tell_scheduler(Input::Ballot { deal, ballot }, None)
            }
            ToScheduler::Disclosure(task, vote, digest) => {
                let input = Input::Disclosed { worker: address, task, vote, digest };
                self.tell_scheduler(input, None)
            }
        }
    }

    pub(crate) fn hear_scheduler(&mut self, worker: usize, message: ToWorker) -> Result<(), Died> {
        let input = match message {
            ToWorker::Welcome(live) => {
                let live = live.into_iter().map(|(task, stage)| (task, worker_stage(stage)));
                WorkerInput::Connected { live: live.collect() }
            }
            ToWorker::Acknowledge(task, stage) => WorkerInput::Acknowledged { task, stage },
            ToWorker::Command(command, sign) => command_input(command, sign),
        };
        self.tell_worker(worker, input)
    }

    /// A worker begins to send a result.
    pub(crate) fn begin_upload(&mut self, worker: usize, task: TaskId, stored: Stored) {
        let worker_life = self.process(Host::of_worker(worker)).life;
        let content = self.content_of(worker, task);
        let upload = Upload { worker, worker_life, task, stored, content };
        let is_connected = self.workers[worker].session.is_some_and(|id| self.is_open(id, worker));
        if !is_connected {
            return self.upload_failed(&upload, "there is no stream");
        }
        let (life, delay) = (self.process(Host::SCHEDULER).life, self.delay());
        self.after(delay, Event::UploadAsked { life, upload: Box::new(upload) });
    }

    /// The worker hears that its result was not taken.
    pub(crate) fn upload_failed(&mut self, upload: &Upload, detail: &str) {
        let (worker, life) = (upload.worker, upload.worker_life);
        let outcome = UploadOutcome::Failed { detail: detail.into() };
        let input = WorkerInput::UploadEnded { task: upload.task, outcome };
        let at = self.now + self.delay();
        let host = Host::of_worker(worker);
        self.at(at, Event::Heard { host, life, input: Box::new(input) });
    }

    pub(crate) fn upload_asked(&mut self, life: u64, upload: Upload) -> Result<(), Died> {
        let address = self.process(Host::of_worker(upload.worker)).wallet.address;
        let is_same = self.process(Host::SCHEDULER).life == life;
        let core = self.scheduler.core.as_ref().filter(|_| is_same);
        let Some(terms) = core.map(|core| core.upload_terms(address, upload.task)) else {
            self.upload_failed(&upload, "the scheduler has gone");
            return Ok(());
        };
        match terms {
            Err(refusal) => {
                self.upload_failed(&upload, &refusal.to_string());
                Ok(())
            }
            Ok(terms) => {
                let task = upload.task;
                let told = self.tell_scheduler(Input::UploadBegan { worker: address, task }, None);
                if told.is_err() {
                    self.upload_failed(&upload, "the scheduler has gone");
                    return told;
                }
                let span = self.dice.of(10..=8_000);
                self.after(span, Event::UploadCame { life, upload: Box::new(upload), terms });
                Ok(())
            }
        }
    }

    /// The last byte of a result is there, or its worker has gone.
    pub(crate) fn upload_came(
        &mut self,
        life: u64,
        upload: Upload,
        terms: UploadTerms,
    ) -> Result<(), Died> {
        let address = self.process(Host::of_worker(upload.worker)).wallet.address;
        if self.process(Host::SCHEDULER).life != life {
            self.upload_failed(&upload, "the scheduler has gone");
            return Ok(());
        }
        let task = upload.task;
        let has_come = self.process(Host::of_worker(upload.worker)).life == upload.worker_life
            && self.workers[upload.worker].cut_until <= self.now;
        let location = poco_core::recorded::location_of(&upload.stored.computation.cid);
        let callback = upload.stored.callback.clone();
        let checked = terms.check(task, upload.content, &location, &callback);
        let Some(digest) = checked.ok().filter(|_| has_come) else {
            self.upload_failed(&upload, "broken off, or not what was voted for");
            return self.tell_scheduler(Input::UploadFailed { worker: address, task }, None);
        };
        self.last_upload += 1;
        let number = self.last_upload;
        self.uploads.insert(number, upload);
        let result =
            StoredResult { worker: address, digest, location, callback, size_bytes: 1_000 };
        self.tell_scheduler(Input::ResultStored { upload: number, task, result }, None)
    }

    pub(crate) fn answer_upload(&mut self, number: u64, answer: Result<(), String>) {
        let Some(upload) = self.uploads.remove(&number) else { return };
        match answer {
            Err(detail) => self.upload_failed(&upload, &detail),
            Ok(()) => {
                let location = poco_core::recorded::location_of(&upload.stored.computation.cid);
                let outcome = UploadOutcome::Stored { location };
                let input = WorkerInput::UploadEnded { task: upload.task, outcome };
                let at = self.now + self.delay();
                let (host, life) = (Host::of_worker(upload.worker), upload.worker_life);
                self.at(at, Event::Heard { host, life, input: Box::new(input) });
            }
        }
    }
}

fn command_input(command: Command, sign: Bytes) -> WorkerInput {
    match command {
        Command::Assign { task, deal, index, lane } => WorkerInput::Assign(Box::new(Assignment {
            task,
            deal,
            index: index.saturating_to(),
            authorization: sign,
            enclave_challenge: Address::ZERO,
            lane: match lane {
                poco_scheduler_core::Lane::Classic => WorkerLane::Classic,
                poco_scheduler_core::Lane::Fast => WorkerLane::Fast,
                poco_scheduler_core::Lane::Settlement => WorkerLane::Settlement,
            },
        })),
        Command::Reveal(task) => WorkerInput::Reveal(task),
        Command::Upload(task) => WorkerInput::Upload(task),
        Command::Ballot { deal, first, count } => {
            WorkerInput::BallotWanted { deal, first: U256::saturating_to(&first), count }
        }
        Command::Row { task, votes } => WorkerInput::Row { task, votes },
        Command::Abandon { task, reason } => WorkerInput::Abandon { task, reason },
        Command::Ended(task) => WorkerInput::Ended(task),
    }
}

/// A worker's stage in the scheduler's words; `None` for a failure.
pub(crate) fn stage_of(stage: WorkerStage) -> Option<Stage> {
    Some(match stage {
        WorkerStage::Accepted => Stage::Accepted,
        WorkerStage::Pulling => Stage::Pulling,
        WorkerStage::Fetching => Stage::Fetching,
        WorkerStage::Running => Stage::Running,
        WorkerStage::Computed => Stage::Computed,
        WorkerStage::Balloted => Stage::Balloted,
        WorkerStage::Committed => Stage::Committed,
        WorkerStage::Contributed => Stage::Contributed,
        WorkerStage::Revealed => Stage::Revealed,
        WorkerStage::Uploaded => Stage::Uploaded,
        WorkerStage::Failed => return None,
    })
}

fn worker_stage(stage: Stage) -> WorkerStage {
    match stage {
        Stage::Promised | Stage::Accepted => WorkerStage::Accepted,
        Stage::Pulling => WorkerStage::Pulling,
        Stage::Fetching => WorkerStage::Fetching,
        Stage::Running => WorkerStage::Running,
        Stage::Computed => WorkerStage::Computed,
        Stage::Balloted => WorkerStage::Balloted,
        Stage::Committed => WorkerStage::Committed,
        Stage::Contributed => WorkerStage::Contributed,
        Stage::Revealed => WorkerStage::Revealed,
        Stage::Uploaded => WorkerStage::Uploaded,
    }
}
