//! Gathering ballots: tasks of a deal that stand side by side and are computed go into one commit,
//! whose workers sign one ballot each. What is gathered is not stored: a worker signs the same
//! votes whenever it is asked.

use crate::action::{Action, Command, Intent, Kind};
use crate::clock::Moment;
use crate::core::Core;
use crate::limits::{
    BALLOT_SECONDS, COMMAND_REPEAT_SECONDS, COMMIT_MARGIN_SECONDS, GATHER_SECONDS,
    SETTLEMENT_TASKS_MAX, SHUN_SECONDS,
};
use crate::notice::Notice;
use crate::task::ReplicaState;
use crate::words::{Cause, Failure};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use poco_core::lane::{Ballot, BlindedVote, LaneCall, WORKERS_MAX};
use poco_core::{Address, DealId, TaskId, Timestamp, U256};

/// A commit in the making.
#[derive(Clone, Debug)]
pub(crate) struct Bundle {
    first: U256,
    tasks: Vec<(u64, TaskId)>,
    /// Who has a vote in it, with the ballot once it is there.
    ballots: BTreeMap<Address, Option<Ballot>>,
    since: Moment,
    told: Moment,
    is_sent: bool,
}

impl Bundle {
    /// The first task of a commit that was sent.
    pub(crate) fn sent(&self) -> Option<TaskId> {
        self.tasks.first().filter(|_| self.is_sent).map(|(_, id)| *id)
    }
}

impl Core {
    /// Asks for ballots where tasks are ready, and commits where all are there.
    pub(crate) fn gather_ballots(&mut self) {
        if !self.settings.settlement {
            return;
        }
        // Of a deal nothing changes here but by its tasks, which also look again in time.
        let touched = core::mem::take(&mut self.gathering);
        for deal in &touched {
            self.tend_bundle(*deal);
        }
        for deal in touched {
            if self.index.ready.contains_key(&deal) && !self.bundles.contains_key(&deal) {
                self.begin_bundle(deal);
            }
        }
    }

    fn begin_bundle(&mut self, deal: DealId) {
        let (Some(sight), Some(ready)) = (self.sight(deal), self.index.ready.get(&deal)) else {
            return;
        };
        let last = sight.deadlines().contribution.0.saturating_sub(COMMIT_MARGIN_SECONDS);
        if sight.has_passed(Timestamp(last)) {
            return;
        }
        let first = sight.facts.deal.bot_first;
        let (mut run, mut workers) = (Vec::new(), BTreeSet::new());
        for (offset, id) in ready.iter().copied() {
            let Some(task) = self.tasks.get(&id) else { continue };
            let follows = run
                .last()
                .is_none_or(|(before, _): &(u64, TaskId)| before.checked_add(1) == Some(offset));
            let mut all = workers.clone();
            all.extend(task.settling().into_iter().map(|(worker, _)| worker));
            let fits = follows && all.len() <= WORKERS_MAX && run.len() < SETTLEMENT_TASKS_MAX;
            if fits && sight.is_manned(task) {
                run.push((offset, id));
                workers = all;
            } else if !run.is_empty() {
                break;
            }
        }
        let Some((offset, _)) = run.first().copied() else { return };
        let now = self.now;
        let mut since = now;
        for (_, id) in &run {
            if let Some(task) = self.tasks.get_mut(id) {
                since = since.min(*task.late_mut().lane.ready_since.get_or_insert(now));
            }
        }
        let is_due = run.len() >= SETTLEMENT_TASKS_MAX
            || !self.index.is_busy(deal)
            || since.after(GATHER_SECONDS) <= now;
        let Some(first) = first.checked_add(U256::from(offset)).filter(|_| is_due) else { return };
        let ballots = workers.into_iter().map(|worker| (worker, None)).collect();
        let bundle = Bundle { first, tasks: run, ballots, since: now, told: now, is_sent: false };
        self.bundles.insert(deal, bundle);
        self.ask_for_ballots(deal);
    }

    fn ask_for_ballots(&mut self, deal: DealId) {
        let Some(bundle) = self.bundles.get_mut(&deal) else { return };
        bundle.told = self.now;
        let count = u64::try_from(bundle.tasks.len()).unwrap_or(u64::MAX);
        let command = Command::Ballot { deal, first: bundle.first, count };
        let missing = bundle.ballots.iter().filter(|(_, ballot)| ballot.is_none());
        let asked: Vec<Address> = missing.map(|(worker, _)| *worker).collect();
        for worker in asked {
            if self.workers.is_connected(worker) {
                self.act(Action::Tell { worker, command: command.clone() });
            }
        }
    }

