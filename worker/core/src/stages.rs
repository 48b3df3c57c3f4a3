//! From an accepted assignment to a computed result.

use crate::action::Action;
use crate::core::Core;
use crate::facts::Facts;
use crate::failure::{Cause, Failure};
use crate::input::Step;
use crate::task::{Computation, Lane, Promise, State, Work};
use crate::time::Now;
use crate::verify::{Circumstances, Objection, check_facts};
use alloc::boxed::Box;
use alloc::format;
use poco_core::recorded::location_of;
use poco_core::{Amount, TaskId};

/// How often facts that a lagging node would give too are read again before they are believed.
/// With the pause between, a node has 20 s to catch up.
const DOUBTS_MAX: u32 = 10;

/// The pause between two such reads.
const DOUBT_MILLIS: u64 = 2_000;

impl Core {
    pub(crate) fn on_facts(&mut self, now: Now, id: TaskId, facts: Facts) {
        let Some(lane) = self.assignment(id).map(|assignment| assignment.lane) else { return };
        let stake_promised = self.stake_promised(lane);
        let circumstances = Circumstances { now: now.chain, stake_promised };
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.memory.is_reading = false;
        let State::Accepted = task.record.state else { return };
        task.memory.seen_block = task.memory.seen_block.max(facts.view.block);
        match check_facts(&self.config, &task.record.assignment, facts, &circumstances) {
            Ok(work) => {
                task.memory.doubts = 0;
                self.enter(now, id, State::Pulling(work));
                self.run(now, id);
                self.read_after(now, id, self.config.poll_millis);
            }
            Err(Objection::Final(failure)) => self.fail(now, id, failure),
            Err(Objection::MayPass(failure)) => {
                task.memory.doubts = task.memory.doubts.saturating_add(1);
                if task.memory.doubts < DOUBTS_MAX {
                    self.read_after(now, id, DOUBT_MILLIS);
                } else {
                    self.fail(now, id, failure);
                }
            }
        }
    }

    /// Asks the sandbox to run a task, or to adopt what runs since before a restart.
    pub(crate) fn run(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let Some(work) = task.record.state.work() else { return };
        let action = Action::Run {
            task: id,
            deal: task.record.assignment.deal,
            index: task.record.assignment.index,
            work: Box::new(work.clone()),
        };
        task.memory.step_ends = Some(now.millis.after(self.config.pull_millis_max));
        self.push(action);
    }

    pub(crate) fn on_progress(&mut self, now: Now, id: TaskId, step: Step) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let Some(work) = task.record.state.work() else { return };
        let work = Box::new(work.clone());
        let (state, limit) = match step {
            Step::Pulling => (State::Pulling(work), Some(self.config.pull_millis_max)),
            Step::Fetching => (State::Fetching(work), Some(self.config.fetch_millis_max)),
            // The sandbox counts the app's own time, from the start of its container.
            Step::Running { container } => (State::Running { work, container }, None),
        };
        task.memory.step_ends = limit.map(|limit| now.millis.after(limit));
        if task.record.state != state {
            self.enter(now, id, state);
        }
    }

    pub(crate) fn on_finished(
        &mut self,
        now: Now,
        id: TaskId,
        outcome: Result<Computation, Failure>,
    ) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        // The outcome of a run that was given up, or told twice, changes nothing.
        let Some(work) = task.record.state.work() else { return };
        let terms = work.terms;
        task.memory.step_ends = None;
        match outcome {
            Err(failure) => self.fail(now, id, failure),
            Ok(computation) if terms.recorded.has_callback() && computation.callback.is_empty() => {
                let detail = "the deal has a callback, but the app gave no callback-data";
                self.fail(now, id, Failure::new(Cause::NoResult, detail));
            }
            Ok(computation) => {
                let location = location_of(&computation.cid);
                let digest = terms.recorded.digest(computation.digest, &location);
                let computation = Computation { digest, ..computation };
                self.on_computed(now, id, Promise { terms, computation });
            }
        }
    }

    fn on_computed(&mut self, now: Now, id: TaskId, promise: Promise) {
        let Some(assignment) = self.assignment(id) else { return };
        match assignment.lane {
            // One record holds the digest and the intention to vote: both are synced before
            // the vote leaves.
            Lane::Classic => {
                self.enter(now, id, State::Contributing { promise, location: None });
                self.send_vote(id);
            }
            Lane::Fast => {
                self.enter(now, id, State::Computed(promise));
                self.want_upload(id);
            }
            // The scheduler asks for a ballot when it has enough of them.
            Lane::Settlement => self.enter(now, id, State::Computed(promise)),
        }
    }

    pub(crate) fn on_step_too_long(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        task.memory.step_ends = None;
        let (cause, what, limit) = match &task.record.state {
            State::Pulling(_) => (Cause::ImageMissing, "the image", self.config.pull_millis_max),
            State::Fetching(_) => (Cause::Input, "the inputs", self.config.fetch_millis_max),
            State::Accepted
            | State::Running { .. }
            | State::Computed(_)
            | State::Contributing { .. }
            | State::Contributed { .. }
            | State::Revealing { .. }
            | State::Revealed { .. }
            | State::Uploaded { .. }
            | State::Balloted { .. }
            | State::Committed { .. }
            | State::Handed { .. }
            | State::Failed { .. } => return,
        };
        let seconds = limit.checked_div(1000).unwrap_or_default();
        self.fail(
            now,
            id,
            Failure::new(cause, format!("{what} did not arrive within {seconds} s")),
        );
    }

    /// A running task whose time to vote has passed is not worth its electricity.
    pub(crate) fn give_up_if_late(&mut self, now: Now, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        let state = &task.record.state;
        let terms = state.work().map(|work: &Work| work.terms);
        let Some(terms) = terms.or_else(|| state.promise().map(|promise| promise.terms)) else {
            return;
        };
        if terms.contribution_deadline.has_passed(now.chain) {
            self.fail(now, id, Failure::new(Cause::Chain, "the time to contribute has passed"));
        }
    }

    /// What votes to come will lock where those of `lane` take it: of the bond in the settlement
    /// lane, of the free stake in the others.
    fn stake_promised(&self, lane: Lane) -> Amount {
        let is_bonded = lane == Lane::Settlement;
        let alike = self
            .tasks
            .values()
            .filter(|task| (task.record.assignment.lane == Lane::Settlement) == is_bonded);
        let stakes = alike.map(|task| task.record.state.stake_to_lock());
        // A sum beyond 256 bits is more than any account can hold: as good as all of it.
        stakes.fold(Amount::ZERO, |sum, stake| {
            sum.checked_add(stake).unwrap_or(Amount(poco_core::U256::MAX))
        })
    }
}
