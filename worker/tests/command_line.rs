//! The program as its operator meets it: what it prints, and how it ends.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

/// The program with nothing of this process's environment that could configure it.
fn worker(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poco-worker"));
    command.args(args).env_clear().env("HOME", folder).env("PATH", "/usr/bin:/bin");
    command.current_dir(folder).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn address(byte: &str) -> String {
    format!("0x{}", byte.repeat(20))
}

#[test]
fn everything_missing_is_told_at_once_and_the_exit_code_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let output = worker(folder.path(), &[]);
    assert!(!output.status.success());
    let told = text(&output.stderr);
    for words in ["no node is set", "no hub is set", "no scheduler is set", "no pool is set"] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert_eq!(told.lines().count(), 4, "{told}");
}

#[test]
fn the_printed_configuration_is_a_file_that_gives_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let printed =
        worker(folder.path(), &["--print-config", "--slots", "3", "--hub", &address("11")]);
    assert!(printed.status.success());
    let path = folder.path().join("worker.toml");
    std::fs::write(&path, &printed.stdout).unwrap();
    let again = worker(folder.path(), &["--print-config", "--config", path.to_str().unwrap()]);
    assert_eq!(text(&again.stdout), text(&printed.stdout));
    assert!(text(&again.stdout).contains("slots = 3"));
}

#[test]
fn a_wrong_key_of_the_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("worker.toml");
    std::fs::write(&path, "[sandbox]\nmemory = 5\nslots = 'x'\n").unwrap();
    let output = worker(folder.path(), &["--config", path.to_str().unwrap()]);
    assert!(!output.status.success());
    let told = text(&output.stderr);
    assert!(told.contains("sandbox.memory") && told.contains("sandbox.slots"), "{told}");
}

/// Flags that make a complete configuration of a machine that has nothing.
fn complete(folder: &Path) -> Vec<String> {
    let path = |name: &str| folder.join(name).display().to_string();
    [
        ("--rpc-url", "http://127.0.0.1:1".to_owned()),
        ("--hub", address("11")),
        ("--workerpool", address("22")),
        ("--scheduler-url", "http://127.0.0.1:1".to_owned()),
        ("--keystore", path("keystore")),
        ("--password-file", path("password")),
        ("--data-dir", path("data")),
        ("--engine-url", format!("unix://{}", path("docker.sock"))),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .collect()
}

#[test]
fn a_missing_or_broken_keystore_ends_the_start_with_one_line_and_no_files() {
    let folder = tempfile::tempdir().unwrap();
    let args = complete(folder.path());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    std::fs::write(folder.path().join("password"), "secret word\n").unwrap();
    for content in [None, Some("{\"version\": 3, \"cry")] {
        if let Some(content) = content {
            std::fs::write(folder.path().join("keystore"), content).unwrap();
        }
        let output = worker(folder.path(), &args);
        assert!(!output.status.success());
        let told = text(&output.stderr);
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(told.contains("keystore") && !told.contains("secret word"), "{told}");
        assert!(!folder.path().join("data").exists());
    }
}

#[test]
fn the_doctor_finds_everything_in_one_go() {
    let folder = tempfile::tempdir().unwrap();
    let mut args = complete(folder.path());
    args.insert(0, "doctor".into());
    args.push("--json".into());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let output = worker(folder.path(), &args);
    assert!(!output.status.success());
    let checks: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let verdict = |name: &str| {
        let found = checks.as_array().unwrap().iter().find(|check| check["name"] == name);
        found.map(|check| (check["verdict"].clone(), check["advice"].is_string()))
    };
    for name in ["engine", "keystore", "chain", "scheduler"] {
        assert_eq!(verdict(name), Some(("blocks".into(), true)), "{name}: {checks:#}");
    }
    assert_eq!(verdict("config"), Some(("ok".into(), false)));
    assert!(verdict("disk").is_some());
    assert!(!folder.path().join("data").exists(), "a doctor changes nothing");
}

#[test]
fn the_doctor_works_without_any_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let output = worker(folder.path(), &["doctor"]);
    assert!(!output.status.success());
    let told = text(&output.stdout);
    for words in ["no pool is set", "keystore", "disk"] {
        assert!(told.contains(words), "{words}: {told}");
    }
}

#[test]
fn failpoints_are_listed_and_unknown_ones_refused() {
    let folder = tempfile::tempdir().unwrap();
    let listed = worker(folder.path(), &["--list-failpoints"]);
    assert!(listed.status.success());
    assert!(text(&listed.stdout).lines().any(|line| line == "worker.contribute.before"));

    let args = complete(folder.path());
    let mut command = Command::new(env!("CARGO_BIN_EXE_poco-worker"));
    command.args(&args).env_clear().env("POCO_FAILPOINTS", "worker.nowhere");
    let output = command.current_dir(folder.path()).output().unwrap();
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("worker.nowhere"));
}
