//! Voting, disclosing, forgetting: what the chain shows decides.

mod support;

use poco_core::task::{ContributionStatus, TaskStatus, TaskView};
use poco_core::{ResultHash, Timestamp};
use poco_worker_core::{
    Action, Cause, Config, Failure, Input, Intent, Outcome, Stage, State, View,
};
use support::{Rig, SECONDS, START, TX, active, computation, config, consensus, over};
use support::{disclosure, proved, read, refused, transactions, vote, voted};

#[test]
fn digest_and_authorization_are_stored_before_the_vote_leaves() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    let actions = rig.step(Input::Finished { task, outcome: Ok(computation()) });
    let record = rig.record(task);
    assert!(matches!(record.state, State::Contributing { .. }));
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(record)),
            Action::Report { task, stage: Stage::Computed, failure: None, transaction: None },
            vote(&rig, 0),
        ]
    );
}

#[test]
fn a_mined_vote_is_told_with_its_transaction_and_read_back() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    let actions = rig.mined(task, Intent::Contribute, 2);
    let transaction = Some(TX);
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(rig.record(task))),
            Action::Report { task, stage: Stage::Contributed, failure: None, transaction },
            read(task),
        ]
    );
}

#[test]
fn a_refusal_of_a_vote_that_is_on_chain_is_success() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    assert_eq!(refused(&mut rig, task, Intent::Contribute), []);
    assert_eq!(rig.wait(0), [read(task)]);
    let actions = rig.view(task, voted(rig.config.worker, task, 2));
    assert_eq!(transactions(&actions), 0);
    assert!(matches!(rig.core.find_state(task), Some(State::Contributed { .. })));
}

#[test]
fn a_refusal_is_believed_only_after_a_lagging_node_had_time() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    let mut votes = 1;
    let mut seconds = 0;
    for block in 2.. {
        refused(&mut rig, task, Intent::Contribute);
        while rig.wait(1).is_empty() {
            seconds += 1;
        }
        votes += transactions(&rig.view(task, active(block)));
        if matches!(rig.core.find_state(task), Some(State::Failed { .. })) {
            break;
        }
    }
    assert_eq!(votes, 8);
    assert!(seconds >= 15, "{seconds}");
    let Some(State::Failed { failure, promise: Some(_) }) = rig.core.find_state(task) else {
        panic!("the result is kept until the task is over")
    };
    assert_eq!(*failure, Failure::new(Cause::Refused, "execution reverted"));
}

#[test]
fn a_task_that_a_reorg_closed_is_waited_for_until_it_is_opened_again() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    refused(&mut rig, task, Intent::Contribute);
    let unopened = |block| View { block, task: TaskView::default(), ..active(block) };
    // Far longer than refusals are borne.
    for block in 2..60 {
        let actions = rig.view(task, unopened(block));
        assert_eq!(transactions(&actions), 0, "nobody takes a vote for a task that is not open");
        rig.wait(10);
    }
    assert_eq!(rig.view(task, active(60)), [vote(&rig, 0)]);
    refused(&mut rig, task, Intent::Contribute);
    rig.wait(7 * SECONDS);
    rig.view(task, unopened(61));
    let Some(State::Failed { failure, .. }) = rig.core.find_state(task) else { panic!() };
    assert_eq!(failure.cause, Cause::Chain, "its deadline has passed");
}

#[test]
fn a_vote_without_gas_is_tried_again_until_the_deadline() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    let no_gas = || Outcome::NotSent { detail: "(no gas)".into() };
    rig.step(Input::Settled { task, intent: Intent::Contribute, outcome: no_gas() });
    assert_eq!(rig.wait(15), [read(task)]);
    assert_eq!(rig.view(task, active(2)), [vote(&rig, 0)]);
    rig.step(Input::Settled { task, intent: Intent::Contribute, outcome: no_gas() });
    assert_eq!(
        rig.wait(7 * SECONDS),
        [
            Action::Report { task, stage: Stage::Computed, failure: None, transaction: None },
            read(task),
        ]
    );
    rig.view(task, active(3));
    let Some(State::Failed { failure, .. }) = rig.core.find_state(task) else { panic!() };
    assert_eq!(failure.detail, "no vote was mined before the deadline (no gas)");
}

#[test]
fn a_restart_votes_only_if_the_chain_shows_no_vote() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    let record = rig.record(task);

    let mut again = Rig::offline(config(), vec![record.clone()]);
    assert_eq!(again.drain(), [read(task)]);
    assert_eq!(again.view(task, active(5)), [vote(&rig, 0)]);
    assert_eq!(again.view(task, active(6)), [], "one is under way");

    let mut done = Rig::offline(config(), vec![record]);
    done.drain();
    let actions = done.view(task, voted(rig.config.worker, task, 5));
    assert_eq!(actions, [Action::Persist(Box::new(done.record(task)))]);
}

