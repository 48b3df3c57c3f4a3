//! The flaky: honest machines that die again and again, and come back.

use crate::dice::Dice;
use crate::scenario::Millis;

pub(super) fn breaks_after(dice: &mut Dice) -> Millis {
    dice.of(5_000..=90_000)
}
