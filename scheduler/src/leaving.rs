//! The first phase of a stop: nothing new begins, and what is under way comes to its end, for as long
//! as the operator allows. What is not done then, the next process goes on with.

use poco_scheduler_core::Unfinished;
use std::time::Duration;
use tokio::time::Instant;

/// How often a wait that goes on is told.
const TOLD_EVERY: Duration = Duration::from_secs(10);

/// A stop that has begun.
#[derive(Debug)]
pub(crate) struct Leaving {
    until: Instant,
    told: Option<Instant>,
}

impl Leaving {
    pub(crate) fn begin(now: Instant, patience: Duration) -> Self {
        Self { until: now + patience, told: None }
    }

    /// When to look again at the latest.
    pub(crate) fn look_at(&self) -> Instant {
        self.told.map_or(self.until, |told| (told + TOLD_EVERY).min(self.until))
    }

    /// Whether the process can end: nothing is left, or its time is over.
    pub(crate) fn is_over(&mut self, now: Instant, unfinished: Unfinished) -> bool {
        if unfinished.is_nothing() {
            return true;
        }
        if now >= self.until {
            tracing::warn!(
                "stopping before everything has ended: {unfinished}; the next start goes on"
            );
            return true;
        }
        if self.told.is_none_or(|told| now >= told + TOLD_EVERY) {
            self.told = Some(now);
            let seconds = self.until.duration_since(now).as_millis().div_ceil(1000);
            tracing::info!(
                "stopping: nothing new begins; waiting up to {seconds} s for {unfinished}; a second \
                 signal ends at once and loses nothing"
            );
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_waits_for_what_is_under_way_but_not_for_ever() {
        let busy = Unfinished { runs: 1, ..Unfinished::default() };
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut leaving = Leaving::begin(start, Duration::from_secs(60));
        assert!(!leaving.is_over(start, busy));
        assert_eq!(leaving.look_at(), at(10));
        assert!(!leaving.is_over(at(59), busy));
        assert_eq!(leaving.look_at(), at(60));
        assert!(leaving.is_over(at(59), Unfinished::default()));
        assert!(leaving.is_over(at(60), busy));
        assert!(Leaving::begin(start, Duration::ZERO).is_over(start, busy));
    }
}