#[test]
fn a_restart_adopts_what_runs() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    let record = rig.record(task);
    let work = record.state.work().unwrap().clone();
    let deal = record.assignment.deal;
    let mut again = Rig::offline(config(), vec![record]);
    assert_eq!(
        again.drain(),
        [Action::Run { task, deal, index: 0, work: Box::new(work) }, read(task)]
    );
}

#[test]
fn a_consensus_of_ours_is_revealed_without_being_asked() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    assert_eq!(rig.step(Input::Moved(task)), [read(task)]);
    let actions = rig.view(task, consensus(rig.config.worker, task, 3));
    assert_eq!(actions, [disclosure(task), Action::Persist(Box::new(rig.record(task)))]);
}

#[test]
fn a_reveal_command_is_checked_on_chain_first() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    assert_eq!(rig.step(Input::Reveal(task)), [read(task)]);
    assert_eq!(rig.view(task, voted(rig.config.worker, task, 3)), []);
}

#[test]
fn reveals_go_before_computations() {
    let mut rig = Rig::new();
    let first = rig.contribute(0);
    let second = rig.assignment(1);
    rig.core.handle(rig.now, Input::Assign(Box::new(second)));
    let view = Box::new(consensus(rig.config.worker, first, 3));
    rig.core.handle(rig.now, Input::View { task: first, view });
    assert_eq!(rig.core.poll_action(), Some(disclosure(first)));
}

#[test]
fn a_digest_is_disclosed_only_below_its_own_depth() {
    let mut rig = Rig::with(Config { confirmations: 3, ..config() });
    let task = rig.contribute(0);
    let worker = rig.config.worker;
    assert_eq!(rig.view(task, consensus(worker, task, 10)), []);
    assert_eq!(rig.view(task, consensus(worker, task, 12)), []);
    // A reorg makes another consensus out of the same votes: its depth counts anew.
    let mut other = consensus(worker, task, 13);
    other.task.reveal_deadline = Timestamp(START + 3 * SECONDS + 1);
    assert_eq!(rig.view(task, other.clone()), []);
    other.block = 15;
    assert_eq!(rig.view(task, other.clone()), []);
    other.block = 16;
    assert_eq!(transactions(&rig.view(task, other)), 1);
}

#[test]
fn a_lost_or_late_consensus_discloses_nothing() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    let mut lost = consensus(rig.config.worker, task, 3);
    lost.task.consensus = ResultHash::ZERO;
    assert_eq!(rig.view(task, lost), []);
    rig.now.chain = Timestamp(START + 3 * SECONDS);
    assert_eq!(rig.view(task, consensus(rig.config.worker, task, 4)), []);
    assert!(matches!(rig.core.find_state(task), Some(State::Contributed { .. })));
}

#[test]
fn a_rejected_vote_is_kept_until_the_task_is_over() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    let mut rejected = active(3);
    rejected.contribution = voted(rig.config.worker, task, 3).contribution;
    rejected.contribution.status = ContributionStatus::Rejected;
    assert_eq!(rig.view(task, rejected.clone()), []);
    rejected.block = 4;
    (rejected.task.status, rejected.ended) = (TaskStatus::Failed, Some(4));
    let actions = rig.view(task, rejected);
    assert_eq!(actions, [Action::Discard(task), Action::Forget(task)]);
}

#[test]
fn a_vote_that_a_reorg_took_back_is_sent_again() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    let actions = rig.view(task, active(3));
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(rig.record(task))),
            Action::Report { task, stage: Stage::Computed, failure: None, transaction: None },
            vote(&rig, 0),
        ]
    );
}

#[test]
fn a_lagging_view_is_not_believed() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    assert_eq!(rig.view(task, active(1)), [], "block 2 held the vote");
    assert_eq!(rig.wait(1), [read(task)]);
    assert!(matches!(rig.core.find_state(task), Some(State::Contributed { .. })));
}

#[test]
fn a_reveal_that_a_reorg_took_back_is_sent_again() {
    let mut rig = Rig::new();
    let task = rig.reveal(0);
    let actions = rig.view(task, consensus(rig.config.worker, task, 5));
    assert!(actions.contains(&disclosure(task)), "{actions:?}");
}

#[test]
fn a_refused_reveal_is_tried_until_its_deadline() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    rig.view(task, consensus(rig.config.worker, task, 3));
    for block in 4..40 {
        refused(&mut rig, task, Intent::Reveal);
        rig.wait(10);
        let actions = rig.view(task, consensus(rig.config.worker, task, block));
        assert_eq!(transactions(&actions), 1, "{block}");
    }
}

