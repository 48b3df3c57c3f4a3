//! One stream, from the challenge to its end.

use super::messages::{input_of, live_message, live_of, stage_of};
use super::{Audience, Connection, Identity, Link, channel, client};
use crate::arrival::Arrival;
use poco_chain::failpoint;
use poco_core::message::login_hash;
use poco_core::{Address, TaskId};
use poco_proto::pool_url::PoolUrl;
use poco_proto::{PROTOCOL_VERSION, v1, words};
use poco_worker_core::{Input, Stage};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming};
use v1::scheduler_message::Body as Incoming;
use v1::worker_message::Body as Outgoing;

/// For challenge and welcome together; a scheduler with thousands of workers answers in one.
const LOGIN_TIME: Duration = Duration::from_secs(20);
/// Messages that wait for the stream. When they are this many the peer has stopped reading.
const OUTBOX_LEN: usize = 256;
/// Messages about what runs print that wait for the stream: it is told when nothing else is, so they
/// wait where they are made.
const PRINTED_LEN: usize = 1;
/// Reports that wait for an acknowledgement on one stream; the oldest is forgotten beyond, and
/// told again by the core.
const UNACKNOWLEDGED_MAX: usize = 20_000;
/// A scheduler that has not answered a heartbeat after three times that time is lost: so it counts
/// us, too.
const SILENT_HEARTBEATS: u32 = 3;
/// Longest heartbeat time that is taken from a scheduler.
const HEARTBEAT_SECONDS_MAX: u32 = 300;

