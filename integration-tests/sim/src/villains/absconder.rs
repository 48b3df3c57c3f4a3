//! A scheduler that commits votes and is gone when it should settle them: whoever voted has to help
//! itself.

use crate::process::Host;
use crate::scenario::T;
use crate::world::World;

impl World {
    /// A commit was mined: the scheduler goes, for longer than votes may be disclosed.
    pub(crate) fn abscond(&mut self) {
        let host = Host::SCHEDULER;
        if !self.scenario.absconds || !self.is_troubled() || !self.process(host).is_up {
            return;
        }
        self.reached.note("a scheduler was gone after its commit");
        let pause = self.dice.of(T * 2_200..=T * 4_000);
        self.die_for(host, pause);
    }
}
