//! Tasks that leave the settlement lane, and those who compute them.

use crate::lane::{compute, sign, world};
use crate::world::{World, digest, failure, task, worker};
use poco_core::{Call, U256};
use poco_scheduler_core::{Cause, Command, Lane, Stage};

/// Who was told to compute since the last look, and in which lane.
fn given(world: &mut World) -> Vec<(u8, Lane)> {
    let given = world.commands().into_iter().filter_map(|(worker, command)| match command {
        Command::Assign { lane, .. } => Some((worker[0], lane)),
        _ => None,
    });
    let mut given: Vec<(u8, Lane)> = given.collect();
    given.sort_unstable_by_key(|(name, _)| *name);
    given
}

#[test]
fn workers_that_began_in_the_lane_go_on_in_the_classic_one() {
    let mut world = world(3, 1);
    world.connect(4, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    // One breaks, and who could take its place has no bond.
    world.says(3, id, failure(Cause::Engine));
    assert_eq!(world.kinds_sent(), ["initialize"]);
    let classic = [1, 2, 4].map(|name| (name, Lane::Classic));
    assert_eq!(given(&mut world), classic);
}

#[test]
fn who_was_given_up_in_the_lane_and_comes_back_is_told_that_it_was_left() {
    let mut world = world(3, 1);
    world.connect(4, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    world.says(2, id, failure(Cause::Slow));
    assert_eq!(world.kinds_sent(), ["initialize"]);
    assert_eq!(given(&mut world), [1, 3, 4].map(|name| (name, Lane::Classic)));
    // Who took its place is gone as well, so it is wanted when it comes back.
    world.disconnect(4);
    world.pass(world.settings.lost_after_millis / 1_000 + 1);
    world.commands();
    world.disconnect(2);
    world.connect_with(2, 1, vec![(id, Some(Stage::Computed))]);
    assert_eq!(given(&mut world), [(2, Lane::Classic)]);
}

#[test]
fn commits_that_are_refused_lead_back_to_the_classic_lane() {
    let mut world = world(3, 1);
    world.lane.refuses_commits = true;
    let deal = world.order(5, 1);
    compute(&mut world, deal, 1);
    for _ in 0..8 {
        sign(&mut world, |_, _| Some("right"));
        world.pass(10);
    }
    assert_eq!(world.kinds_sent(), ["initialize"]);
    let tries = world.sent.iter().filter(|(_, result)| result.is_err()).count();
    assert_eq!(tries, 4);
}

#[test]
fn a_vote_on_chain_takes_a_task_out_of_the_lane() {
    let mut world = world(3, 1);
    let deal = world.order(5, 1);
    let id = task(deal, 0);
    compute(&mut world, deal, 1);
    // One that was given the task in a life of the scheduler of which the store knows nothing.
    let index = U256::ZERO;
    world.call(worker(9), Call::Initialize { deal, index }).unwrap();
    world.contribute(1, id, digest("right")).unwrap();
    assert_eq!(given(&mut world), [2, 3].map(|name| (name, Lane::Classic)));
    for name in [2, 3] {
        world.contribute(name, id, digest("right")).unwrap();
    }
    assert!(world.waiting(id).starts_with("3 winners to reveal"), "{}", world.waiting(id));
}
