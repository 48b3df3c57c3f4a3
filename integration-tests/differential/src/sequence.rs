//! Sequences: played from a seed, or replayed from their steps and made shorter.

use crate::cast::Cast;
use crate::director::Director;
use crate::play::Expected;
use crate::prelude;
use crate::stage::{Side, Stage};
use crate::step::{Act, Step};
use crate::tally::{self, Tally};
use crate::views;
use alloy_primitives::Address;
use anyhow::{Result, bail};
use poco_core::OrderHash;
use poco_core::call::SignedTerms;
use poco_core::hub::BoostCall;
use poco_core::order::Order;
use std::collections::BTreeSet;

/// Replays spent on making one failing sequence shorter.
const REPLAYS_MAX: usize = 600;

/// The stage after the prelude, from which every sequence starts.
pub struct Theatre {
    /// Who plays.
    pub cast: Cast,
    stage: Stage,
}

/// A sequence that does not play the same everywhere.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its steps up to the difference.
    pub steps: Vec<Step>,
    /// What differs.
    pub difference: String,
}

impl Theatre {
    /// Deploys, plays the prelude and compares everything.
    ///
    /// # Errors
    /// Where something is missing or the prelude does not play the same everywhere.
    pub fn open() -> Result<Self> {
        let mut cast = Cast::new();
        let mut stage = Stage::build(&cast)?;
        for step in prelude::steps(&cast, &stage.places) {
            let mut tally = Tally::default();
            if let Some(difference) = stage.step(&step, &mut tally)?.0 {
                bail!("the prelude differs at {step:?}: {difference}");
            }
            if !tally.refusals.is_empty() {
                bail!("the prelude was refused at {step:?}: {:?}", tally.refusals);
            }
        }
        prelude::name_all(&mut cast, &stage.places);
        Ok(Self { cast, stage })
    }

    /// Plays about `calls` calls from a seed; `tell` hears of each step.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn play(
        &self,
        seed: u64,
        calls: u64,
        tally: &mut Tally,
        mut tell: impl FnMut(&Step, &[Expected; 2]),
    ) -> Result<Option<Found>> {
        let mut stage = self.stage.fork();
        let mut director = Director::new(seed, &self.cast, stage.places);
        let mut steps: Vec<Step> = Vec::new();
        let accounts: Vec<Address> = self.cast.principals();
        let until = tally.calls + calls;
        let mut is_one = true;
        while tally.calls < until {
            let guide = if seed.is_multiple_of(2) || director.is_laned() {
                &stage.ours.model
            } else {
                &stage.reference.model
            };
            for step in director.next(guide) {
                let (mut difference, expected) = stage.step(&step, tally)?;
                tell(&step, &expected);
                is_one &= expected[0] == expected[1];
                let is_match = terms_of(&step).is_some();
                steps.push(step);
                if difference.is_none() && is_one && is_match {
                    difference = stage.cross(director.shown())?;
                }
                if let Some(difference) = difference {
                    return Ok(Some(Found { steps, difference }));
                }
            }
        }
        tally.sequences += 1;
        let difference = stage.compare(&accounts, &hashes(&stage, director.shown()))?;
        stage.ours.chain.count_views(&mut tally.views);
        Ok(difference.map(|difference| Found { steps, difference }))
    }

    /// Plays steps as they are.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn replay(&self, steps: &[Step]) -> Result<Option<Found>> {
        let mut stage = self.stage.fork();
        let mut tally = Tally::default();
        for (place, step) in steps.iter().enumerate() {
            if let (Some(difference), _) = stage.step(step, &mut tally)? {
                let steps = steps.iter().take(place + 1).cloned().collect();
                return Ok(Some(Found { steps, difference }));
            }
        }
        let shown: Vec<SignedTerms> = steps.iter().filter_map(terms_of).collect();
        let accounts = self.cast.principals();
        let mut difference = stage.compare(&accounts, &hashes(&stage, &shown))?;
        if difference.is_none() {
            difference = stage.cross(&shown)?;
        }
        Ok(difference.map(|difference| Found { steps: steps.to_vec(), difference }))
    }

    /// Plays steps as they are and tells each.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn tell(
        &self,
        steps: &[Step],
        line: impl Fn(&Step, &[Expected; 2]) -> String,
    ) -> Result<Vec<String>> {
        let mut stage = self.stage.fork();
        let mut tally = Tally::default();
        steps
            .iter()
            .map(|step| {
                let (_, expected) = stage.step(step, &mut tally)?;
                Ok(line(step, &expected))
            })
            .collect()
    }

    /// The shortest sequence found that still differs somehow.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn shrink(&self, found: Found) -> Result<Found> {
        let Some(mut best) = self.replay(&found.steps)? else { return Ok(found) };
        let mut replays = 0;
        let mut size = best.steps.len() / 2;
        while size > 0 && replays < REPLAYS_MAX {
            let mut from = 0;
            while from < best.steps.len() && replays < REPLAYS_MAX {
                let mut fewer = best.steps.clone();
                fewer.drain(from..(from + size).min(best.steps.len()));
                replays += 1;
                match self.replay(&fewer)? {
                    Some(shorter)
                        if shorter.steps.len() < best.steps.len()
                            && kind(&shorter.difference) == kind(&best.difference) =>
                    {
                        best = shorter;
                    }
                    Some(_) | None => from += size,
                }
            }
            size /= 2;
        }
        Ok(best)
    }
}

