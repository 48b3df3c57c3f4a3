//! Which interesting things happened: a rule that was never put to the test proves nothing.

use std::collections::BTreeMap;

/// How often each thing happened, by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached(BTreeMap<&'static str, u64>);

impl Reached {
    pub(crate) fn note(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    /// Adds what another world reached, each thing once for that world.
    pub fn add(&mut self, other: &Self) {
        for what in other.0.keys() {
            *self.0.entry(what).or_default() += 1;
        }
    }

    /// Each thing with its count, by name.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|(what, count)| (*what, *count))
    }

    /// The goals that were not reached.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        GOALS.iter().copied().filter(|goal| !self.0.contains_key(goal)).collect()
    }
}

/// What many worlds together must reach.
const GOALS: &[&str] = &[
    "initialize",
    "finalize",
    "reopen",
    "claim",
    "commit",
    "settle",
    "contribute",
    "reveal",
    "contributeAndFinalize",
    "a task was completed",
    "a task had to be completed",
    "a task was refunded",
    "a container was adopted",
    "the scheduler died",
    "a worker died",
    "an engine died under an app",
    "a scheduler went on with what it had stored",
    "a worker went on with what it had stored",
    "a stream broke",
    "a worker was cut off",
    "a node was down",
    "no node answered for an hour",
    "a node lagged",
    "a node lied about nonces",
    "a node did not answer",
    "the chain was rewritten",
    "a rewritten chain was noticed",
    "a deal was gone",
    "fees rose",
    "a fee was raised",
    "a transaction vanished",
    "a transaction was refused by the node",
    "a transaction was underpriced",
    "a gap in the nonces was filled",
    "a transaction lost its nonce",
    "a clock jumped",
    "a store was made anew from the chain",
    "a batch of the scheduler was torn",
    "a journal was torn",
    "what the scheduler kept of a task was looked at",
    "blocks came three times a second",
    "blocks came every twelve seconds",
    "disclose",
    "close",
    "a worker disclosed on chain",
    "a worker knew a commit that the hub did not",
    "a worker closed a task",
    "a scheduler was gone after its commit",
    "a worker freed its bond",
    "fees above the cap",
    "an honest worker was outvoted",
    "a colluder ran an app",
    "a silent worker ran an app",
    "a worker that reveals nothing ran an app",
    "a flaky worker ran an app",
    "a late worker ran an app",
    "an app gave each worker another result",
    "a copied vote was taken",
    "a copycat was slashed",
    "the vote of a sybil was taken",
    "orders were matched by somebody else",
    "a task was opened by somebody else",
    "a villain was slashed",
];
