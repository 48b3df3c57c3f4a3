//! The story of a seed, for people; silent unless asked for.

use crate::scenario::Millis;

/// Of each thing that is told, so many bytes.
const BRIEF_BYTES: usize = 240;

/// The beginning of what there is to say of a thing.
pub(crate) fn brief(thing: &impl std::fmt::Debug) -> String {
    let mut text = format!("{thing:?}");
    let end = (0..=BRIEF_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text
}

/// Who tells what happens.
#[derive(Debug, Default)]
pub(crate) struct Story {
    pub(crate) is_told: bool,
}

impl Story {
    /// Tells one thing.
    #[expect(clippy::print_stdout, reason = "the story is this program's output")]
    pub(crate) fn tell(&self, now: Millis, what: impl FnOnce() -> String) {
        if self.is_told {
            println!("{:>9}.{:03} {}", now / 1000, now % 1000, what());
        }
    }
}
