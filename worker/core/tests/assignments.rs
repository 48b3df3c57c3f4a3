//! Which assignments a worker takes, and what it says about those it does not.

mod support;

use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{Address, Amount, Bytes, Conditions, DealConditions, DealId, Resource, Tag, U256};
use poco_worker_core::{
    Action, Assignment, Cause, Facts, Failure, Input, Lane, Record, Stage, State,
};
use support::Rig;

fn report(task: poco_core::TaskId, stage: Stage) -> Action {
    Action::Report { task, stage, failure: None, transaction: None }
}

fn failed(task: poco_core::TaskId, failure: Failure) -> Action {
    Action::Report {
        task,
        stage: Stage::Failed,
        failure: Some(Box::new(failure)),
        transaction: None,
    }
}

#[test]
fn an_assignment_is_stored_told_and_checked_before_work() {
    let mut rig = Rig::new();
    let assignment = rig.assignment(0);
    let (task, deal) = (assignment.task, assignment.deal);
    let record = Record { assignment: assignment.clone(), state: State::Accepted, sealed: None };
    assert_eq!(
        rig.step(Input::Assign(Box::new(assignment.clone()))),
        [
            Action::Persist(Box::new(record)),
            report(task, Stage::Accepted),
            Action::ReadFacts { task, deal },
        ]
    );
    let facts = Box::new(rig.facts());
    let actions = rig.step(Input::Facts { task, facts });
    let Some(State::Pulling(work)) = rig.core.find_state(task) else { panic!("it pulls") };
    let state = State::Pulling(work.clone());
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(Record { assignment, state, sealed: None })),
            report(task, Stage::Pulling),
            Action::Run { task, deal, index: 0, work: work.clone() },
        ]
    );
    assert_eq!(work.time_limit_seconds, support::SECONDS);
    assert_eq!(work.params, "--lines");
}

#[test]
fn an_assignment_sent_again_is_only_answered() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    let again = Input::Assign(Box::new(rig.assignment(0)));
    assert_eq!(rig.step(again), [report(task, Stage::Running)]);
}

#[test]
fn a_task_beyond_the_slots_is_declined_without_a_record() {
    let mut rig = Rig::new();
    rig.run(0);
    rig.run(1);
    let third = rig.assignment(2);
    let failure = Failure::new(Cause::Declined, "no free slot: 2 of 2 are taken");
    assert_eq!(rig.step(Input::Assign(Box::new(third.clone()))), [failed(third.task, failure)]);
    assert!(rig.core.find_state(third.task).is_none());
}

#[test]
fn a_computed_task_frees_its_slot() {
    let mut rig = Rig::new();
    rig.contribute(0);
    rig.run(1);
    rig.run(2);
}

#[test]
fn a_worker_that_leaves_takes_no_work() {
    let mut rig = Rig::new();
    assert_eq!(rig.step(Input::Leave), []);
    let assignment = rig.assignment(0);
    let failure = Failure::new(Cause::Declined, "this worker is stopping");
    assert_eq!(
        rig.step(Input::Assign(Box::new(assignment.clone()))),
        [failed(assignment.task, failure)]
    );
}

#[test]
fn an_id_that_is_not_the_deals_and_an_enclave_are_declined_at_once() {
    let mut rig = Rig::new();
    let mut wrong = rig.assignment(0);
    wrong.index = 1;
    let mut enclave = rig.assignment(1);
    enclave.enclave_challenge = Address::repeat_byte(1);
    for (assignment, cause) in [(wrong, Cause::Chain), (enclave, Cause::Declined)] {
        let actions = rig.step(Input::Assign(Box::new(assignment)));
        let [Action::Report { failure: Some(failure), .. }] = actions.as_slice() else {
            panic!("{actions:?}")
        };
        assert_eq!(failure.cause, cause);
    }
    assert!(rig.core.is_idle());
}

/// Assigns, answers with `facts`, and gives the failure that the replica ends with.
fn refusal_of(assignment: Assignment, facts: Facts, rig: &mut Rig) -> Failure {
    let task = assignment.task;
    rig.step(Input::Assign(Box::new(assignment)));
    let actions = rig.step(Input::Facts { task, facts: Box::new(facts) });
    let Some(State::Failed { failure, promise: None }) = rig.core.find_state(task) else {
        panic!("{actions:?}")
    };
    let failure = failure.clone();
    assert!(actions.contains(&Action::Discard(task)));
    assert_eq!(actions.last(), Some(&failed(task, failure.clone())));
    failure
}

