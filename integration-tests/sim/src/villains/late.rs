//! The late: they compute honestly, for so long that others are asked meanwhile or the deal is over.

use crate::dice::Dice;
use crate::scenario::{Millis, T};

/// From most of the category's time to far beyond it.
pub(super) fn run_millis(dice: &mut Dice) -> Millis {
    dice.of(T * 700..=T * 9_000)
}