#[test]
fn an_end_is_believed_from_the_chain_alone_and_at_depth() {
    let mut rig = Rig::with(Config { confirmations: 2, ..config() });
    let task = rig.contribute(0);
    assert_eq!(rig.step(Input::Ended(task)), [read(task)]);
    assert_eq!(rig.view(task, voted(rig.config.worker, task, 3)), []);
    let over = over(rig.config.worker, task, 5);
    rig.view(task, over.clone());
    assert!(rig.core.find_state(task).is_some());
    let actions = rig.view(task, View { block: 7, ..over });
    assert_eq!(actions, [Action::Discard(task), Action::Forget(task)]);
}

#[test]
fn another_vote_of_this_wallet_on_chain_discloses_nothing() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    let mut other = consensus(rig.config.worker, task, 3);
    other.contribution.hash = ResultHash::ZERO;
    let actions = rig.view(task, other);
    assert_eq!(transactions(&actions), 0);
    assert!(!actions.contains(&Action::Discard(task)));
    assert!(matches!(rig.core.find_state(task), Some(State::Failed { promise: Some(_), .. })));
}

#[test]
fn a_vote_that_was_given_up_goes_on_when_the_chain_takes_it_after_all() {
    let mut rig = Rig::new();
    let task = rig.run(0);
    rig.step(Input::Finished { task, outcome: Ok(computation()) });
    for block in 2..=9 {
        refused(&mut rig, task, Intent::Contribute);
        rig.view(task, active(block));
    }
    assert!(matches!(rig.core.find_state(task), Some(State::Failed { promise: Some(_), .. })));
    // The block that refused it never was, and another has taken it.
    rig.view(task, voted(rig.config.worker, task, 10));
    assert_eq!(rig.record(task).state.stage(), Stage::Contributed);
    let actions = rig.view(task, consensus(rig.config.worker, task, 11));
    assert!(actions.contains(&disclosure(task)), "{actions:?}");
}

#[test]
fn a_consensus_that_has_stood_for_long_is_revealed_though_few_blocks_were_seen() {
    let mut rig = Rig::with(Config { confirmations: 3, ..config() });
    let task = rig.contribute(0);
    // The reveals end 3 T after the start: the consensus came after one T.
    rig.wait(2 * SECONDS - 10);
    let actions = rig.view(task, consensus(rig.config.worker, task, 3));
    assert_eq!(transactions(&actions), 0);
    let mut again = Rig::offline(rig.config.clone(), vec![rig.record(task)]);
    again.now = rig.now;
    again.drain();
    again.wait(20);
    let actions = again.view(task, consensus(rig.config.worker, task, 4));
    assert!(actions.contains(&disclosure(task)), "{actions:?}");
}

#[test]
fn a_result_is_kept_until_no_reorg_can_bring_its_task_back() {
    let mut rig = Rig::with(Config { forget_depth_blocks: 12, ..config() });
    let task = rig.reveal(0);
    let over = over(rig.config.worker, task, 6);
    assert_eq!(rig.view(task, over.clone()), []);
    assert_eq!(rig.view(task, View { block: 17, ..over.clone() }), []);
    // That end never was, and the worker did not look while there was none.
    let again = View { ended: Some(19), ..over };
    assert_eq!(rig.view(task, View { block: 20, ..again.clone() }), []);
    assert_eq!(rig.view(task, View { block: 30, ..again.clone() }), []);
    // A node that does not know the event yet says nothing of how deep it is.
    assert_eq!(rig.view(task, View { block: 31, ended: None, ..again.clone() }), []);
    let actions = rig.view(task, View { block: 31, ..again });
    assert_eq!(actions, [Action::Discard(task), Action::Forget(task)]);
}

#[test]
fn an_end_is_looked_for_from_where_the_task_was_last_open() {
    let mut rig = Rig::with(Config { forget_depth_blocks: 12, ..config() });
    let task = rig.reveal(0);
    let read_from = |rig: &mut Rig| match rig.step(Input::Moved(task)).first() {
        Some(Action::ReadTask { from_block, .. }) => *from_block,
        other => panic!("{other:?}"),
    };
    rig.view(task, proved(rig.config.worker, task, 100_000));
    // As deep as a reorg may go.
    assert_eq!(read_from(&mut rig), 100_000 - 256);
    let over = over(rig.config.worker, task, 100_002);
    rig.view(task, View { ended: None, ..over.clone() });
    assert_eq!(read_from(&mut rig), 0, "it was not found there");
    rig.view(task, View { block: 100_014, ..over });
    assert!(rig.core.find_state(task).is_none());
}

#[test]
fn what_others_revealed_before_a_restart_is_seen() {
    let mut rig = Rig::new();
    let task = rig.contribute(0);
    let record = rig.record(task);
    let mut again = Rig::offline(config(), vec![record]);
    again.drain();
    assert_eq!(again.step(Input::Connected { live: vec![] }).len(), 1);
    let actions = again.view(task, proved(rig.config.worker, task, 9));
    assert_eq!(
        actions,
        [
            Action::Persist(Box::new(again.record(task))),
            Action::Report { task, stage: Stage::Revealed, failure: None, transaction: None },
        ]
    );
}
