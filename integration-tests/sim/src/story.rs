//! The story of a seed, for people; silent unless asked for.

use crate::scenario::Millis;

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
