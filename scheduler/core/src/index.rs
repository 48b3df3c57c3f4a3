//! Where to look for tasks. Derived from the tasks alone and refreshed after each change of one.
//!
//! Tasks have numbers here, given again when they are free: a set of numbers takes a sixth of the
//! memory of a set of ids, and a hundred thousand tasks stand in a dozen sets.
//!
//! What is counted here is counted from the entries, which say what each task adds: the same
//! entries give the same counts, and `Core::is_consistent` makes them anew.

use crate::action::Kind;
use crate::clock::Moment;
use crate::few::Few;
use crate::task::{Errand, Phase, Task, Turn};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use poco_core::{Address, Amount, DealId, TaskId};

/// Names a task in the index and the wakes while it is known.
pub(crate) type Number = u32;

#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    names: Vec<Option<TaskId>>,
    unused: Vec<Number>,
    entries: Vec<Option<Entry>>,
    /// How many tasks are being computed or will be.
    live: Counts<()>,
    /// The same per deal.
    live_of: Counts<DealId>,
    /// How many of them have begun, are computed by nobody, and were passed over when they last
    /// looked for workers.
    stuck: Counts<()>,
    /// Per worker, the replicas that take a slot.
    slots: BTreeMap<Address, BTreeSet<Number>>,
    /// Per requester, how many tasks take a slot.
    computing: Counts<Address>,
    /// Per requester, how many live tasks nobody was given yet.
    fresh: Counts<Address>,
    /// The same per deal.
    fresh_of: Counts<DealId>,
    /// Workers whose slots may have changed since this was last looked at.
    pub(crate) touched: BTreeSet<Address>,
    /// Per worker, every task that has not ended and that it computed or may compute.
    by_worker: BTreeMap<Address, BTreeSet<Number>>,
    by_deal: BTreeMap<DealId, BTreeSet<Number>>,
    /// Tasks whose place in life the chain has not told yet.
    pub(crate) unread: BTreeSet<TaskId>,
    pub(crate) queued: BTreeMap<Kind, BTreeSet<Turn>>,
    /// Ended tasks by the block in which that was seen.
    pub(crate) ended: BTreeSet<(u64, TaskId)>,
    /// Per worker, how many commits to come will lock how much of its bond each.
    bonded: BTreeMap<Address, Counts<Amount>>,
    /// Per deal, tasks whose workers can be asked for ballots, by their offset.
    pub(crate) ready: BTreeMap<DealId, BTreeSet<(u64, TaskId)>>,
    /// Per deal, how many tasks of the settlement lane are still computed.
    busy: Counts<DealId>,
}

/// What the index holds about one task beyond what never changes of it, so that it can be taken out
/// again.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    is_live: bool,
    is_fresh: bool,
    is_stuck: bool,
    is_unread: bool,
    is_ready: bool,
    is_busy: bool,
    queued: Option<Kind>,
    ended: Option<u64>,
    /// What a vote in its commit will lock of each that takes part; nothing where nobody does.
    stake: Stake,
    /// Everyone who computed or may compute it.
    involved: Few<Address, Part>,
}

/// What a task takes of a worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Part {
    takes_slot: bool,
    /// Its commit will lock some of the worker's bond.
    is_bonded: bool,
}

/// A stake as the deals of a pool have it. One that exceeds 64 bits of nRLC, more than there are,
/// counts as that.
type Stake = u64;

