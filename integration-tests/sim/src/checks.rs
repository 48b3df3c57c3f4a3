//! What must hold, always and at the end.

use crate::chain::{Block, HubCall, START};
use crate::process::Host;
use crate::sandbox::{FAILING, right_digest};
use crate::scenario::{Millis, T};
use crate::scheduler::task_facts;
use crate::sender::Fate;
use crate::villains::{Nature, UNPROVABLE};
use crate::world::World;
use poco_chain_core::BlockRef;
use poco_core::hub::{Hub, LaneRefusal};
use poco_core::lane::{Ballot, BlindedVote, LaneEvent};
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, Call, Deal, DealId, Event, ResultHash, TaskId, U256};
use poco_scheduler_core::{Kind, Record, ReportStatus, TaskReport};
use std::rc::Rc;

/// So many tasks are done in time by any workers there are, after the last fault.
const TASKS_IN_TIME_MAX: u64 = 6;

/// After the last final deadline the parties have this long to clean up.
const SETTLING_SECONDS: u64 = 900;

/// How long an outcome is on its way to the scheduler.
const TOLD_MILLIS: Millis = 1_000;

/// A worker may find so often in a row that the hub does not know its commit: each time that blocks were rewritten
/// since it looked.
const MISMATCHES_MAX: u32 = 4;

impl World {
    /// All stake lies in the hub, and what is frozen is what its own account mirrors.
    pub(crate) fn check_money(&self) {
        let hub = self.chain.hub();
        let address = hub.address();
        let sum = |all: &mut dyn Iterator<Item = Amount>| {
            all.fold(U256::ZERO, |sum, amount| sum + amount.0)
        };
        let others = || hub.accounts().filter(|(owner, _)| *owner != address);
        let free = sum(&mut others().map(|(_, account)| account.free));
        let frozen = sum(&mut others().map(|(_, account)| account.frozen));
        assert_eq!(free + frozen, hub.supply().0, "stake was made or lost");
        assert_eq!(hub.account(address).free.0, frozen, "the hub's own account is off");
        assert_eq!(hub.token_balance(address), hub.supply(), "the hub does not hold the tokens");
    }

    /// A block has come: who was slashed?
    pub(crate) fn on_block(&mut self) {
        let events = self.chain.head().events.clone();
        let is_commit = |event: &Event| matches!(event, Event::Lane(LaneEvent::Committed { .. }));
        let is_weighty = |event: &Event| {
            matches!(
                event,
                Event::SchedulerNotice { .. }
                    | Event::TaskFinalize { .. }
                    | Event::TaskClaimed { .. }
            )
        };
        if events.iter().any(|event| is_weighty(event) || is_commit(event)) {
            self.threaten();
        }
        if events.iter().any(is_commit) {
            self.abscond();
        }
        self.note_villains();
        for event in events {
            let Event::Seize { owner, reference, .. } = event else { continue };
            let place = (0..self.workers.len())
                .find(|place| self.process(Host::of_worker(*place)).wallet.address == owner);
            let Some(place) = place else { continue };
            if !self.workers[place].plan.nature.is_honest() {
                self.reached.note("a villain was slashed");
                continue;
            }
            let task = TaskId(reference);
            let won = self.chain.hub().task(task).consensus;
            if self.was_beyond_reach(task) {
                continue;
            }
            let honest = self.honest_hash(place, task);
            assert!(
                honest.is_none_or(|honest| honest != won),
                "honest worker {place} was slashed for task {task}, whose result it had"
            );
            self.reached.note("an honest worker was outvoted");
        }
    }

    /// Whether the votes of a task had to be revealed while no node answered.
    fn was_beyond_reach(&self, task: TaskId) -> bool {
        let end = self.chain.hub().task(task).reveal_deadline;
        let end = end.0.saturating_sub(START.0).saturating_mul(1_000);
        self.scenario.outage.as_ref().is_some_and(|outage| outage.contains(&end))
    }