#[test]
fn what_the_chain_contradicts_is_declined_with_its_reason() {
    type Change = fn(&mut Assignment, &mut Facts);
    let cases: [(Change, Cause, &str); 11] = [
        (
            |_, facts| facts.deal.as_mut().unwrap().workerpool.pointer = Address::ZERO,
            Cause::Chain,
            "of pool",
        ),
        (
            |_, facts| facts.deal.as_mut().unwrap().bot_size = U256::ZERO,
            Cause::Chain,
            "has no task 0",
        ),
        (
            |_, facts| facts.deal.as_mut().unwrap().workerpool.owner = Address::ZERO,
            Cause::Chain,
            "not signed",
        ),
        (
            |assignment, _| assignment.authorization = Bytes::from_static(&[1; 65]),
            Cause::Chain,
            "not signed",
        ),
        (|_, facts| facts.deal.as_mut().unwrap().tag = Tag::TEE, Cause::Declined, "enclave"),
        (|_, facts| facts.deal.as_mut().unwrap().tag = Tag::SCONE, Cause::Declined, "needs scone"),
        (
            |assignment, _| assignment.lane = Lane::Fast,
            Cause::Chain,
            "needs trust 1, the deal has 5",
        ),
        (|_, facts| facts.view.task.status = TaskStatus::Completed, Cause::Chain, "over"),
        (
            |_, facts| facts.view.task.status = TaskStatus::Revealing,
            Cause::Chain,
            "consensus already",
        ),
        (
            |_, facts| facts.view.contribution.status = ContributionStatus::Rejected,
            Cause::Chain,
            "only once",
        ),
        (|_, facts| facts.app.as_mut().unwrap().kind = "WASM".into(), Cause::Declined, "\"WASM\""),
    ];
    for (change, cause, words) in cases {
        let mut rig = Rig::new();
        let (mut assignment, mut facts) = (rig.assignment(0), rig.facts());
        change(&mut assignment, &mut facts);
        let failure = refusal_of(assignment, facts, &mut rig);
        assert_eq!(failure.cause, cause, "{failure:?}");
        assert!(failure.detail.contains(words), "{failure:?}");
    }
}

#[test]
fn a_stake_above_what_the_operator_allows_is_declined_by_the_deals_own_terms() {
    let below = Amount(support::STAKE.0 - U256::ONE);
    let config = |stake_max| poco_worker_core::Config { stake_max, ..support::config() };
    let mut rig = Rig::with(config(Some(below)));
    let failure = refusal_of(rig.assignment(0), rig.facts(), &mut rig);
    assert_eq!(failure.cause, Cause::Declined);
    assert_eq!(
        failure.detail,
        "a vote locks 6 RLC, and this worker stakes at most 5.999999999 RLC for one task"
    );
    for allowed in [Some(support::STAKE), None] {
        let mut rig = Rig::with(config(allowed));
        rig.run(0);
    }
    // The fast lane locks nothing.
    let mut rig = Rig::with(config(Some(Amount::ZERO)));
    let (mut assignment, mut facts) = (rig.assignment(0), rig.facts());
    assignment.lane = Lane::Fast;
    facts.deal.as_mut().unwrap().trust = U256::ONE;
    let task = assignment.task;
    rig.step(Input::Assign(Box::new(assignment)));
    rig.step(Input::Facts { task, facts: Box::new(facts) });
    assert!(matches!(rig.core.find_state(task), Some(State::Pulling(_))));
}

#[test]
fn what_a_deal_asks_for_beyond_the_workers_power_is_declined() {
    let guard = Address::repeat_byte(0x77);
    let mut rig = Rig::new();
    let unknown = Conditions::BOUND_RESULTS | Conditions::from_bits(0x20);
    let conditions = DealConditions::new(unknown, guard);
    let facts = Facts { conditions, ..rig.facts() };
    let failure = refusal_of(rig.assignment(0), facts, &mut rig);
    assert_eq!(failure.cause, Cause::Declined);
    assert_eq!(failure.detail, "the deal asks for 0x20, which this worker does not know");

    // A guard that knows the worker, and conditions that ask nothing of it.
    let kept = Conditions::KNOWN_WORKERS | Conditions::KNOWN_ENCLAVES | Conditions::STRICT_REVEALS;
    let conditions = DealConditions::new(kept, guard);
    let mut rig = Rig::new();
    let assignment = rig.assignment(0);
    let task = assignment.task;
    rig.step(Input::Assign(Box::new(assignment)));
    let facts = Facts { conditions, ..rig.facts() };
    rig.step(Input::Facts { task, facts: Box::new(facts) });
    assert!(matches!(rig.core.find_state(task), Some(State::Pulling(_))));
}

