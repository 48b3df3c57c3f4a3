//! What the pool has to sell: how many tasks of each category, at which price, to which trust and with
//! which tag. Signing, publishing and withdrawing are the binary's.

use crate::consensus::Tally;
use crate::core::Core;
use crate::deals::DealState;
use crate::decide::Taken;
use crate::hold::Hold;
use crate::limits::REPLICAS_MAX;
use crate::workers::Worker;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::cmp::Reverse;
use poco_core::order::RequestOrder;
use poco_core::payout::pool_stake;
use poco_core::{Address, Amount, Tag, U256};

/// Steps from the price of an idle pool to that of a full one: each asks for a new order.
const PRICE_STEPS: usize = 10;
/// A whole, in percent.
const HUNDRED: usize = 100;
/// Wei of what gas is paid in.
const WEI_PER_COIN: u64 = 1_000_000_000_000_000_000;
/// Tags of which orders are kept in the market, for each category: each is signed, published and
/// renewed.
const TAGS_MAX: usize = 4;

/// How the pool sells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SalesPolicy {
    /// What is sold, and for how much.
    pub prices: Vec<CategoryPrice>,
    /// Tasks offered per slot, in percent: more than 100 where tasks may wait for a slot.
    pub factor_percent: usize,
    /// The highest trust offered, whatever the workers could reach.
    pub trust_max: u64,
    /// What no price is below.
    pub cost: Option<TaskCost>,
}

/// What a task costs the pool in gas, and how much of that its price brings at least.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TaskCost {
    /// Gas of the pool's own transactions for a task.
    pub gas: u64,
    /// What 10^18 wei are worth, in nRLC.
    pub coin_nano: u64,
    /// The least price, in percent of the cost.
    pub percent: u64,
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
    /// The price is that of the gas, which is above the policy's for the load.
    pub is_by_cost: bool,
    /// How many tasks.
    pub volume: u64,
    /// The highest trust that the workers of this tag reach together.
    pub trust: u64,
    /// What its workers can do.
    pub tag: Tag,
}

/// A sale that somebody has in mind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sale {
    pub(crate) category: u64,
    pub(crate) tag: Tag,
    /// For a task; `None` where that is not said.
    pub(crate) pays: Option<Amount>,
    pub(crate) volume: u64,
}

impl Offer {
    /// Whether tasks of `request` may be taken for this offer: its price, its trust and its tag, as far as
    /// the request alone tells. The contract's rules on all four orders come after, and whether
    /// workers fit, [`Core::weigh_order`] says.
    #[must_use]
    pub fn suits(&self, request: &RequestOrder) -> bool {
        request.category == U256::from(self.category)
            && request.trust <= U256::from(self.trust)
            && request.workerpool_price_max >= self.price
            && request.tag.without(self.tag) == Tag::NONE
    }
}

/// The workers that can do what a tag asks for, and what is left of them.
#[derive(Clone, Copy, Debug)]
struct Stock {
    tag: Tag,
    slots: usize,
    used: usize,
    /// Tasks that are sold and not ended.
    sold: u64,
    /// Tasks for which there is room.
    free: u64,
    /// Tasks that were sold beyond that, where there is none.
    excess: u64,
    /// The highest trust that these workers reach together.
    trust: u64,
}

impl Stock {
    /// Where `asked` tasks are more than are left.
    fn is_short_of(&self, asked: u64, policy: &SalesPolicy) -> Option<Hold> {
        let missing = asked.checked_sub(self.free).filter(|missing| *missing > 0)?;
        let missing = missing.saturating_add(self.excess);
        let sold_too_many = (missing <= self.sold).then_some(missing);
        let tasks_a_slot = policy.factor_percent.max(1) as u64;
        let slots_missing = missing.saturating_mul(HUNDRED as u64).div_ceil(tasks_a_slot);
        Some(Hold::Volume { asked, left: self.free, sold_too_many, slots_missing })
    }
}

