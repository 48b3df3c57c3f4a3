//! One stream per worker: challenge, login, then commands and reports until either side ends it.

use super::upload::{self, Uploads};
use super::{Context, ask};
use crate::arrival::Arrival;
use crate::heartbeats::Heard;
use crate::limits::{Excess, Held, Visit, Working};
use crate::pace::{Allowance, Rate};
use crate::sessions::{LIVE_TASKS_MAX, OUTBOX_LEN, Outgoing, Session};
use crate::translate;
use poco_core::lane::Bond;
use poco_core::message::login_hash;
use poco_core::signature::recover;
use poco_core::{Address, B256, TaskId, U256};
use poco_proto::v1::scheduler_message::Body;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_server::Workers;
use poco_proto::v1::{
    Challenge, Heartbeat, Login as LoginMessage, Printed, Refusal, SchedulerMessage, UploadPart,
    UploadReceipt, WorkerMessage, refusal,
};
use poco_proto::{PROTOCOL_VERSION, words};
use poco_scheduler_core::{Input, Login};
use prost::Message as _;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::StreamExt as _;
use tokio_stream::adapters::Map;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// From the challenge to the login; a wallet on a small machine signs in less.
const LOGIN_TIME: Duration = Duration::from_secs(20);
/// Messages on their way into the connection.
const STREAM_LEN: usize = 64;
/// Pauses between tries to read a score.
const SCORE_PAUSE: Duration = Duration::from_millis(500);
/// Tries to read a score; after these the worker is asked to come back.
const SCORE_TRIES: u32 = 10;

/// Tasks that a stream remembers to have been given, of which it may tell; asked again beyond.
const GIVEN_MAX: usize = 4096;
/// What a worker may tell, in units: 1 a message and 1 a KiB. Hundreds of tasks a second end and begin on
/// one with that; who tells more is read more slowly, and holds up nobody but itself.
const TELLING_RATE: Rate = Rate { per_second: 5_000, burst: 10_000 };
const UNIT_BYTES: usize = 1024;
/// What a ballot costs in such units: its signature is checked, which takes some 100 µs.
const BALLOT_COST: u32 = 10;
/// Messages of one stream that cannot be read, or that it has no business to send, before it is cut.
const MISTAKES_MAX: u32 = 64;

/// Numbers sessions; unique in this process.
static LAST_SESSION: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct Service {
    pub(super) context: Arc<Context>,
    pub(super) uploads: Uploads,
}

#[tonic::async_trait]
impl Workers for Service {
    type WorkStream = Map<ReceiverStream<Box<SchedulerMessage>>, fn(Box<SchedulerMessage>) -> Said>;

    async fn work(
        &self,
        request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (sender, messages) = mpsc::channel(STREAM_LEN);
        let visit = request.extensions().get::<Visit>().cloned();
        let visit = visit.ok_or_else(|| Status::internal("the connection is not known"))?;
        let place = visit.begin_login().map_err(excess)?;
        let stream = Stream {
            context: self.context.clone(),
            visit,
            incoming: request.into_inner(),
            outgoing: sender,
            last_number: 0,
            given: BTreeSet::new(),
            allowance: Allowance::new(TELLING_RATE, Instant::now()),
            mistakes: 0,
        };
        tokio::spawn(stream.serve(place));
        let unbox: fn(Box<SchedulerMessage>) -> Said = |message| Ok(*message);
        Ok(Response::new(ReceiverStream::new(messages).map(unbox)))
    }

    async fn upload_result(
        &self,
        request: Request<Streaming<UploadPart>>,
    ) -> Result<Response<UploadReceipt>, Status> {
        let received = upload::receive(&self.context, &self.uploads, request.into_inner()).await;
        received.map(Response::new).inspect_err(|_| self.context.meters.refused("upload"))
    }
}

type Said = Result<SchedulerMessage, Status>;

/// What the loop has for a worker.
type Inbox = mpsc::Receiver<Box<Outgoing>>;

/// The stream ended, for whatever reason: there is nobody to tell.
struct Ended;

struct Stream {
    context: Arc<Context>,
    visit: Visit,
    incoming: Streaming<WorkerMessage>,
    /// Of boxes: a queue has room for some dozen entries from the start.
    outgoing: mpsc::Sender<Box<SchedulerMessage>>,
    last_number: u64,
    /// Tasks of which the worker may tell what they print.
    given: BTreeSet<TaskId>,
    /// For what the worker tells.
    allowance: Allowance,
    mistakes: u32,
}

