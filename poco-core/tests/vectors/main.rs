//! The rules as data: `vectors/*.json`, which the Solidity tests read too.
//!
//! The committed files are what this crate computes now: a test fails when they are not. After an
//! intended change write them anew with
//! `POCO_WRITE_VECTORS=1 cargo test -p poco-core --all-features --test vectors`.
//!
//! Numbers are decimal strings, bytes are 0x hex, and the keys of each object are sorted, so that
//! forge decodes arrays of objects into structs whose members are in alphabetical order.
//!
//! That the numbers are right, and not only the same as yesterday, is held twice: constants in
//! these modules come from ethers 6 (another implementation of EIP-712, keccak and secp256k1), and
//! `vectors/check-with-ethers.mjs` computes all hashes and signatures of the files again with it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod credibility;
mod endings;
mod lane;
mod marks;
mod matching;
mod messages;
mod orders;
mod payouts;

use poco_core::{Address, B256, U256, keccak256};
use serde_json::Value;
use std::path::PathBuf;

fn compare_or_write(name: &str, computed: &Value) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name);
    if std::env::var_os("POCO_WRITE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(computed).unwrap();
        std::fs::write(&path, text + "\n").unwrap();
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let committed: Value = serde_json::from_str(&text).unwrap();
    assert!(
        committed == *computed,
        "{name} is stale: run POCO_WRITE_VECTORS=1 cargo test -p poco-core --all-features --test vectors"
    );
}

#[test]
fn the_order_vectors_are_what_the_code_computes() {
    compare_or_write("orders.json", &orders::vectors());
}

#[test]
fn the_message_vectors_are_what_the_code_computes() {
    compare_or_write("messages.json", &messages::vectors());
}

#[test]
fn the_mark_vectors_are_what_the_code_computes() {
    compare_or_write("marks.json", &marks::vectors());
}

#[test]
fn the_matching_vectors_are_what_the_code_computes() {
    compare_or_write("matching.json", &matching::vectors());
}

#[test]
fn the_credibility_vectors_are_what_the_code_computes() {
    compare_or_write("credibility.json", &credibility::vectors());
}

#[test]
fn the_payout_vectors_are_what_the_code_computes() {
    compare_or_write("payouts.json", &payouts::vectors());
}

#[test]
fn the_ending_vectors_are_what_the_code_computes() {
    compare_or_write("endings.json", &endings::vectors());
}

#[test]
fn the_lane_vectors_are_what_the_code_computes() {
    compare_or_write("lane.json", &lane::vectors());
}

/// An integer as forge reads it: a decimal string.
fn decimal(value: impl Into<U256>) -> Value {
    Value::String(value.into().to_string())
}

/// A word that looks random and is the same every time.
fn word(label: &str) -> B256 {
    keccak256(label)
}

/// An address that looks random and is the same every time.
fn address(label: &str) -> Address {
    Address::from_word(word(label))
}
