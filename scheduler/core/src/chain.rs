//! What the chain tells: blocks, events, rollbacks, views.

use crate::action::{Action, Command};
use crate::clock::Head;
use crate::consensus::Tally;
use crate::core::Core;
use crate::input::{ChainEvent, TaskFacts};
use crate::notice::Notice;
use crate::task::Phase;
use alloc::boxed::Box;
use alloc::vec::Vec;
use poco_core::lane::LaneEvent;
use poco_core::{Address, Event, TaskId};

impl Core {
    pub(crate) fn on_head(&mut self, head: Head) {
        self.clock.take(self.now, head);
        self.retire_deep();
    }

    pub(crate) fn on_events(&mut self, to: Head, events: Vec<ChainEvent>) {
        for ChainEvent { block, block_hash, time, event } in events {
            if let Event::Lane(event) = &event {
                self.on_lane_event(block, time, event);
            }
            if let Event::SchedulerNotice { workerpool, deal } = &event
                && *workerpool == self.settings.workerpool
            {
                self.on_deal_noticed(*deal, block, block_hash);
            }
            if let Event::TaskInitialize { task, workerpool } = &event
                && *workerpool == self.settings.workerpool
            {
                self.note_opened(*task, block);
            }
            // The event says that the task changed; what it is now, its view says.
            if let Some(task) = task_of(&event)
                && self.tasks.get(&task).is_some_and(|known| known.seen_block < block)
            {
                self.read_task(task, block);
            }
        }
        self.followed = to.number;
        self.forget_untold_commits(to.number);
        self.on_head(to);
    }

    /// Everything known from blocks that never were is asked for again. Promises stay promises.
    pub(crate) fn on_rollback(&mut self, to: u64) {
        self.epoch = self.epoch.saturating_add(1);
        self.followed = to;
        self.clock.roll_back(to);
        let tasks = self.tasks.values();
        let touched = tasks.filter(|task| task.seen_block > to || task.reading.is_some());
        let touched: Vec<TaskId> = touched.map(|task| task.id).collect();
        for id in touched {
            self.change(id, |task| {
                task.reading = None;
                task.seen_block = 0;
            });
            self.read_task(id, to);
        }
        self.roll_back_commits(to);
        self.reread_deals(to);
    }

