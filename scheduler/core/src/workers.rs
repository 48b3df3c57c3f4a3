//! The workers that are connected, and since when others are away.
//!
//! Connected workers also lie on two shelves, free and busy, sorted by what can be said of them
//! without looking at a task, so that a choice goes past those that cannot fit as a whole.

use crate::clock::Moment;
use crate::limits::{APPS_MAX, RANKED_MAX};
use crate::order::Draw;
use crate::placement::{Placement, Region};
use crate::record::MemberRecord;
use crate::roster::{Place, Roster};
use crate::words::Capacity;
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use poco_core::credibility::{WEIGHT_MIN, weight};
use poco_core::lane::Bond;
use poco_core::{Address, Amount, Tag, U256};

#[derive(Clone, Debug)]
pub(crate) struct Worker {
    pub(crate) capacity: Capacity,
    pub(crate) weight: U256,
    /// What a commit may lock; nothing where the hub has no settlement lane.
    pub(crate) bond: Amount,
    pub(crate) place: Place,
    /// Whether one of its slots is free.
    pub(crate) is_free: bool,
    /// Apps that it has run since it logged in: their images are there.
    pub(crate) apps: BTreeSet<Address>,
}

/// What workers of one compartment of a shelf have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Class {
    pub(crate) tag: Tag,
    pub(crate) has_bond: bool,
    /// Its weight is the least there is.
    pub(crate) is_newcomer: bool,
    region: Option<Region>,
    /// Whether it tells how clean its energy is.
    has_energy: bool,
    /// How many digits memory and processors of one slot have in binary.
    sizes: [u32; 2],
}

impl Class {
    /// Whether a worker of this class may be what a placement asks for.
    pub(crate) fn may_have(&self, asked: &Placement) -> bool {
        let is_there = |region| asked.regions.contains(&region);
        let [memory, cpus] = self.sizes;
        (asked.regions.is_empty() || self.region.is_some_and(is_there))
            && (asked.carbon_g_per_kwh_max.is_none() || self.has_energy)
            && memory >= digits(asked.memory_bytes_min)
            && cpus >= digits(asked.cpus_min.into())
    }
}

fn digits(number: u64) -> u32 {
    u64::BITS.saturating_sub(number.leading_zeros())
}

impl Worker {
    fn class(&self) -> Class {
        Class {
            tag: self.capacity.tag,
            has_bond: self.bond != Amount::ZERO,
            is_newcomer: self.weight <= U256::from(WEIGHT_MIN),
            region: self.capacity.region,
            has_energy: self.capacity.carbon_g_per_kwh.is_some(),
            sizes: [
                digits(self.capacity.each(self.capacity.memory_bytes)),
                digits(self.capacity.each(self.capacity.cpus.into())),
            ],
        }
    }

    fn key(&self) -> (u64, u32) {
        (self.place.since_block, self.place.number)
    }
}

type Shelf = BTreeMap<Class, BTreeSet<(u64, u32)>>;

/// Whom a task's places are drawn from.
#[derive(Clone, Debug)]
pub(crate) struct Lottery {
    /// The order of those that had logged in before `block`.
    pub(crate) draw: Draw,
    pub(crate) block: u64,
}

impl Lottery {
    /// Whether a place counts: its worker had logged in before the match.
    fn has(&self, (since_block, number): &(u64, u32)) -> bool {
        *since_block < self.block && *number < self.draw.places()
    }
}

/// Workers that are looked at together, by their keys.
struct Tier<Keys> {
    /// As many as can be ranked one by one.
    keys: Keys,
    /// There are more than that, so they need not be counted.
    is_many: bool,
    /// Their order.
    draw: Draw,
}

/// A worker in the order of a task.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Drawn<'a> {
    pub(crate) worker: Address,
    pub(crate) known: &'a Worker,
    /// `None` for a worker that came after the match.
    pub(crate) rank: Option<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Gone {
    since: Moment,
}

#[derive(Clone, Debug)]
pub(crate) struct Workers {
    connected: BTreeMap<Address, Worker>,
    /// Workers that left with something to do. Others are forgotten: a wallet costs nothing.
    gone: BTreeMap<Address, Gone>,
    /// Workers whose votes the hub would not commit, and until when their bonds count as nothing.
    shunned: BTreeMap<Address, Moment>,
    roster: Roster,
    free: Shelf,
    busy: Shelf,
    /// What the connected ones offer together.
    slots: usize,
    /// Workers that get nothing new, connected or not.
    drained: BTreeSet<Address>,
    start: Moment,
}

impl Workers {
    pub(crate) fn new(start: Moment) -> Self {
        Self {
            connected: BTreeMap::new(),
            gone: BTreeMap::new(),
            shunned: BTreeMap::new(),
            drained: BTreeSet::new(),
            roster: Roster::default(),
            free: Shelf::new(),
            busy: Shelf::new(),
            slots: 0,
            start,
        }
    }