    fn tend_bundle(&mut self, deal: DealId) {
        let Some(bundle) = self.bundles.get(&deal).filter(|bundle| !bundle.is_sent) else {
            return;
        };
        let ready = self.index.ready.get(&deal);
        let is_ready = bundle.tasks.iter().all(|task| ready.is_some_and(|all| all.contains(task)));
        let tasks = bundle.tasks.iter().filter_map(|(_, id)| self.tasks.get(id));
        let workers: BTreeSet<Address> =
            tasks.flat_map(|task| task.settling()).map(|(worker, _)| worker).collect();
        if !is_ready || !workers.iter().eq(bundle.ballots.keys()) {
            self.bundles.remove(&deal);
            return;
        }
        let missing = bundle.ballots.iter().filter(|(_, ballot)| ballot.is_none());
        let missing: Vec<Address> = missing.map(|(worker, _)| *worker).collect();
        if missing.is_empty() {
            self.send_commit(deal);
        } else if bundle.since.after(BALLOT_SECONDS) <= self.now {
            for worker in missing {
                self.fail_in_bundle(deal, worker, Cause::Slow, "signed no ballot");
            }
            self.bundles.remove(&deal);
        } else if bundle.told.after(COMMAND_REPEAT_SECONDS) <= self.now {
            self.ask_for_ballots(deal);
        }
    }

    fn send_commit(&mut self, deal: DealId) {
        let Some(bundle) = self.bundles.get_mut(&deal) else { return };
        bundle.is_sent = true;
        let tasks: Vec<TaskId> = bundle.tasks.iter().map(|(_, id)| *id).collect();
        let call = LaneCall::Commit {
            deal,
            first: bundle.first,
            count: u64::try_from(tasks.len()).unwrap_or(u64::MAX),
            // By worker, ascending, as the hub wants them.
            ballots: bundle.ballots.values().flatten().cloned().collect(),
        };
        let intent = Intent { kind: Kind::Commit, tasks: tasks.clone() };
        self.send(Kind::Commit, &tasks, Action::TransactLane { intent, call });
    }

    /// Takes a ballot in, if it is the one that was asked for and has a vote for each task that the
    /// worker computed and for no other.
    pub(crate) fn on_ballot(&mut self, deal: DealId, ballot: Ballot) {
        let Some(bundle) = self.bundles.get(&deal).filter(|bundle| !bundle.is_sent) else { return };
        self.gathering.insert(deal);
        let is_asked = bundle.ballots.get(&ballot.worker) == Some(&None)
            && ballot.first == bundle.first
            && ballot.entries.len() == bundle.tasks.len();
        if !is_asked {
            return;
        }
        let computes = |id: &TaskId| {
            let task = self.tasks.get(id);
            task.is_some_and(|task| task.settling().iter().any(|(who, _)| *who == ballot.worker))
        };
        let fits = |((_, id), entry): (&(u64, TaskId), &BlindedVote)| {
            (*entry != BlindedVote::ABSENT) == computes(id)
        };
        if bundle.tasks.iter().zip(&ballot.entries).all(fits) {
            if let Some(bundle) = self.bundles.get_mut(&deal) {
                bundle.ballots.insert(ballot.worker, Some(ballot));
            }
        } else {
            // It says computed and signs otherwise: somebody else computes those tasks.
            let why = "signed other votes than it computed";
            self.fail_in_bundle(deal, ballot.worker, Cause::Slow, why);
            self.bundles.remove(&deal);
        }
    }

    /// The hub takes no votes of this worker: others take its place, and for a while it is asked for
    /// none, or it could stop one commit after the other.
    pub(crate) fn blame(&mut self, tasks: &[TaskId], worker: Address, why: &str) {
        let deal = tasks.first().and_then(|id| self.tasks.get(id)).map(|task| task.deal);
        if let Some(deal) = deal {
            self.fail_in_bundle(deal, worker, Cause::Refused, why);
        }
        self.workers.shun(worker, self.now.after(SHUN_SECONDS));
    }

    fn fail_in_bundle(&mut self, deal: DealId, worker: Address, cause: Cause, why: &str) {
        let Some(bundle) = self.bundles.get(&deal) else { return };
        let tasks: Vec<TaskId> = bundle.tasks.iter().map(|(_, id)| *id).collect();
        let now = self.now;
        for id in tasks {
            let failure = Failure::new(cause, why);
            let mut has_failed = false;
            self.change(id, |task| {
                if let Some(replica) = task.replicas.get_mut(&worker) {
                    replica.state =
                        ReplicaState::Failed { failure: Box::new(failure.clone()), since: now };
                    task.is_unsaved = true;
                    has_failed = true;
                }
            });
            if has_failed {
                self.note(Notice::Failed { task: id, worker, failure });
            }
        }
    }

    /// The commit of these tasks was mined or refused.
    pub(crate) fn end_bundle(&mut self, tasks: &[TaskId]) {
        let deal = tasks.first().and_then(|id| self.tasks.get(id)).map(|task| task.deal);
        let Some(deal) = deal else { return };
        // One that is gathered since then, for a deal that came back, goes on.
        let is_meant = self.bundles.get(&deal).is_some_and(|bundle| {
            bundle.is_sent && bundle.tasks.iter().map(|(_, id)| id).eq(tasks)
        });
        if let Some(bundle) = is_meant.then(|| self.bundles.remove(&deal)).flatten() {
            for worker in bundle.ballots.into_keys() {
                self.act(Action::ReadBond(worker));
            }
        }
    }
}
