//! What this crate believes of the contracts is what they say: errors and calls against the ABI of
//! our own build and of the reference.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "the helpers of a test are part of it"
)]

use poco_chain::interface;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn contracts(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn abi(path: &Path) -> Vec<Value> {
    let text = std::fs::read(path)
        .unwrap_or_else(|error| panic!("{}: {error}; run `npm ci` in contracts/", path.display()));
    let json: Value = serde_json::from_slice(&text).unwrap();
    json.get("abi").unwrap_or(&json).as_array().unwrap().clone()
}

fn type_of(input: &Value) -> String {
    let name = input["type"].as_str().unwrap();
    match name.strip_prefix("tuple") {
        None => name.to_owned(),
        Some(suffix) => {
            let members: Vec<String> =
                input["components"].as_array().unwrap().iter().map(type_of).collect();
            format!("({}){suffix}", members.join(","))
        }
    }
}

fn signatures(abi: &[Value], kind: &str) -> BTreeSet<String> {
    let of_kind = abi.iter().filter(|item| item["type"] == kind);
    let signature = |item: &Value| {
        let inputs: Vec<String> = item["inputs"].as_array().unwrap().iter().map(type_of).collect();
        format!("{}({})", item["name"].as_str().unwrap(), inputs.join(","))
    };
    of_kind.map(signature).collect()
}

fn outputs(abi: &[Value], function: &str) -> Vec<String> {
    let item = abi.iter().find(|item| item["type"] == "function" && item["name"] == function);
    item.unwrap()["outputs"].as_array().unwrap().iter().map(type_of).collect()
}

#[test]
fn every_error_of_the_contracts_is_shown_with_its_name() {
    let known = interface::errors();
    let mut seen = 0;
    for name in
        ["HubInterface", "AppRegistry", "DatasetRegistry", "WorkerpoolRegistry", "RLC", "Group"]
    {
        let abi = abi(&contracts(&format!("artifacts/{name}.json")));
        for error in signatures(&abi, "error") {
            assert!(
                known.contains(&error.as_str()),
                "{name}: {error} is missing in abi/refusal.rs"
            );
            seen += 1;
        }
    }
    assert!(seen > 30);
}

#[test]
fn every_call_and_event_of_the_hub_is_known_to_our_build() {
    let abi = abi(&contracts("artifacts/HubInterface.json"));
    let functions = signatures(&abi, "function");
    for call in interface::hub_calls().iter().chain(interface::conditions_calls()) {
        assert!(functions.contains(*call), "the hub has no {call}");
    }
    for call in interface::lane_calls() {
        assert!(functions.contains(*call), "the hub has no {call}");
    }
    assert_eq!(outputs(&abi, "viewBond"), ["uint256", "uint256", "uint256"]);
    let events = signatures(&abi, "event");
    for event in interface::hub_events() {
        assert!(events.contains(*event), "the hub has no event {event}");
    }
    let ours: BTreeSet<String> = interface::hub_events().iter().map(|e| (*e).to_owned()).collect();
    assert_eq!(events.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_reference_has_the_same_calls_and_shows_the_same_structs() {
    let reference = abi(&contracts(
        "node_modules/@iexec/poco/artifacts/contracts/IexecInterfaceToken.sol/IexecInterfaceToken.json",
    ));
    let ours = abi(&contracts("artifacts/HubInterface.json"));
    let functions = signatures(&reference, "function");
    for call in interface::hub_calls() {
        assert!(functions.contains(*call), "the reference has no {call}");
    }
    let boost = abi(&contracts(
        "node_modules/@iexec/poco/artifacts/contracts/interfaces/IexecPocoBoost.sol/IexecPocoBoost.json",
    ));
    let mut events = signatures(&reference, "event");
    events.extend(signatures(&boost, "event"));
    // The settlement lane is ours alone.
    let lane = ["Bonded", "Unbonding", "BondWithdrawn", "Committed", "Closed", "TaskSkipped"];
    // So are marked orders.
    let marks = ["DealConditions", "ResultsBound", "EpochRaised"];
    for event in interface::hub_events() {
        let name = event.split('(').next().unwrap();
        let is_known = events.contains(*event) || lane.contains(&name) || marks.contains(&name);
        assert!(is_known, "the reference has no event {event}");
    }
    for view in ["viewDeal", "viewTask", "viewContribution", "viewAccount", "viewCategory"] {
        assert_eq!(outputs(&reference, view), outputs(&ours, view), "{view}");
    }
}
