//! What is wrong is told in one line, with an exit code, before anything happens.

use crate::chain::Chainside;
use crate::scheduler::{Process, configured, free_address, program};
use poco_chain::Wallet;
use poco_chain::keystore::{KdfCost, store};
use poco_core::Address;
use std::process::Output;

fn refused(output: &Output, parts: &[&str]) {
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{text}");
    let last = text.lines().last().unwrap_or_default().to_owned();
    for part in parts {
        assert!(last.contains(part), "{part:?} is missing in {text}");
    }
}

#[test]
fn all_problems_of_the_configuration_come_at_once() {
    let output = program().output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success());
    for part in ["no keystore is set", "no pool is set", "no node is set", "no hub is set"] {
        assert!(text.contains(part), "{part:?} is missing in {text}");
    }
}

#[test]
fn the_configuration_and_the_failpoints_can_be_shown() {
    let output = program().args(["--print-config", "--tasks-live-max", "7"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("tasks_live_max = 7"), "{text}");
    let output = program().arg("--list-failpoints").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.lines().any(|line| line == "scheduler.finalize.before"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pool_owner_password_node_folder_or_failpoint_is_told() {
    let chain = Chainside::start().await;
    let process = Process::start(&chain, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let own = store(folder.path(), &chain.owner, "password", KdfCost::CHEAP).unwrap();
    let other = store(folder.path(), &Wallet::random(), "password", KdfCost::CHEAP).unwrap();
    let command = |key| configured(&chain, &free_address(), folder.path(), key);

    refused(&command(&other).output().unwrap(), &["belongs to", "--keystore"]);
    let mut missing = program();
    missing
        .args(["--rpc-url", chain.addresses.rpc_url.as_str()])
        .args(["--hub", &chain.addresses.hub.to_string()])
        .args(["--workerpool", &Address::repeat_byte(7).to_string()])
        .arg("--keystore")
        .arg(&own);
    refused(&missing.output().unwrap(), &["there is no pool at", "--workerpool"]);
    let mut unreachable = program();
    unreachable
        .args(["--rpc-url", "http://127.0.0.1:1"])
        .args(["--hub", &chain.addresses.hub.to_string()])
        .args(["--workerpool", &chain.workerpool.to_string()])
        .arg("--keystore")
        .arg(&own);
    refused(&unreachable.output().unwrap(), &["127.0.0.1:1"]);
    let wrong = command(&own).env("POCO_KEYSTORE_PASSWORD", "wrong").output().unwrap();
    refused(&wrong, &["password"]);
    let unknown = command(&own).env("POCO_FAILPOINTS", "scheduler.nowhere").output().unwrap();
    refused(&unknown, &["scheduler.nowhere", "--list-failpoints"]);
    let mut used = configured(&chain, &free_address(), process.folder.path(), &own);
    // Another user's scheduler: its lock is elsewhere.
    let locks = folder.path().join("locks");
    refused(&used.arg("--lock-dir").arg(&locks).output().unwrap(), &["in use by another process"]);
}