impl Stream {
    async fn serve(mut self, place: Held) {
        // What comes before and after takes more room than what lasts, so it is boxed.
        let Some((worker, session, inbox, _working)) = Box::pin(self.begin(place)).await else {
            return;
        };
        let Ended = self.talk(worker, &session, inbox).await;
        let left = Arrival::Left { worker, session: session.id };
        // The loop has ended; so has everything it knew of this session.
        let _ = Box::pin(self.context.arrivals.send(left)).await;
    }

    /// A login, and the session that it opens; `None` where there is none.
    async fn begin(&mut self, place: Held) -> Option<(Address, Session, Inbox, Working)> {
        let nonce: B256 = B256::from(rand::random::<[u8; 32]>());
        let Ok(login) = timeout(LOGIN_TIME, self.log_in(nonce)).await else {
            self.context.meters.refused("login-time");
            self.refuse(refusal::Cause::Signature, "the login did not come in time").await;
            return None;
        };
        let login = login?;
        let working = match self.visit.work() {
            Ok(working) => working,
            Err(excess) => {
                self.refuse(refusal::Cause::Full, &excess.to_string()).await;
                return None;
            }
        };
        drop(place);
        let (outbox, inbox) = mpsc::channel(OUTBOX_LEN);
        let session = Session {
            id: LAST_SESSION.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            token: B256::from(rand::random::<[u8; 32]>()),
            outbox,
            end: self.context.stop.child_token(),
            heard: Heard::new(self.context.heartbeats),
        };
        let worker = login.worker;
        let arrival = Arrival::LoggedIn { login, session: session.clone() };
        self.context.arrivals.send(arrival).await.ok()?;
        Some((worker, session, inbox, working))
    }

    /// Challenges the worker; `None` where it did not prove itself, which it was then told.
    async fn log_in(&mut self, nonce: B256) -> Option<Login> {
        if self.context.stop.is_cancelled() {
            self.refuse(refusal::Cause::Leaving, "the scheduler is stopping; try again").await;
            return None;
        }
        let challenge = Challenge {
            nonce: nonce.to_vec(),
            chain_id: self.context.chain.chain_id(),
            hub: self.context.chain.hub().to_vec(),
            workerpool: self.context.workerpool.to_vec(),
            protocol_version: PROTOCOL_VERSION,
        };
        self.say(Body::Challenge(challenge)).await.ok()?;
        let message = match self.incoming.message().await {
            Ok(message) => message?,
            Err(status) => {
                let Ended = self.broken(&status).await;
                return None;
            }
        };
        let Some(Told::Login(told)) = message.body else {
            self.context.meters.refused("no-login");
            self.refuse(refusal::Cause::Signature, "a login was expected").await;
            return None;
        };
        if let Err(excess) = self.visit.log_in().await {
            self.refuse(refusal::Cause::Full, &excess.to_string()).await;
            return None;
        }
        match self.check(&told, nonce).await {
            Ok(login) => Some(login),
            Err((cause, detail)) => {
                tracing::debug!(detail, "a worker was refused");
                self.context.meters.refused(name_of(cause));
                self.refuse(cause, detail).await;
                None
            }
        }
    }

    async fn check(
        &self,
        told: &LoginMessage,
        nonce: B256,
    ) -> Result<Login, (refusal::Cause, &'static str)> {
        if told.protocol_version != PROTOCOL_VERSION {
            let detail = "this pool speaks another version of the protocol; update the worker";
            return Err((refusal::Cause::ProtocolVersion, detail));
        }
        let unproved = (refusal::Cause::Signature, "the signature is not this wallet's");
        let worker = words::address("worker", &told.worker).map_err(|_| unproved)?;
        let hash =
            login_hash(self.context.chain.chain_id(), self.context.workerpool, worker, nonce);
        if recover(hash, &told.signature) != Some(worker) {
            return Err(unproved);
        }
        if !self.context.admission.admits(worker) {
            let detail = "this pool does not take this worker; ask its owner";
            return Err((refusal::Cause::NotAllowed, detail));
        }
        if told.live.len() > LIVE_TASKS_MAX {
            let detail = "a worker holds at most 6000 tasks; end it and let it forget some";
            return Err((refusal::Cause::NotAllowed, detail));
        }
        let capacity = told.capacity.as_ref().and_then(translate::capacity).ok_or((
            refusal::Cause::NotAllowed,
            "the capacity cannot be read: at most 4096 slots, tag and machine of 32 bytes, an \
             owner of 20, a region of lower-case letters, digits and hyphens",
        ))?;
        let (score, bond) = self.standing(worker).await.ok_or((
            refusal::Cause::Leaving,
            "the pool cannot reach the chain at the moment; try again",
        ))?;
        Ok(Login { worker, capacity, score, bond, live: translate::live_told(&told.live) })
    }