    pub(crate) fn on_task_read(&mut self, id: TaskId, epoch: u64, facts: TaskFacts) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let is_answer = task.reading.is_some_and(|asked| asked <= facts.block);
        if epoch != self.epoch || facts.block < task.seen_block {
            return;
        }
        if is_answer {
            task.reading = None;
        }
        task.read_at = self.now;
        let had_ended = matches!(task.phase, Phase::Ended(_));
        let left = task.learn(facts, self.now);
        self.reindex(id);
        self.dirty.insert(id);
        if let Some((status, millis)) = left {
            self.act(Action::Measured { status, millis });
        }
        self.check_consensus(id);
        if had_ended {
            self.retire_deep();
        } else if let Some(Phase::Ended(ended)) = self.tasks.get(&id).map(|task| &task.phase) {
            let completed = ended.is_completed;
            self.on_ended(id, completed);
        }
    }

    /// Compares the hub's consensus with what follows from the votes. The chain is followed in
    /// any case: a difference means that somebody's rules are wrong.
    fn check_consensus(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get(&id) else { return };
        if task.late().lane.commit.is_some() {
            // Its votes were counted at once, when it was settled or closed.
            return;
        }
        let Some(trust) = self.trust_of(task.deal) else { return };
        let expected = Tally::of(task.votes()).consensus(task.votes(), trust);
        let chain = match &task.phase {
            Phase::Active { .. } => None,
            Phase::Revealing(revealing) => Some(revealing.consensus),
            Phase::Unread | Phase::Pending | Phase::Ended(_) => return,
        };
        if expected != chain {
            self.note(Notice::ConsensusDiffers { task: id, expected, chain });
        }
    }

    fn on_ended(&mut self, id: TaskId, completed: bool) {
        let Some(task) = self.tasks.get(&id) else { return };
        let involved = task.involved();
        let voters: Vec<Address> = task.votes().iter().map(|vote| vote.worker).collect();
        self.note(Notice::Ended { task: id, completed });
        for worker in involved {
            if self.workers.is_connected(worker) {
                self.act(Action::Tell { worker, command: Command::Ended(id) });
            } else if self.index.tasks_len(worker) == 0 {
                self.workers.forget(worker);
            }
        }
        for worker in voters {
            if self.workers.is_connected(worker) {
                self.act(Action::ReadScore(worker));
                if self.settings.settlement {
                    self.act(Action::ReadBond(worker));
                }
            }
        }
    }

    /// Forgets tasks that ended so deep that no reorg is expected to undo it, and then their deals.
    fn retire_deep(&mut self) {
        let depth = self.settings.prune_depth_blocks;
        let Some(deep) = self.clock.head().number.checked_sub(depth) else { return };
        let ended: Vec<(u64, TaskId)> =
            self.index.ended.iter().copied().take_while(|(at, _)| *at <= deep).collect();
        for (at, id) in ended {
            // The end was seen when it was new, perhaps in a block that was never confirmed, and of
            // whose going no rollback tells. It is looked at once more before it is believed.
            let seen_block = self.tasks.get(&id).map_or(u64::MAX, |task| task.seen_block);
            if seen_block.saturating_sub(at) < depth {
                self.read_task(id, at.saturating_add(depth));
                continue;
            }
            let keep_until = self.clock.time(self.now).after(self.settings.result_seconds);
            if let Some(report) = self.task_report(id) {
                self.act(Action::Retire { task: id, report: Box::new(report), keep_until });
            }
            self.forget_task(id);
        }
    }

    /// Takes a task out of the memory, and its deal with the last of its tasks.
    pub(crate) fn forget_task(&mut self, id: TaskId) {
        self.dirty.remove(&id);
        if let Some(task) = self.tasks.remove(&id) {
            if let Some(number) = task.number {
                self.moments.set(number, None);
                self.times.set(number, None);
            }
            self.index.remove(&task);
            self.close_commit(&task);
            self.wanting.remove(id);
            self.close_deal(task.deal);
        }
    }
}

fn task_of(event: &Event) -> Option<TaskId> {
    match event {
        Event::TaskInitialize { task, .. }
        | Event::TaskContribute { task, .. }
        | Event::TaskConsensus { task, .. }
        | Event::TaskReveal { task, .. }
        | Event::TaskReopen { task }
        | Event::TaskFinalize { task, .. }
        | Event::TaskClaimed { task }
        | Event::Lane(LaneEvent::Closed { task } | LaneEvent::TaskSkipped { task, .. }) => {
            Some(*task)
        }
        Event::Transfer { .. }
        | Event::Approval { .. }
        | Event::Lock { .. }
        | Event::Unlock { .. }
        | Event::Seize { .. }
        | Event::Reward { .. }
        | Event::SchedulerNotice { .. }
        | Event::OrdersMatched { .. }
        | Event::DealSponsored { .. }
        | Event::SchedulerNoticeBoost { .. }
        | Event::DealSponsoredBoost { .. }
        | Event::ResultPushedBoost { .. }
        | Event::OrderSigned { .. }
        | Event::OrderClosed { .. }
        | Event::OrderBroadcast(_)
        | Event::AccurateContribution { .. }
        | Event::FaultyContribution { .. }
        | Event::CreateCategory { .. }
        | Event::ResourceTransfer { .. }
        | Event::PolicyUpdate { .. }
        | Event::OwnershipTransferred { .. }
        | Event::Conditions(_)
        | Event::Lane(
            LaneEvent::Bonded { .. }
            | LaneEvent::Unbonding { .. }
            | LaneEvent::BondWithdrawn { .. }
            | LaneEvent::Committed { .. },
        ) => None,
    }
}
