//! Whether and to whom a task is given. The one place that decides it: assignments, the choice of
//! the lane, what is shown of a waiting task and what is explained all come from here.
//!
//! Workers are looked at in the order of the task (`order.rs`), those with a free slot first, until
//! they are enough: so the cost of a choice follows from the replicas wanted, not from the size of
//! the pool. Of those looked at the fewest that reach the trust are taken. If the free ones do not
//! reach it, but all that are connected do, those of them that are free begin; else nobody does,
//! since their work could not be paid.
//!
//! Of workers that share a machine or an owner the first in the order is taken, so that all have the
//! same chance; where that leaves too little, the heaviest of them.
//!
//! Of workers side by side in the order those come first that have the app's image, as the
//! scheduler has seen: what a worker merely said of itself would be a way to the front.
//!
//! With one task in some, drawn by its lot, a newcomer goes along: who has no score weighs the
//! least, would never be among the fewest, and so would never earn one. Beside others, not among
//! its like: of those who have no score some have lost it.

use crate::consensus::Tally;
use crate::limits::{IMAGE_WINDOW, NEWCOMER_TURNS, SAME_WORKER_SECONDS, WINDOW};
use crate::order::Draw;
use crate::pick::{Candidate, Goal, members_min, pick};
use crate::placement::Placement;
use crate::plan::Sight;
use crate::task::{Phase, ReplicaState, Task};
use crate::trace::{Constraint, Near, Trace};
use crate::workers::{Class, Drawn, Lottery, Worker};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::cell::OnceCell;
use core::cmp::Reverse;
use poco_core::credibility::WEIGHT_MIN;
use poco_core::lane::ROW_MAX;
use poco_core::{Address, Amount, B256, Tag, U256};

/// What a worker must bring for a task.
#[derive(Clone, Debug)]
pub(crate) struct Needs {
    pub(crate) tag: Tag,
    pub(crate) placement: Placement,
    pub(crate) bond: Amount,
    pub(crate) guard: Option<Address>,
}

/// How far a decision looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Until workers are found that begin, or there is nobody who could.
    Now,
    /// Until workers are found, though all of them be busy.
    Enough,
    /// At everybody, for the trace.
    Whole,
}

/// What was decided, and what was seen.
#[derive(Clone, Debug, Default)]
pub(crate) struct Decision {
    /// The workers that reach the trust; `None` where those that are connected do not.
    pub(crate) set: Option<Vec<Candidate>>,
    pub(crate) trace: Trace,
    /// Workers that fit, busy or not, as far as was looked.
    pub(crate) fitting: Vec<Candidate>,
    /// Workers about which the guard is to be asked.
    pub(crate) unasked: Vec<Address>,
    /// Workers that do not fit, of a decision that looked at all.
    pub(crate) near: Vec<Near>,
}

impl Decision {
    /// Those that begin now.
    pub(crate) fn chosen(&self) -> impl Iterator<Item = &Candidate> {
        self.set.iter().flatten().filter(|candidate| candidate.is_free)
    }
}

/// The question who takes a task.
pub(crate) struct Question<'a> {
    pub(crate) sight: Sight<'a>,
    pub(crate) task: &'a Task,
    /// For the settlement lane: workers need a bond, and their votes are cast unseen.
    is_settled: bool,
    lottery: OnceCell<Lottery>,
}

impl<'a> Question<'a> {
    /// For the lane that the task takes now.
    pub(crate) fn new(sight: Sight<'a>, task: &'a Task) -> Self {
        Self { sight, task, is_settled: sight.settles(task), lottery: OnceCell::new() }
    }

    /// For the lane in which a task that nobody was given yet begins.
    pub(crate) fn to_begin(sight: Sight<'a>, task: &'a Task) -> Self {
        if sight.settles(task) && sight.leaves_lane(task, 0) {
            return Self::classic(sight, task);
        }
        Self::new(sight, task)
    }

