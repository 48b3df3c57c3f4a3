//! Chance from the seed, and nothing else that is random.

use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};
use std::ops::RangeInclusive;

/// A generator of numbers.
#[derive(Debug)]
pub(crate) struct Dice(SmallRng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(SmallRng::seed_from_u64(seed))
    }

    /// A number of the range.
    pub(crate) fn of(&mut self, range: RangeInclusive<u64>) -> u64 {
        self.0.random_range(range)
    }

    /// True so often in a hundred throws.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.of(0..=99) < percent
    }

    /// True so often in a thousand throws.
    pub(crate) fn per_mille(&mut self, often: u64) -> bool {
        self.of(0..=999) < often
    }

    /// A place in a list of `length`; `None` where that is empty.
    pub(crate) fn place(&mut self, length: usize) -> Option<usize> {
        (length > 0).then(|| self.0.random_range(0..length))
    }

    /// One of the choices, which are at least one.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        let place = self.place(choices.len()).expect("there are choices");
        choices[place]
    }
}