impl Entry {
    fn of(task: &Task, stake: Amount) -> Self {
        let (is_ended, ended) = match &task.phase {
            Phase::Ended(ended) => (true, Some(ended.block)),
            Phase::Unread | Phase::Pending | Phase::Active { .. } | Phase::Revealing(_) => {
                (false, None)
            }
        };
        let settling = task.settling();
        let mut involved: Few<Address, Part> = Few::new();
        if !is_ended {
            for worker in task.involved() {
                involved.insert(worker, Part::default());
            }
            for (worker, _, _) in task.in_flight().filter(|(_, _, stage)| stage.takes_slot()) {
                if let Some(part) = involved.get_mut(&worker) {
                    part.takes_slot = true;
                }
            }
            for (worker, _) in &settling {
                if let Some(part) = involved.get_mut(worker) {
                    part.is_bonded = true;
                }
            }
        }
        let is_ready = task.is_ready(&settling);
        Self {
            stake: if settling.is_empty() { 0 } else { stake.0.saturating_to() },
            is_ready,
            is_busy: !settling.is_empty() && !is_ready,
            is_unread: matches!(task.phase, Phase::Unread),
            is_live: !is_ended && task.late().hopeless.is_none(),
            is_fresh: !is_ended && task.late().hopeless.is_none() && task.is_fresh(),
            is_stuck: !is_ended
                && task.late().hopeless.is_none()
                && task.is_passed_over
                && !involved.values().any(|part| part.takes_slot),
            involved,
            queued: match &task.errand {
                Errand::Queued(kind) => Some(*kind),
                Errand::None | Errand::InFlight(_) | Errand::Resting { .. } => None,
            },
            ended,
        }
    }

    fn takes_slot(&self, worker: Address) -> bool {
        self.involved.get(&worker).is_some_and(|part| part.takes_slot)
    }

    fn is_computing(&self) -> bool {
        self.involved.values().any(|part| part.takes_slot)
    }
}

impl Index {
    /// Takes in what a task has become; `stake` is what a vote in its deal costs.
    pub(crate) fn update(&mut self, task: &mut Task, stake: Amount) {
        let number = match task.number {
            Some(number) => number,
            None => self.number(task.id),
        };
        task.number = Some(number);
        let entry = Entry::of(task, stake);
        if self.entry(number) == Some(&entry) {
            return;
        }
        let before = self.take(task, number);
        let workers = before.iter().chain([&entry]).flat_map(|one| one.involved.keys());
        for worker in workers {
            let took = before.as_ref().is_some_and(|before| before.takes_slot(*worker));
            if took != entry.takes_slot(*worker) {
                self.touched.insert(*worker);
            }
        }
        self.add(task, number, &entry);
        if let Some(place) = self.entries.get_mut(number as usize) {
            *place = Some(entry);
        }
    }

    /// Gives a task its number.
    fn number(&mut self, task: TaskId) -> Number {
        let number = self.unused.pop().unwrap_or_else(|| {
            self.names.push(None);
            self.entries.push(None);
            Number::try_from(self.names.len().saturating_sub(1)).unwrap_or(Number::MAX)
        });
        if let Some(name) = self.names.get_mut(number as usize) {
            *name = Some(task);
        }
        number
    }

    /// Whose number it is.
    pub(crate) fn name(&self, number: Number) -> Option<TaskId> {
        self.names.get(number as usize).copied().flatten()
    }

    fn entry(&self, number: Number) -> Option<&Entry> {
        self.entries.get(number as usize)?.as_ref()
    }

    fn add(&mut self, task: &Task, number: Number, entry: &Entry) {
        if entry.is_live {
            self.live.add(());
            self.live_of.add(task.deal);
        }
        if entry.is_fresh {
            self.fresh.add(task.requester);
            self.fresh_of.add(task.deal);
        }
        if entry.is_stuck {
            self.stuck.add(());
        }
        if entry.is_computing() {
            self.computing.add(task.requester);
        }
        if entry.is_unread {
            self.unread.insert(task.id);
        }
        for (worker, part) in entry.involved.iter() {
            self.by_worker.entry(*worker).or_default().insert(number);
            if part.takes_slot {
                self.slots.entry(*worker).or_default().insert(number);
            }
            if part.is_bonded {
                let stake = Amount::from_nano(entry.stake);
                self.bonded.entry(*worker).or_default().add(stake);
            }
        }
        self.by_deal.entry(task.deal).or_default().insert(number);
        if let Some(kind) = entry.queued {
            self.queued.entry(kind).or_default().insert(task.turn());
        }
        if let Some(block) = entry.ended {
            self.ended.insert((block, task.id));
        }
        if entry.is_ready {
            self.ready.entry(task.deal).or_default().insert((task.offset, task.id));
        }
        if entry.is_busy {
            self.busy.add(task.deal);
        }
    }

