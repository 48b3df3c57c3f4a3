//! Those who do not do what they should, each in a file of its own.

mod absconder;
mod colluder;
mod copycat;
mod flaky;
mod front_runner;
mod late;
mod no_reveal;
mod opener;
mod silent;
mod sybil;
mod unprovable;

pub(crate) use sybil::wallet as sybil_wallet;
pub(crate) use unprovable::{UNPROVABLE, says_on};

use crate::dice::Dice;
use crate::process::Host;
use crate::scenario::Millis;
use crate::world::World;
use poco_core::{Address, Bytes, Event, TaskId};
use poco_worker_core::Intent;

/// What a worker is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nature {
    Honest,
    Colluder,
    Copycat,
    Silent,
    NoReveal,
    Flaky,
    Late,
}

/// Longest run of an honest worker.
const RUN_MILLIS_MAX: Millis = 60_000;

impl Nature {
    pub(crate) const VILLAINS: [Self; 6] =
        [Self::Colluder, Self::Copycat, Self::Silent, Self::NoReveal, Self::Flaky, Self::Late];

    /// Whether nothing may ever be taken from it.
    pub(crate) fn is_honest(self) -> bool {
        matches!(self, Self::Honest | Self::Flaky | Self::Late)
    }

    /// What it says that an app wrote.
    pub(crate) fn says(self, task: TaskId, honest: Bytes) -> Bytes {
        match self {
            Self::Colluder => colluder::says(task),
            Self::Honest
            | Self::Copycat
            | Self::Silent
            | Self::NoReveal
            | Self::Flaky
            | Self::Late => honest,
        }
    }

    /// How long it takes to run an app.
    pub(crate) fn run_millis(self, dice: &mut Dice) -> Millis {
        match self {
            Self::Silent => silent::RUN_MILLIS,
            Self::Copycat => copycat::RUN_MILLIS,
            Self::Late => late::run_millis(dice),
            Self::Honest | Self::Colluder | Self::NoReveal | Self::Flaky => {
                dice.of(100..=RUN_MILLIS_MAX)
            }
        }
    }

    /// What is reached when it runs an app; `None` for those of whom nothing is expected.
    pub(crate) fn goal(self) -> Option<&'static str> {
        match self {
            // A copied vote that was taken is a goal of its own.
            Self::Honest | Self::Copycat => None,
            Self::Colluder => Some("a colluder ran an app"),
            Self::Silent => Some("a silent worker ran an app"),
            Self::NoReveal => Some("a worker that reveals nothing ran an app"),
            Self::Flaky => Some("a flaky worker ran an app"),
            Self::Late => Some("a late worker ran an app"),
        }
    }

    /// Whether it keeps a transaction to itself.
    pub(crate) fn withholds(self, intent: Intent) -> bool {
        self == Self::NoReveal && no_reveal::withholds(intent)
    }

    /// Whether it does not tell committed votes.
    pub(crate) fn hides_its_vote(self) -> bool {
        self == Self::NoReveal
    }

    /// Steps until it dies by itself; `None` for those who do not.
    pub(crate) fn breaks_after(self, dice: &mut Dice) -> Option<u32> {
        (self == Self::Flaky).then(|| flaky::breaks_after(dice))
    }
}

impl World {
    /// What the hub took from villains, and what it took of theirs, in the newest block.
    pub(crate) fn note_villains(&mut self) {
        let block = self.chain.head().clone();
        let sybils: Vec<Address> = self.sybils.iter().map(|sybil| sybil.address).collect();
        let copycats: Vec<Address> = (0..self.workers.len())
            .filter(|place| self.workers[*place].plan.nature == Nature::Copycat)
            .map(|place| self.process(Host::of_worker(place)).wallet.address)
            .collect();
        for event in &block.events {
            match event {
                Event::TaskContribute { worker, .. } if copycats.contains(worker) => {
                    self.reached.note("a copied vote was taken");
                }
                Event::TaskContribute { worker, .. } if sybils.contains(worker) => {
                    self.reached.note("the vote of a sybil was taken");
                }
                Event::Seize { owner, .. } if copycats.contains(owner) => {
                    self.reached.note("a copycat was slashed");
                }
                _ => {}
            }
        }
        let is_taken = |hash| matches!(block.mined.get(hash), Some(None));
        let is_by = |who| block.sources.iter().any(|tx| tx.sender == who && is_taken(&tx.hash));
        if is_by(front_runner::front_runner()) {
            self.reached.note("orders were matched by somebody else");
        }
        if is_by(opener::opener()) {
            self.reached.note("a task was opened by somebody else");
        }
    }
}
