//! Whatever comes in, in whatever order, with crashes between: no panic, and no stake at risk.

#![allow(
    clippy::wildcard_enum_match_arm,
    clippy::unwrap_used,
    reason = "a judge looks at what it judges"
)]

mod support;

use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Address, Call, ResultHash, TaskId, Timestamp};
use poco_worker_core::{
    Action, Cause, Failure, Input, Intent, Lane, Outcome, Record, Stage, State, Step,
    UploadOutcome, View,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use support::{Rig, TX, computation, config, consensus, over, proved, voted};

/// Tasks in play; the last one is in the fast lane.
const TASKS: u64 = 3;
const FAST: u64 = TASKS - 1;

fn settings() -> poco_worker_core::Config {
    poco_worker_core::Config { slots: 3, ..config() }
}

/// One thing that happens, to one task.
#[derive(Clone, Debug)]
enum Happening {
    Assign,
    Facts,
    Unread,
    Progress(u8),
    Finish(bool),
    Settle(Intent, u8),
    See { status: u8, own: u8, is_ours: bool, block: u64 },
    Command(u8),
    Acknowledge(u8),
    UploadEnds(bool),
    Connect(bool),
    Wait(u16),
    Crash,
}

fn happening() -> impl Strategy<Value = Happening> {
    let intent = prop_oneof![
        Just(Intent::Contribute),
        Just(Intent::Reveal),
        Just(Intent::ContributeAndFinalize)
    ];
    prop_oneof![
        4 => Just(Happening::Assign),
        4 => Just(Happening::Facts),
        1 => Just(Happening::Unread),
        2 => (0u8..3).prop_map(Happening::Progress),
        6 => prop::bool::weighted(0.9).prop_map(Happening::Finish),
        4 => (intent, 0u8..3).prop_map(|(intent, outcome)| Happening::Settle(intent, outcome)),
        9 => (0u8..5, 0u8..4, prop::bool::weighted(0.98), 0u64..6)
            .prop_map(|(status, own, is_ours, block)| Happening::See { status, own, is_ours, block }),
        2 => (0u8..4).prop_map(Happening::Command),
        1 => (0u8..9).prop_map(Happening::Acknowledge),
        2 => any::<bool>().prop_map(Happening::UploadEnds),
        1 => any::<bool>().prop_map(Happening::Connect),
        2 => (0u16..700).prop_map(Happening::Wait),
        1 => Just(Happening::Crash),
    ]
}

/// What an onlooker knows, to judge what the core does.
#[derive(Default)]
struct Onlooker {
    journal: BTreeMap<TaskId, Record>,
    votes: BTreeMap<TaskId, Call>,
    sending: BTreeSet<TaskId>,
    seen_vote: BTreeSet<TaskId>,
    seen_consensus: BTreeSet<TaskId>,
    seen_over: BTreeSet<TaskId>,
}

/// How often each interesting thing happened over all cases.
#[derive(Default, Debug)]
struct Reached {
    votes: u32,
    whole_votes: u32,
    reveals: u32,
    uploads: u32,
    kept_failures: u32,
    ends: u32,
    crashes_with_promise: u32,
}

impl Onlooker {
    /// Writes the batch's records, as a driver does, then judges its effects.
    fn judge(&mut self, actions: &[Action], reached: &mut Reached) {
        let before = self.journal.clone();
        for action in actions {
            match action {
                Action::Persist(record) => {
                    self.journal.insert(record.assignment.task, (**record).clone());
                }
                Action::Forget(task) => {
                    self.journal.remove(task);
                }
                _ => {}
            }
        }
        for action in actions {
            match action {
                Action::Transact { task, intent, call } => {
                    self.judge_transaction(*task, *intent, call, reached);
                }
                Action::Upload { task, .. } => {
                    reached.uploads += 1;
                    let record = &self.journal[task];
                    assert!(
                        record.assignment.lane == Lane::Fast || self.seen_vote.contains(task),
                        "an upload discloses the digest"
                    );
                }
                Action::Discard(task) => {
                    let was_promised =
                        before.get(task).is_some_and(|record| record.state.is_promised());
                    assert!(
                        !was_promised || self.seen_over.contains(task),
                        "a result was deleted before the task was over"
                    );
                    reached.ends += u32::from(was_promised);
                }
                _ => {}
            }
        }
    }

    fn judge_transaction(
        &mut self,
        task: TaskId,
        intent: Intent,
        call: &Call,
        reached: &mut Reached,
    ) {
        assert!(self.sending.insert(task), "two transactions of one task at once");
        let state = &self.journal[&task].state;
        match intent {
            Intent::Contribute | Intent::ContributeAndFinalize => {
                assert!(matches!(state, State::Contributing { .. }), "stored first: {state:?}");
                let first = self.votes.entry(task).or_insert_with(|| call.clone());
                assert_eq!(first, call, "a wallet votes once");
                if intent == Intent::Contribute {
                    reached.votes += 1;
                } else {
                    reached.whole_votes += 1;
                }
            }
            Intent::Reveal => {
                assert!(matches!(state, State::Revealing { .. }), "stored first: {state:?}");
                assert!(self.seen_consensus.contains(&task), "disclosed before the consensus");
                reached.reveals += 1;
            }
            Intent::Disclose | Intent::Close | Intent::Release => {
                panic!("{intent:?} is of the settlement lane, which nobody assigned");
            }
        }
    }
}

/// A view of a task: any status with any contribution.
fn seen(worker: Address, task: TaskId, rolled: (u8, u8, bool), block: u64) -> View {
    let (status, own, is_ours) = rolled;
    let mut view = match own {
        0 | 1 => voted(worker, task, block),
        2 => proved(worker, task, block),
        _ => consensus(worker, task, block),
    };
    let ended = over(worker, task, block);
    (view.task.status, view.ended) = match status {
        0 => (TaskStatus::Unset, None),
        1 => (TaskStatus::Active, None),
        2 | 3 => (TaskStatus::Revealing, None),
        _ => (ended.task.status, ended.ended),
    };
    if own == 0 {
        view.contribution.status = ContributionStatus::Unset;
    }
    if !is_ours {
        view.contribution.hash = ResultHash::ZERO;
        view.task.consensus = ResultHash::ZERO;
    }
    view
}

struct Play {
    rig: Rig,
    onlooker: Onlooker,
}

impl Play {
    fn input(&mut self, task: TaskId, index: u64, happening: &Happening) -> Option<Input> {
        let worker = self.rig.config.worker;
        Some(match happening {
            Happening::Assign => {
                let mut assignment = self.rig.assignment(index);
                if index == FAST {
                    assignment.lane = Lane::Fast;
                }
                Input::Assign(Box::new(assignment))
            }
            Happening::Facts => {
                let mut facts = self.rig.facts();
                if index == FAST {
                    facts.deal.as_mut().unwrap().trust = poco_core::U256::ONE;
                }
                // What is over on chain stays over: nobody gets work for it.
                if self.onlooker.seen_over.contains(&task) {
                    facts.view.task.status = TaskStatus::Completed;
                }
                Input::Facts { task, facts: Box::new(facts) }
            }
            Happening::Unread => Input::Unread(task),
            Happening::Progress(step) => Input::Progress {
                task,
                step: match step {
                    0 => Step::Pulling,
                    1 => Step::Fetching,
                    _ => Step::Running { container: "c".into() },
                },
            },
            Happening::Finish(true) => Input::Finished { task, outcome: Ok(computation()) },
            Happening::Finish(false) => {
                Input::Finished { task, outcome: Err(Failure::new(Cause::ExitCode, "1")) }
            }
            Happening::Settle(intent, outcome) => {
                if !self.onlooker.sending.remove(&task) {
                    return None;
                }
                let intent = self.intent_under_way(task).unwrap_or(*intent);
                let outcome = match outcome {
                    0 => Outcome::Mined { transaction: TX, block: 1 },
                    1 => Outcome::Refused { reason: "no".into() },
                    _ => Outcome::NotSent { detail: "no gas".into() },
                };
                Input::Settled { task, intent, outcome }
            }
            Happening::See { status, own, is_ours, block } => {
                let view = seen(worker, task, (*status, *own, *is_ours), *block);
                self.watch(task, &view);
                Input::View { task, view: Box::new(view) }
            }
            Happening::Command(0) => Input::Reveal(task),
            Happening::Command(1) => Input::Upload(task),
            Happening::Command(2) => Input::Abandon { task, reason: String::new() },
            Happening::Command(_) => Input::Ended(task),
            Happening::Acknowledge(stage) => {
                let stages = [Stage::Failed, Stage::Accepted, Stage::Computed, Stage::Revealed];
                let stage = stages[usize::from(*stage) % stages.len()];
                Input::Acknowledged { task, stage }
            }
            Happening::UploadEnds(true) => {
                let location = "/ipfs/bafyresult".into();
                Input::UploadEnded { task, outcome: UploadOutcome::Stored { location } }
            }
            Happening::UploadEnds(false) => {
                let detail = "broken".into();
                Input::UploadEnded { task, outcome: UploadOutcome::Failed { detail } }
            }
            Happening::Connect(true) => Input::Connected { live: vec![(task, Stage::Running)] },
            Happening::Connect(false) => Input::Disconnected,
            Happening::Wait(_) | Happening::Crash => return None,
        })
    }

    /// What a task's transaction is for: the answer is to what was sent, whatever was rolled.
    fn intent_under_way(&self, task: TaskId) -> Option<Intent> {
        match self.rig.core.find_state(task)? {
            State::Revealing { .. } => Some(Intent::Reveal),
            State::Contributing { location: Some(_), .. } => Some(Intent::ContributeAndFinalize),
            State::Contributing { .. } => Some(Intent::Contribute),
            _ => None,
        }
    }

    fn watch(&mut self, task: TaskId, view: &View) {
        if view.contribution.status != ContributionStatus::Unset {
            self.onlooker.seen_vote.insert(task);
        }
        if view.task.status == TaskStatus::Revealing {
            self.onlooker.seen_consensus.insert(task);
        }
        if view.task.status == TaskStatus::Completed {
            self.onlooker.seen_over.insert(task);
        }
    }

    fn happen(&mut self, index: u64, happening: &Happening, reached: &mut Reached) {
        let task = support::task(index);
        let actions = match happening {
            Happening::Wait(seconds) => {
                let actions = self.rig.wait(u64::from(*seconds));
                let now = self.rig.now.millis;
                let next = self.rig.core.next_timer();
                assert!(next.is_none_or(|at| !at.is_due(now)), "a timer would spin");
                // The tests play in the first part of the task's time.
                self.rig.now.chain = Timestamp(support::START + 10);
                actions
            }
            Happening::Crash => {
                let records: Vec<Record> = self.onlooker.journal.values().cloned().collect();
                let promised = records.iter().filter(|record| record.state.is_promised()).count();
                reached.crashes_with_promise += u32::from(promised > 0);
                self.onlooker.sending.clear();
                self.rig = Rig::offline(settings(), records);
                let mut actions = self.rig.drain();
                actions.extend(self.rig.step(Input::Connected { live: Vec::new() }));
                actions
            }
            other => match self.input(task, index, other) {
                Some(input) => self.rig.step(input),
                None => return,
            },
        };
        self.onlooker.judge(&actions, reached);
        if let Some(State::Failed { promise: Some(_), .. }) = self.rig.core.find_state(task) {
            reached.kept_failures += 1;
        }
        let live = self.rig.core.live();
        let stored: Vec<(TaskId, Stage)> = self
            .onlooker
            .journal
            .iter()
            .map(|(task, record)| (*task, record.state.stage()))
            .collect();
        assert_eq!(live, stored, "the journal holds what the core holds");
    }
}

#[test]
fn no_order_of_inputs_votes_twice_discloses_early_or_deletes_early() {
    let reached = RefCell::new(Reached::default());
    let cases = Config { cases: 300, failure_persistence: None, ..Config::default() };
    let seed = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(cases, seed);
    let strategy = prop::collection::vec((0..TASKS, happening()), 1..150);
    runner
        .run(&strategy, |happenings| {
            let mut play = Play { rig: Rig::with(settings()), onlooker: Onlooker::default() };
            let mut reached = reached.borrow_mut();
            for index in 0..TASKS {
                play.happen(index, &Happening::Assign, &mut reached);
                play.happen(index, &Happening::Facts, &mut reached);
            }
            for (index, happening) in &happenings {
                play.happen(*index, happening, &mut reached);
            }
            Ok(())
        })
        .unwrap();
    let reached = reached.into_inner();
    let Reached { votes, whole_votes, reveals, uploads, kept_failures, ends, crashes_with_promise } =
        reached;
    for count in [votes, whole_votes, reveals, uploads, kept_failures, ends, crashes_with_promise] {
        assert!(count > 20, "the property was hardly put to the test: {reached:?}");
    }
}