    pub(crate) fn restore(&mut self, record: &MemberRecord) {
        self.roster.restore(record, self.start);
    }

    /// Takes a worker in, busy until it is [placed](Self::place). Answers its place where that is
    /// new.
    pub(crate) fn connect(
        &mut self,
        worker: Address,
        capacity: Capacity,
        (score, bond): (U256, Option<Bond>),
        block: u64,
    ) -> Option<MemberRecord> {
        self.gone.remove(&worker);
        let (place, is_new) = self.roster.join(worker, block);
        let bond = self.trusted(worker, bond);
        let apps = self.connected.get(&worker).map(|known| known.apps.clone()).unwrap_or_default();
        self.remove(worker);
        self.slots = self.slots.saturating_add(capacity.slots as usize);
        let weight = weight(score);
        let known = Worker { capacity, weight, bond, place, is_free: false, apps };
        self.connected.insert(worker, known);
        self.shelve(worker);
        let Place { number, since_block } = place;
        is_new.then_some(MemberRecord { worker, place: number, since_block })
    }

    pub(crate) fn disconnect(&mut self, worker: Address, now: Moment, has_tasks: bool) {
        if self.remove(worker) {
            self.roster.leave(worker, now);
            if has_tasks {
                self.gone.insert(worker, Gone { since: now });
            }
        }
    }

    fn remove(&mut self, worker: Address) -> bool {
        self.unshelve(worker);
        let known = self.connected.remove(&worker);
        let slots = known.as_ref().map_or(0, |known| known.capacity.slots as usize);
        self.slots = self.slots.saturating_sub(slots);
        known.is_some()
    }

    /// Forgets a worker that is away and has nothing left to do.
    pub(crate) fn forget(&mut self, worker: Address) {
        self.gone.remove(&worker);
    }

    pub(crate) fn rescore(&mut self, worker: Address, score: U256) {
        self.change(worker, |known| known.weight = weight(score));
    }

    pub(crate) fn rebond(&mut self, worker: Address, bond: Option<Bond>) {
        let bond = self.trusted(worker, bond);
        self.change(worker, |known| known.bond = bond);
    }

    /// Counts a worker's bond as nothing until then.
    pub(crate) fn shun(&mut self, worker: Address, until: Moment) {
        self.shunned.insert(worker, until);
        self.rebond(worker, None);
    }

    /// Ends what is over of that, and answers for whom.
    pub(crate) fn unshun(&mut self, now: Moment) -> Vec<Address> {
        let over = self.shunned.extract_if(.., |_, until| *until <= now);
        over.map(|(worker, _)| worker).collect()
    }

    /// What of a worker's bond a commit may count on.
    fn trusted(&self, worker: Address, bond: Option<Bond>) -> Amount {
        let bond = bond.filter(|_| !self.shunned.contains_key(&worker));
        bond.map_or(Amount::ZERO, |bond| bond.free())
    }

    /// Puts a worker on the shelf where it belongs with `used` of its slots taken.
    pub(crate) fn place(&mut self, worker: Address, used: usize) {
        let Some(known) = self.connected.get(&worker) else { return };
        let is_free = used < known.capacity.slots as usize;
        if is_free != known.is_free {
            self.change(worker, |known| known.is_free = is_free);
        }
    }

    /// A worker runs an app, so it has the image. Where it has many, nothing is said of others.
    pub(crate) fn learn_app(&mut self, worker: Address, app: Address) {
        if let Some(known) = self.connected.get_mut(&worker)
            && known.apps.len() < APPS_MAX
        {
            known.apps.insert(app);
        }
    }

    fn change(&mut self, worker: Address, change: impl FnOnce(&mut Worker)) {
        self.unshelve(worker);
        if let Some(known) = self.connected.get_mut(&worker) {
            change(known);
        }
        self.shelve(worker);
    }

    fn shelve(&mut self, worker: Address) {
        let Some(known) = self.connected.get(&worker) else { return };
        let shelf = if known.is_free { &mut self.free } else { &mut self.busy };
        shelf.entry(known.class()).or_default().insert(known.key());
    }

    fn unshelve(&mut self, worker: Address) {
        let Some(known) = self.connected.get(&worker) else { return };
        let shelf = if known.is_free { &mut self.free } else { &mut self.busy };
        if let Some(compartment) = shelf.get_mut(&known.class()) {
            compartment.remove(&known.key());
            if compartment.is_empty() {
                shelf.remove(&known.class());
            }
        }
    }

    /// Whether anybody has a free slot.
    pub(crate) fn has_free(&self) -> bool {
        !self.free.is_empty()
    }

