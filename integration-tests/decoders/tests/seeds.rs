//! The seeds of the fuzz targets, each as it is and with its bytes changed, cut and repeated.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

use poco_decoders::TARGETS;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Changed copies of each seed, unless `POCO_COPIES` says how many: what a longer search takes where
/// there is no fuzzing engine.
const COPIES: u64 = 300;

fn copies() -> u64 {
    std::env::var("POCO_COPIES").map_or(COPIES, |count| count.parse().unwrap())
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz")
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let entries = std::fs::read_dir(folder().join("seeds").join(target)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

#[test]
fn every_target_stands_its_seeds_and_what_is_near_them() {
    let mut random = StdRng::seed_from_u64(4);
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        for seed in &seeds {
            target(seed);
            for _ in 0..copies() {
                let mut copy = seed.clone();
                for _ in 0..random.random_range(1..=4) {
                    match (random.random_range(0..3), copy.len()) {
                        (0, 1..) => {
                            let at = random.random_range(0..copy.len());
                            copy[at] = random.random();
                        }
                        (1, length) => copy.truncate(random.random_range(0..=length)),
                        (_, length) => {
                            let from = random.random_range(0..=length);
                            let part = copy[from..].to_vec();
                            copy.extend(part);
                        }
                    }
                }
                target(&copy);
            }
        }
    }
}

#[test]
fn every_target_has_a_program_and_the_other_way_round() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let programs = std::fs::read_dir(folder().join("targets")).unwrap();
    let programs: BTreeSet<String> = programs
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    assert_eq!(programs, names);
    let manifest = std::fs::read_to_string(folder().join("Cargo.toml")).unwrap();
    for name in names {
        assert!(manifest.contains(&format!("path = \"targets/{name}.rs\"")), "{name}");
    }
}

#[test]
fn the_seeds_of_answers_are_read_as_what_they_are() {
    let folder = folder().join("seeds/answers");
    let mut found = (0, 0);
    for entry in std::fs::read_dir(folder).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        found.0 += poco_chain::fuzzing::answer(&bytes);
        found.1 += poco_market_client::fuzzing::answer(&bytes);
    }
    // A batch, two single answers, and a page of each kind of order.
    assert_eq!(found, (6 + 2, 4));
}