    /// For the classic lane.
    pub(crate) fn classic(sight: Sight<'a>, task: &'a Task) -> Self {
        Self { sight, task, is_settled: false, lottery: OnceCell::new() }
    }

    /// Drawn when the first worker is looked for.
    pub(crate) fn lottery(&self) -> &Lottery {
        self.lottery.get_or_init(|| {
            let (seed, block, places) = self.sight.seed;
            Lottery { draw: Draw::new(seed, self.task.id, places), block }
        })
    }

    /// When workers are enough.
    pub(crate) fn goal(&self) -> Goal {
        let trust = self.sight.facts.deal.trust;
        // Elsewhere the hub takes the first vote that weighs enough.
        let members_min =
            if self.is_settled { members_min(trust, self.lottery().draw.lot()) } else { 1 };
        let under_way = self.task.in_flight().map(|(_, replica, _)| replica.weight).collect();
        Goal { tally: Tally::of(self.task.votes()), under_way, trust, members_min }
    }

    /// Decides. Where too few are connected for a few to be unable to outvote the others, the trust
    /// alone counts.
    pub(crate) fn decide(&self, depth: Depth) -> Decision {
        let goal = self.goal();
        let decision = self.decide_for(&goal, depth);
        if decision.set.is_some() || goal.members_min <= 1 {
            return decision;
        }
        self.decide_for(&Goal { members_min: 1, ..goal }, depth)
    }

    /// Decides for one goal.
    pub(crate) fn decide_for(&self, goal: &Goal, depth: Depth) -> Decision {
        let mut search = Search::new(self, goal, depth);
        let is_open = match &self.task.phase {
            Phase::Pending | Phase::Active { .. } => true,
            Phase::Unread | Phase::Revealing(_) | Phase::Ended(_) => false,
        };
        if is_open {
            search.run();
        }
        search.found
    }

    /// Whether the task failed on every worker that could take it: soon it is given up.
    pub(crate) fn fails_alone(&self) -> bool {
        let task = self.task;
        task.last_own_failure().is_some()
            && task.votes().is_empty()
            && task.in_flight().next().is_none()
            && task.next_retry(self.sight.now).is_none()
            && !self.has_prospects()
    }

    /// Whether some worker may be able to take the task: also one that is busy, has to be asked
    /// about or lacks a bond, and any while the deal's conditions are not read.
    pub(crate) fn has_prospects(&self) -> bool {
        let may_change = |miss: Constraint| match miss {
            Constraint::Busy | Constraint::Bond | Constraint::GuardUnasked => true,
            Constraint::Conditions
            | Constraint::Slots
            | Constraint::Drained
            | Constraint::Tag
            | Constraint::Placement
            | Constraint::Region
            | Constraint::Energy
            | Constraint::Cpus
            | Constraint::Memory
            | Constraint::Disk
            | Constraint::Gpus
            | Constraint::Voted
            | Constraint::Replica
            | Constraint::OwnFailure
            | Constraint::Resting
            | Constraint::Machine
            | Constraint::Owner
            | Constraint::GuardDenies => false,
        };
        let mut all = [true, false].into_iter().flat_map(|is_free| self.drawn(is_free, |_| true));
        let taken = self.taken();
        let may = |drawn: Drawn<'_>| self.misses(drawn.worker, drawn.known, &taken).all(may_change);
        self.sight.facts.conditions.is_none() || all.any(may)
    }

