//! Making deals of signed orders.

use super::contracts::restrictions;
use super::refusal::Refusal;
use super::registries::{Entry, Policy};
use super::state::State;
use super::{Execution, Value};
use crate::call::SignedTerms;
use crate::deal::{Deal, Resource};
use crate::event::Event;
use crate::mark::{ConditionsEvent, DealConditions};
use crate::matching::{self, Facts, Mismatch, OrderFacts, Terms};
use crate::order::{Order, OrderKind, Signed};
use crate::payout;
use crate::types::{Amount, CategoryId, DealId, OrderHash};
use alloc::vec::Vec;
use alloy_primitives::{Address, U256};

/// What the hub knows about four orders before it decides.
pub(super) struct Prepared {
    pub(super) facts: Facts,
    pub(super) hashes: Hashes,
    pub(super) app_owner: Address,
    pub(super) dataset_owner: Address,
    pub(super) workerpool: Entry,
    /// The orders whose signature has a length that no wallet's has, as the rule they break.
    pub(super) malformed: Vec<Mismatch>,
}

/// The orders' hashes; zero for no dataset.
#[derive(Clone, Copy)]
pub(super) struct Hashes {
    app: OrderHash,
    dataset: OrderHash,
    workerpool: OrderHash,
    pub(super) request: OrderHash,
}

impl Hashes {
    /// What is told to all about a match.
    pub(super) fn matched(self, deal: DealId, volume: U256) -> Event {
        let Self { app, dataset, workerpool, request } = self;
        Event::OrdersMatched { deal, app, dataset, workerpool, request, volume }
    }
}

impl State {
    pub(super) fn prepare(&self, terms: &SignedTerms) -> Prepared {
        let separator = self.domain_separator;
        let SignedTerms { app, dataset, workerpool, request } = terms;
        let hashes = Hashes {
            app: app.order.hash(separator),
            dataset: if dataset.order.dataset.is_zero() {
                OrderHash::ZERO
            } else {
                dataset.order.hash(separator)
            },
            workerpool: workerpool.order.hash(separator),
            request: request.order.hash(separator),
        };
        let app_entry = self.entries.find(&(OrderKind::App, app.order.app));
        let dataset_entry = self.entries.find(&(OrderKind::Dataset, dataset.order.dataset));
        let pool_entry = self.entries.find(&(OrderKind::Workerpool, workerpool.order.workerpool));
        let owner = |entry: Option<&Entry>| entry.map(|entry| entry.owner);
        let requester = Some(request.order.requester);

        let mut malformed = Vec::new();
        let mut about = |mismatch, standing: (OrderFacts, bool)| {
            let (facts, is_malformed) = standing;
            if is_malformed {
                malformed.push(mismatch);
            }
            facts
        };
        let facts = Facts {
            category_count: self.category_count(),
            memberships: self.memberships(restrictions(&plain(terms))),
            app: about(Mismatch::AppUnsigned, self.standing(app, hashes.app, owner(app_entry))),
            dataset: about(
                Mismatch::DatasetUnsigned,
                self.standing(dataset, hashes.dataset, owner(dataset_entry)),
            ),
            workerpool: about(
                Mismatch::WorkerpoolUnsigned,
                self.standing(workerpool, hashes.workerpool, owner(pool_entry)),
            ),
            request: about(
                Mismatch::RequestUnsigned,
                self.standing(request, hashes.request, requester),
            ),
        };
        let nobodys = Entry { owner: Address::ZERO, policy: Policy::default() };
        Prepared {
            facts,
            hashes,
            app_owner: owner(app_entry).unwrap_or_default(),
            dataset_owner: owner(dataset_entry).unwrap_or_default(),
            workerpool: pool_entry.copied().unwrap_or(nobodys),
            malformed,
        }
    }

    /// What is known about one order, and whether its signature could never be a wallet's.
    fn standing<O: Order>(
        &self,
        signed: &Signed<O>,
        hash: OrderHash,
        owner: Option<Address>,
    ) -> (OrderFacts, bool) {
        let consumed = self.consumed.get(&hash);
        let Some(owner) = owner else {
            return (OrderFacts { is_registered: false, is_signed: false, consumed }, false);
        };
        let is_presigned = !owner.is_zero() && self.presigned.get(&hash) == owner;
        let is_signed =
            if is_presigned { Ok(true) } else { self.is_signed(owner, hash.0, &signed.sign) };
        let facts = OrderFacts { is_registered: true, is_signed: is_signed == Ok(true), consumed };
        (facts, is_signed.is_err())
    }
}