    /// A worker's score and its bond for the pool.
    async fn standing(&self, worker: Address) -> Option<(U256, Option<Bond>)> {
        let (chain, pool) = (&self.context.chain, self.context.workerpool);
        for _ in 0..SCORE_TRIES {
            match tokio::try_join!(chain.score(worker), chain.bond(worker, pool)) {
                Ok(standing) => return Some(standing),
                Err(error) => tracing::warn!(%error, "a worker's score cannot be read"),
            }
            tokio::time::sleep(SCORE_PAUSE).await;
        }
        None
    }

    async fn talk(&mut self, worker: Address, session: &Session, mut inbox: Inbox) -> Ended {
        let heartbeats = self.context.heartbeats;
        // When it was first told something that it has to acknowledge and has said nothing since.
        let mut owes_since = None;
        // A login is answered before anything else is said.
        let mut is_answered = false;
        let mut ready = Instant::now();
        loop {
            let promised = session.heard.until() + heartbeats.spare();
            let owed = owes_since.map_or(promised, |since: Instant| since + heartbeats.patience());
            let done = tokio::select! {
                message = next(&mut self.incoming, ready) => match message {
                    Ok(Some(message)) => {
                        session.heard.mark();
                        owes_since = None;
                        ready = Instant::now() + self.allowance.spend(cost(&message), Instant::now());
                        // Boxed, as is what else is said: a stream waits most of its time, and has
                        // room then for nothing that it does.
                        Box::pin(self.take(worker, session, message)).await
                    }
                    Ok(None) => Err(Ended),
                    Err(status) => Err(self.broken(&status).await),
                },
                outgoing = inbox.recv() => match outgoing.map(|one| one.into_body()) {
                    Some(body) => {
                        is_answered |= matches!(body, Body::Welcome(_) | Body::Refusal(_));
                        if matches!(body, Body::Command(_)) {
                            owes_since.get_or_insert_with(Instant::now);
                        }
                        // A command meant for the stream before: the login settles it.
                        if is_answered {
                            Box::pin(self.pass_on(session, body)).await
                        } else {
                            Ok(())
                        }
                    }
                    None => Err(Ended),
                },
                () = sleep_until(promised.min(owed)) => {
                    tracing::info!(%worker, "a worker fell silent");
                    Err(Ended)
                }
                () = session.end.cancelled() => Err(Ended),
            };
            if let Err(ended) = done {
                return ended;
            }
        }
    }

    async fn take(
        &mut self,
        worker: Address,
        session: &Session,
        message: WorkerMessage,
    ) -> Result<(), Ended> {
        let (number, heard, session) = (message.id, &session.heard, session.id);
        match message.body {
            Some(Told::Heartbeat(heartbeat)) => {
                let next_seconds = heartbeat.next_seconds;
                heard.promise(self.context.heartbeats.promised(next_seconds));
                self.say(Body::Heartbeat(Heartbeat { next_seconds })).await
            }
            // Every command is repeated until its effect is seen, so an acknowledgement adds
            // nothing but a sign of life.
            Some(Told::Ack(_)) => Ok(()),
            // Neither is acknowledged: a ballot is asked for until it is there, and a report follows
            // each disclosure.
            Some(Told::Ballot(ballot)) => {
                let domain = self.context.chain.domain_separator();
                self.pass_told(worker, session, translate::ballot(ballot, worker, domain)).await
            }
            Some(Told::Disclosure(disclosure)) => {
                self.pass_told(worker, session, translate::disclosure(disclosure, worker)).await
            }
            Some(Told::Report(report)) => match translate::report(report) {
                Some((task, body)) => {
                    let arrival = Arrival::Report { worker, session, number, task, body };
                    self.context.arrivals.send(arrival).await.map_err(|_| Ended)
                }
                // Acknowledged: sent again it would be no better.
                None => {
                    self.mistaken("report-unreadable").await?;
                    self.say(Body::Ack(poco_proto::v1::Ack { id: number })).await
                }
            },
            Some(Told::Printed(printed)) => self.hear(worker, printed).await,
            Some(Told::Login(_)) | None => {
                self.context.meters.refused("message-unexpected");
                let detail = "a login comes once, and every message has a body this pool knows";
                self.refuse(refusal::Cause::Unreadable, detail).await;
                Err(Ended)
            }
        }
    }

    /// Keeps what a run of this worker printed. It never comes to the loop.
    async fn hear(&mut self, worker: Address, printed: Printed) -> Result<(), Ended> {
        let Ok(task) = words::task(&printed.task) else {
            return self.mistaken("printed-unreadable").await;
        };
        if !self.given.contains(&task) {
            let given = ask(&self.context, |reply| Arrival::GivenAsked { worker, task, reply });
            if !given.await.map_err(|_| Ended)? {
                self.context.meters.refused("printed-of-no-task");
                return Ok(());
            }
            if self.given.len() >= GIVEN_MAX {
                self.given.clear();
            }
            self.given.insert(task);
        }
        if let Err(why) = self.context.transcripts.take(worker, task, printed) {
            self.context.meters.refused(why.name());
        }
        Ok(())
    }

