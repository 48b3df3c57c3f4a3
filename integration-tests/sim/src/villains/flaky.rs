//! The flaky: honest machines that die again and again, and come back.

use crate::dice::Dice;

/// Steps of a life.
pub(super) fn breaks_after(dice: &mut Dice) -> u32 {
    u32::try_from(dice.of(2..=45)).expect("a small number")
}
