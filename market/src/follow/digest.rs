//! What a range of blocks means for the market: which deals are new, and which facts to ask for.

use crate::deal::{CategoryRecord, Place};
use poco_chain::LocatedEvent;
use poco_core::category::Category;
use poco_core::mark::ConditionsEvent;
use poco_core::{Address, DealId, Event, OrderHash, OrderKind, U256};
use std::collections::{BTreeMap, BTreeSet};

/// A deal as its event tells it; the terms are read from the hub.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Match {
    pub(crate) deal: DealId,
    pub(crate) app: OrderHash,
    pub(crate) dataset: OrderHash,
    pub(crate) workerpool: OrderHash,
    pub(crate) request: OrderHash,
    pub(crate) volume: U256,
    pub(crate) place: Place,
}

/// What matters in a range of blocks. Only the state at its end counts, so every set has one
/// entry for what happened many times.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Digest {
    pub(crate) matches: Vec<Match>,
    /// Deals of the boost lane: the hub shows them in another view, and the market has none for them.
    pub(crate) boosted: BTreeSet<DealId>,
    /// Orders that were matched.
    pub(crate) used: BTreeSet<OrderHash>,
    /// Orders that were closed.
    pub(crate) closed: BTreeSet<OrderHash>,
    /// Accounts that have less free stake than before.
    pub(crate) drained: BTreeSet<Address>,
    /// Resources that changed hands, with their last owner.
    pub(crate) sold: BTreeMap<(OrderKind, Address), Address>,
    pub(crate) categories: Vec<CategoryRecord>,
    /// Accounts that cancelled all that they had signed with a mark, with their last epoch.
    pub(crate) epochs: BTreeMap<Address, u16>,
}

impl Digest {
    pub(crate) fn of(events: &[LocatedEvent]) -> Self {
        let mut digest = Self::default();
        for located in events {
            let place = Place {
                block: located.block.number,
                timestamp: located.block.timestamp,
                transaction: located.transaction,
                log_index: located.log_index,
            };
            digest.take(&located.event, place);
        }
        digest
    }

    fn take(&mut self, event: &Event, place: Place) {
        match event {
            Event::OrdersMatched { deal, app, dataset, workerpool, request, volume } => {
                self.used.extend([*app, *dataset, *workerpool, *request]);
                if self.boosted.contains(deal) {
                    return;
                }
                self.matches.push(Match {
                    deal: *deal,
                    app: *app,
                    dataset: *dataset,
                    workerpool: *workerpool,
                    request: *request,
                    volume: *volume,
                    place,
                });
            }
            // It comes before the match that it belongs to.
            Event::SchedulerNoticeBoost { deal, .. } => {
                self.boosted.insert(*deal);
            }
            Event::OrderClosed { order, .. } => {
                self.closed.insert(*order);
            }
            Event::Transfer { from, amount, .. } => {
                if !from.is_zero() && !amount.is_zero() {
                    self.drained.insert(*from);
                }
            }
            Event::ResourceTransfer { kind, resource, to, .. } => {
                self.sold.insert((*kind, *resource), *to);
            }
            Event::CreateCategory { category, name, description, work_clock_time_ref_seconds } => {
                self.categories.push(CategoryRecord {
                    id: *category,
                    category: Category {
                        name: name.clone(),
                        description: description.clone(),
                        work_clock_time_ref_seconds: *work_clock_time_ref_seconds,
                    },
                    place,
                });
            }
            Event::Conditions(event) => self.take_marked(event),
            // Tasks, payments and policies do not touch the order book.
            Event::Approval { .. }
            | Event::Lock { .. }
            | Event::Unlock { .. }
            | Event::Seize { .. }
            | Event::Reward { .. }
            | Event::SchedulerNotice { .. }
            | Event::DealSponsored { .. }
            | Event::DealSponsoredBoost { .. }
            | Event::ResultPushedBoost { .. }
            | Event::OrderSigned { .. }
            | Event::OrderBroadcast(_)
            | Event::TaskInitialize { .. }
            | Event::TaskContribute { .. }
            | Event::TaskConsensus { .. }
            | Event::TaskReveal { .. }
            | Event::TaskReopen { .. }
            | Event::TaskFinalize { .. }
            | Event::TaskClaimed { .. }
            | Event::AccurateContribution { .. }
            | Event::FaultyContribution { .. }
            | Event::PolicyUpdate { .. }
            | Event::OwnershipTransferred { .. }
            | Event::Lane(_) => {}
        }
    }