    /// Brings what was told to the loop, where it can be read.
    async fn pass_told(
        &mut self,
        worker: Address,
        session: u64,
        input: Option<Input>,
    ) -> Result<(), Ended> {
        let Some(input) = input.map(Box::new) else {
            tracing::debug!(%worker, "a ballot or disclosure is unreadable, or not its worker's");
            return self.mistaken("vote-unreadable").await;
        };
        let arrival = Arrival::Told { worker, session, input };
        self.context.arrivals.send(arrival).await.map_err(|_| Ended)
    }

    /// Counts what cannot be read. Some of it, another version may send; one that goes on is cut.
    async fn mistaken(&mut self, reason: &str) -> Result<(), Ended> {
        self.context.meters.refused(reason);
        self.mistakes = self.mistakes.saturating_add(1);
        if self.mistakes < MISTAKES_MAX {
            return Ok(());
        }
        let detail =
            format!("{MISTAKES_MAX} messages could not be read ({reason}); update the worker");
        self.refuse(refusal::Cause::Unreadable, &detail).await;
        Err(Ended)
    }

    /// The stream brought no message: it was cut, or what came is none.
    async fn broken(&mut self, status: &Status) -> Ended {
        let is_garbage = matches!(
            status.code(),
            tonic::Code::Internal | tonic::Code::OutOfRange | tonic::Code::Unimplemented
        );
        if is_garbage {
            self.context.meters.refused("message-unreadable");
            tracing::debug!(%status, "a message is none");
            let detail = "a message could not be decoded, or is too large; update the worker";
            self.refuse(refusal::Cause::Unreadable, detail).await;
        }
        Ended
    }

    async fn pass_on(&mut self, session: &Session, body: Body) -> Result<(), Ended> {
        match body {
            Body::Welcome(mut welcome) => {
                welcome.session = session.token.to_vec();
                self.say(Body::Welcome(welcome)).await
            }
            Body::Refusal(refusal) => {
                self.say(Body::Refusal(refusal)).await?;
                Err(Ended)
            }
            other @ (Body::Challenge(_) | Body::Heartbeat(_) | Body::Ack(_) | Body::Command(_)) => {
                self.say(other).await
            }
        }
    }

    async fn refuse(&mut self, cause: refusal::Cause, detail: &str) {
        let refusal = Refusal { cause: cause.into(), detail: detail.into() };
        // Who does not listen need not be told.
        let _ = self.say(Body::Refusal(refusal)).await;
    }

    /// Sends a message under the next number. A peer that does not read holds this up until it
    /// counts as silent.
    async fn say(&mut self, body: Body) -> Result<(), Ended> {
        self.last_number = self.last_number.wrapping_add(1);
        let message = SchedulerMessage { id: self.last_number, body: Some(body) };
        let message = match self.outgoing.try_send(Box::new(message)) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Closed(_)) => return Err(Ended),
            Err(TrySendError::Full(message)) => message,
        };
        let patience = self.context.heartbeats.patience();
        match timeout(patience, self.outgoing.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended),
        }
    }
}

/// The next message, not before `ready`.
async fn next(
    incoming: &mut Streaming<WorkerMessage>,
    ready: Instant,
) -> Result<Option<WorkerMessage>, Status> {
    if ready > Instant::now() {
        sleep_until(ready).await;
    }
    incoming.message().await
}

/// What a message costs of its worker's allowance.
fn cost(message: &WorkerMessage) -> u32 {
    let units = u32::try_from(message.encoded_len() / UNIT_BYTES).unwrap_or(u32::MAX);
    let extra = if matches!(message.body, Some(Told::Ballot(_))) { BALLOT_COST } else { 0 };
    units.saturating_add(1).saturating_add(extra)
}

fn excess(excess: Excess) -> Status {
    Status::resource_exhausted(excess.to_string())
}

/// A cause of a refusal as a label of a metric.
pub(crate) fn name_of(cause: refusal::Cause) -> &'static str {
    match cause {
        refusal::Cause::Unspecified => "login",
        refusal::Cause::ProtocolVersion => "login-protocol-version",
        refusal::Cause::Signature => "login-signature",
        refusal::Cause::NotAllowed => "login-not-allowed",
        refusal::Cause::AlreadyConnected => "login-already-connected",
        refusal::Cause::Full => "login-full",
        refusal::Cause::Leaving => "login-leaving",
        refusal::Cause::Unreadable => "message-unreadable",
    }
}