impl Stage {
    /// Plays a step on both sides. The first value says what differs, if something does.
    fn step(&mut self, step: &Step, tally: &mut Tally) -> Result<(Option<String>, [Expected; 2])> {
        let transaction = step.act.transaction(&self.places);
        let is_call = transaction.is_some();
        tally.calls += u64::from(is_call);
        tally.lane_calls += u64::from(matches!(step.act, Act::Lane(_)));
        let function = transaction.map_or_else(String::new, |(to, data)| {
            tally::function(step, to == self.places.hub, &data)
        });
        let places = self.places;
        let mut difference = None;
        let mut play = |side: &mut Side| -> Result<_> {
            let (played, differs) = side.play(&places, step)?;
            tally.count(side.name, &function, &played);
            if difference.is_none() {
                difference = differs.map(|text| format!("{}: {text}", side.name));
            }
            Ok(played.expected)
        };
        let ours = play(&mut self.ours)?;
        let reference = play(&mut self.reference)?;
        if ours != reference {
            tally.count_rules(&ours, &reference);
        } else if is_call {
            tally.same += 1;
        }
        Ok((difference, [ours, reference]))
    }

    fn compare(&mut self, accounts: &[Address], orders: &[OrderHash]) -> Result<Option<String>> {
        let places = self.places;
        for side in [&mut self.ours, &mut self.reference] {
            if let Some(text) = views::everything(side, &places, accounts, orders)? {
                return Ok(Some(format!("{}: {text}", side.name)));
            }
        }
        Ok(None)
    }

    /// Views that the model leaves out, where both sides are in the same state.
    fn cross(&mut self, shown: &[SignedTerms]) -> Result<Option<String>> {
        views::cross(self, shown)
    }
}

/// What sort of difference it is: the side, and whether an event, a view or a refusal differs.
fn kind(difference: &str) -> Vec<&str> {
    difference
        .split([' ', ',', '('])
        .take(if difference.starts_with("the") { 3 } else { 2 })
        .collect()
}

fn hashes(stage: &Stage, shown: &[SignedTerms]) -> Vec<OrderHash> {
    let separator = stage.ours.model.domain_separator();
    let mut hashes = BTreeSet::new();
    for terms in shown {
        hashes.insert(terms.app.order.hash(separator));
        hashes.insert(terms.workerpool.order.hash(separator));
        hashes.insert(terms.request.order.hash(separator));
        if !terms.dataset.order.dataset.is_zero() {
            hashes.insert(terms.dataset.order.hash(separator));
        }
    }
    hashes.into_iter().collect()
}

fn terms_of(step: &Step) -> Option<SignedTerms> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the others show no terms")]
    match &step.act {
        Act::Hub(
            poco_core::Call::MatchOrders(terms) | poco_core::Call::SponsorMatchOrders(terms),
        )
        | Act::Boost(BoostCall::Match { terms, .. }) => Some((**terms).clone()),
        _ => None,
    }
}