#[test]
fn a_guard_that_does_not_know_the_worker_is_asked_again_before_it_is_believed() {
    let guard = Address::repeat_byte(0x77);
    let mut rig = Rig::new();
    let assignment = rig.assignment(0);
    let (task, deal) = (assignment.task, assignment.deal);
    rig.step(Input::Assign(Box::new(assignment)));
    let conditions = DealConditions::new(Conditions::KNOWN_WORKERS, guard);
    let facts = Facts { conditions, is_known_to_guard: false, ..rig.facts() };
    for _ in 0..20 {
        rig.step(Input::Facts { task, facts: Box::new(facts.clone()) });
        if matches!(rig.core.find_state(task), Some(State::Failed { .. })) {
            break;
        }
        assert_eq!(rig.wait(2), [Action::ReadFacts { task, deal }]);
    }
    let Some(State::Failed { failure, promise: None }) = rig.core.find_state(task) else {
        panic!("it is believed at last")
    };
    let detail = format!("the deal's guard {guard} does not know this worker");
    assert_eq!((failure.cause, &failure.detail), (Cause::Chain, &detail));
}

#[test]
fn a_reopened_task_of_a_strict_deal_is_worth_a_run_until_its_own_deadline() {
    let mut rig = Rig::new();
    rig.wait(7 * support::SECONDS);
    let mut facts = rig.facts();
    let start = facts.deal.as_ref().unwrap().start_time;
    facts.view.task.contribution_deadline = start.after(9 * support::SECONDS);
    let assignment = rig.assignment(0);
    let task = assignment.task;
    rig.step(Input::Assign(Box::new(assignment)));
    rig.step(Input::Facts { task, facts: Box::new(facts) });
    let Some(State::Pulling(work)) = rig.core.find_state(task) else { panic!("it is worth it") };
    assert_eq!(work.terms.contribution_deadline, start.after(9 * support::SECONDS));
}

#[test]
fn a_run_that_may_not_end_in_time_is_declined() {
    let mut rig = Rig::new();
    rig.wait(6 * support::SECONDS);
    let failure = refusal_of(rig.assignment(0), rig.facts(), &mut rig);
    assert_eq!(failure.cause, Cause::Chain);
    assert_eq!(failure.detail, "300 s are left to contribute, and a run may take 300 s");
}

#[test]
fn a_deal_that_a_node_does_not_know_yet_is_asked_for_again() {
    let mut rig = Rig::new();
    let assignment = rig.assignment(0);
    let (task, deal) = (assignment.task, assignment.deal);
    rig.step(Input::Assign(Box::new(assignment)));
    let lagging = Facts { deal: None, ..rig.facts() };
    assert_eq!(rig.step(Input::Facts { task, facts: Box::new(lagging.clone()) }), []);
    assert_eq!(rig.wait(2), [Action::ReadFacts { task, deal }]);
    assert_eq!(rig.step(Input::Unread(task)), []);
    assert_eq!(rig.wait(2), [Action::ReadFacts { task, deal }]);
    let facts = rig.facts();
    let actions = rig.step(Input::Facts { task, facts: Box::new(facts) });
    assert!(actions.iter().any(|action| matches!(action, Action::Run { .. })));
}

#[test]
fn a_deal_that_stays_unknown_is_declined_after_a_while() {
    let mut rig = Rig::new();
    let assignment = rig.assignment(0);
    let task = assignment.task;
    rig.step(Input::Assign(Box::new(assignment)));
    let lagging = Facts { deal: None, ..rig.facts() };
    for _ in 0..9 {
        assert_eq!(rig.step(Input::Facts { task, facts: Box::new(lagging.clone()) }), []);
        assert_eq!(rig.wait(2).len(), 1);
    }
    rig.step(Input::Facts { task, facts: Box::new(lagging) });
    let Some(State::Failed { failure, .. }) = rig.core.find_state(task) else { panic!() };
    assert_eq!(failure.detail, "the deal is not on chain");
}