    /// What an honest worker votes for; `None` where workers cannot agree.
    fn honest_hash(&self, place: usize, task: TaskId) -> Option<ResultHash> {
        let hub = self.chain.hub();
        let deal = hub.deal(hub.task(task).deal)?;
        if deal.params == UNPROVABLE {
            let vote = self.votes.get(&(place, task))?;
            return Some(ResultHash(*vote));
        }
        Some(ResultHash::of(task, right_digest(task)))
    }

    /// Nothing new is given to a worker beyond its slots, whatever it came back with.
    pub(crate) fn check_free_slot(&mut self, address: Address, task: TaskId) {
        let is_new = self.scheduler.given.insert((address, task));
        let Some(core) = self.scheduler.core.as_ref().filter(|_| is_new) else { return };
        let is_meant =
            |place: &usize| self.process(Host::of_worker(*place)).wallet.address == address;
        let Some(place) = (0..self.workers.len()).find(is_meant) else { return };
        let (used, slots) = (core.slots_used(address), self.workers[place].plan.slots as usize);
        assert!(used <= slots, "worker {place} has {slots} slots, and {task} makes it {used}");
    }

    /// Derived slots are those of live replicas, and never more than a worker has, unless it came back
    /// with more.
    pub(crate) fn check_slots(&self) {
        let Some(core) = &self.scheduler.core else { return };
        for (place, worker) in self.workers.iter().enumerate() {
            let address = self.process(Host::of_worker(place)).wallet.address;
            // Of a worker that was not heard since a restart the worst is assumed.
            if !self.is_answered(address) {
                continue;
            }
            let slots = worker.plan.slots as usize;
            let used = core.slots_used(address);
            // Whoever comes back may hold more than it was given in this life.
            let held = || -> Vec<_> {
                let reports = self.scheduler.disk.tasks.keys();
                let reports = reports.filter_map(|task| core.task_report(*task));
                let ours = |report: TaskReport| {
                    let replica = report.replicas.into_iter().find(|one| one.worker == address)?;
                    Some((report.task, replica.stage?))
                };
                reports.filter_map(ours).collect()
            };
            assert!(
                used <= slots || worker.has_returned,
                "worker {place} has {slots} slots and is given {used}: {:?}; it holds {:?}",
                held(),
                crate::worker::stages(worker)
            );
        }
    }

    /// No outcome of a commit is waited for that never comes.
    pub(crate) fn check_commits(&mut self) {
        let Some(core) = &self.scheduler.core else { return };
        let sender = &self.process(Host::SCHEDULER).sender;
        let awaited = core.awaited_commits().into_iter();
        let lost: Vec<TaskId> =
            awaited.filter(|task| !sender.is_sending(Kind::Commit, *task)).collect();
        let now = self.now;
        let since = &mut self.scheduler.lost_commits;
        since.retain(|task, _| lost.contains(task));
        for task in lost {
            // It may just be told.
            let since = *since.entry(task).or_insert(now);
            let is_told = now <= since + TOLD_MILLIS;
            assert!(is_told, "a commit of {task} is waited for that is not under way");
        }
    }

    /// An honest worker never votes twice, or differently.
    pub(crate) fn check_vote(&mut self, worker: usize, task: TaskId, call: &HubCall) {
        let HubCall::Classic(call) = call else { return };
        let Call::Contribute(contribution) = &**call else { return };
        let hash = contribution.hash.0;
        let known = *self.votes.entry((worker, task)).or_insert(hash);
        assert_eq!(known, hash, "worker {worker} voted differently for {task}");
    }

    /// Nor does it sign two ballots for a task that say different things.
    pub(crate) fn check_ballot(&mut self, worker: usize, ballot: &Ballot, deal: DealId) {
        for (offset, entry) in (0u64..).zip(&ballot.entries) {
            if *entry == BlindedVote::ABSENT {
                continue;
            }
            let task = TaskId::of_deal(deal, ballot.first + U256::from(offset));
            let known = *self.ballots.entry((worker, task)).or_insert(*entry);
            assert_eq!(known, *entry, "worker {worker} signed two votes for {task}");
        }
    }

