//! What comes into the loop's one queue.

use crate::link::Connection;
use poco_core::{TaskId, Timestamp};
use poco_proto::v1;
use poco_worker_core::{Input, Stage};
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Arrivals that wait for the loop; whoever brings more waits. A burst of chain events or
/// commands fits, and stays far below a megabyte.
pub(crate) const QUEUE_LEN: usize = 1024;

/// Where messages to the scheduler go: the stream's own queue, gone with the stream.
pub(crate) type Outbox = mpsc::Sender<v1::worker_message::Body>;

/// One thing that arrived.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// An input for the core.
    Input(Input),
    /// A command, to be acknowledged once what follows from it is stored.
    Command {
        /// For the core; `None` where the command cannot be read.
        input: Option<Input>,
        /// The message's number on its stream.
        id: u64,
        /// The stream.
        outbox: Outbox,
    },
    /// The scheduler took the login.
    Connected {
        /// What it holds this worker to.
        live: Vec<(TaskId, Stage)>,
        /// The stream.
        connection: Connection,
    },
    /// The time of the chain's latest block.
    Head {
        /// Its time.
        timestamp: Timestamp,
        /// When it was read.
        seen: Instant,
    },
}

impl From<Input> for Arrival {
    fn from(input: Input) -> Self {
        Self::Input(input)
    }
}
