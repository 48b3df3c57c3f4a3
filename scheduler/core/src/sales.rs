//! What the pool has to sell: how many tasks of each category, at which price, to which trust and with
//! which tag. Signing, publishing and withdrawing are the binary's.

use crate::consensus::Tally;
use crate::core::Core;
use crate::limits::REPLICAS_MAX;
use alloc::vec::Vec;
use poco_core::order::RequestOrder;
use poco_core::payout::pool_stake;
use poco_core::{Amount, Tag, U256};

/// Steps from the price of an idle pool to that of a full one: each asks for a new order.
const PRICE_STEPS: usize = 10;
/// A whole, in percent.
const HUNDRED: usize = 100;

/// How the pool sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalesPolicy {
    /// What is sold, and for how much.
    pub prices: Vec<CategoryPrice>,
    /// Tasks offered per slot, in percent: more than 100 where tasks may wait for a slot.
    pub factor_percent: usize,
    /// The highest trust offered, whatever the workers could reach.
    pub trust_max: u64,
}

/// The price of one task of a category: from idle to full it rises with the slots in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CategoryPrice {
    /// The category.
    pub category: u64,
    /// While nothing runs.
    pub idle: Amount,
    /// While everything runs; at least as much.
    pub full: Amount,
}

/// What one order should offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The category.
    pub category: u64,
    /// The price of one task.
    pub price: Amount,
    /// How many tasks.
    pub volume: u64,
    /// The highest trust that the workers reach together.
    pub trust: u64,
    /// What every worker can do.
    pub tag: Tag,
}

impl Offer {
    /// Whether tasks of `request` can be taken for this offer: its price, its trust and its tag, as far as
    /// the request alone tells. The contract's rules on all four orders come after.
    #[must_use]
    pub fn suits(&self, request: &RequestOrder) -> bool {
        request.category == U256::from(self.category)
            && request.trust <= U256::from(self.trust)
            && request.workerpool_price_max >= self.price
            && request.tag.without(self.tag) == Tag::NONE
    }
}

impl Core {
    /// What should be on offer now; nothing while there is a reason to take on less, without
    /// workers, and as far as what is sold already takes all there is.
    ///
    /// Each category is offered as if it were the only one: what is sold of one is missing in the
    /// next answer for all.
    #[must_use]
    pub fn offers(&self, policy: &SalesPolicy) -> Vec<Offer> {
        if !self.concerns().is_empty() {
            return Vec::new();
        }
        let serving = || {
            let all = self.workers.connected();
            all.filter(|(address, worker)| {
                worker.capacity.slots > 0 && !self.workers.is_drained(*address)
            })
        };
        let slots = serving()
            .map(|(_, worker)| worker.capacity.slots as usize)
            .fold(0, usize::saturating_add);
        let used = serving()
            .map(|(address, _)| self.index.slots_used(address))
            .fold(0, usize::saturating_add);
        let capacity = share(slots, policy.factor_percent, HUNDRED);
        let unmade = self.deals.values().map(|deal| deal.unmade()).fold(0, u64::saturating_add);
        let sold = (self.index.live_len() as u64).saturating_add(unmade);
        let free = (capacity as u64).saturating_sub(sold);
        let Some(tag) = serving().map(|(_, worker)| worker.capacity.tag).reduce(both) else {
            return Vec::new();
        };
        let weights: Vec<U256> = serving().map(|(_, worker)| worker.weight).collect();
        let trust = trust_of(weights, policy.trust_max);
        let offer = |price: &CategoryPrice| {
            let price_now = price.at(used, slots);
            let volume = free.min(self.stake_for(price_now));
            (volume > 0).then_some(Offer {
                category: price.category,
                price: price_now,
                volume,
                trust,
                tag,
            })
        };
        policy.prices.iter().filter_map(offer).collect()
    }

    /// For how many tasks at this price the free stake suffices.
    fn stake_for(&self, price: Amount) -> u64 {
        let Some(funds) = self.funds() else { return 0 };
        let Ok(stake) = pool_stake(price) else { return 0 };
        let tasks = funds.stake_free.0.checked_div(stake.0);
        tasks.map_or(u64::MAX, |tasks| tasks.saturating_to())
    }
}

impl CategoryPrice {
    /// The price with `used` of `slots` in use, in steps.
    fn at(&self, used: usize, slots: usize) -> Amount {
        let step = U256::from(share(PRICE_STEPS, used, slots).min(PRICE_STEPS));
        let span = self.full.0.saturating_sub(self.idle.0);
        let rise = span.saturating_mul(step).checked_div(U256::from(PRICE_STEPS));
        Amount(self.idle.0.saturating_add(rise.unwrap_or_default()))
    }
}

/// `whole * part / of`, rounded down; nothing of nothing.
fn share(whole: usize, part: usize, of: usize) -> usize {
    whole.saturating_mul(part).checked_div(of).unwrap_or_default()
}

fn both(one: Tag, other: Tag) -> Tag {
    one.without(one.without(other))
}

/// The highest trust, up to `most`, that workers of these weights reach when they agree.
fn trust_of(mut weights: Vec<U256>, most: u64) -> u64 {
    weights.sort_unstable_by(|one, other| other.cmp(one));
    weights.truncate(REPLICAS_MAX);
    let reaches = |trust: u64| Tally::default().reaches(weights.iter().copied(), U256::from(trust));
    // More is never reached where less is not. Every order is for trust 1 at least.
    let (mut reached, mut above) = (1u64, most.saturating_add(1));
    while above.saturating_sub(reached) > 1 {
        let middle = reached.midpoint(above);
        if reaches(middle) {
            reached = middle;
        } else {
            above = middle;
        }
    }
    reached
}