impl Core {
    /// What should be on offer now; nothing while there is a reason to take on less, without
    /// workers, and as far as what is sold already takes all there is.
    ///
    /// Each category is offered as if it were the only one, and so is each tag: one that every worker
    /// can do what it says, and each richer one that some can, up to four in all. What is sold
    /// of one is missing in the next answer for all that it can have come from.
    ///
    /// Goes through the workers and the deals.
    #[must_use]
    pub fn offers(&self, policy: &SalesPolicy) -> Vec<Offer> {
        if self.gate.concerns().next().is_some() {
            return Vec::new();
        }
        let stocks = self.stocks(policy);
        let all = policy.prices.iter().flat_map(|price| stocks.iter().map(move |one| (price, one)));
        let offer = |(price, stock): (&CategoryPrice, &Stock)| {
            let (price_now, is_by_cost) = self.price_of(price, stock, policy);
            let volume = stock.free.min(self.stake_for(price_now));
            (volume > 0).then_some(Offer {
                category: price.category,
                price: price_now,
                is_by_cost,
                volume,
                trust: stock.trust,
                tag: stock.tag,
            })
        };
        all.filter_map(offer).collect()
    }

    /// Why the pool would not sell `volume` tasks of a category with this tag for what is paid.
    /// Nothing where none of its workers can do what the tag says: that is told of the workers.
    pub(crate) fn holds_of_sale(&self, sale: &Sale, policy: &SalesPolicy) -> Vec<Hold> {
        let Sale { category, tag, pays, volume } = *sale;
        let Some(price) = policy.prices.iter().find(|price| price.category == category) else {
            return Vec::from([Hold::Unsold { category }]);
        };
        let stocks = self.stocks(policy);
        let fitting = stocks.iter().filter(|stock| stock.tag.contains(tag));
        let most = fitting.max_by_key(|stock| (stock.free, Reverse(stock.excess)));
        let Some(stock) = most else { return Vec::new() };
        let (price, _) = self.price_of(price, stock, policy);
        let pays = pays.filter(|pays| *pays < price);
        let price_hold = pays.map(|pays| Hold::Price { pays, price });
        let volume_hold = stock.is_short_of(volume, policy);
        let needed = pool_stake(price).ok().and_then(|one| one.checked_mul(U256::from(volume)));
        let free = self.funds().unwrap_or_default().stake_free;
        let needed = needed.filter(|needed| *needed > free);
        let stake_hold = needed.map(|needed| Hold::Stake { needed, free });
        [price_hold, volume_hold, stake_hold].into_iter().flatten().collect()
    }

    /// The price of a task now: by the load, or by what it costs if that is more, which is told too.
    fn price_of(
        &self,
        price: &CategoryPrice,
        stock: &Stock,
        policy: &SalesPolicy,
    ) -> (Amount, bool) {
        let by_load = price.at(stock.used, stock.slots);
        let gas_price = self.funds().map(|funds| funds.gas_price_wei).unwrap_or_default();
        match policy.cost.map(|cost| cost.least_price(gas_price)) {
            Some(least) if least > by_load => (least, true),
            Some(_) | None => (by_load, false),
        }
    }

    /// What there is to sell: first that of all workers.
    fn stocks(&self, policy: &SalesPolicy) -> Vec<Stock> {
        let tags = self.tags();
        let mut stocks: Vec<Stock> = Vec::with_capacity(tags.len());
        for (place, tag) in tags.into_iter().enumerate() {
            let serving = || self.serving().filter(move |(_, one)| one.capacity.tag.contains(tag));
            let slots = serving().map(|(_, worker)| worker.capacity.slots as usize);
            let slots = slots.fold(0, usize::saturating_add);
            let used = serving().map(|(address, _)| self.index.slots_used(address));
            let used = used.fold(0, usize::saturating_add);
            let capacity = share(slots, policy.factor_percent, HUNDRED) as u64;
            let is_theirs = |deal: &DealState| {
                let tag_of = deal.facts.as_ref().map(|facts| facts.deal.tag);
                // Whatever is sold takes of the first, which is all there is.
                place == 0 || tag_of.is_some_and(|asked| asked.contains(tag))
            };
            let sold =
                self.deals.iter().filter(|(_, deal)| is_theirs(deal)).map(|(id, deal)| {
                    (self.index.live_of(*id) as u64).saturating_add(deal.unmade())
                });
            let sold = sold.fold(0, u64::saturating_add);
            // What takes of all workers may stand on these.
            let wider = || stocks.iter().filter(|one| tag.contains(one.tag));
            let free = wider().map(|one| one.free).fold(capacity.saturating_sub(sold), u64::min);
            let excess = sold.saturating_sub(capacity);
            let excess = wider().map(|one| one.excess).fold(excess, u64::max);
            let weights = apart(serving().map(|(_, worker)| worker).collect());
            let trust = trust_of(weights, policy.trust_max);
            stocks.push(Stock { tag, slots, used, sold, free, excess, trust });
        }
        stocks
    }