    /// The free or the busy workers of the classes that `fits` lets through, in the order of a
    /// task: first those that had logged in before its match, then the others.
    pub(crate) fn in_order<'a>(
        &'a self,
        is_free: bool,
        lottery: &'a Lottery,
        fits: impl Fn(&Class) -> bool + Copy + 'a,
    ) -> impl Iterator<Item = Drawn<'a>> + 'a {
        let shelf = if is_free { &self.free } else { &self.busy };
        let fitting = move || shelf.iter().filter(move |(class, _)| fits(class));
        let before = ..(lottery.block, 0);
        // Where the last came early, all did. What came late is counted one by one below.
        let came_early = move |keys: &&BTreeSet<(u64, u32)>| {
            keys.last().is_some_and(|last| *last < (lottery.block, 0))
        };
        let sizes = fitting().map(|(_, keys)| keys).filter(came_early).map(BTreeSet::len);
        let is_many = sizes.fold(0, usize::saturating_add) >= RANKED_MAX;
        let early = fitting().flat_map(move |(_, keys)| keys.range(before));
        let early = early.filter(|key| lottery.has(key));
        let is_early = move |known: &Worker| {
            known.is_free == is_free && lottery.has(&known.key()) && fits(&known.class())
        };
        let early = early.take(if is_many { 0 } else { RANKED_MAX });
        let early = Tier { keys: early, is_many, draw: lottery.draw.clone() };
        let early = self.tier(early, is_early);
        // The second order is drawn when the first is through: mostly never.
        let late = core::iter::once_with(move || {
            let late = fitting().flat_map(|(_, keys)| keys).filter(|key| !lottery.has(key));
            let is_late = move |known: &Worker| {
                known.is_free == is_free && !lottery.has(&known.key()) && fits(&known.class())
            };
            let draw = lottery.draw.resized(self.roster.len());
            self.tier(Tier { keys: late, is_many: false, draw }, is_late)
        });
        early.chain(late.flatten().map(|drawn| Drawn { rank: None, ..drawn }))
    }

    /// The workers with these keys by their rank: ranked where they are few, else found by rank.
    fn tier<'a>(
        &'a self,
        Tier { keys, is_many, draw }: Tier<impl Iterator<Item = &'a (u64, u32)>>,
        is_meant: impl Fn(&Worker) -> bool + 'a,
    ) -> Box<dyn Iterator<Item = Drawn<'a>> + 'a> {
        let few: Vec<u32> = keys.map(|(_, number)| *number).take(RANKED_MAX).collect();
        if few.len() < RANKED_MAX && !is_many {
            let rank = |number: u32| Some((draw.rank(number)?, number));
            let mut ranked: Vec<(u32, u32)> = few.into_iter().filter_map(rank).collect();
            ranked.sort_unstable();
            return Box::new(ranked.into_iter().filter_map(|(rank, at)| self.drawn(rank, at)));
        }
        let ranks = 0..draw.places();
        let all = ranks.filter_map(move |rank| self.drawn(rank, draw.place(rank)?));
        Box::new(all.filter(move |drawn| is_meant(drawn.known)))
    }

    fn drawn(&self, rank: u32, place: u32) -> Option<Drawn<'_>> {
        let worker = self.roster.at(place)?;
        Some(Drawn { worker, known: self.connected.get(&worker)?, rank: Some(rank) })
    }

    /// How many places count for a match in `block`.
    pub(crate) fn places_before(&self, block: u64) -> u32 {
        self.roster.len_before(block)
    }

    /// Who has which place.
    pub(crate) fn members(&self) -> impl Iterator<Item = MemberRecord> {
        self.roster.members()
    }

    /// How many places there are.
    pub(crate) fn places(&self) -> u32 {
        self.roster.len()
    }

    /// What a commit may lock of a connected worker's bond; `None` too for a worker that is shunned, of
    /// whom not even a vote without stake is taken.
    pub(crate) fn bond_of(&self, worker: Address) -> Option<Amount> {
        let known = self.connected.get(&worker)?;
        (!self.shunned.contains_key(&worker)).then_some(known.bond)
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

    pub(crate) fn get(&self, worker: Address) -> Option<&Worker> {
        self.connected.get(&worker)
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
        self.slots
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

    /// Whether the shelves are what follows from the workers and the slots that `used` tells.
    pub(crate) fn is_consistent(&self, used: impl Fn(Address) -> usize) -> bool {
        let (mut free, mut busy) = (Shelf::new(), Shelf::new());
        for (worker, known) in &self.connected {
            let is_free = used(*worker) < known.capacity.slots as usize;
            let shelf = if is_free { &mut free } else { &mut busy };
            shelf.entry(known.class()).or_default().insert(known.key());
        }
        let slots: usize = self.connected.values().map(|one| one.capacity.slots as usize).sum();
        (&free, &busy, slots) == (&self.free, &self.busy, self.slots)
    }
}