    /// Forgets a task, and its number.
    pub(crate) fn remove(&mut self, task: &Task) {
        let Some(number) = task.number else { return };
        let Some(before) = self.take(task, number) else { return };
        if let Some(name) = self.names.get_mut(number as usize) {
            *name = None;
        }
        self.unused.push(number);
        let parts = before.involved.iter().filter(|(_, part)| part.takes_slot);
        self.touched.extend(parts.map(|(worker, _)| *worker));
    }

    fn take(&mut self, task: &Task, number: Number) -> Option<Entry> {
        let entry = self.entries.get_mut(number as usize)?.take()?;
        if entry.is_live {
            self.live.take(&());
            self.live_of.take(&task.deal);
        }
        if entry.is_fresh {
            self.fresh.take(&task.requester);
            self.fresh_of.take(&task.deal);
        }
        if entry.is_stuck {
            self.stuck.take(&());
        }
        if entry.is_computing() {
            self.computing.take(&task.requester);
        }
        if entry.is_unread {
            self.unread.remove(&task.id);
        }
        for (worker, part) in entry.involved.iter() {
            take_out(&mut self.by_worker, worker, &number);
            if part.takes_slot {
                take_out(&mut self.slots, worker, &number);
            }
            if part.is_bonded
                && let Some(counts) = self.bonded.get_mut(worker)
            {
                counts.take(&Amount::from_nano(entry.stake));
                if counts.0.is_empty() {
                    self.bonded.remove(worker);
                }
            }
        }
        take_out(&mut self.by_deal, &task.deal, &number);
        if let Some(kind) = entry.queued {
            take_out(&mut self.queued, &kind, &task.turn());
        }
        if let Some(block) = entry.ended {
            self.ended.remove(&(block, task.id));
        }
        if entry.is_ready {
            take_out(&mut self.ready, &task.deal, &(task.offset, task.id));
        }
        if entry.is_busy {
            self.busy.take(&task.deal);
        }
        Some(entry)
    }

    /// How many tasks are being computed or will be.
    pub(crate) fn live_len(&self) -> usize {
        self.live.of(&())
    }

    /// The same of one deal.
    pub(crate) fn live_of(&self, deal: DealId) -> usize {
        self.live_of.of(&deal)
    }

    pub(crate) fn live(&self) -> impl Iterator<Item = TaskId> {
        let all = self.names.iter().zip(&self.entries);
        let live = all.filter(|(_, entry)| entry.as_ref().is_some_and(|entry| entry.is_live));
        live.filter_map(|(name, _)| *name)
    }

    pub(crate) fn slots_used(&self, worker: Address) -> usize {
        self.slots.get(&worker).map_or(0, BTreeSet::len)
    }

    /// How many tasks of a requester are being computed.
    pub(crate) fn computing_for(&self, requester: Address) -> usize {
        self.computing.of(&requester)
    }

    /// How many live tasks of a requester nobody was given yet.
    pub(crate) fn fresh_for(&self, requester: Address) -> usize {
        self.fresh.of(&requester)
    }

    /// The same of a deal.
    pub(crate) fn fresh_of(&self, deal: DealId) -> usize {
        self.fresh_of.of(&deal)
    }

    /// How many live tasks have begun and were passed over.
    pub(crate) fn stuck_len(&self) -> usize {
        self.stuck.of(&())
    }

    /// Whether tasks of a deal in the settlement lane are still computed.
    pub(crate) fn is_busy(&self, deal: DealId) -> bool {
        self.busy.of(&deal) > 0
    }

    /// What commits to come will lock of a worker's bond; `None` where that is beyond any amount.
    pub(crate) fn bonded(&self, worker: Address) -> Option<Amount> {
        let mut counts = self.bonded.get(&worker).into_iter().flat_map(|counts| &counts.0);
        counts.try_fold(Amount::ZERO, |sum, (stake, count)| {
            sum.checked_add(stake.checked_mul(poco_core::U256::from(*count))?)
        })
    }

    /// What a worker computed or may compute and has not ended.
    pub(crate) fn tasks_of(&self, worker: Address) -> BTreeSet<TaskId> {
        self.names_of(self.by_worker.get(&worker))
    }

    /// How many these are.
    pub(crate) fn tasks_len(&self, worker: Address) -> usize {
        self.by_worker.get(&worker).map_or(0, BTreeSet::len)
    }

