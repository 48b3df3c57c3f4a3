//! What a transaction offers for its gas (EIP-1559), with a cap.

use serde::{Deserialize, Serialize};

/// A node replaces a transaction only for fees that are at least a tenth higher; an eighth leaves
/// room for rounding.
const BUMP_DIVISOR: u128 = 8;

/// Fees of one attempt, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fees {
    /// The most that is paid in all.
    pub fee_wei_max: u128,
    /// The most that goes to the block's producer.
    pub tip_wei_max: u128,
}

/// What the chain asks for now, in wei per gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Market {
    /// Base fee of the latest block.
    pub base_fee_wei: u128,
    /// The tip that the node suggests.
    pub tip_wei: u128,
}

/// The chain asks for more than the cap allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gas costs {asked_wei} wei now, above the cap of {cap_wei} wei")]
pub struct AboveCap {
    /// What the chain asks for.
    pub asked_wei: u128,
    /// What the settings allow.
    pub cap_wei: u128,
}

impl Fees {
    /// Fees for a first attempt: twice the base fee, so that six full blocks may follow each other.
    ///
    /// # Errors
    /// [`AboveCap`] where even the present base fee and tip exceed the cap.
    pub fn first(market: Market, cap_wei: u128) -> Result<Self, AboveCap> {
        let asked_wei = market.base_fee_wei.saturating_add(market.tip_wei);
        if asked_wei > cap_wei {
            return Err(AboveCap { asked_wei, cap_wei });
        }
        let roomy = asked_wei.saturating_add(market.base_fee_wei);
        // A node refuses a fee of nothing even where blocks are free.
        let fee_wei_max = roomy.min(cap_wei).max(1);
        Ok(Self { fee_wei_max, tip_wei_max: market.tip_wei.min(fee_wei_max) })
    }

    /// Fees that replace an attempt with these; `None` where the cap does not allow it.
    #[must_use]
    pub fn bumped(self, market: Market, cap_wei: u128) -> Option<Self> {
        let raise = |wei: u128| wei.saturating_add(wei.div_ceil(BUMP_DIVISOR)).saturating_add(1);
        let wanted = market.base_fee_wei.saturating_mul(2).saturating_add(market.tip_wei);
        let fee_wei_max = raise(self.fee_wei_max).max(wanted.min(cap_wei));
        if fee_wei_max > cap_wei {
            return None;
        }
        let tip_wei_max = raise(self.tip_wei_max).max(market.tip_wei).min(fee_wei_max);
        Some(Self { fee_wei_max, tip_wei_max })
    }

    /// Whether a block with this base fee can take the transaction in.
    #[must_use]
    pub const fn covers(self, base_fee_wei: u128) -> bool {
        self.fee_wei_max >= base_fee_wei
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    #[test]
    fn a_first_attempt_leaves_room_for_the_base_fee_to_double() {
        let market = Market { base_fee_wei: 10 * GWEI, tip_wei: GWEI };
        let fees = Fees::first(market, 100 * GWEI).unwrap();
        assert_eq!(fees, Fees { fee_wei_max: 21 * GWEI, tip_wei_max: GWEI });
        assert!(fees.covers(20 * GWEI));
    }

    #[test]
    fn the_cap_limits_the_room_and_refuses_what_is_above_it() {
        let market = Market { base_fee_wei: 10 * GWEI, tip_wei: GWEI };
        assert_eq!(Fees::first(market, 12 * GWEI).unwrap().fee_wei_max, 12 * GWEI);
        let refused = Fees::first(market, 10 * GWEI).unwrap_err();
        assert_eq!(refused, AboveCap { asked_wei: 11 * GWEI, cap_wei: 10 * GWEI });
    }

    #[test]
    fn a_bump_raises_both_fees_by_at_least_a_tenth_until_the_cap() {
        let market = Market { base_fee_wei: 7, tip_wei: 0 };
        let mut fees = Fees::first(market, 1_000).unwrap();
        let mut bumps = 0;
        while let Some(higher) = fees.bumped(market, 1_000) {
            assert!(higher.fee_wei_max * 10 >= fees.fee_wei_max * 11);
            assert!(higher.tip_wei_max * 10 >= fees.tip_wei_max * 11);
            assert!(higher.tip_wei_max <= higher.fee_wei_max && higher.fee_wei_max <= 1_000);
            fees = higher;
            bumps += 1;
        }
        assert!(bumps > 10, "{bumps}");
    }

    #[test]
    fn a_bump_follows_the_market_when_it_rose_faster() {
        let fees = Fees { fee_wei_max: 21, tip_wei_max: 1 };
        let market = Market { base_fee_wei: 100, tip_wei: 5 };
        assert_eq!(fees.bumped(market, 1_000), Some(Fees { fee_wei_max: 205, tip_wei_max: 5 }));
    }

    #[test]
    fn free_blocks_still_get_a_fee_that_nodes_take() {
        let fees = Fees::first(Market { base_fee_wei: 0, tip_wei: 0 }, 10).unwrap();
        assert_eq!(fees, Fees { fee_wei_max: 1, tip_wei_max: 0 });
    }
}
