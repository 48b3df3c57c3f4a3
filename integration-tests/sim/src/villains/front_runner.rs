//! Somebody who has seen signed orders, and matches them before those who signed them do.

use crate::chain::HubCall;
use crate::process::Wallet;
use crate::world::World;
use poco_core::{Address, Call};

impl World {
    /// Matches one of the orders that are out.
    pub(crate) fn front_run(&mut self) {
        let Some(place) = self.dice.place(self.requests.len()) else { return };
        let runner = front_runner();
        let terms = self.requests[place].terms.clone();
        self.send_raw(runner, HubCall::Classic(Box::new(Call::MatchOrders(terms))));
    }
}

/// Who it is.
pub(crate) fn front_runner() -> Address {
    Wallet::named("front runner").address
}
