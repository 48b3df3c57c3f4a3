//! Everything the hub and its neighbours remember.

use super::Config;
use super::contracts::Contracts;
use super::lane::{CommitKey, Stage};
use super::registries::Entry;
use super::token::Token;
use crate::category::Category;
use crate::credibility::Total;
use crate::deal::Deal;
use crate::escrow::Escrow;
use crate::lane::Bond;
use crate::mark::DealConditions;
use crate::order::OrderKind;
use crate::rules::Rules;
use crate::table::{Cell, Table};
use crate::task::{ContributionView, TaskView};
use crate::types::{DealId, OrderHash, ResultHash, TaskId};
use alloy_primitives::{Address, B256, U256};

/// A task: what its view shows, the sum of its groups' weights, and where it stands in the
/// settlement lane.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Task {
    pub(super) view: TaskView,
    pub(super) total: Total,
    pub(super) stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) rules: Rules,
    pub(super) hub: Address,
    pub(super) domain_separator: B256,
    pub(super) owner: Cell<Address>,
    pub(super) tee_broker: Cell<Address>,
    pub(super) callback_gas: Cell<U256>,
    pub(super) categories: Table<u64, Category>,
    pub(super) escrow: Escrow,
    pub(super) token: Token,
    pub(super) entries: Table<(OrderKind, Address), Entry>,
    /// Facts: no call changes them.
    pub(super) contracts: Contracts,
    pub(super) consumed: Table<OrderHash, U256>,
    pub(super) presigned: Table<OrderHash, Address>,
    pub(super) deals: Table<DealId, Deal>,
    /// Those of the boost lane.
    pub(super) boosted: Table<DealId, Deal>,
    pub(super) tasks: Table<TaskId, Task>,
    pub(super) contributions: Table<(TaskId, Address), ContributionView>,
    /// The weight of each contribution, whose logarithm the view shows.
    pub(super) weights: Table<(TaskId, Address), U256>,
    /// The weight of each group of contributions that agree.
    pub(super) groups: Table<(TaskId, ResultHash), U256>,
    pub(super) scores: Table<Address, U256>,
    /// Whose score came from an earlier hub.
    pub(super) imported: Table<Address, ()>,
    pub(super) epochs: Table<Address, u16>,
    /// Of the deals that keep some.
    pub(super) conditions: Table<DealId, DealConditions>,
    /// By worker and pool.
    pub(super) bonds: Table<(Address, Address), Bond>,
    /// The hash over the rows of each commit; zero where all of it was settled.
    pub(super) commits: Table<CommitKey, B256>,
}

impl State {
    pub(super) fn new(config: Config) -> Self {
        let Config { rules, hub, domain_separator, owner, categories, scores: imported } = config;
        let mut numbered = Table::default();
        for (number, category) in (0u64..).zip(categories) {
            numbered.set(number, category);
        }
        numbered.commit();
        let mut scores = Table::default();
        for (worker, score) in imported {
            scores.set(worker, score);
        }
        scores.commit();
        Self {
            rules,
            hub,
            domain_separator,
            owner: Cell::new(owner),
            tee_broker: Cell::new(Address::ZERO),
            callback_gas: Cell::new(U256::from(rules.first_callback_gas())),
            categories: numbered,
            escrow: Escrow::new(hub),
            token: Token::new(hub),
            entries: Table::default(),
            contracts: Contracts::default(),
            consumed: Table::default(),
            presigned: Table::default(),
            deals: Table::default(),
            boosted: Table::default(),
            tasks: Table::default(),
            contributions: Table::default(),
            weights: Table::default(),
            groups: Table::default(),
            scores,
            imported: Table::default(),
            epochs: Table::default(),
            conditions: Table::default(),
            bonds: Table::default(),
            commits: Table::default(),
        }
    }

    pub(super) fn commit(&mut self) {
        // Named one by one, so that a new member cannot be forgotten.
        let Self {
            rules: _,
            hub: _,
            domain_separator: _,
            owner,
            tee_broker,
            callback_gas,
            categories,
            escrow,
            token,
            entries,
            contracts: _,
            consumed,
            presigned,
            deals,
            boosted,
            tasks,
            contributions,
            weights,
            groups,
            scores,
            imported,
            epochs,
            conditions,
            bonds,
            commits,
        } = self;
        owner.commit();
        tee_broker.commit();
        callback_gas.commit();
        categories.commit();
        escrow.commit();
        token.commit();
        entries.commit();
        consumed.commit();
        presigned.commit();
        deals.commit();
        boosted.commit();
        tasks.commit();
        contributions.commit();
        weights.commit();
        groups.commit();
        scores.commit();
        imported.commit();
        epochs.commit();
        conditions.commit();
        bonds.commit();
        commits.commit();
    }

    pub(super) fn roll_back(&mut self) {
        let Self {
            rules: _,
            hub: _,
            domain_separator: _,
            owner,
            tee_broker,
            callback_gas,
            categories,
            escrow,
            token,
            entries,
            contracts: _,
            consumed,
            presigned,
            deals,
            boosted,
            tasks,
            contributions,
            weights,
            groups,
            scores,
            imported,
            epochs,
            conditions,
            bonds,
            commits,
        } = self;
        owner.roll_back();
        tee_broker.roll_back();
        callback_gas.roll_back();
        categories.roll_back();
        escrow.roll_back();
        token.roll_back();
        entries.roll_back();
        consumed.roll_back();
        presigned.roll_back();
        deals.roll_back();
        boosted.roll_back();
        tasks.roll_back();
        contributions.roll_back();
        weights.roll_back();
        groups.roll_back();
        scores.roll_back();
        imported.roll_back();
        epochs.roll_back();
        conditions.roll_back();
        bonds.roll_back();
        commits.roll_back();
    }

    pub(super) fn category_count(&self) -> u64 {
        self.categories.last_key().map_or(0, |last| last.saturating_add(1))
    }
}
