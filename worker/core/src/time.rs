//! Time as the core sees it: two clocks, both given from outside.

use poco_core::Timestamp;

/// Milliseconds on the process's monotonic clock, from an origin that a restart moves.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Millis(pub u64);

impl Millis {
    /// The time `millis` later; stays at the end of time instead of wrapping.
    #[must_use]
    pub const fn after(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// Whether a timer set for this time is due at `now`.
    #[must_use]
    pub const fn is_due(self, now: Self) -> bool {
        self.0 <= now.0
    }
}

/// The moment of an input.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Now {
    /// For timers.
    pub millis: Millis,
    /// For deadlines: the latest block's timestamp plus the monotonic time since it was seen.
    pub chain: Timestamp,
}