    /// Workers in the order of the task; of those of whom that can be said beforehand, only who
    /// could fit.
    fn drawn<'s>(
        &'s self,
        is_free: bool,
        also: impl Fn(&Class) -> bool + Copy + 's,
    ) -> impl Iterator<Item = Drawn<'s>> {
        self.sight.workers.in_order(is_free, self.lottery(), also)
    }

    /// Whether a worker of this class may fit.
    fn may_fit(&self, class: &Class) -> bool {
        let placement = self.sight.facts.placement.as_ref();
        class.tag.contains(self.sight.facts.deal.tag)
            && (class.has_bond || !self.needs_bond())
            && placement.is_none_or(|asked| class.may_have(asked))
    }

    /// What a worker must bring for the task.
    pub(crate) fn needs(&self) -> Needs {
        let deal = &self.sight.facts.deal;
        let bond = if self.is_settled { deal.worker_stake } else { Amount::ZERO };
        let placement = self.sight.facts.placement.clone().unwrap_or_default();
        Needs { tag: deal.tag, placement, bond, guard: self.sight.guard() }
    }

    /// All that is in a worker's way, in order.
    pub(crate) fn misses_of(&self, worker: Address, known: &Worker) -> Vec<Constraint> {
        self.misses(worker, known, &self.taken()).collect()
    }

    fn needs_bond(&self) -> bool {
        self.is_settled && self.sight.facts.deal.worker_stake != Amount::ZERO
    }

    /// What is in a worker's way, in order.
    pub(crate) fn misses<'s>(
        &'s self,
        worker: Address,
        known: &'s Worker,
        taken: &'s Taken,
    ) -> impl Iterator<Item = Constraint> + 's {
        let holds = move |one: &Constraint| self.holds(*one, (worker, known), taken);
        Constraint::ALL.into_iter().filter(move |one| !holds(one))
    }

    fn holds(
        &self,
        constraint: Constraint,
        (worker, known): (Address, &Worker),
        taken: &Taken,
    ) -> bool {
        let (sight, task) = (&self.sight, self.task);
        let replica = || task.replicas.get(&worker).map(|replica| &replica.state);
        let guard = || sight.guard();
        let (placement, offer) = (sight.facts.placement.as_ref(), &known.capacity);
        match constraint {
            Constraint::Conditions => sight.facts.conditions.is_some(),
            Constraint::Slots => known.capacity.slots > 0,
            Constraint::Drained => !sight.workers.is_drained(worker),
            Constraint::Tag => known.capacity.tag.contains(sight.facts.deal.tag),
            Constraint::Placement => placement.is_some(),
            Constraint::Region => placement.is_none_or(|one| one.has_region(offer)),
            Constraint::Energy => placement.is_none_or(|one| one.has_energy(offer)),
            Constraint::Cpus => placement.is_none_or(|one| one.has_cpus(offer)),
            Constraint::Memory => placement.is_none_or(|one| one.has_memory(offer)),
            Constraint::Disk => placement.is_none_or(|one| one.has_disk(offer)),
            Constraint::Gpus => placement.is_none_or(|one| one.has_gpus(offer)),
            Constraint::Voted => task.vote_of(worker).is_none(),
            Constraint::Replica => !matches!(replica(), Some(ReplicaState::Live { .. })),
            Constraint::OwnFailure => !matches!(
                replica(),
                Some(ReplicaState::Failed { failure, .. }) if failure.cause.is_of_the_task()
            ),
            Constraint::Resting => !matches!(
                replica(),
                Some(ReplicaState::Failed { failure, since })
                    if !failure.cause.is_of_the_task()
                        && since.after(SAME_WORKER_SECONDS) > sight.now
            ),
            Constraint::Machine => !taken.has_machine_of(known),
            Constraint::Owner => !taken.has_owner_of(known),
            Constraint::GuardUnasked => guard().is_none_or(|guard| {
                sight.guards.knows(guard, worker, sight.now)
                    || sight.guards.denies(guard, worker, sight.now)
            }),
            Constraint::GuardDenies => {
                guard().is_none_or(|guard| !sight.guards.denies(guard, worker, sight.now))
            }
            Constraint::Bond => !self.is_settled || sight.is_bonded(worker),
            // Of a worker without slots none is taken.
            Constraint::Busy => known.is_free || known.capacity.slots == 0,
        }
    }

    /// What the workers have whose votes count for the task, as far as they are connected.
    fn taken(&self) -> Taken {
        let voters = self.task.votes().iter().map(|vote| vote.worker);
        let live = self.task.in_flight().map(|(worker, ..)| worker);
        let mut taken = Taken::default();
        for known in voters.chain(live).filter_map(|worker| self.sight.workers.get(worker)) {
            taken.add(known);
        }
        taken
    }

    /// Whether a newcomer goes along this time: by the task's lot, where it has not begun.
    fn is_newcomers_turn(&self, goal: &Goal) -> bool {
        let is_fresh = goal.under_way.is_empty() && self.task.votes().is_empty();
        let lot = self.lottery().draw.lot();
        is_fresh && goal.trust > U256::ONE && lot.checked_rem(NEWCOMER_TURNS) == Some(0)
    }
}