impl Execution<'_> {
    pub(super) fn match_orders(&mut self, terms: &SignedTerms) -> Result<Value, Refusal> {
        self.make_deal(terms, terms.request.order.requester).map(Value::Deal)
    }

    pub(super) fn sponsor_match_orders(&mut self, terms: &SignedTerms) -> Result<Value, Refusal> {
        let sponsor = self.sender;
        let deal = self.make_deal(terms, sponsor)?;
        self.events.push(Event::DealSponsored { deal, sponsor });
        Ok(Value::Deal(deal))
    }

    fn make_deal(&mut self, terms: &SignedTerms, payer: Address) -> Result<DealId, Refusal> {
        let prepared = self.state.prepare(terms);
        let rules = self.state.rules;
        let volume =
            matching::check_by(rules, &plain(terms), &prepared.facts).map_err(|mismatch| {
                if prepared.malformed.contains(&mismatch) {
                    Refusal::SignatureFormat
                } else {
                    Refusal::Match(mismatch)
                }
            })?;
        let deal = self.deal(terms, &prepared, volume, payer)?;
        // Marks are read last: refusals that every client knows come first.
        let conditions = self.agree_on_conditions(terms, &prepared, payer)?;
        self.state.check_deal_record(&deal, conditions)?;
        let hashes = prepared.hashes;
        let id = DealId::of_match(hashes.request, deal.bot_first);
        self.consume(hashes, volume)?;
        let prices = deal.task_price().and_then(|price| price.checked_mul(volume));
        self.state.escrow.lock(payer, prices.ok_or(Refusal::Overflow)?, &mut self.events)?;
        // What the pool's owner stakes is computed when the payer has paid.
        let stake = payout::deal_locks(&deal)?.workerpool_owner;
        let pool_owner = deal.workerpool.owner;
        self.state.escrow.lock(pool_owner, stake, &mut self.events)?;
        self.events.push(Event::SchedulerNotice { workerpool: deal.workerpool.pointer, deal: id });
        if conditions != DealConditions::NONE {
            let told = ConditionsEvent::DealConditions { deal: id, conditions };
            self.events.push(Event::Conditions(told));
            self.state.conditions.set(id, conditions);
        }
        self.events.push(hashes.matched(id, volume));
        self.state.deals.set(id, deal);
        Ok(id)
    }

    /// Uses up what a match takes of its orders.
    pub(super) fn consume(&mut self, hashes: Hashes, volume: U256) -> Result<(), Refusal> {
        for hash in [hashes.app, hashes.dataset, hashes.workerpool, hashes.request] {
            if hash == OrderHash::ZERO {
                continue;
            }
            let consumed = self.state.consumed.get(&hash);
            let consumed = consumed.checked_add(volume).ok_or(Refusal::Overflow)?;
            self.state.consumed.set(hash, consumed);
        }
        Ok(())
    }

    /// What the match freezes.
    pub(super) fn deal(
        &self,
        terms: &SignedTerms,
        prepared: &Prepared,
        volume: U256,
        sponsor: Address,
    ) -> Result<Deal, Refusal> {
        let SignedTerms { app, dataset, workerpool, request } = terms;
        let (app, dataset, workerpool, request) =
            (&app.order, &dataset.order, &workerpool.order, &request.order);
        let resource = |pointer, owner, price| Resource { pointer, owner, price };
        // A null dataset order is signed by nobody, so its price has no effect.
        let dataset_price = if dataset.dataset.is_zero() { Amount::ZERO } else { dataset.price };
        let Entry { owner: pool_owner, policy } = prepared.workerpool;
        // A category below the count fits: the check came before.
        let category = u64::try_from(request.category).map_err(|_| Refusal::Overflow)?;
        Ok(Deal {
            app: resource(app.app, prepared.app_owner, app.price),
            dataset: resource(dataset.dataset, prepared.dataset_owner, dataset_price),
            workerpool: resource(workerpool.workerpool, pool_owner, workerpool.price),
            trust: request.trust.max(U256::ONE),
            category: CategoryId(category),
            tag: matching::tag_union(self.state.rules, &plain(terms)),
            requester: request.requester,
            beneficiary: request.beneficiary,
            callback: request.callback,
            params: request.params.clone(),
            start_time: self.now,
            bot_first: prepared.facts.request.consumed,
            bot_size: volume,
            worker_stake: payout::worker_stake(workerpool.price, policy.worker_stake_ratio)?,
            scheduler_reward_ratio: policy.scheduler_reward_ratio,
            sponsor,
        })
    }
}

/// The orders without their signatures.
pub(super) fn plain(terms: &SignedTerms) -> Terms<'_> {
    Terms {
        app: &terms.app.order,
        dataset: &terms.dataset.order,
        workerpool: &terms.workerpool.order,
        request: &terms.request.order,
    }
}
