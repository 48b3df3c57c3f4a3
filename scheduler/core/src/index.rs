//! Where to look for tasks. Derived from the tasks alone and refreshed after each change of one:
//! nothing here is counted up and down.

use crate::action::Kind;
use crate::clock::Moment;
use crate::task::{Errand, Phase, Task, Turn};
use alloc::collections::{BTreeMap, BTreeSet};
use poco_core::{Address, DealId, TaskId};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    /// Tasks that are being computed or will be.
    pub(crate) live: BTreeSet<TaskId>,
    /// Those of them that have begun, are computed by nobody, and were passed over when they last
    /// looked for workers.
    pub(crate) stuck: BTreeSet<TaskId>,
    /// Per worker, the replicas that take a slot.
    pub(crate) slots: BTreeMap<Address, BTreeSet<TaskId>>,
    /// Per requester, the tasks that take a slot.
    pub(crate) computing: BTreeMap<Address, BTreeSet<TaskId>>,
    /// Per requester and deal, the live tasks that nobody was given yet.
    pub(crate) fresh: BTreeMap<Address, BTreeMap<DealId, BTreeSet<TaskId>>>,
    /// Workers whose slots may have changed since this was last looked at.
    pub(crate) touched: BTreeSet<Address>,
    /// Per worker, every task that has not ended and that it computed or may compute.
    pub(crate) by_worker: BTreeMap<Address, BTreeSet<TaskId>>,
    pub(crate) by_deal: BTreeMap<DealId, BTreeSet<TaskId>>,
    /// Tasks whose place in life the chain has not told yet.
    pub(crate) unread: BTreeSet<TaskId>,
    pub(crate) queued: BTreeMap<Kind, BTreeSet<Turn>>,
    /// Ended tasks by the block in which that was seen.
    pub(crate) ended: BTreeSet<(u64, TaskId)>,
    /// Per worker, the tasks whose commit will lock a part of its bond, with their deals.
    pub(crate) bonded: BTreeMap<Address, BTreeSet<(TaskId, DealId)>>,
    /// Per deal, tasks whose workers can be asked for ballots, by their offset.
    pub(crate) ready: BTreeMap<DealId, BTreeSet<(u64, TaskId)>>,
    /// Per deal, tasks of the settlement lane that are still computed.
    pub(crate) busy: BTreeMap<DealId, BTreeSet<TaskId>>,
    entries: BTreeMap<TaskId, Entry>,
}

/// What the index holds about one task, so that it can be taken out again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    deal: DealId,
    requester: Address,
    is_live: bool,
    is_fresh: bool,
    is_stuck: bool,
    is_unread: bool,
    slots: BTreeSet<Address>,
    involved: BTreeSet<Address>,
    queued: Option<(Kind, Turn)>,
    ended: Option<u64>,
    offset: u64,
    bonded: BTreeSet<Address>,
    is_ready: bool,
    is_busy: bool,
}

impl Entry {
    fn of(task: &Task) -> Self {
        let (is_ended, ended) = match &task.phase {
            Phase::Ended(ended) => (true, Some(ended.block)),
            Phase::Unread | Phase::Pending | Phase::Active { .. } | Phase::Revealing(_) => {
                (false, None)
            }
        };
        let slots = task.in_flight().filter(|(_, _, stage)| stage.takes_slot());
        let slots: BTreeSet<Address> =
            if is_ended { BTreeSet::new() } else { slots.map(|(who, ..)| who).collect() };
        let settling = task.settling();
        Self {
            offset: task.offset,
            bonded: settling.iter().map(|(worker, _)| *worker).collect(),
            is_ready: task.is_ready(&settling),
            is_busy: !settling.is_empty() && !task.is_ready(&settling),
            deal: task.deal,
            requester: task.requester,
            is_unread: matches!(task.phase, Phase::Unread),
            is_live: !is_ended && task.hopeless.is_none(),
            is_fresh: !is_ended && task.hopeless.is_none() && task.is_fresh(),
            is_stuck: !is_ended
                && task.hopeless.is_none()
                && task.is_passed_over
                && slots.is_empty(),
            slots,
            involved: if is_ended { BTreeSet::new() } else { task.involved() },
            queued: match &task.errand {
                Errand::Queued(kind) => Some((*kind, task.turn)),
                Errand::None | Errand::InFlight(_) | Errand::Resting { .. } => None,
            },
            ended,
        }
    }
}

