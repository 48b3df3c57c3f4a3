//! Holds the arrows of ARCHITECTURE.md: who may depend on whom, and what stays pure.

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every arrow there is, by package. Adding one is a change of the architecture.
const ARROWS: &[(&str, &[&str])] = &[
    ("poco-core", &[]),
    ("poco-scheduler-core", &["poco-core"]),
    ("poco-worker-core", &["poco-core"]),
    ("poco-chain-core", &["poco-core"]),
    ("poco-chain", &["poco-chain-core", "poco-core"]),
    ("poco-proto", &["poco-core"]),
    ("poco-result", &["poco-core"]),
    ("poco-sandbox", &["poco-core", "poco-result"]),
    ("poco-market-client", &["poco-chain", "poco-core"]),
    (
        "poco-scheduler",
        &[
            "poco-chain",
            "poco-core",
            "poco-market-client",
            "poco-proto",
            "poco-result",
            "poco-scheduler-core",
        ],
    ),
    (
        "poco-worker",
        &[
            "poco-chain",
            "poco-core",
            "poco-proto",
            "poco-result",
            "poco-sandbox",
            "poco-worker-core",
        ],
    ),
    ("poco-market", &["poco-chain", "poco-core"]),
    (
        "poco",
        &[
            "poco-chain",
            "poco-core",
            "poco-market-client",
            "poco-proto",
            "poco-result",
            "poco-sandbox",
        ],
    ),
    ("poco-apps", &[]),
    (
        "poco-decoders",
        &[
            "poco-chain",
            "poco-core",
            "poco-market-client",
            "poco-proto",
            "poco-scheduler",
            "poco-worker-core",
        ],
    ),
    ("poco-differential", &["poco-core"]),
    ("poco-load", &["poco-chain", "poco-core", "poco-proto"]),
    ("poco-sim", &["poco-chain-core", "poco-core", "poco-scheduler-core", "poco-worker-core"]),
    ("poco-integration-tests", &["poco-chain", "poco-core", "poco-proto", "poco-result"]),
];

const PURE: [&str; 4] = ["poco-core", "poco-scheduler-core", "poco-worker-core", "poco-chain-core"];

/// Libraries that one place alone may know: ABI encoding, protobuf, the store, the engine.
const KNOWN_ONLY_IN: &[(&str, &[&str])] = &[
    ("alloy-sol-types", &["poco-chain", "poco-differential", "poco-load"]),
    ("tonic-prost", &["poco-proto"]),
    ("bollard", &["poco-sandbox"]),
    ("rocksdb", &["poco-scheduler", "poco-worker", "poco-market"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().exec().expect("cargo metadata runs in a cargo test")
}

fn normal_dependencies(package: &Package) -> impl Iterator<Item = &str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .map(|dependency| dependency.name.as_str())
}

#[test]
fn the_arrows_between_our_crates_are_those_of_the_map() {
    let metadata = metadata();
    let allowed: BTreeMap<&str, BTreeSet<&str>> =
        ARROWS.iter().map(|(name, arrows)| (*name, arrows.iter().copied().collect())).collect();
    let ours: BTreeSet<&str> =
        metadata.workspace_packages().iter().map(|package| package.name.as_str()).collect();
    assert_eq!(ours, allowed.keys().copied().collect(), "every member has its place on the map");
    for package in metadata.workspace_packages() {
        for dependency in normal_dependencies(package).filter(|name| ours.contains(name)) {
            assert!(
                allowed[package.name.as_str()].contains(dependency),
                "{} ─► {dependency} is not on the map",
                package.name
            );
        }
    }
}

#[test]
fn what_one_place_knows_stays_there() {
    for package in metadata().workspace_packages() {
        for (library, places) in KNOWN_ONLY_IN {
            let depends = normal_dependencies(package).any(|name| name == *library);
            assert!(
                !depends || places.contains(&package.name.as_str()),
                "{} must not know {library}",
                package.name
            );
        }
    }
}

#[test]
fn pure_crates_need_no_std() {
    let metadata = metadata();
    let sources: BTreeMap<String, String> = metadata
        .packages
        .iter()
        .filter_map(|package| {
            let library = package.targets.iter().find(|target| target.is_lib())?;
            let source = std::fs::read_to_string(&library.src_path).ok()?;
            Some((format!("{} v{}", package.name, package.version), source))
        })
        .collect();
    for pure in PURE {
        let tree = dependency_tree(pure);
        assert!(tree.iter().any(|(name, _)| name.starts_with(pure)), "{pure} is in its own tree");
        for (name, features) in tree {
            assert!(!features.contains("std"), "{pure} reaches {name} with its feature std");
            let source = sources.get(&name).expect("a crate of the tree is in the metadata");
            let is_no_std = source.contains("no_std");
            assert!(is_no_std, "{pure} reaches {name}, which is not a no_std crate");
        }
    }
}

/// Each crate that `package` alone links, as `name version`, with its active features.
fn dependency_tree(package: &str) -> Vec<(String, BTreeSet<String>)> {
    let arguments =
        ["tree", "--all-features", "--edges", "normal,no-proc-macro", "--prefix", "none"];
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--format", "{p}|{f}", "--package", package])
        .output()
        .expect("cargo tree runs in a cargo test");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo prints UTF-8");
    text.lines()
        .filter_map(|line| line.split_once('|'))
        .map(|(name, features)| {
            // A path follows the version of our own crates, a mark the repeated ones.
            let name = name.split(" (").next().unwrap_or(name).to_owned();
            let features = features.trim_end_matches(" (*)").split(',').map(str::to_owned);
            (name, features.collect())
        })
        .collect()
}

/// The tests that ARCHITECTURE.md names for faults of other pools.
#[test]
fn every_fault_has_its_tests() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = fs::read_to_string(root.join("ARCHITECTURE.md")).unwrap();
    let section = text.split("## Faults that other pools have").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| ") && line.contains('`'));
    let named: BTreeSet<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() >= 20, "{named:?}");
    let mut there = BTreeSet::new();
    for file in sources(&root) {
        let text = fs::read_to_string(file).unwrap();
        there.extend(named.iter().filter(|name| text.contains(&format!("fn {name}("))).copied());
    }
    assert_eq!(named.difference(&there).collect::<Vec<_>>(), Vec::<&&str>::new(), "not there");
}

/// All sources below a folder, but for what is built or fetched.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder of the project");
    let entries = entries.map(|entry| entry.expect("an entry of it").path());
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        !name.starts_with('.') && name != "target" && name != "node_modules"
    };
    let below = entries
        .filter(is_ours)
        .flat_map(|path| if path.is_dir() { sources(&path) } else { Vec::from([path]) });
    below.filter(|path| path.extension().is_some_and(|end| end == "rs")).collect()
}
