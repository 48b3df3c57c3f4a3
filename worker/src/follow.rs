//! Follows the chain's events and hints at tasks that something happened to.
//!
//! Only hints: the core reads the task itself before it believes anything, and reads it now and
//! then without a hint, so nothing is lost with a missed event.

use crate::arrival::Arrival;
use poco_chain::{Chain, Cursor, EventStream, Interest, StreamItem};
use poco_core::lane::LaneEvent;
use poco_core::{Event, TaskId};
use poco_worker_core::Input;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Follows from block `from` on, until the loop is gone.
pub(crate) async fn follow(chain: Chain, from: u64, arrivals: mpsc::Sender<Arrival>) {
    let mut events = EventStream::new(chain, Interest::hub_tasks(), Cursor::start_at(from));
    loop {
        let (to, events) = match events.next().await {
            StreamItem::Blocks(blocks) => (blocks.to, blocks.events),
            // What was seen of the gone blocks is corrected by the next read of each task.
            StreamItem::Rollback { to, .. } => (to, Vec::new()),
        };
        let head = Arrival::Head { timestamp: to.timestamp, seen: Instant::now() };
        if arrivals.send(head).await.is_err() {
            return;
        }
        for task in events.iter().filter_map(|located| task_of(&located.event)) {
            if arrivals.send(Input::Moved(task).into()).await.is_err() {
                return;
            }
        }
    }
}

/// The task that an event may move on, if it is about one.
fn task_of(event: &Event) -> Option<TaskId> {
    match event {
        Event::TaskConsensus { task, .. }
        | Event::TaskReveal { task, .. }
        | Event::TaskReopen { task }
        | Event::TaskFinalize { task, .. }
        | Event::TaskClaimed { task }
        | Event::Lane(LaneEvent::Closed { task } | LaneEvent::TaskSkipped { task, .. }) => {
            Some(*task)
        }
        // Votes of others change nothing until there is a consensus.
        Event::TaskInitialize { .. }
        | Event::TaskContribute { .. }
        | Event::AccurateContribution { .. }
        | Event::FaultyContribution { .. }
        | Event::Transfer { .. }
        | Event::Approval { .. }
        | Event::Lock { .. }
        | Event::Unlock { .. }
        | Event::Seize { .. }
        | Event::Reward { .. }
        | Event::SchedulerNotice { .. }
        | Event::OrdersMatched { .. }
        | Event::DealSponsored { .. }
        | Event::SchedulerNoticeBoost { .. }
        | Event::DealSponsoredBoost { .. }
        | Event::ResultPushedBoost { .. }
        | Event::OrderSigned { .. }
        | Event::OrderClosed { .. }
        | Event::OrderBroadcast(_)
        | Event::CreateCategory { .. }
        | Event::ResourceTransfer { .. }
        | Event::PolicyUpdate { .. }
        | Event::OwnershipTransferred { .. }
        | Event::Conditions(_)
        | Event::Lane(
            LaneEvent::Bonded { .. }
            | LaneEvent::Unbonding { .. }
            | LaneEvent::BondWithdrawn { .. }
            | LaneEvent::Committed { .. },
        ) => None,
    }
}