    /// Workers that have such tasks.
    pub(crate) fn holders(&self) -> impl Iterator<Item = Address> {
        self.by_worker.keys().copied()
    }

    pub(crate) fn tasks_in(&self, deal: DealId) -> BTreeSet<TaskId> {
        self.names_of(self.by_deal.get(&deal))
    }

    /// Whether tasks of a deal are known.
    pub(crate) fn has_tasks_in(&self, deal: DealId) -> bool {
        self.by_deal.contains_key(&deal)
    }

    fn names_of(&self, numbers: Option<&BTreeSet<Number>>) -> BTreeSet<TaskId> {
        numbers.into_iter().flatten().filter_map(|number| self.name(*number)).collect()
    }

    /// Whether it says the same as another, whose numbers may differ. For tests.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        fn spelled<K: Ord + Copy>(
            index: &Index,
            sets: &BTreeMap<K, BTreeSet<Number>>,
        ) -> BTreeMap<K, BTreeSet<TaskId>> {
            sets.iter().map(|(key, set)| (*key, index.names_of(Some(set)))).collect()
        }
        let counts = |index: &Self| {
            let Self { live, live_of, stuck, computing, .. } = index.clone();
            let Self { fresh, fresh_of, busy, bonded, .. } = index.clone();
            ((live, live_of, stuck, computing), (fresh, fresh_of, busy, bonded))
        };
        let sets = |index: &Self| {
            let Self { touched, unread, queued, ended, ready, .. } = index.clone();
            (touched, unread, queued, ended, ready)
        };
        let entries = |index: &Self| -> BTreeMap<TaskId, Option<Entry>> {
            let all = index.names.iter().zip(&index.entries);
            all.filter_map(|(name, entry)| Some(((*name)?, entry.clone()))).collect()
        };
        counts(self) == counts(other)
            && sets(self) == sets(other)
            && entries(self) == entries(other)
            && spelled(self, &self.slots) == spelled(other, &other.slots)
            && spelled(self, &self.by_worker) == spelled(other, &other.by_worker)
            && spelled(self, &self.by_deal) == spelled(other, &other.by_deal)
    }
}

/// How many there are of each.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Counts<K>(BTreeMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Ord> Counts<K> {
    fn add(&mut self, key: K) {
        let count = self.0.entry(key).or_default();
        *count = count.saturating_add(1);
    }

    fn take(&mut self, key: &K) {
        let Some(count) = self.0.get_mut(key) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.0.remove(key);
        }
    }

    fn of(&self, key: &K) -> usize {
        self.0.get(key).copied().unwrap_or_default()
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
    due: BTreeSet<(T, Number)>,
    of: Vec<Option<T>>,
}

impl<T: Ord + Copy> Default for Wakes<T> {
    fn default() -> Self {
        Self { due: BTreeSet::new(), of: Vec::new() }
    }
}

impl<T: Ord + Copy> Wakes<T> {
    pub(crate) fn set(&mut self, task: Number, at: Option<T>) {
        let place = task as usize;
        if place >= self.of.len() {
            if at.is_none() {
                return;
            }
            self.of.resize(place.saturating_add(1), None);
        }
        let Some(known) = self.of.get_mut(place) else { return };
        if *known == at {
            return;
        }
        if let Some(before) = core::mem::replace(known, at) {
            self.due.remove(&(before, task));
        }
        if let Some(at) = at {
            self.due.insert((at, task));
        }
    }

    /// As `set`, unless it wants to be looked at sooner.
    pub(crate) fn set_sooner(&mut self, task: Number, at: T) {
        let known = self.of.get(task as usize).copied().flatten();
        self.set(task, Some(known.map_or(at, |before| at.min(before))));
    }

    pub(crate) fn first(&self) -> Option<T> {
        self.due.first().map(|(at, _)| *at)
    }

    /// Takes out one task whose time has come.
    pub(crate) fn pop(&mut self, now: T) -> Option<Number> {
        let (_, task) = self.due.first().copied().filter(|(at, _)| *at <= now)?;
        self.set(task, None);
        Some(task)
    }
}

/// Wakes by the process's clock.
pub(crate) type MomentWakes = Wakes<Moment>;