impl Index {
    pub(crate) fn update(&mut self, task: &Task) {
        let entry = Entry::of(task);
        if self.entries.get(&task.id) == Some(&entry) {
            return;
        }
        let before = self.take(task.id).map(|before| before.slots).unwrap_or_default();
        self.touched.extend(before.symmetric_difference(&entry.slots));
        if entry.is_live {
            self.live.insert(task.id);
        }
        if entry.is_fresh {
            let deals = self.fresh.entry(entry.requester).or_default();
            deals.entry(entry.deal).or_default().insert(task.id);
        }
        if entry.is_stuck {
            self.stuck.insert(task.id);
        }
        if !entry.slots.is_empty() {
            self.computing.entry(entry.requester).or_default().insert(task.id);
        }
        if entry.is_unread {
            self.unread.insert(task.id);
        }
        for worker in &entry.slots {
            self.slots.entry(*worker).or_default().insert(task.id);
        }
        for worker in &entry.involved {
            self.by_worker.entry(*worker).or_default().insert(task.id);
        }
        self.by_deal.entry(entry.deal).or_default().insert(task.id);
        if let Some((kind, turn)) = entry.queued {
            self.queued.entry(kind).or_default().insert(turn);
        }
        if let Some(block) = entry.ended {
            self.ended.insert((block, task.id));
        }
        for worker in &entry.bonded {
            self.bonded.entry(*worker).or_default().insert((task.id, entry.deal));
        }
        if entry.is_ready {
            self.ready.entry(entry.deal).or_default().insert((entry.offset, task.id));
        }
        if entry.is_busy {
            self.busy.entry(entry.deal).or_default().insert(task.id);
        }
        self.entries.insert(task.id, entry);
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        let before = self.take(task);
        self.touched.extend(before.map(|before| before.slots).unwrap_or_default());
    }

    fn take(&mut self, task: TaskId) -> Option<Entry> {
        let entry = self.entries.remove(&task)?;
        self.live.remove(&task);
        self.stuck.remove(&task);
        if let Some(deals) = self.fresh.get_mut(&entry.requester) {
            take_out(deals, &entry.deal, &task);
            if deals.is_empty() {
                self.fresh.remove(&entry.requester);
            }
        }
        take_out(&mut self.computing, &entry.requester, &task);
        self.unread.remove(&task);
        for worker in &entry.slots {
            take_out(&mut self.slots, worker, &task);
        }
        for worker in &entry.involved {
            take_out(&mut self.by_worker, worker, &task);
        }
        take_out(&mut self.by_deal, &entry.deal, &task);
        if let Some((kind, turn)) = entry.queued {
            take_out(&mut self.queued, &kind, &turn);
        }
        if let Some(block) = entry.ended {
            self.ended.remove(&(block, task));
        }
        for worker in &entry.bonded {
            take_out(&mut self.bonded, worker, &(task, entry.deal));
        }
        take_out(&mut self.ready, &entry.deal, &(entry.offset, task));
        take_out(&mut self.busy, &entry.deal, &task);
        Some(entry)
    }

    pub(crate) fn slots_used(&self, worker: Address) -> usize {
        self.slots.get(&worker).map_or(0, BTreeSet::len)
    }

    /// How many tasks of a requester are being computed.
    pub(crate) fn computing_for(&self, requester: Address) -> usize {
        self.computing.get(&requester).map_or(0, BTreeSet::len)
    }

    /// How many live tasks of a deal nobody was given yet.
    pub(crate) fn fresh_of(&self, requester: Address, deal: DealId) -> usize {
        let deals = self.fresh.get(&requester);
        deals.and_then(|deals| deals.get(&deal)).map_or(0, BTreeSet::len)
    }

    pub(crate) fn tasks_of(&self, worker: Address) -> BTreeSet<TaskId> {
        self.by_worker.get(&worker).cloned().unwrap_or_default()
    }
}

pub(crate) fn take_out<K: Ord, V: Ord>(map: &mut BTreeMap<K, BTreeSet<V>>, key: &K, value: &V) {
    if let Some(set) = map.get_mut(key) {
        set.remove(value);
        if set.is_empty() {
            map.remove(key);
        }
    }
}

/// When each task wants to be looked at again, by either clock.
#[derive(Clone, Debug)]
pub(crate) struct Wakes<T: Ord + Copy> {
    due: BTreeSet<(T, TaskId)>,
    of: BTreeMap<TaskId, T>,
}

impl<T: Ord + Copy> Default for Wakes<T> {
    fn default() -> Self {
        Self { due: BTreeSet::new(), of: BTreeMap::new() }
    }
}

impl<T: Ord + Copy> Wakes<T> {
    pub(crate) fn set(&mut self, task: TaskId, at: Option<T>) {
        if let Some(before) = self.of.remove(&task) {
            self.due.remove(&(before, task));
        }
        if let Some(at) = at {
            self.of.insert(task, at);
            self.due.insert((at, task));
        }
    }

    /// As `set`, unless it wants to be looked at sooner.
    pub(crate) fn set_sooner(&mut self, task: TaskId, at: T) {
        let at = self.of.get(&task).map_or(at, |before| at.min(*before));
        self.set(task, Some(at));
    }

    pub(crate) fn first(&self) -> Option<T> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out one task whose time has come.
    pub(crate) fn pop(&mut self, now: T) -> Option<TaskId> {
        let (_, task) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.set(task, None);
        Some(task)
    }
}

/// Wakes by the process's clock.
pub(crate) type MomentWakes = Wakes<Moment>;
