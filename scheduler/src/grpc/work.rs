//! One stream per worker: challenge, login, then commands and reports until either side ends it.

use super::{Context, upload};
use crate::arrival::Arrival;
use crate::sessions::{Heard, OUTBOX_LEN, Outgoing, Session};
use crate::translate;
use poco_core::lane::Bond;
use poco_core::message::login_hash;
use poco_core::signature::recover;
use poco_core::{Address, B256, U256};
use poco_proto::v1::scheduler_message::Body;
use poco_proto::v1::worker_message::Body as Told;
use poco_proto::v1::workers_server::Workers;
use poco_proto::v1::{
    Challenge, Heartbeat, Login as LoginMessage, Refusal, SchedulerMessage, UploadPart,
    UploadReceipt, WorkerMessage, refusal,
};
use poco_proto::{PROTOCOL_VERSION, words};
use poco_scheduler_core::{Input, Login};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{interval, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

/// From the challenge to the login; a wallet on a small machine signs in less.
const LOGIN_TIME: Duration = Duration::from_secs(20);
/// Messages on their way into the connection.
const STREAM_LEN: usize = 64;
/// A worker counts as lost after this many heartbeats that did not come.
const SILENT_HEARTBEATS: u32 = 3;
/// Pauses between tries to read a score.
const SCORE_PAUSE: Duration = Duration::from_millis(500);
/// Tries to read a score; after these the worker is asked to come back.
const SCORE_TRIES: u32 = 10;

/// Numbers sessions; unique in this process.
static LAST_SESSION: AtomicU64 = AtomicU64::new(0);

#[derive(Debug)]
pub(super) struct Service {
    pub(super) context: Context,
    pub(super) uploads: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Workers for Service {
    type WorkStream = ReceiverStream<Result<SchedulerMessage, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<WorkerMessage>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (sender, messages) = mpsc::channel(STREAM_LEN);
        let stream = Stream {
            context: self.context.clone(),
            incoming: request.into_inner(),
            outgoing: sender,
            last_number: 0,
        };
        tokio::spawn(stream.serve());
        Ok(Response::new(ReceiverStream::new(messages)))
    }

    async fn upload_result(
        &self,
        request: Request<Streaming<UploadPart>>,
    ) -> Result<Response<UploadReceipt>, Status> {
        let refused = |status: Status| {
            self.context.meters.refused("upload");
            status
        };
        let _permit = self
            .uploads
            .try_acquire()
            .map_err(|_| refused(Status::resource_exhausted("too many uploads now; try again")))?;
        let received = upload::receive(&self.context, request.into_inner()).await;
        received.map(Response::new).map_err(refused)
    }
}

/// The stream ended, for whatever reason: there is nobody to tell.
struct Ended;

struct Stream {
    context: Context,
    incoming: Streaming<WorkerMessage>,
    outgoing: mpsc::Sender<Result<SchedulerMessage, Status>>,
    last_number: u64,
}

impl Stream {
    async fn serve(mut self) {
        let nonce: B256 = B256::from(rand::random::<[u8; 32]>());
        let Ok(Some(login)) = timeout(LOGIN_TIME, self.log_in(nonce)).await else { return };
        let (outbox, inbox) = mpsc::channel(OUTBOX_LEN);
        let session = Session {
            id: LAST_SESSION.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
            token: B256::from(rand::random::<[u8; 32]>()),
            outbox,
            end: self.context.stop.child_token(),
            heard: Heard::new(),
        };
        let (worker, id) = (login.worker, session.id);
        let arrival = Arrival::LoggedIn { login, session: session.clone() };
        if self.context.arrivals.send(arrival).await.is_err() {
            return;
        }
        let Ended = self.talk(worker, &session, inbox).await;
        // The loop has ended; so has everything it knew of this session.
        let _ = self.context.arrivals.send(Arrival::Left { worker, session: id }).await;
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
        let message = self.incoming.message().await.ok()??;
        let Some(Told::Login(told)) = message.body else {
            self.context.meters.refused("no-login");
            self.refuse(refusal::Cause::Signature, "a login was expected").await;
            return None;
        };
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

    async fn talk(
        &mut self,
        worker: Address,
        session: &Session,
        mut inbox: mpsc::Receiver<Box<Outgoing>>,
    ) -> Ended {
        let period = Duration::from_secs(self.context.heartbeat_seconds.into());
        // Twice in the agreed time, so that one may come late.
        let mut beat = interval(period / 2);
        // A login is answered before anything else is said.
        let mut is_answered = false;
        loop {
            let silent = session.heard.at() + period * SILENT_HEARTBEATS;
            let done = tokio::select! {
                message = self.incoming.message() => match message {
                    Ok(Some(message)) => {
                        session.heard.mark();
                        self.take(worker, session, message).await
                    }
                    Ok(None) | Err(_) => Err(Ended),
                },
                outgoing = inbox.recv() => match outgoing.map(|one| one.into_body()) {
                    Some(body) => {
                        is_answered |= matches!(body, Body::Welcome(_) | Body::Refusal(_));
                        // A command meant for the stream before: the login settles it.
                        if is_answered { self.pass_on(session, body).await } else { Ok(()) }
                    }
                    None => Err(Ended),
                },
                _ = beat.tick(), if is_answered => self.say(Body::Heartbeat(Heartbeat {})).await,
                () = sleep_until(silent) => {
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
        let (number, session) = (message.id, session.id);
        match message.body {
            // Every command is repeated until its effect is seen, so an acknowledgement adds
            // nothing but a sign of life.
            Some(Told::Heartbeat(_) | Told::Ack(_)) => Ok(()),
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
                // Sent again it would be no better.
                None => {
                    self.context.meters.refused("report-unreadable");
                    self.say(Body::Ack(poco_proto::v1::Ack { id: number })).await
                }
            },
            Some(Told::Login(_)) | None => {
                self.context.meters.refused("message-unexpected");
                Err(Ended)
            }
        }
    }

    /// Brings what was told to the loop, where it can be read.
    async fn pass_told(
        &self,
        worker: Address,
        session: u64,
        input: Option<Input>,
    ) -> Result<(), Ended> {
        let Some(input) = input.map(Box::new) else {
            self.context.meters.refused("vote-unreadable");
            tracing::warn!(%worker, "a ballot or disclosure is unreadable, or not its worker's");
            return Ok(());
        };
        let arrival = Arrival::Told { worker, session, input };
        self.context.arrivals.send(arrival).await.map_err(|_| Ended)
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
        let patience = Duration::from_secs(self.context.heartbeat_seconds.into());
        let sent = timeout(patience * SILENT_HEARTBEATS, self.outgoing.send(Ok(message))).await;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Ended),
        }
    }
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
    }
}
