//! How fast somebody may ask: an allowance that fills at a steady rate up to a burst. Who has used it up
//! owes, and waits until the debt is paid. The clock is the caller's.

use std::time::Duration;
use tokio::time::Instant;

/// How an allowance fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) per_second: u32,
    /// How much may be used at once after a pause.
    pub(crate) burst: u32,
}

/// What one has left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    rate: Rate,
    /// When what was used up to now is paid for; in the past while nothing is owed.
    paid_at: Instant,
}

impl Allowance {
    /// A full one.
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        let full = Duration::from_secs(1) * rate.burst / rate.per_second.max(1);
        Self { rate, paid_at: now.checked_sub(full).unwrap_or(now) }
    }

    fn price(&self, cost: u32) -> Duration {
        Duration::from_secs(1) * cost / self.rate.per_second.max(1)
    }

    /// Uses `cost`; how long to wait before doing what it is for.
    pub(crate) fn spend(&mut self, cost: u32, now: Instant) -> Duration {
        let oldest = now.checked_sub(self.price(self.rate.burst)).unwrap_or(now);
        self.paid_at = self.paid_at.max(oldest) + self.price(cost);
        self.paid_at.saturating_duration_since(now)
    }

    /// As [`Self::spend`], but uses nothing where one would have to wait for longer than `patience`.
    pub(crate) fn try_spend(
        &mut self,
        cost: u32,
        now: Instant,
        patience: Duration,
    ) -> Option<Duration> {
        let before = *self;
        let wait = self.spend(cost, now);
        if wait > patience {
            *self = before;
            return None;
        }
        Some(wait)
    }

    /// Nothing was used for so long that it says no more than a new one.
    pub(crate) fn is_full(&self, now: Instant) -> bool {
        self.paid_at + self.price(self.rate.burst) <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 10, burst: 20 };

    #[test]
    fn a_burst_is_free_and_the_rest_takes_its_time() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut allowance = Allowance::new(RATE, start);
        assert!(allowance.is_full(start));
        assert_eq!(allowance.spend(20, start), Duration::ZERO);
        assert_eq!(allowance.spend(5, start), Duration::from_millis(500));
        assert!(!allowance.is_full(start));
        let later = start + Duration::from_secs(1);
        assert_eq!(allowance.spend(5, later), Duration::ZERO, "half a second was left over");
        assert_eq!(allowance.spend(1, later), Duration::from_millis(100));
        let much_later = start + Duration::from_secs(1000);
        assert!(allowance.is_full(much_later));
        assert_eq!(allowance.spend(20, much_later), Duration::ZERO, "no more than a burst");
        assert_eq!(allowance.spend(1, much_later), Duration::from_millis(100));
    }

    #[test]
    fn what_is_refused_costs_nothing() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut allowance = Allowance::new(RATE, start);
        let patience = Duration::from_secs(1);
        assert_eq!(allowance.try_spend(30, start, patience), Some(patience));
        for _ in 0..1000 {
            assert_eq!(allowance.try_spend(1, start, patience), None);
        }
        let later = start + Duration::from_millis(100);
        assert_eq!(allowance.try_spend(1, later, patience), Some(patience));
    }
}