    /// What the scheduler keeps of the blocks that it has followed is what they hold.
    pub(crate) fn check_followed(&self, tip: BlockRef) {
        let is_ahead = |number: u64| number > tip.number;
        let block = |number: u64| self.chain.block(number).filter(|_| !is_ahead(number));
        let Some(last) = block(tip.number).filter(|last| last.header.block == tip) else {
            // It has yet to hear that these blocks are gone.
            return;
        };
        let Some(core) = &self.scheduler.core else { return };
        let facts = |task| task_facts(&last.hub, tip.number, task);
        let mut mistaken = core.mistaken(tip.number, facts);
        mistaken.retain(|seen| !self.scheduler.ahead.contains(seen));
        assert_eq!(mistaken, [], "the scheduler takes a task for something else than it is");
        for (key, record) in &self.scheduler.disk.commits {
            let Record::Commit(commit) = record else { continue };
            let is_it = |event: &Event| {
                let Event::Lane(LaneEvent::Committed { deal, first, .. }) = event else {
                    return false;
                };
                (*deal, *first) == (key.deal, key.first)
            };
            let holds = |block: &Rc<Block>| {
                block.header.block.timestamp == key.time && block.events.iter().any(is_it)
            };
            assert!(block(commit.block).is_some_and(holds), "{key:?} never was, and is kept");
        }
        for (id, deal) in last.hub.deals() {
            let is_closed = || {
                let mut tasks = (0..deal.bot_size.saturating_to())
                    .filter_map(|offset| deal.task_at(id, offset));
                tasks.all(|task| {
                    // Of what had ended when its store was made anew it knows nothing.
                    let is_over = || has_ended(self.chain.hub(), task);
                    let is_retired = self.scheduler.disk.retired.contains_key(&task);
                    is_retired || (self.scheduler.was_repaired && is_over())
                })
            };
            let is_known = core.has_deal(id) || is_closed();
            assert!(is_known, "deal {id} is on the chain and the scheduler has forgotten it");
        }
    }

    /// A worker that holds on to a commit which never was loses its stake.
    pub(crate) fn check_disclosure(&mut self, worker: usize, task: TaskId, fate: &Fate) {
        let unknown = LaneRefusal::CommitMismatch.to_string();
        let mismatches = self.workers[worker].mismatches.entry(task).or_default();
        match fate {
            Fate::Refused(reason) if reason.contains(&unknown) => *mismatches += 1,
            Fate::Refused(_) | Fate::Mined { .. } | Fate::Unpaid => *mismatches = 0,
        }
        let count = *mismatches;
        assert!(count <= MISMATCHES_MAX, "worker {worker} holds on to a commit that never was");
        if count > 0 {
            self.reached.note("a worker knew a commit that the hub did not");
        }
    }

    /// Whether there is nothing left to wait for.
    pub(crate) fn is_over(&self) -> bool {
        if self.is_troubled() {
            return false;
        }
        let time = self.chain.head().header.block.timestamp;
        let hub = self.chain.hub();
        let is_matched = |one: &crate::requests::Request| hub.consumed(one.hash) >= one.volume;
        let all_matched = self.requests.iter().all(is_matched);
        let last = hub.deals().map(|(_, deal)| deal.deadlines(T).last).max();
        let is_past = last.is_some_and(|last| last.after(SETTLING_SECONDS).has_passed(time));
        let outage_end = self.scenario.outage.as_ref().map(|outage| outage.end);
        if outage_end.is_some_and(|end| self.now < end + 1_000 * SETTLING_SECONDS) {
            return false;
        }
        let is_idle = || {
            let idle = |worker: &crate::worker::Worker| {
                worker.core.as_ref().is_some_and(poco_worker_core::Core::is_idle)
            };
            let stats = self.scheduler.core.as_ref().map(poco_scheduler_core::Core::stats);
            stats.is_some_and(|stats| stats.deals == 0)
                && self.workers.iter().all(idle)
                && self.chain.waiting.is_empty()
        };
        all_matched && (is_past || (all_ended(hub) && is_idle()))
    }

