//! What a run has reached: functions, views, refusals, events, and differences between the rules.

use crate::abi::Hub;
use crate::chain::Answer;
use crate::goals::{FUNCTIONS, FUNCTIONS_OF_OURS, REFUSALS, SKIPS, VIEWS, Whose};
use crate::play::{Expected, Played};
use crate::refusals;
use crate::step::Step;
use alloy_sol_types::SolEventInterface;
use poco_core::Event;
use poco_core::lane::{LaneEvent, SkipReason};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Counts, by what was reached.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Transactions, each played on both chains.
    pub calls: u64,
    /// Those of them that came to the same by both rules: the same events, amounts and refusals.
    pub same: u64,
    /// Sequences.
    pub sequences: u64,
    /// By side and function: taken, refused.
    pub functions: BTreeMap<(&'static str, String), (u64, u64)>,
    /// By side and refusal.
    pub refusals: BTreeMap<(&'static str, String), u64>,
    /// By event.
    pub events: BTreeMap<String, u64>,
    /// Tasks that a settlement left as they were, by reason.
    pub skips: BTreeMap<SkipReason, u64>,
    /// Calls of the settlement lane, which are played on ours and on its model.
    pub lane_calls: u64,
    /// By signature, on our chain.
    pub views: BTreeMap<String, u64>,
    /// How the rules differed, in the model's words.
    pub rules: BTreeMap<String, u64>,
}

impl Tally {
    /// Adds what another run has reached.
    pub fn add(&mut self, other: &Self) {
        self.calls += other.calls;
        self.same += other.same;
        self.sequences += other.sequences;
        for (key, (taken, refused)) in &other.functions {
            let entry = self.functions.entry(key.clone()).or_default();
            *entry = (entry.0 + taken, entry.1 + refused);
        }
        for (mine, theirs) in [
            (&mut self.events, &other.events),
            (&mut self.views, &other.views),
            (&mut self.rules, &other.rules),
        ] {
            for (key, count) in theirs {
                *mine.entry(key.clone()).or_default() += count;
            }
        }
        self.lane_calls += other.lane_calls;
        for (reason, count) in &other.skips {
            *self.skips.entry(*reason).or_default() += count;
        }
        for (key, count) in &other.refusals {
            *self.refusals.entry(key.clone()).or_default() += count;
        }
    }

    /// Counts what a step came to on one side.
    pub fn count(&mut self, side: &'static str, function: &str, played: &Played) {
        let Some(answer) = &played.answer else { return };
        if let Expected::Done(outcome) = &played.expected {
            for event in &outcome.events {
                if let Event::Lane(LaneEvent::TaskSkipped { reason, .. }) = event {
                    *self.skips.entry(*reason).or_default() += 1;
                }
            }
        }
        let entry = self.functions.entry((side, function.to_owned())).or_default();
        match answer {
            Answer::Done { logs, .. } => {
                entry.0 += 1;
                for log in logs {
                    let topics = log.data.topics();
                    if let Ok(event) = Hub::HubEvents::decode_raw_log(topics, &log.data.data) {
                        let text = format!("{event:?}");
                        let name = text.split('(').next().unwrap_or_default().to_owned();
                        *self.events.entry(name).or_default() += 1;
                    }
                }
            }
            Answer::Refused(_) => entry.1 += 1,
        }
        let refusal = match &played.expected {
            Expected::Refused(refusal) => refusals::name(refusal),
            Expected::Never(words) => format!("Never: {}", words.unwrap_or("no words")),
            Expected::Done(_) | Expected::Changed => return,
        };
        *self.refusals.entry((side, refusal)).or_default() += 1;
    }

    /// Counts a difference between the rules.
    pub fn count_rules(&mut self, ours: &Expected, reference: &Expected) {
        let how = match (ours, reference) {
            (Expected::Done(_), Expected::Refused(refusal)) => {
                format!("only ours takes it; the reference: {}", refusals::name(refusal))
            }
            (Expected::Refused(refusal), Expected::Done(_)) => {
                format!("only the reference takes it; ours: {}", refusals::name(refusal))
            }
            (Expected::Done(_), Expected::Done(_)) => "other events or amounts".into(),
            (ours, reference) => format!(
                "refused by ours for {}, by the reference for {}",
                reason(ours),
                reason(reference)
            ),
        };
        *self.rules.entry(how).or_default() += 1;
    }

    /// What must be reached and was not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for side in ["ours", "the reference"] {
            let of_ours = FUNCTIONS_OF_OURS.iter().filter(|_| side == "ours");
            for function in FUNCTIONS.iter().chain(of_ours) {
                let key = (side, (*function).to_owned());
                if self.functions.get(&key).is_none_or(|(taken, _)| *taken == 0) {
                    missing.push(format!("{side}: {function} was never taken"));
                }
            }
            for refusal in REFUSALS {
                let (name, whose) = refusal;
                let is_wanted = match whose {
                    Whose::Both => true,
                    Whose::Ours => side == "ours",
                    Whose::Reference => side == "the reference",
                };
                if is_wanted && !self.refusals.contains_key(&(side, (*name).to_owned())) {
                    missing.push(format!("{side}: refusal {name}"));
                }
            }
        }
        for view in VIEWS {
            if !self.views.contains_key(*view) {
                missing.push(format!("view {view}"));
            }
        }
        let events = Hub::HubEvents::SIGNATURES.iter().map(|it| it.split('(').next());
        for event in events.flatten() {
            if !self.events.contains_key(event) {
                missing.push(format!("event {event}"));
            }
        }
        for reason in SKIPS {
            if !self.skips.contains_key(reason) {
                missing.push(format!("a task skipped for {reason:?}"));
            }
        }
        missing
    }

    /// In a line: how much was played, and that everything was reached.
    #[must_use]
    pub fn summary(&self) -> String {
        let missing = self.missing().len();
        let reached = if missing == 0 {
            format!(
                "every one of {} functions, {} refusals, {} views",
                FUNCTIONS.len() + FUNCTIONS_OF_OURS.len(),
                REFUSALS.len(),
                VIEWS.len()
            )
        } else {
            format!("{missing} of what there is was not reached")
        };
        let Self { calls, sequences, same, lane_calls, .. } = self;
        let taken: u64 = self.functions.values().map(|(taken, _)| taken).sum();
        // Each call is played on two chains.
        let percent = taken * 100 / (2 * calls).max(1);
        format!(
            "three ways: {calls} calls in {sequences} sequences, {percent} % of them taken, \
             {same} the same by both rules, {lane_calls} in the settlement lane; {reached}, \
             {} events, {} reasons to skip a task",
            self.events.len(),
            self.skips.len()
        )
    }

    /// The table.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = self.summary();
        text.push('\n');
        let _ = writeln!(text, "\nfunction: taken and refused by ours, by the reference");
        let names: std::collections::BTreeSet<_> =
            self.functions.keys().map(|(_, name)| name.clone()).collect();
        for name in names {
            let of = |side| self.functions.get(&(side, name.clone())).copied().unwrap_or_default();
            let ((a, b), (c, d)) = (of("ours"), of("the reference"));
            let _ = writeln!(text, "  {name:58} {a:7} {b:7} {c:7} {d:7}");
        }
        let _ = writeln!(text, "\nrefusal: by ours, by the reference");
        let names: std::collections::BTreeSet<_> =
            self.refusals.keys().map(|(_, name)| name.clone()).collect();
        for name in names {
            let of = |side| self.refusals.get(&(side, name.clone())).copied().unwrap_or_default();
            let _ = writeln!(text, "  {name:58} {:7} {:7}", of("ours"), of("the reference"));
        }
        let _ = writeln!(text, "\na task skipped by a settlement");
        for (reason, count) in &self.skips {
            let _ = writeln!(text, "  {:58} {count:7}", format!("{reason:?}"));
        }
        for (title, counts) in [
            ("event", &self.events),
            ("view", &self.views),
            ("where the rules differ", &self.rules),
        ] {
            let _ = writeln!(text, "\n{title}");
            for (name, count) in counts {
                let _ = writeln!(text, "  {name:58} {count:7}");
            }
        }
        text
    }
}

fn reason(expected: &Expected) -> String {
    match expected {
        Expected::Refused(refusal) => refusals::name(refusal),
        Expected::Done(_) | Expected::Never(_) | Expected::Changed => "nothing".into(),
    }
}

/// The function that a step calls, as a signature.
#[must_use]
pub fn function(step: &Step, to_hub: bool, data: &[u8]) -> String {
    let selector = data.get(..4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
    let name = selector.filter(|_| to_hub).and_then(Hub::HubCalls::name_by_selector);
    match name {
        Some(name) => format!("{name}()"),
        None => step.act.kind().to_owned(),
    }
}