#[test]
fn stake_promised_to_other_tasks_is_not_promised_twice() {
    let mut rig = Rig::new();
    let enough_for_one = Amount::from_nano(11_999_999_999);
    let (assignment, mut facts) = (rig.assignment(0), rig.facts());
    facts.free_stake = enough_for_one;
    rig.run_as(assignment, facts.clone());
    let second = rig.assignment(1);
    let task = second.task;
    rig.step(Input::Assign(Box::new(second)));
    for _ in 0..10 {
        rig.step(Input::Facts { task, facts: Box::new(facts.clone()) });
        rig.wait(2);
    }
    let Some(State::Failed { failure, .. }) = rig.core.find_state(task) else { panic!() };
    assert_eq!(
        failure.detail,
        "a vote locks 6 RLC, but of 11.999999999 RLC free stake 6 RLC are promised to other tasks; deposit more"
    );
}

#[test]
fn a_dataset_of_the_deal_must_be_registered() {
    let mut rig = Rig::new();
    let assignment = rig.assignment(0);
    let task = assignment.task;
    rig.step(Input::Assign(Box::new(assignment)));
    let mut facts = rig.facts();
    facts.deal.as_mut().unwrap().dataset =
        Resource { pointer: Address::repeat_byte(0xda), ..Resource::default() };
    assert_eq!(rig.step(Input::Facts { task, facts: Box::new(facts.clone()) }), []);
    facts.dataset = facts.app.clone();
    rig.step(Input::Facts { task, facts: Box::new(facts.clone()) });
    let Some(State::Pulling(work)) = rig.core.find_state(task) else { panic!() };
    assert_eq!(work.dataset, facts.dataset);
}

#[test]
fn both_sides_tell_each_other_what_they_hold_after_a_reconnect() {
    let mut rig = Rig::new();
    let held = rig.run(0);
    assert_eq!(rig.step(Input::Disconnected), []);
    assert_eq!(
        rig.step(Input::Progress { task: held, step: poco_worker_core::Step::Pulling }).len(),
        1
    );
    let strange = poco_core::TaskId::of_deal(DealId::ZERO, U256::ZERO);
    let live = vec![(held, Stage::Accepted), (strange, Stage::Running)];
    assert_eq!(rig.core.live(), [(held, Stage::Pulling)]);
    assert_eq!(
        rig.step(Input::Connected { live }),
        [
            report(held, Stage::Pulling),
            failed(strange, Failure::new(Cause::Declined, "this worker does not hold the task")),
        ]
    );
}

#[test]
fn a_report_is_sent_again_until_it_is_acknowledged() {
    let mut rig = Rig::new();
    let assignment = rig.assignment(0);
    let task = assignment.task;
    rig.step(Input::Assign(Box::new(assignment)));
    assert_eq!(rig.wait(30), [report(task, Stage::Accepted)]);
    assert_eq!(rig.wait(30), [report(task, Stage::Accepted)]);
    rig.step(Input::Acknowledged { task, stage: Stage::Accepted });
    assert_eq!(rig.wait(30), []);
}

#[test]
fn a_failure_is_kept_until_the_scheduler_has_it() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Disconnected);
    let failure = Failure { exit_code: Some(3), ..Failure::new(Cause::ExitCode, "exit code 3") };
    let actions = rig.step(Input::Finished { task, outcome: Err(failure.clone()) });
    let record = rig.record(task);
    assert_eq!(actions, [Action::Discard(task), Action::Persist(Box::new(record.clone()))]);
    let mut rig = Rig::offline(support::config(), vec![record]);
    assert_eq!(rig.drain(), []);
    let live = vec![(task, Stage::Running)];
    assert_eq!(rig.step(Input::Connected { live }), [failed(task, failure)]);
    assert_eq!(
        rig.step(Input::Acknowledged { task, stage: Stage::Failed }),
        [Action::Discard(task), Action::Forget(task)]
    );
    assert!(rig.core.is_idle());
    assert_eq!(rig.core.next_timer(), None);
}
