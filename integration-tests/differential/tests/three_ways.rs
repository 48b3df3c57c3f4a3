//! At least a hundred thousand random calls, played three ways; and some thousand of registries, ours
//! and the reference's own, each behind its hub.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test tells and fails")]

use poco_differential::cast::Cast;
use poco_differential::registries::{self, Stage};
use poco_differential::sequence::{Found, Theatre};
use poco_differential::story::Story;
use poco_differential::tally::Tally;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sequences, of the seeds from 0 on.
const SEQUENCES: u64 = 482;
/// Calls of each, at least: a step may be several.
const CALLS: u64 = 250;
/// Threads: the machines that run this have at least two cores.
const THREADS: usize = 2;

/// Sequences of calls of registries, and calls of each.
const REGISTRY_SEQUENCES: u64 = 60;
const REGISTRY_CALLS: u64 = 150;

/// Plays seeds until there are none left or one differs.
fn play(
    theatre: &Theatre,
    next: &AtomicU64,
    found: &Mutex<Option<(u64, Found)>>,
    total: &Mutex<Tally>,
) {
    let mut tally = Tally::default();
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= SEQUENCES || found.lock().unwrap().is_some() {
            break;
        }
        if let Some(difference) = theatre.play(seed, CALLS, &mut tally, |_, _| {}).unwrap() {
            found.lock().unwrap().get_or_insert((seed, difference));
        }
    }
    total.lock().unwrap().add(&tally);
}

#[test]
fn random_calls_play_the_same_on_our_contracts_on_the_references_and_in_the_model() {
    let (next, found, total) = (AtomicU64::new(0), Mutex::new(None), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| play(&Theatre::open().unwrap(), &next, &found, &total));
        }
    });
    if let Some((seed, difference)) = found.into_inner().unwrap() {
        let theatre = Theatre::open().unwrap();
        let shortest = theatre.shrink(difference).unwrap();
        panic!("{}", Story::new(&theatre.cast).of(seed, &shortest, &theatre).unwrap());
    }
    let tally = total.into_inner().unwrap();
    println!("{}", tally.table());
    assert!(tally.calls >= 100_000, "only {} calls", tally.calls);
    let missing = tally.missing();
    assert!(missing.is_empty(), "never reached: {missing:#?}");
}

#[test]
fn random_calls_of_registries_do_the_same_on_ours_and_on_the_references_own() {
    let cast = Cast::new();
    let stage = Stage::build(&cast).unwrap();
    let mut tally = registries::Tally::default();
    for seed in 0..REGISTRY_SEQUENCES {
        let difference =
            registries::play(&stage, &cast, (seed, REGISTRY_CALLS), &mut tally).unwrap();
        assert!(difference.is_none(), "{}", difference.unwrap());
    }
    println!("{}", tally.summary());
    let missing = tally.missing();
    assert!(missing.is_empty(), "never reached: {missing:#?}\n{tally:#?}");
}
