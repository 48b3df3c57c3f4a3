//! How many blocks to ask for at once: as many as the node lets through.

/// Blocks in the first range: less than any node refuses.
const START_BLOCKS: u64 = 1_000;
/// The most blocks in one range; an answer must arrive within a call's time limit.
const MAX_BLOCKS: u64 = 32_000;
/// Successful ranges after which a size that was refused is tried again: refusals come from busy
/// stretches of the chain as well as from fixed limits.
const RETRY_AFTER: u32 = 32;

/// The size of the next range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeSize {
    blocks: u64,
    ceiling: u64,
    successes: u32,
}

impl Default for RangeSize {
    fn default() -> Self {
        Self { blocks: START_BLOCKS, ceiling: MAX_BLOCKS, successes: 0 }
    }
}

impl RangeSize {
    /// Blocks to ask for, at least 1.
    #[must_use]
    pub const fn blocks(&self) -> u64 {
        self.blocks
    }

    /// A range of this size was answered.
    pub fn on_answered(&mut self) {
        self.successes = self.successes.saturating_add(1);
        if self.successes >= RETRY_AFTER {
            self.successes = 0;
            self.ceiling = self.ceiling.saturating_mul(2).min(MAX_BLOCKS);
        }
        self.blocks = self.blocks.saturating_mul(2).min(self.ceiling);
    }

    /// The node refused a range of this size. `false` where it was one block already: the trouble is
    /// another then.
    pub fn on_refused(&mut self) -> bool {
        if self.blocks <= 1 {
            return false;
        }
        self.blocks = self.blocks.div_euclid(2).max(1);
        self.ceiling = self.blocks;
        self.successes = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_size_is_halved_and_not_tried_again_at_once() {
        let mut range = RangeSize::default();
        assert!(range.on_refused());
        assert_eq!(range.blocks(), 500);
        for _ in 1..RETRY_AFTER {
            range.on_answered();
            assert_eq!(range.blocks(), 500);
        }
        range.on_answered();
        assert_eq!(range.blocks(), 1_000);
    }

    #[test]
    fn ranges_grow_to_the_limit_and_shrink_to_one_block() {
        let mut range = RangeSize::default();
        for _ in 0..10 {
            range.on_answered();
        }
        assert_eq!(range.blocks(), MAX_BLOCKS);
        let mut refusals = 0;
        while range.on_refused() {
            refusals += 1;
        }
        assert_eq!(range.blocks(), 1);
        assert_eq!(refusals, 14);
    }
}