    fn take_marked(&mut self, event: &ConditionsEvent) {
        match event {
            ConditionsEvent::EpochRaised { account, epoch } => {
                self.epochs.insert(*account, *epoch);
            }
            // What a deal or a task keeps to does not touch the order book.
            ConditionsEvent::DealConditions { .. } | ConditionsEvent::ResultsBound { .. } => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_chain::BlockRef;
    use poco_core::{Amount, B256, Timestamp};

    const ALICE: Address = Address::repeat_byte(1);
    const BOB: Address = Address::repeat_byte(2);

    fn located(event: Event, log_index: u64) -> LocatedEvent {
        let block = BlockRef { number: 7, hash: B256::ZERO, timestamp: Timestamp(70) };
        LocatedEvent { event, block, transaction: B256::repeat_byte(9), log_index }
    }

    fn transfer(from: Address, nano: u64) -> Event {
        Event::Transfer { from, to: BOB, amount: Amount::from_nano(nano) }
    }

    #[test]
    fn only_accounts_that_lost_something_are_asked_about() {
        let events = [transfer(ALICE, 1), transfer(Address::ZERO, 5), transfer(BOB, 0)];
        let digest = Digest::of(&events.map(|event| located(event, 0)));
        assert_eq!(digest.drained, [ALICE].into());
    }

    #[test]
    fn of_several_sales_the_last_owner_counts() {
        let sale = |from, to| Event::ResourceTransfer {
            kind: OrderKind::App,
            resource: Address::repeat_byte(7),
            from,
            to,
        };
        let events = [located(sale(ALICE, BOB), 0), located(sale(BOB, ALICE), 1)];
        let sold = Digest::of(&events).sold;
        assert_eq!(sold, [((OrderKind::App, Address::repeat_byte(7)), ALICE)].into());
    }

    #[test]
    fn of_several_epochs_the_last_one_counts() {
        let raised = |epoch| {
            let account = ALICE;
            located(Event::Conditions(ConditionsEvent::EpochRaised { account, epoch }), 0)
        };
        assert_eq!(Digest::of(&[raised(1), raised(2)]).epochs, [(ALICE, 2)].into());
    }

    #[test]
    fn a_match_is_a_deal_at_its_place_and_uses_four_orders() {
        let [app, dataset, workerpool, request] =
            [1, 2, 3, 4].map(|byte| OrderHash(B256::repeat_byte(byte)));
        let deal = DealId(B256::repeat_byte(5));
        let volume = U256::from(3);
        let event = Event::OrdersMatched { deal, app, dataset, workerpool, request, volume };
        let digest = Digest::of(&[located(event, 6)]);
        let place = Place {
            block: 7,
            timestamp: Timestamp(70),
            transaction: B256::repeat_byte(9),
            log_index: 6,
        };
        let found = Match { deal, app, dataset, workerpool, request, volume, place };
        let used = [app, dataset, workerpool, request].into();
        assert_eq!(digest, Digest { matches: vec![found], used, ..Digest::default() });
    }

    #[test]
    fn a_match_of_the_boost_lane_uses_its_orders_and_is_no_deal_of_the_views() {
        let [app, dataset, workerpool, request] =
            [1, 2, 3, 4].map(|byte| OrderHash(B256::repeat_byte(byte)));
        let deal = DealId(B256::repeat_byte(5));
        let volume = U256::from(3);
        let notice = Event::SchedulerNoticeBoost { workerpool: ALICE, deal };
        let matched = Event::OrdersMatched { deal, app, dataset, workerpool, request, volume };
        let digest = Digest::of(&[located(notice, 5), located(matched, 6)]);
        assert_eq!(digest.matches, Vec::new());
        assert_eq!(digest.used, [app, dataset, workerpool, request].into());
    }
}