    /// What every worker can do, and what some can do beyond that: the tags with the most slots.
    fn tags(&self) -> Vec<Tag> {
        let mut slots: BTreeMap<Tag, usize> = BTreeMap::new();
        for (_, worker) in self.serving() {
            let sum = slots.entry(worker.capacity.tag).or_default();
            *sum = sum.saturating_add(worker.capacity.slots as usize);
        }
        let Some(base) = slots.keys().copied().reduce(both) else { return Vec::new() };
        let mut richer: Vec<(Tag, usize)> =
            slots.into_iter().filter(|(tag, _)| *tag != base).collect();
        richer.sort_by_key(|(_, slots)| Reverse(*slots));
        richer.truncate(TAGS_MAX.saturating_sub(1));
        // A tag comes behind those that ask for less.
        richer.sort_by_key(|(tag, _)| tag.0.iter().map(|byte| byte.count_ones()).sum::<u32>());
        core::iter::once(base).chain(richer.into_iter().map(|(tag, _)| tag)).collect()
    }

    /// The workers that take new tasks.
    fn serving(&self) -> impl Iterator<Item = (Address, &Worker)> {
        let all = self.workers.connected();
        all.filter(|(address, worker)| {
            worker.capacity.slots > 0 && !self.workers.is_drained(*address)
        })
    }

    /// For how many tasks at this price the free stake suffices.
    fn stake_for(&self, price: Amount) -> u64 {
        let Some(funds) = self.funds() else { return 0 };
        let Ok(stake) = pool_stake(price) else { return 0 };
        let tasks = funds.stake_free.0.checked_div(stake.0);
        tasks.map_or(u64::MAX, |tasks| tasks.saturating_to())
    }
}

impl TaskCost {
    /// The least price of a task at this price of gas, rounded up to two digits, so that it does not change
    /// with every block.
    #[must_use]
    pub fn least_price(self, gas_price_wei: U256) -> Amount {
        let wei = gas_price_wei.saturating_mul(U256::from(self.gas));
        let nano = wei.saturating_mul(U256::from(self.coin_nano));
        let nano = nano.checked_div(U256::from(WEI_PER_COIN)).unwrap_or_default();
        let least = nano.saturating_mul(U256::from(self.percent)).div_ceil(U256::from(HUNDRED));
        let mut step = U256::ONE;
        while least.checked_div(step).is_some_and(|digits| digits >= U256::from(HUNDRED)) {
            step = step.saturating_mul(U256::from(10));
        }
        Amount(least.div_ceil(step).saturating_mul(step))
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

/// What those of the workers weigh that a decision could take together whatever its order: of
/// those that share a machine or an owner the lightest, since the order may bring it first.
fn apart(mut workers: Vec<&Worker>) -> Vec<U256> {
    workers.sort_by_key(|worker| worker.weight);
    let mut taken = Taken::default();
    let mut weights = Vec::with_capacity(workers.len());
    for worker in workers {
        if !taken.has_machine_of(worker) && !taken.has_owner_of(worker) {
            taken.add(worker);
            weights.push(worker.weight);
        }
    }
    weights
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