/// A decision in the making.
struct Search<'a> {
    question: &'a Question<'a>,
    goal: &'a Goal,
    depth: Depth,
    taken: Taken,
    found: Decision,
    /// Workers that fit but for a machine or an owner that one before them has, each with how many that
    /// fit stand before it.
    rivals: Vec<(usize, Candidate)>,
}

/// What no two workers of a task may have in common, as far as they tell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Taken {
    machines: BTreeSet<B256>,
    owners: BTreeSet<Address>,
}

impl Taken {
    pub(crate) fn add(&mut self, worker: &Worker) {
        self.machines.extend(worker.capacity.machine);
        self.owners.extend(worker.capacity.owner);
    }

    pub(crate) fn has_machine_of(&self, worker: &Worker) -> bool {
        worker.capacity.machine.is_some_and(|machine| self.machines.contains(&machine))
    }

    pub(crate) fn has_owner_of(&self, worker: &Worker) -> bool {
        worker.capacity.owner.is_some_and(|owner| self.owners.contains(&owner))
    }
}

impl<'a> Search<'a> {
    fn new(question: &'a Question<'a>, goal: &'a Goal, depth: Depth) -> Self {
        let (taken, found) = (question.taken(), Decision::default());
        Self { question, goal, depth, taken, found, rivals: Vec::new() }
    }

    fn run(&mut self) {
        let question = self.question;
        if self.depth != Depth::Whole && question.sight.facts.conditions.is_none() {
            return;
        }
        for is_free in [true, false] {
            match self.depth {
                Depth::Now | Depth::Enough => self.look(is_free, |class| question.may_fit(class)),
                Depth::Whole => self.look(is_free, |_| true),
            }
            let is_vain = self.depth == Depth::Now && self.found.fitting.is_empty();
            if is_vain || self.found.set.is_some() && self.depth != Depth::Whole {
                break;
            }
        }
        if self.found.set.is_none() && !self.rivals.is_empty() {
            self.found.fitting = self.heaviest_apart();
            self.try_pick();
        }
        if question.is_newcomers_turn(self.goal) {
            self.add_newcomer();
        }
    }

    /// Of all that fit, and of their rivals, those that share nothing, the heaviest first, in the order in
    /// which they were looked at.
    fn heaviest_apart(&self) -> Vec<Candidate> {
        let question = self.question;
        let fitting = self.found.fitting.iter().copied().enumerate();
        let mut line: Vec<(usize, Candidate)> =
            self.rivals.iter().copied().chain(fitting).collect();
        line.sort_by_key(|(place, _)| *place);
        let mut heaviest: Vec<Candidate> = line.iter().map(|(_, one)| *one).collect();
        heaviest.sort_by_key(|one| (Reverse(one.weight), one.worker));
        let mut taken = question.taken();
        let mut apart: BTreeSet<Address> = BTreeSet::new();
        for one in heaviest {
            let Some(known) = question.sight.workers.get(one.worker) else { continue };
            if !taken.has_machine_of(known) && !taken.has_owner_of(known) {
                taken.add(known);
                apart.insert(one.worker);
            }
        }
        line.into_iter().map(|(_, one)| one).filter(|one| apart.contains(&one.worker)).collect()
    }

