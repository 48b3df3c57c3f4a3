//! Whose rules a hub follows: those of the reference's contracts, or ours.
//!
//! Every difference that can change what is accepted, what is paid or what is remembered is a
//! question here, asked by name where it matters; whatever is not asked is the same in both. Left
//! out: refusals that both make and word differently ([`crate::hub::Refusal`] says what the
//! reference says).

use crate::types::Amount;

/// The reference's contracts as they were published or deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Release {
    /// The published package.
    V6_1_0,
    /// The contracts that are live.
    V6_2_0,
}

/// The rules of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Rules {
    /// Those of iExec's contracts.
    Reference(Release),
    /// Those of our contracts, which close the reference's known weaknesses.
    Ours,
}

/// Most contributions of a task by our rules. A reveal looks for its own among them, which iExec's
/// workers send with 100 000 gas.
pub const CONTRIBUTIONS_MAX: usize = 24;

/// Most bytes of a deal's or a result's record by our rules: that of a contract's code.
pub const RECORD_BYTES_MAX: usize = 24_576;

/// Most callback bytes that workers vote for, so that every lane's record has room for them beside the
/// votes of a task and the results: where that is not so, a task that all agree on never ends.
pub const CALLBACK_BYTES_MAX: usize = 20 * 1024;

/// Longest T of a category by our rules, in seconds: eight years and a half.
pub const WORK_CLOCK_SECONDS_MAX: u64 = 1 << 28;

/// Highest percentage of the price that a pool can ask its workers to stake by our rules.
pub const WORKER_STAKE_RATIO_MAX: u64 = (1 << 24) - 1;

/// Highest score that a worker can bring along by our rules: one of 64 bits that rises by one a task
/// never leaves them from here.
pub const IMPORTED_SCORE_MAX: u64 = 1 << 63;

/// Percentage of the pool's price that the kitty gives at most by our rules.
pub const KITTY_PRICE_PERCENT: u64 = 10;

impl Rules {
    /// Whether these are our rules.
    #[must_use]
    pub const fn are_ours(self) -> bool {
        match self {
            Self::Ours => true,
            Self::Reference(_) => false,
        }
    }

    /// Whether marked salts say anything.
    #[must_use]
    pub const fn heed_marks(self) -> bool {
        self.are_ours()
    }

    /// Whether price, tag and restrictions of a null dataset order, which nobody signs, are checked.
    #[must_use]
    pub const fn heed_null_dataset(self) -> bool {
        !self.are_ours()
    }

    /// Whether a dataset's wish for one kind of enclave binds the pool.
    #[must_use]
    pub const fn heed_enclave_kind_of_dataset(self) -> bool {
        match self {
            Self::Reference(Release::V6_1_0) => true,
            Self::Reference(Release::V6_2_0) | Self::Ours => false,
        }
    }

    /// Whether an account that has both a key and code signs with its key, and not only as its
    /// code says.
    #[must_use]
    pub const fn trust_keys_of_contracts(self) -> bool {
        self.are_ours()
    }

    /// Whether a signature that nobody made, of a right length, is the zero address's.
    #[must_use]
    pub const fn let_nobody_sign(self) -> bool {
        !self.are_ours()
    }

    /// Whether a right contribution raises the score: one of several, and by our rules only with
    /// stake at risk, for else score is farmed with free deals.
    #[must_use]
    pub fn raise_score(self, contributions: usize, worker_stake: Amount) -> bool {
        contributions > 1 && (!self.are_ours() || !worker_stake.is_zero())
    }

    /// Whether the price of a task in the boost lane is taken from whoever locked it, and not always
    /// from the requester.
    #[must_use]
    pub const fn charge_sponsor_of_boost(self) -> bool {
        self.are_ours()
    }

    /// Gas that a hub grants to a callback until its owner says otherwise.
    #[must_use]
    pub const fn first_callback_gas(self) -> u64 {
        match self {
            Self::Reference(Release::V6_1_0) => 100_000,
            Self::Reference(Release::V6_2_0) | Self::Ours => 200_000,
        }
    }

    /// Whether there is a settlement lane.
    #[must_use]
    pub const fn have_settlement_lane(self) -> bool {
        self.are_ours()
    }

    /// Whether a hub can be left without an owner.
    #[must_use]
    pub const fn let_owner_renounce(self) -> bool {
        self.are_ours()
    }
}