    /// At the end every task has ended, everybody knows it, and nothing is locked.
    pub(crate) fn check_end(&mut self) {
        let hub = self.chain.hub().clone();
        for (id, deal) in hub.deals() {
            for offset in 0..deal.bot_size.saturating_to::<u64>() {
                let task = deal.task_at(id, offset).expect("the deal has that task");
                self.check_task(&hub, task, deal);
            }
        }
        let frozen = |who: Address| hub.account(who).frozen;
        assert!(frozen(self.owner()).is_zero(), "the pool's owner is left with locked stake");
        assert!(frozen(Self::requester()).is_zero(), "the requester is left with locked stake");
        for (place, worker) in self.workers.iter().enumerate() {
            if !worker.plan.nature.is_honest() {
                continue;
            }
            let address = self.process(Host::of_worker(place)).wallet.address;
            let bond = hub.bond(address, self.scheduler.settings.workerpool);
            assert_eq!(frozen(address), bond.total, "worker {place} is left with locked stake");
            assert!(bond.locked.is_zero(), "worker {place} is left with a locked bond");
            let held = crate::worker::stages(worker);
            assert!(held.is_empty(), "worker {place} still holds {held:?}");
        }
        let stats = self.scheduler.core.as_ref().map(poco_scheduler_core::Core::stats);
        let stats = stats.expect("the scheduler is up at the end");
        assert_eq!(stats.deals, 0, "the scheduler holds deals that are over: {stats:?}");
    }

    /// Whether nothing but the faults, which end, stood between a task and its result.
    fn must_complete(&self, deal: &Deal) -> bool {
        let are_honest = self.workers.iter().all(|worker| worker.plan.nature == Nature::Honest);
        let is_calm = are_honest && self.scenario.sybils == 0 && !self.scenario.absconds;
        // As long as each weighs 2, so many agree on twice the trust with each of them.
        let most = u32::try_from(self.workers.len()).expect("few workers");
        let is_reachable = deal.trust <= U256::from(1u64 << most);
        let tasks: u64 = self.scenario.orders.iter().map(|order| order.volume).sum();
        // Without nodes for longer than they live, tasks are refunded.
        let is_calm = is_calm && self.scenario.outage.is_none();
        is_calm && deal.params.is_empty() && is_reachable && tasks <= TASKS_IN_TIME_MAX
    }

    fn check_task(&mut self, hub: &Hub, task: TaskId, deal: &Deal) {
        let view = hub.task(task);
        if self.must_complete(deal) {
            self.reached.note("a task had to be completed");
            let status = view.status;
            assert_eq!(status, TaskStatus::Completed, "{task} should have been completed");
        }
        if let Some(report) = self.scheduler.disk.retired.get(&task) {
            self.reached.note("what the scheduler kept of a task was looked at");
            // A digest of a task that was claimed is of no use to anybody.
            let is_completed = view.status == TaskStatus::Completed;
            let told = match is_completed {
                true => (ReportStatus::Completed, Some(view.digest)),
                false => (ReportStatus::Failed, None),
            };
            assert_eq!((report.status, report.digest), told, "{task} is kept as something else");
        }
        let params = &deal.params;
        match view.status {
            TaskStatus::Completed => {
                self.reached.note("a task was completed");
                assert!(*params != FAILING, "a task that fails everywhere was completed");
            }
            TaskStatus::Failed => self.reached.note("a task was refunded"),
            TaskStatus::Unset | TaskStatus::Active | TaskStatus::Revealing => {
                let core = self.scheduler.core.as_ref();
                let waits =
                    core.and_then(|core| core.task_report(task)).map(|told| told.waiting_for);
                panic!("task {task} is left {:?}; its scheduler waits for {waits:?}", view.status)
            }
        }
    }
}

fn all_ended(hub: &Hub) -> bool {
    hub.deals().all(|(id, deal)| {
        (0..deal.bot_size.saturating_to::<u64>()).all(|offset| {
            let task = deal.task_at(id, offset).expect("the deal has that task");
            has_ended(hub, task)
        })
    })
}

fn has_ended(hub: &Hub, task: TaskId) -> bool {
    hub.task(task).status.is_over()
}