    /// Lets a newcomer go along where the others do without.
    fn add_newcomer(&mut self) {
        let Some(set) = &mut self.found.set else { return };
        let least = U256::from(WEIGHT_MIN);
        if set.len() >= ROW_MAX || set.iter().any(|one| !one.is_free || one.weight <= least) {
            return;
        }
        let question = self.question;
        // What the members of the set have, and not what all have that were looked at.
        let mut taken = question.taken();
        for known in set.iter().filter_map(|one| question.sight.workers.get(one.worker)) {
            taken.add(known);
        }
        let newcomers = question.drawn(true, |class| class.is_newcomer && question.may_fit(class));
        let fits =
            |one: &Drawn<'_>| question.misses(one.worker, one.known, &taken).next().is_none();
        let first = newcomers.take(WINDOW).find(fits);
        set.extend(first.map(|Drawn { worker, known, rank }| Candidate {
            worker,
            weight: known.weight,
            is_free: true,
            has_image: false,
            rank,
        }));
    }

    /// Looks at the free or at the busy workers, until those found meet the goal.
    fn look(&mut self, is_free: bool, fits: impl Fn(&Class) -> bool + Copy) {
        // Where any one is enough there are none fewer: then it is the first, or who has the image of
        // those beside it.
        let is_one_enough = self.goal.is_met(&[U256::from(WEIGHT_MIN)]);
        let mut window = if is_one_enough { IMAGE_WINDOW } else { WINDOW };
        for drawn in self.question.drawn(is_free, fits) {
            if !self.take(drawn) {
                continue;
            }
            if self.found.fitting.len() >= window {
                window = self.found.fitting.len().saturating_mul(2);
                self.try_pick();
                if self.found.set.is_some() && self.depth != Depth::Whole {
                    return;
                }
            }
        }
        self.try_pick();
    }

    fn try_pick(&mut self) {
        if self.found.set.is_none() {
            let mut line = self.found.fitting.clone();
            for group in line.chunks_mut(IMAGE_WINDOW) {
                group.sort_by_key(|one| (!one.is_free, !one.has_image));
            }
            self.found.set = pick(self.goal, &line);
        }
    }

    /// Takes a worker in. `true` where it fits.
    fn take(&mut self, drawn: Drawn<'_>) -> bool {
        let Drawn { worker, known, rank } = drawn;
        let question = self.question;
        let mut misses = question.misses(worker, known, &self.taken);
        let first = misses.next();
        let has_image = known.apps.contains(&question.sight.facts.deal.app.pointer);
        let one = |is_free| Candidate { worker, weight: known.weight, is_free, has_image, rank };
        if let Some(Constraint::Machine | Constraint::Owner) = first {
            let apart = [Constraint::Machine, Constraint::Owner, Constraint::Busy];
            let mut others = question.misses(worker, known, &self.taken);
            match others.find(|miss| !apart.contains(miss)) {
                None => self.rivals.push((self.found.fitting.len(), one(known.is_free))),
                Some(Constraint::GuardUnasked) => self.found.unasked.push(worker),
                Some(_) => {}
            }
        }
        if self.depth == Depth::Whole
            && let Some(first) = first
        {
            let misses = core::iter::once(first).chain(misses).collect();
            self.found.near.push(Near { worker, misses });
        } else {
            drop(misses);
        }
        self.found.trace.count(first);
        match first {
            None | Some(Constraint::Busy) => {
                self.taken.add(known);
                self.found.fitting.push(one(first.is_none()));
                true
            }
            Some(Constraint::GuardUnasked) => {
                self.found.unasked.push(worker);
                false
            }
            Some(_) => false,
        }
    }
}

#[cfg(test)]
mod tests;
