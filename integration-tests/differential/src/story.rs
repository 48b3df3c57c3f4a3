//! Steps and what came of them, in words.

use crate::cast::Cast;
use crate::play::Expected;
use crate::refusals;
use crate::sequence::{Found, Theatre};
use crate::stage::START;
use crate::step::Step;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Longest text of hexadecimal digits that is shown whole.
const DIGITS_SHOWN: usize = 10;

/// Tells with the names of the cast.
pub struct Story {
    names: BTreeMap<String, String>,
}

impl Story {
    /// With the names of a cast.
    #[must_use]
    pub fn new(cast: &Cast) -> Self {
        let names = cast
            .names()
            .map(|(account, name)| (format!("{account:?}"), format!("⟨{name}⟩")))
            .collect();
        Self { names }
    }

    /// One step.
    #[must_use]
    pub fn line(&self, step: &Step, expected: &[Expected; 2]) -> String {
        let [ours, reference] = expected;
        let seconds = step.at.saturating_sub(START);
        let act = format!("{:?} {:?}", step.sender, step.act);
        let mut text = format!("{seconds:>7}s {}\n", self.named(&act));
        if ours == reference {
            let _ = write!(text, "         → {}", self.outcome(ours));
        } else {
            let _ = write!(
                text,
                "         → by our rules: {}\n         → by the reference's: {}",
                self.outcome(ours),
                self.outcome(reference)
            );
        }
        text
    }

    fn outcome(&self, expected: &Expected) -> String {
        match expected {
            Expected::Done(outcome) => {
                let events: Vec<String> =
                    outcome.events.iter().map(|event| format!("{event:?}")).collect();
                self.named(&format!("done: {}", events.join("; ")))
            }
            Expected::Refused(refusal) => {
                format!("refused, {}: {refusal}", refusals::name(refusal))
            }
            Expected::Never(_) => "refused in any state".into(),
            Expected::Changed => "the world has changed".into(),
        }
    }

    /// A failing sequence, step by step, and what differs at its end.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn of(&self, seed: u64, found: &Found, theatre: &Theatre) -> Result<String> {
        let mut text = format!("seed {seed}: {} steps that differ\n", found.steps.len());
        for line in theatre.tell(&found.steps, |step, expected| self.line(step, expected))? {
            let _ = writeln!(text, "{line}");
        }
        let _ = write!(text, "the difference: {}", self.named(&found.difference));
        Ok(text)
    }

    /// With names for addresses, and long digits cut.
    fn named(&self, text: &str) -> String {
        let mut short = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(place) = rest.find("0x") {
            let (before, from) = rest.split_at(place);
            short.push_str(before);
            let length = 2 + from.chars().skip(2).take_while(char::is_ascii_hexdigit).count();
            let (digits, after) = from.split_at(length);
            if let Some(name) = self.names.get(digits) {
                short.push_str(name);
            } else if length > 2 + DIGITS_SHOWN {
                let _ = write!(short, "{}…", digits.get(..8).unwrap_or(digits));
            } else {
                short.push_str(digits);
            }
            rest = after;
        }
        short.push_str(rest);
        short
    }
}
