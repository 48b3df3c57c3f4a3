//! The open streams of workers: one per wallet.

use crate::heartbeats::Heard;
use crate::translate;
use poco_chain::Wallet;
use poco_core::message::authorization_hash;
use poco_core::{Address, B256, DealId, TaskId};
use poco_proto::v1::scheduler_message::Body;
use poco_proto::v1::{Assign, Command, command};
use poco_scheduler_core::Lane;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Messages that wait for one worker. When they are this many it has stopped reading: a login is answered
/// with a command for each of its live tasks, all at once.
pub(crate) const OUTBOX_LEN: usize = 8192;

/// Live tasks that one worker may tell of in its login: those of all its slots, and some thousand that
/// have ended and may come back.
pub(crate) const LIVE_TASKS_MAX: usize = 6_000;

/// Workers at a time: each costs some 100 kB of buffers.
pub(crate) const WORKERS_MAX: usize = 10_000;

/// One stream of a worker.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    /// Unique in this process.
    pub(crate) id: u64,
    /// Names the session in uploads.
    pub(crate) token: B256,
    /// Of boxes: a queue has room for some dozen entries from the start.
    pub(crate) outbox: mpsc::Sender<Box<Outgoing>>,
    /// Ends the stream.
    pub(crate) end: CancellationToken,
    pub(crate) heard: Heard,
}

/// What waits for a worker.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Ready(Body),
    /// An assignment without its authorization. The stream makes message and signature, which is
    /// most of what an assignment takes: so they are made side by side, and thousands that wait for
    /// it take no more room than their words.
    Unsigned(Unsigned),
}

/// What an assignment to a worker says.
#[derive(Clone, Debug)]
pub(crate) struct Unsigned {
    pub(crate) worker: Address,
    pub(crate) task: TaskId,
    pub(crate) deal: DealId,
    pub(crate) index: u64,
    pub(crate) lane: Lane,
    /// Of the pool's owner.
    pub(crate) wallet: Arc<Wallet>,
}

impl Unsigned {
    fn sign(self) -> Assign {
        let Self { worker, task, deal, index, lane, wallet } = self;
        let authorization = wallet.sign_hash(authorization_hash(worker, task, Address::ZERO));
        Assign {
            task: task.0.to_vec(),
            deal: deal.0.to_vec(),
            index,
            authorization: authorization.to_vec(),
            enclave_challenge: Address::ZERO.to_vec(),
            lane: translate::lane(lane).into(),
        }
    }
}

impl From<Body> for Outgoing {
    fn from(body: Body) -> Self {
        Self::Ready(body)
    }
}

impl Outgoing {
    /// The message itself.
    pub(crate) fn into_body(self) -> Body {
        match self {
            Self::Ready(body) => body,
            Self::Unsigned(unsigned) => {
                let assign = command::Body::Assign(unsigned.sign());
                Body::Command(Command { body: Some(assign) })
            }
        }
    }
}

/// Why a session is not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotOpened {
    AlreadyConnected,
    Full,
}

#[derive(Debug, Default)]
pub(crate) struct Sessions {
    open: BTreeMap<Address, Session>,
    tokens: BTreeMap<B256, Address>,
}

impl Sessions {
    /// Opens a session. One of the same wallet that is late is replaced: its machine most likely
    /// lost the connection. One that is alive stays.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub(crate) fn open(&mut self, worker: Address, session: Session) -> Result<(), NotOpened> {
        if let Some(before) = self.open.get(&worker) {
            let is_alive = !before.outbox.is_closed() && !before.heard.is_late();
            if is_alive {
                return Err(NotOpened::AlreadyConnected);
            }
            self.drop_session(worker);
        } else if self.open.len() >= WORKERS_MAX {
            return Err(NotOpened::Full);
        }
        self.tokens.insert(session.token, worker);
        self.open.insert(worker, session);
        Ok(())
    }

    /// Closes a session, if it is still the wallet's. `true` if it was.
    pub(crate) fn close(&mut self, worker: Address, session: u64) -> bool {
        let is_current = self.open.get(&worker).is_some_and(|open| open.id == session);
        if is_current {
            self.drop_session(worker);
        }
        is_current
    }

    pub(crate) fn is_current(&self, worker: Address, session: u64) -> bool {
        self.open.get(&worker).is_some_and(|open| open.id == session)
    }

    pub(crate) fn worker_of(&self, token: B256) -> Option<Address> {
        self.tokens.get(&token).copied()
    }

    /// Queues a message. A worker that does not read is cut off: it finds out what it missed when
    /// it comes back.
    pub(crate) fn send(&self, worker: Address, message: Outgoing) {
        let Some(session) = self.open.get(&worker) else { return };
        if session.outbox.try_send(Box::new(message)).is_err() {
            tracing::warn!(%worker, "a worker does not take its messages; its stream is closed");
            session.end.cancel();
        }
    }

    /// Ends a worker's stream.
    pub(crate) fn cut(&self, worker: Address) {
        if let Some(session) = self.open.get(&worker) {
            session.end.cancel();
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    fn drop_session(&mut self, worker: Address) {
        if let Some(session) = self.open.remove(&worker) {
            self.tokens.remove(&session.token);
            session.end.cancel();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heartbeats::Heartbeats;

    fn session(id: u64) -> (Session, mpsc::Receiver<Box<Outgoing>>) {
        let (outbox, inbox) = mpsc::channel(1);
        let token = B256::with_last_byte(u8::try_from(id).unwrap());
        let end = CancellationToken::new();
        (Session { id, token, outbox, end, heard: Heard::new(Heartbeats::new(60)) }, inbox)
    }

    #[tokio::test]
    async fn a_live_stream_is_kept_and_a_dead_one_replaced() {
        let mut sessions = Sessions::default();
        let worker = Address::repeat_byte(1);
        let (first, inbox) = session(1);
        assert_eq!(sessions.open(worker, first.clone()), Ok(()));
        assert_eq!(sessions.worker_of(first.token), Some(worker));
        let (second, _inbox) = session(2);
        let refused = sessions.open(worker, second.clone());
        assert_eq!(refused, Err(NotOpened::AlreadyConnected));
        drop(inbox);
        assert_eq!(sessions.open(worker, second), Ok(()));
        assert!(first.end.is_cancelled());
        assert_eq!(sessions.worker_of(first.token), None);
        assert!(!sessions.close(worker, 1), "the end of the old stream is no end of the new");
        assert!(sessions.close(worker, 2));
        assert_eq!(sessions.len(), 0);
    }

    #[tokio::test]
    async fn a_worker_that_does_not_read_is_cut_off() {
        let mut sessions = Sessions::default();
        let worker = Address::repeat_byte(1);
        let (only, _inbox) = session(1);
        sessions.open(worker, only.clone()).unwrap();
        for _ in 0..2 {
            sessions.send(worker, Body::Heartbeat(poco_proto::v1::Heartbeat::default()).into());
        }
        assert!(only.end.is_cancelled());
    }
}
