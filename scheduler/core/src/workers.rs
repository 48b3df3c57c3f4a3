//! The workers that are connected, and since when others are away.

use crate::clock::Moment;
use crate::words::Capacity;
use alloc::collections::{BTreeMap, BTreeSet};
use poco_core::credibility::weight;
use poco_core::lane::Bond;
use poco_core::{Address, Amount, U256};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Worker {
    pub(crate) capacity: Capacity,
    pub(crate) weight: U256,
    /// What a commit may lock; nothing where the hub has no settlement lane.
    pub(crate) bond: Amount,
    /// Counts assignments of the whole pool; 0 for a worker that had none since the start.
    pub(crate) last_used: u64,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    since: Moment,
    last_used: u64,
}

#[derive(Clone, Debug)]
pub(crate) struct Workers {
    connected: BTreeMap<Address, Worker>,
    /// Workers that left with something to do. Others are forgotten: a wallet costs nothing.
    gone: BTreeMap<Address, Gone>,
    /// Workers that get nothing new, connected or not.
    drained: BTreeSet<Address>,
    start: Moment,
    assignments: u64,
}

impl Workers {
    pub(crate) fn new(start: Moment) -> Self {
        Self {
            connected: BTreeMap::new(),
            gone: BTreeMap::new(),
            drained: BTreeSet::new(),
            start,
            assignments: 0,
        }
    }

    pub(crate) fn connect(
        &mut self,
        worker: Address,
        capacity: Capacity,
        score: U256,
        bond: Option<Bond>,
    ) {
        let before = self.gone.remove(&worker).map(|gone| gone.last_used);
        let known = self.connected.get(&worker).map(|known| known.last_used);
        let last_used = known.or(before).unwrap_or_default();
        let bond = bond.map_or(Amount::ZERO, |bond| bond.free());
        self.connected.insert(worker, Worker { capacity, weight: weight(score), bond, last_used });
    }

    pub(crate) fn disconnect(&mut self, worker: Address, now: Moment, has_tasks: bool) {
        if let Some(known) = self.connected.remove(&worker)
            && has_tasks
        {
            self.gone.insert(worker, Gone { since: now, last_used: known.last_used });
        }
    }

    /// Forgets a worker that is away and has nothing left to do.
    pub(crate) fn forget(&mut self, worker: Address) {
        self.gone.remove(&worker);
    }

    pub(crate) fn rescore(&mut self, worker: Address, score: U256) {
        if let Some(known) = self.connected.get_mut(&worker) {
            known.weight = weight(score);
        }
    }

    pub(crate) fn rebond(&mut self, worker: Address, bond: Option<Bond>) {
        if let Some(known) = self.connected.get_mut(&worker) {
            known.bond = bond.map_or(Amount::ZERO, |bond| bond.free());
        }
    }

    pub(crate) fn mark_used(&mut self, worker: Address) {
        self.assignments = self.assignments.saturating_add(1);
        if let Some(known) = self.connected.get_mut(&worker) {
            known.last_used = self.assignments;
        }
    }

    /// What a commit may lock of a connected worker's bond.
    pub(crate) fn bond_of(&self, worker: Address) -> Option<Amount> {
        self.connected.get(&worker).map(|known| known.bond)
    }

    pub(crate) fn drain(&mut self, worker: Address) {
        self.drained.insert(worker);
    }

    pub(crate) fn undrain(&mut self, worker: Address) {
        self.drained.remove(&worker);
    }

    pub(crate) fn is_drained(&self, worker: Address) -> bool {
        self.drained.contains(&worker)
    }

    pub(crate) fn is_connected(&self, worker: Address) -> bool {
        self.connected.contains_key(&worker)
    }

    pub(crate) fn connected(&self) -> impl Iterator<Item = (Address, &Worker)> {
        self.connected.iter().map(|(address, worker)| (*address, worker))
    }

    pub(crate) fn find(&self, worker: Address) -> Option<&Worker> {
        self.connected.get(&worker)
    }

    pub(crate) fn drained(&self) -> impl Iterator<Item = Address> {
        self.drained.iter().copied()
    }

    pub(crate) fn slots(&self) -> usize {
        self.connected
            .values()
            .map(|one| one.capacity.slots as usize)
            .fold(0, usize::saturating_add)
    }

    /// When an absent worker counts as lost; `None` while it is connected.
    pub(crate) fn lost_at(&self, worker: Address, lost_after: u64, grace: u64) -> Option<Moment> {
        if self.is_connected(worker) {
            return None;
        }
        Some(match self.gone.get(&worker) {
            Some(gone) => gone.since.after_millis(lost_after),
            None => self.returned_at(grace),
        })
    }

    /// Until when workers that were connected before the start are expected back.
    pub(crate) fn returned_at(&self, grace: u64) -> Moment {
        self.start.after_millis(grace)
    }
}
