//! The two clocks of the core: monotonic time, and the chain's time carried on by it.

use poco_core::Timestamp;
use poco_worker_core::{Millis, Now};
use tokio::time::Instant;

/// Tells the core's time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
    head: Timestamp,
    head_seen: Instant,
}

impl Clock {
    /// A clock for a chain whose latest block, just read, is of time `head`.
    pub(crate) fn new(head: Timestamp) -> Self {
        let now = Instant::now();
        Self { origin: now, head, head_seen: now }
    }

    /// Takes in the time of the latest block.
    pub(crate) fn on_head(&mut self, head: Timestamp, seen: Instant) {
        // The same block read again says nothing about the time that has passed since.
        if head != self.head {
            (self.head, self.head_seen) = (head, seen);
        }
    }

    /// The present moment.
    pub(crate) fn now(&self) -> Now {
        self.at(Instant::now())
    }

    fn at(&self, now: Instant) -> Now {
        let since_head = now.saturating_duration_since(self.head_seen).as_secs();
        Now { millis: self.millis(now), chain: self.head.after(since_head) }
    }

    /// When a timer of the core is due.
    pub(crate) fn instant(&self, at: Millis) -> Instant {
        self.origin + std::time::Duration::from_millis(at.0)
    }

    fn millis(&self, now: Instant) -> Millis {
        let millis = now.saturating_duration_since(self.origin).as_millis();
        Millis(u64::try_from(millis).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn chain_time_goes_on_between_blocks_and_jumps_with_them() {
        let mut clock = Clock::new(Timestamp(100));
        let after = |seconds| clock.origin + Duration::from_secs(seconds);
        let (fifth, sixth) = (after(5), after(6));
        assert_eq!(clock.at(fifth), Now { millis: Millis(5000), chain: Timestamp(105) });
        clock.on_head(Timestamp(100), fifth);
        assert_eq!(clock.at(fifth).chain, Timestamp(105), "the same block again");
        clock.on_head(Timestamp(5000), fifth);
        assert_eq!(clock.at(sixth).chain, Timestamp(5001));
        assert_eq!(clock.instant(Millis(6000)), sixth);
    }
}
