//! What a run on registries has reached.

use super::act::{Act, Step};
use super::agreement;
use crate::chain::Answer;
use std::collections::{BTreeMap, BTreeSet};

/// Functions that both take.
const TAKEN: [&str; 14] = [
    "createApp",
    "createDataset",
    "createWorkerpool",
    "approve",
    "setApprovalForAll",
    "transferFrom",
    "safeTransferFrom",
    "safeTransferFrom with data",
    "changePolicy",
    "setBaseURI",
    "transferOwnership",
    "renounceOwnership",
    "initialize",
    "matchOrders",
];
/// Functions that both refuse always.
const REFUSED: [&str; 3] = ["setName", "setName of an entry", "initialize of an entry"];

/// Counts.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Calls, each played on both sides.
    pub calls: u64,
    /// Sequences.
    pub sequences: u64,
    /// Taken and refused by the reference, by function.
    pub functions: BTreeMap<&'static str, (u64, u64)>,
    /// The words with which the reference refuses.
    pub words: BTreeMap<String, u64>,
    /// What one side takes and the other does not.
    pub differences: BTreeSet<&'static str>,
}

impl Tally {
    /// Counts a call.
    pub(super) fn count(&mut self, step: &Step, [ours, reference]: &[Answer; 2]) {
        self.calls += 1;
        let entry = self.functions.entry(step.act.function()).or_default();
        match reference {
            Answer::Done { .. } => entry.0 += 1,
            Answer::Refused(data) => {
                entry.1 += 1;
                *self.words.entry(agreement::words(data)).or_default() += 1;
            }
        }
        let is_taken = |answer: &Answer| matches!(answer, Answer::Done { .. });
        if is_taken(ours) != is_taken(reference) {
            let difference = match &step.act {
                Act::Approve { .. } => "approve to the owner",
                Act::ApproveAll { .. } => "setApprovalForAll to oneself",
                Act::ChangePolicy { .. } => "a worker stake ratio beyond 24 bits",
                Act::Create { .. }
                | Act::Transfer { .. }
                | Act::SetBaseUri { .. }
                | Act::Own { .. }
                | Act::Initialize { .. }
                | Act::SetName { .. }
                | Act::InitializeEntry { .. }
                | Act::Match { .. } => "another",
            };
            self.differences.insert(difference);
        }
    }

    /// What must be reached and was not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let count = |function: &str| self.functions.get(function).copied().unwrap_or_default();
        let taken = TAKEN.iter().filter(|function| count(function).0 == 0);
        let refused = TAKEN.iter().chain(&REFUSED).filter(|function| count(function).1 == 0);
        let words = agreement::WORDS.iter().filter(|(words, _)| !self.words.contains_key(*words));
        taken
            .map(|function| format!("{function} was never taken"))
            .chain(refused.map(|function| format!("{function} was never refused")))
            .chain(words.map(|(words, _)| format!("the refusal \"{words}\"")))
            .chain((self.differences.len() < 3).then(|| "a known difference".to_owned()))
            .collect()
    }

    /// In a line.
    #[must_use]
    pub fn summary(&self) -> String {
        let taken: u64 = self.functions.values().map(|(taken, _)| taken).sum();
        format!(
            "three ways: {} calls of the reference's own registries in {} sequences, {} % of them \
             taken; {} functions, {} refusals",
            self.calls,
            self.sequences,
            taken * 100 / self.calls.max(1),
            self.functions.len(),
            self.words.len()
        )
    }
}
