//! A thousand workers of whom one in ten colludes, at trust 10: the real choice, the real weights
//! and consensus, a chain that is only what these need.
//!
//! `cargo test -p poco-scheduler-core --test colluders -- --nocapture` prints the table. Three
//! kinds of colluders: bold ones, who give the same wrong result each time and so never earn a
//! score; cunning ones, who know each other and of each other's tasks, and lie only where the lie
//! will be the consensus, so that they never lose a stake and have as much score as anybody; and
//! turned ones, who have been honest until now, and lie each time from the first of these tasks on.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "the figures are what it is for")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks at a few of many actions")]

mod pool;

use pool::{Colluders, Lane, Outcome, Pool, Scores, fixed_replicas};

const WORKERS: u32 = 1_000;
const TRUST: u64 = 10;
const TASKS: u64 = 1_500;

fn run(lane: Lane, colluders: Colluders, scores: Scores) -> Outcome {
    let mut pool = Pool::new((WORKERS, WORKERS / 10), TRUST, (lane, colluders, scores));
    let outcome = pool.run(TASKS);
    let (wrong, replicas) = (outcome.wrong_share(), outcome.mean_replicas());
    let fixed = fixed_replicas(TRUST);
    println!(
        "{lane:?} {colluders:?} {scores:?}: {} tasks, {} wrong ({:.2} %; trust allows {:.0} %), \
         {replicas:.2} replicas each, {fixed} by the fixed rule",
        outcome.tasks,
        outcome.wrong,
        100.0 * wrong,
        100.0 / TRUST as f64,
    );
    assert_eq!(outcome.tasks, TASKS, "every task came to its end");
    outcome
}

/// A tenth of what the trust allows.
const WRONG_MAX: f64 = 0.1 / TRUST as f64;

#[test]
fn fresh_workers_accept_less_than_a_tenth_of_the_wrong_results_that_trust_allows() {
    for lane in [Lane::Settlement, Lane::Classic] {
        for colluders in [Colluders::Bold, Colluders::Cunning] {
            let outcome = run(lane, colluders, Scores::None);
            assert!(outcome.wrong_share() <= WRONG_MAX, "{outcome:?}");
            assert!(outcome.mean_replicas() <= f64::from(fixed_replicas(TRUST)) + 1.1);
        }
    }
}

#[test]
fn with_scores_fewer_replicas_do_and_the_settlement_lane_is_as_safe() {
    for colluders in [Colluders::Bold, Colluders::Cunning] {
        let outcome = run(Lane::Settlement, colluders, Scores::Spread);
        assert!(outcome.wrong_share() <= WRONG_MAX, "{outcome:?}");
        assert!(outcome.mean_replicas() < f64::from(fixed_replicas(TRUST)), "{outcome:?}");
    }
    // Until their scores are gone.
    let outcome = run(Lane::Settlement, Colluders::Turned, Scores::Spread);
    assert!(outcome.wrong_share() <= 0.25 / TRUST as f64, "{outcome:?}");
}

#[test]
fn in_the_classic_lane_a_worker_that_weighs_enough_decides_alone() {
    let outcome = run(Lane::Classic, Colluders::Bold, Scores::Spread);
    assert!(outcome.mean_replicas() < f64::from(fixed_replicas(TRUST)), "{outcome:?}");
    // What the hub takes from one cunning worker, no choice of the pool undoes: this is what the
    // trust allows, and not a tenth of it.
    let outcome = run(Lane::Classic, Colluders::Cunning, Scores::Spread);
    assert!(outcome.wrong_share() > WRONG_MAX, "else the lane would be as safe: {outcome:?}");
    assert!(outcome.wrong_share() <= 1.25 / TRUST as f64, "{outcome:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = || {
        let ways = (Lane::Settlement, Colluders::Cunning, Scores::Spread);
        Pool::new((100, 10), TRUST, ways).run(200)
    };
    assert_eq!(run(), run());
}
