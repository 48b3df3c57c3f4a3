//! Thousands of simulated markets. `cargo run -p poco-sim -- SEED --verbose` tells the story of one.

use poco_sim::play_many;

/// Enough that what a few in a thousand worlds meet is met several times.
const WORLDS: u64 = 3_000;

#[test]
fn nobody_loses_what_is_theirs_in_any_world() {
    let batch = play_many(1, WORLDS, 10);
    let told: Vec<String> = (batch.failures.iter())
        .map(|failure| format!("seed {}: {}", failure.seed, failure.message))
        .collect();
    assert!(told.is_empty(), "{}", told.join("\n"));
    assert_eq!(batch.worlds, WORLDS);
    assert_eq!(batch.reached.missing(), Vec::<&str>::new(), "not put to the test");
}

#[test]
fn a_seed_is_the_same_world_every_time() {
    for seed in 1..20 {
        assert_eq!(poco_sim::play(seed, false), poco_sim::play(seed, false), "seed {seed}");
    }
}
