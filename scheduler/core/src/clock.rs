//! The two clocks: the process's own, and the chain's.

use poco_core::Timestamp;

/// Milliseconds since the process started; never goes back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Moment(pub u64);

impl Moment {
    /// The moment `millis` later.
    #[must_use]
    pub const fn after_millis(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }

    /// The moment `seconds` later.
    #[must_use]
    pub const fn after(self, seconds: u64) -> Self {
        self.after_millis(seconds.saturating_mul(1000))
    }
}

/// The latest block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Its number.
    pub number: u64,
    /// Its time.
    pub timestamp: Timestamp,
}

/// Chain time: the latest block's timestamp plus what passed since it was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ChainClock {
    head: Head,
    seen: Moment,
}

impl ChainClock {
    /// Takes in a block. An older one than the known is late news and changes nothing.
    pub(crate) fn take(&mut self, now: Moment, head: Head) {
        if head.number > self.head.number || self.head.number == 0 {
            (self.head, self.seen) = (head, now);
        }
    }

    /// Forgets blocks after `number`, so that their replacements are taken in.
    pub(crate) fn roll_back(&mut self, number: u64) {
        self.head.number = self.head.number.min(number);
    }

    pub(crate) fn head(&self) -> Head {
        self.head
    }

    /// Whether a block was seen at all; before that nothing can be timed.
    pub(crate) fn is_set(&self) -> bool {
        self.head.timestamp != Timestamp::default()
    }

    pub(crate) fn time(&self, now: Moment) -> Timestamp {
        self.head.timestamp.after(now.0.saturating_sub(self.seen.0) / 1000)
    }

    /// When `time` comes, if no block says otherwise before.
    pub(crate) fn moment_of(&self, time: Timestamp) -> Moment {
        self.seen.after(time.seconds_from(self.head.timestamp))
    }
}