/// How a stream ended.
pub(crate) struct Ended {
    /// The login had been taken.
    pub(crate) was_open: bool,
    pub(crate) error: SessionError,
}

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SessionError {
    #[error("the scheduler's address cannot be used: {0}")]
    Address(#[from] tonic::transport::Error),
    #[error("the scheduler cannot be reached or gave up: {}", one_line(.0))]
    Transport(#[from] Box<Status>),
    #[error("the scheduler closed the stream")]
    Closed,
    #[error("the scheduler did not answer the login in time")]
    LoginTime,
    #[error("the scheduler has said nothing for {0} s")]
    Silent(u64),
    #[error("the scheduler said something unexpected: {0}")]
    Unexpected(&'static str),
    #[error(
        "the scheduler speaks protocol {theirs}, this worker {PROTOCOL_VERSION}; update the older one"
    )]
    Version { theirs: u32 },
    #[error("the scheduler serves {what} {theirs}, this worker is set to {ours}")]
    OtherPool { what: &'static str, theirs: String, ours: String },
    #[error("the scheduler refuses this worker: {detail} ({cause:?})")]
    Refused { cause: v1::refusal::Cause, detail: String },
    #[error("the stream did not take messages fast enough")]
    Slow,
    #[error("this worker is stopping")]
    Stopping,
}

impl From<Status> for SessionError {
    fn from(status: Status) -> Self {
        Self::Transport(Box::new(status))
    }
}

fn one_line(status: &Status) -> String {
    let mut text = format!("{}: {}", status.code(), status.message());
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text.replace('\n', " ")
}

/// Opens a stream, logs in and serves it to its end.
pub(super) async fn session(link: &Link) -> Ended {
    let opened = timeout(LOGIN_TIME, Stream::open(link)).await;
    let mut stream = match opened.unwrap_or(Err(SessionError::LoginTime)) {
        Ok(stream) => stream,
        Err(error) => return Ended { was_open: false, error },
    };
    let error = stream.serve(link).await;
    link.audience.send_replace(None);
    Ended { was_open: true, error }
}

/// Opens a stream only to see the challenge, and whether it fits `identity`.
///
/// # Errors
/// Why a worker could not log in there.
pub(crate) async fn challenge(
    url: &PoolUrl,
    identity: Option<&Identity>,
) -> Result<(), SessionError> {
    let asked = timeout(LOGIN_TIME, async {
        // The sender is kept until the challenge is there: without it the stream would end.
        let (_outgoing, messages) = mpsc::channel(1);
        let response = client(channel(url)?).work(ReceiverStream::new(messages)).await?;
        match next(&mut response.into_inner()).await?.1 {
            Incoming::Challenge(challenge) => match identity {
                Some(identity) => check_challenge(identity, &challenge),
                None => Ok(()),
            },
            Incoming::Refusal(refusal) => Err(refused(refusal)),
            Incoming::Welcome(_)
            | Incoming::Heartbeat(_)
            | Incoming::Ack(_)
            | Incoming::Command(_) => {
                Err(SessionError::Unexpected("it did not begin with a challenge"))
            }
        }
    });
    asked.await.unwrap_or(Err(SessionError::LoginTime))
}

struct Stream {
    incoming: Streaming<v1::SchedulerMessage>,
    outgoing: mpsc::Sender<v1::WorkerMessage>,
    last_id: u64,
    reports: BTreeMap<u64, (TaskId, Stage)>,
    outbox: mpsc::Receiver<Outgoing>,
    printed: mpsc::Receiver<v1::Printed>,
    connection: Connection,
    /// While this worker holds tasks, and while it holds none.
    heartbeat: Duration,
    idle_heartbeat: Duration,
}

impl Stream {
    async fn open(link: &Link) -> Result<Self, SessionError> {
        let channel = channel(&link.url)?;
        let (outgoing, messages) = mpsc::channel(OUTBOX_LEN);
        let response = client(channel.clone()).work(ReceiverStream::new(messages)).await?;
        let mut incoming = response.into_inner();
        let challenge = match next(&mut incoming).await?.1 {
            Incoming::Challenge(challenge) => challenge,
            Incoming::Refusal(refusal) => return Err(refused(refusal)),
            Incoming::Welcome(_)
            | Incoming::Heartbeat(_)
            | Incoming::Ack(_)
            | Incoming::Command(_) => {
                return Err(SessionError::Unexpected("it did not begin with a challenge"));
            }
        };
        let login = login(link, &challenge)?;
        failpoint::hit("worker.login.before");
        let message = v1::WorkerMessage { id: 1, body: Some(Outgoing::Login(login)) };
        outgoing.send(message).await.map_err(|_| SessionError::Closed)?;
        let welcome = match next(&mut incoming).await?.1 {
            Incoming::Welcome(welcome) => welcome,
            Incoming::Refusal(refusal) => return Err(refused(refusal)),
            Incoming::Challenge(_)
            | Incoming::Heartbeat(_)
            | Incoming::Ack(_)
            | Incoming::Command(_) => {
                return Err(SessionError::Unexpected("it did not answer the login"));
            }
        };
        failpoint::hit("worker.login.after");
        let (sender, outbox) = mpsc::channel(OUTBOX_LEN);
        let (teller, printed) = mpsc::channel(PRINTED_LEN);
        let bytes_max = welcome.printed_bytes_max;
        let audience = Audience { outbox: teller, bytes_max };
        let end = CancellationToken::new();
        let connection = Connection { outbox: sender, session: welcome.session, channel, end };
        let seconds = welcome.heartbeat_seconds.clamp(1, HEARTBEAT_SECONDS_MAX);
        let idle = welcome.idle_heartbeat_seconds.clamp(seconds, HEARTBEAT_SECONDS_MAX);
        let [heartbeat, idle_heartbeat] =
            [seconds, idle].map(|seconds| Duration::from_secs(seconds.into()));
        let arrival =
            Arrival::Connected { live: live_of(welcome.live), connection: connection.clone() };
        link.arrivals.send(arrival).await.map_err(|_| SessionError::Stopping)?;
        tracing::info!(url = %link.url, "logged in to the scheduler");
        link.audience.send_replace((bytes_max > 0).then_some(audience));
        let reports = BTreeMap::new();
        Ok(Self {
            incoming,
            outgoing,
            last_id: 1,
            reports,
            outbox,
            printed,
            connection,
            heartbeat,
            idle_heartbeat,
        })
    }

    async fn serve(&mut self, link: &Link) -> SessionError {
        let silence = self.heartbeat * SILENT_HEARTBEATS;
        let mut live = link.live.clone();
        let outgoing = self.outgoing.clone();
        let mut last_beat: Option<Instant> = None;
        // Since when a heartbeat waits for its answer.
        let mut asked_at: Option<Instant> = None;
        loop {
            let is_idle = live.borrow_and_update().is_empty();
            let next_beat = last_beat.map_or_else(Instant::now, |last| last + self.pause(is_idle));
            let silent = asked_at.map_or_else(Instant::now, |asked| asked + silence);
            // What runs print goes out where nothing waits: it never stands before a report.
            let room = self.outgoing.max_capacity();
            let is_free = self.outgoing.capacity() == room;
            let taken = tokio::select! {
                message = next(&mut self.incoming) => match message {
                    Ok((id, body)) => {
                        asked_at = None;
                        self.take(link, id, body).await
                    }
                    Err(error) => Err(error),
                },
                body = self.outbox.recv() => match body {
                    Some(body) => self.say(body).await,
                    None => Err(SessionError::Stopping),
                },
                () = sleep_until(next_beat) => {
                    let now = Instant::now();
                    last_beat = Some(now);
                    asked_at.get_or_insert(now);
                    self.beat(is_idle).await
                }
                Ok(()) = live.changed() => Ok(()),
                Some(printed) = self.printed.recv(), if is_free => {
                    self.say(Outgoing::Printed(printed)).await
                }
                // Looked at again when all that waits has gone, whether something is printed yet or not.
                Ok(_) = outgoing.reserve_many(room), if !is_free => Ok(()),
                () = sleep_until(silent), if asked_at.is_some() => {
                    Err(SessionError::Silent(silence.as_secs()))
                }
                () = self.connection.end.cancelled() => Err(SessionError::Slow),
            };
            if let Err(error) = taken {
                return error;
            }
        }
    }

    /// From one heartbeat to the next. With tasks twice in the agreed time, so that one may come
    /// late.
    fn pause(&self, is_idle: bool) -> Duration {
        if is_idle { self.idle_heartbeat } else { self.heartbeat / 2 }
    }

    async fn beat(&mut self, is_idle: bool) -> Result<(), SessionError> {
        let promised = if is_idle { self.idle_heartbeat } else { self.heartbeat };
        let next_seconds = u32::try_from(promised.as_secs()).unwrap_or(HEARTBEAT_SECONDS_MAX);
        self.say(Outgoing::Heartbeat(v1::Heartbeat { next_seconds })).await
    }

    /// Sends a message under the next number.
    async fn say(&mut self, body: Outgoing) -> Result<(), SessionError> {
        self.last_id += 1;
        let is_report = matches!(body, Outgoing::Report(_));
        let is_ack = matches!(body, Outgoing::Ack(_));
        if let Outgoing::Report(report) = &body {
            let stage = v1::Stage::try_from(report.stage).ok().and_then(stage_of);
            if let (Ok(task), Some(stage)) = (words::task(&report.task), stage) {
                self.reports.insert(self.last_id, (task, stage));
            }
            if self.reports.len() > UNACKNOWLEDGED_MAX {
                self.reports.pop_first();
            }
            failpoint::hit("worker.report.before");
        }
        if is_ack {
            failpoint::hit("worker.acknowledge.before");
        }
        let message = v1::WorkerMessage { id: self.last_id, body: Some(body) };
        self.outgoing.send(message).await.map_err(|_| SessionError::Closed)?;
        if is_report {
            failpoint::hit("worker.report.after");
        }
        if is_ack {
            failpoint::hit("worker.acknowledge.after");
        }
        Ok(())
    }

    /// Takes a message of the scheduler in. While the loop is busy the scheduler waits.
    async fn take(&mut self, link: &Link, id: u64, body: Incoming) -> Result<(), SessionError> {
        let arrival = match body {
            Incoming::Heartbeat(_) => return Ok(()),
            Incoming::Ack(ack) => match self.reports.remove(&ack.id) {
                Some((task, stage)) => Input::Acknowledged { task, stage }.into(),
                None => return Ok(()),
            },
            Incoming::Command(command) => self.command(id, command),
            Incoming::Refusal(refusal) => return Err(refused(refusal)),
            Incoming::Challenge(_) | Incoming::Welcome(_) => {
                return Err(SessionError::Unexpected("it began the login again"));
            }
        };
        link.arrivals.send(arrival).await.map_err(|_| SessionError::Stopping)
    }

    fn command(&self, id: u64, command: v1::Command) -> Arrival {
        // What cannot be read is acknowledged all the same: sent again it would be no better.
        let input = input_of(command)
            .map_err(|error| tracing::warn!(%error, "a command of the scheduler is unreadable"))
            .ok();
        Arrival::Command { input, id, outbox: self.connection.outbox.clone() }
    }
}

/// The next message with its number.
async fn next(
    incoming: &mut Streaming<v1::SchedulerMessage>,
) -> Result<(u64, Incoming), SessionError> {
    let message = incoming.message().await?.ok_or(SessionError::Closed)?;
    let body = message.body.ok_or(SessionError::Unexpected("an empty message"))?;
    Ok((message.id, body))
}

fn refused(refusal: v1::Refusal) -> SessionError {
    let cause = v1::refusal::Cause::try_from(refusal.cause).unwrap_or_default();
    SessionError::Refused { cause, detail: refusal.detail }
}

fn login(link: &Link, challenge: &v1::Challenge) -> Result<v1::Login, SessionError> {
    let Identity { wallet, workerpool, chain_id, hub: _ } = &link.identity;
    check_challenge(&link.identity, challenge)?;
    let nonce = words::word("nonce", &challenge.nonce)
        .map_err(|_| SessionError::Unexpected("its nonce has not 32 bytes"))?;
    let worker = wallet.address();
    let signature = wallet.sign_hash(login_hash(*chain_id, *workerpool, worker, nonce));
    Ok(v1::Login {
        worker: worker.to_vec(),
        signature: signature.to_vec(),
        protocol_version: PROTOCOL_VERSION,
        software_version: env!("CARGO_PKG_VERSION").into(),
        capacity: Some(link.capacity.clone()),
        live: link.live.borrow().iter().map(live_message).collect(),
    })
}

/// Whether a challenge comes from the pool, hub and chain that this worker is set to.
fn check_challenge(identity: &Identity, challenge: &v1::Challenge) -> Result<(), SessionError> {
    if challenge.protocol_version != PROTOCOL_VERSION {
        return Err(SessionError::Version { theirs: challenge.protocol_version });
    }
    if challenge.chain_id != identity.chain_id {
        let (theirs, ours) = (challenge.chain_id.to_string(), identity.chain_id.to_string());
        return Err(SessionError::OtherPool { what: "chain", theirs, ours });
    }
    for (what, theirs, ours) in [
        ("hub", &challenge.hub, identity.hub),
        ("pool", &challenge.workerpool, identity.workerpool),
    ] {
        let theirs = words::address(what, theirs).unwrap_or(Address::ZERO);
        if theirs != ours {
            let (theirs, ours) = (theirs.to_string(), ours.to_string());
            return Err(SessionError::OtherPool { what, theirs, ours });
        }
    }
    Ok(())
}
