//! Somebody who opens tasks of others before their scheduler opens or commits them: the hub lets anybody.

use crate::chain::HubCall;
use crate::process::Wallet;
use crate::world::World;
use poco_core::task::TaskStatus;
use poco_core::{Address, Call, DealId, U256};

impl World {
    /// Opens a task that nobody has opened so far.
    pub(crate) fn open_early(&mut self) {
        let hub = self.chain.hub();
        let mut closed: Vec<(DealId, U256)> = Vec::new();
        for (id, deal) in hub.deals() {
            for offset in 0..deal.bot_size.saturating_to() {
                let is_closed = deal
                    .task_at(id, offset)
                    .is_some_and(|task| hub.task(task).status == TaskStatus::Unset);
                if is_closed {
                    closed.push((id, deal.bot_first + U256::from(offset)));
                }
            }
        }
        let Some(place) = self.dice.place(closed.len()) else { return };
        let (deal, index) = closed[place];
        self.send_raw(opener(), HubCall::Classic(Box::new(Call::Initialize { deal, index })));
    }
}

/// Who it is.
pub(crate) fn opener() -> Address {
    Wallet::named("opener").address
}
