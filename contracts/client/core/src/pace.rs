//! How long to wait before asking the node again: quickly while something happens, slowly when not.

/// The shortest wait: a tenth of what a person notices, and 20 requests a second at most.
const QUICK_MILLIS: u64 = 50;

/// The wait between two questions to the node. Grows by half while nothing comes, to the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    wait_millis: u64,
    most_millis: u64,
}

impl Pace {
    /// Waits at most `most_millis`.
    #[must_use]
    pub fn new(most_millis: u64) -> Self {
        let most_millis = most_millis.max(1);
        Self { wait_millis: QUICK_MILLIS.min(most_millis), most_millis }
    }

    /// Something happened: the next thing may be near.
    pub fn quicken(&mut self) {
        self.wait_millis = QUICK_MILLIS.min(self.most_millis);
    }

    /// Milliseconds to wait now; the next wait is longer.
    pub fn next_wait_millis(&mut self) -> u64 {
        let wait = self.wait_millis;
        let longer = wait.saturating_add(wait.div_euclid(2)).saturating_add(1);
        self.wait_millis = longer.min(self.most_millis);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_setting_and_start_over_when_something_happens() {
        let mut pace = Pace::new(1_000);
        let waits: alloc::vec::Vec<u64> = (0..10).map(|_| pace.next_wait_millis()).collect();
        assert_eq!(waits, [50, 76, 115, 173, 260, 391, 587, 881, 1_000, 1_000]);
        pace.quicken();
        assert_eq!(pace.next_wait_millis(), 50);
    }

    #[test]
    fn a_setting_below_the_quickest_wait_is_kept() {
        let mut pace = Pace::new(10);
        assert_eq!((pace.next_wait_millis(), pace.next_wait_millis()), (10, 10));
    }
}
