//! A deal: what four matched orders froze.

use crate::category::Deadlines;
use crate::tag::Tag;
use crate::types::{Amount, CategoryId, DealId, TaskId, Timestamp};
use alloc::string::String;
use alloy_primitives::{Address, U256};

/// A resource as frozen in a deal: later sales and price changes do not touch it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Resource {
    /// The registry entry; zero where the deal has none.
    pub pointer: Address,
    /// Who owned it at the match, and is paid.
    pub owner: Address,
    /// Price of one task.
    pub price: Amount,
}

/// The terms of a deal; `index` of its tasks runs from `bot_first` over `bot_size` numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Deal {
    /// The app.
    pub app: Resource,
    /// The dataset, or zeros.
    pub dataset: Resource,
    /// The pool.
    pub workerpool: Resource,
    /// At least 1.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub trust: U256,
    /// How long a task may take.
    pub category: CategoryId,
    /// The union of the orders' tags.
    pub tag: Tag,
    /// Who signed the request.
    pub requester: Address,
    /// Who alone may read the result; zero for everybody.
    pub beneficiary: Address,
    /// The contract that receives the result; zero for none.
    pub callback: Address,
    /// The request's parameters.
    pub params: String,
    /// When the orders were matched: all clocks start here.
    pub start_time: Timestamp,
    /// Index of the first task.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub bot_first: U256,
    /// Number of tasks.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub bot_size: U256,
    /// Stake of each contribution.
    pub worker_stake: Amount,
    /// Percentage of the reward that goes to the pool's owner.
    #[cfg_attr(feature = "serde", serde(with = "crate::text::uint"))]
    pub scheduler_reward_ratio: U256,
    /// Who paid: the requester, unless somebody else matched as a sponsor.
    pub sponsor: Address,
}

impl Deal {
    /// Whether `index` names one of the deal's tasks.
    #[must_use]
    pub fn has_index(&self, index: U256) -> bool {
        // Written as a difference: bot_first + bot_size may be 2^256.
        index.checked_sub(self.bot_first).is_some_and(|offset| offset < self.bot_size)
    }

    /// The task at `offset` from the first, where the deal has that many.
    #[must_use]
    pub fn task_at(&self, id: DealId, offset: u64) -> Option<TaskId> {
        let index = self.bot_first.checked_add(U256::from(offset))?;
        self.has_index(index).then(|| TaskId::of_deal(id, index))
    }

    /// Deadlines of the deal's tasks, with the category's T in seconds.
    #[must_use]
    pub fn deadlines(&self, work_clock_time_ref_seconds: u64) -> Deadlines {
        Deadlines::of_deal(self.start_time, work_clock_time_ref_seconds)
    }

    /// Whether contributions must come from enclaves.
    #[must_use]
    pub fn needs_enclave(&self) -> bool {
        self.tag.contains(Tag::TEE)
    }

    /// What one task costs whoever pays.
    #[must_use]
    pub fn task_price(&self) -> Option<Amount> {
        self.app.price.checked_add(self.dataset.price)?.checked_add(self.workerpool.price)
    }
}
