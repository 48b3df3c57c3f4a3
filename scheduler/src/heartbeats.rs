//! Signs of life: how often workers give one, and when one of them counts as lost.
//!
//! A worker that holds tasks is wanted back, or replaced, within seconds. One that holds none harms
//! nobody while it is away: it beats rarely, so that ten thousand of them cost next to nothing, and
//! the system's own probes see its machine go (see `listening.rs`). Whoever is sent a command owes
//! an acknowledgement, and has no longer for it than one that holds tasks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Heartbeats of a worker with tasks for one of a worker without.
const IDLE_HEARTBEATS: u32 = 48;
/// What no heartbeat time is above: workers take no more from a scheduler.
pub(crate) const HEARTBEAT_SECONDS_MAX: u32 = 300;
/// Heartbeats of a worker with tasks that may be missed beyond the promised time.
const SPARE_HEARTBEATS: u32 = 2;

/// How often workers must be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Heartbeats {
    seconds: u32,
}

impl Heartbeats {
    /// Of `seconds` while a worker holds tasks.
    pub(crate) fn new(seconds: u32) -> Self {
        Self { seconds: seconds.clamp(1, HEARTBEAT_SECONDS_MAX) }
    }

    pub(crate) fn seconds(self) -> u32 {
        self.seconds
    }

    pub(crate) fn idle_seconds(self) -> u32 {
        self.seconds.saturating_mul(IDLE_HEARTBEATS).min(HEARTBEAT_SECONDS_MAX)
    }

    /// Within which a worker is heard again that promised it within `next_seconds`; 0 for one
    /// that said nothing of it.
    pub(crate) fn promised(self, next_seconds: u32) -> Duration {
        let seconds = next_seconds.clamp(self.seconds, self.idle_seconds());
        Duration::from_secs(seconds.into())
    }

    /// Beyond the promised time, after which a worker counts as lost.
    pub(crate) fn spare(self) -> Duration {
        self.busy() * SPARE_HEARTBEATS
    }

    /// From a command to the first word of its worker, and from a message until it is taken.
    pub(crate) fn patience(self) -> Duration {
        self.busy() + self.spare()
    }

    fn busy(self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// When a worker was last heard, and until when it promised to be heard again.
#[derive(Clone, Debug)]
pub(crate) struct Heard {
    start: Instant,
    /// Milliseconds from the start on.
    last: Arc<AtomicU64>,
    promised: Arc<AtomicU64>,
}

impl Heard {
    pub(crate) fn new(heartbeats: Heartbeats) -> Self {
        let heard = Self { start: Instant::now(), last: Arc::default(), promised: Arc::default() };
        heard.promise(heartbeats.promised(0));
        heard
    }

    /// It was heard now.
    pub(crate) fn mark(&self) {
        self.last.store(millis(self.start.elapsed()), Ordering::Relaxed);
    }

    /// From one word to the next it takes no longer.
    pub(crate) fn promise(&self, within: Duration) {
        self.promised.store(millis(within), Ordering::Relaxed);
    }

    /// Until when it is not late.
    pub(crate) fn until(&self) -> Instant {
        let of = |millis: &AtomicU64| Duration::from_millis(millis.load(Ordering::Relaxed));
        self.start + of(&self.last) + of(&self.promised)
    }

    pub(crate) fn is_late(&self) -> bool {
        self.until() <= Instant::now()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_is_between_a_busy_and_an_idle_heartbeat() {
        let heartbeats = Heartbeats::new(5);
        assert_eq!(heartbeats.idle_seconds(), 240);
        for (told, taken) in [(0, 5), (5, 5), (60, 60), (240, 240), (u32::MAX, 240)] {
            assert_eq!(heartbeats.promised(told), Duration::from_secs(taken), "{told}");
        }
        assert_eq!(Heartbeats::new(300).idle_seconds(), 300);
        assert_eq!(heartbeats.patience(), Duration::from_secs(15));
    }

    #[test]
    fn who_promised_to_be_quiet_is_late_only_after_that() {
        let heartbeats = Heartbeats::new(5);
        let heard = Heard::new(heartbeats);
        assert_eq!(heard.until() - heard.start, Duration::from_secs(5));
        heard.promise(heartbeats.promised(240));
        assert_eq!(heard.until() - heard.start, Duration::from_secs(240));
        assert!(!heard.is_late());
        heard.promise(Duration::ZERO);
        assert!(heard.is_late());
    }
}
