//! Ids, votes and the messages that are signed, with signatures by known keys.

use crate::{address, decimal, word};
use poco_core::message::{authorization_hash, enclave_hash, login_hash};
use poco_core::signature::recover;
use poco_core::{
    Address, B256, DealId, OrderHash, ResultDigest, ResultHash, ResultSeal, TaskId, U256,
};
use serde_json::{Value, json};

pub(crate) fn vectors() -> Value {
    json!({
        "authorizations": authorizations(),
        "deals": deals(),
        "logins": logins(),
        "results": results(),
        "signatures": signatures(),
        "tasks": tasks(),
    })
}

fn deals() -> Vec<Value> {
    let cases = [
        (B256::ZERO, U256::ZERO),
        (word("request"), U256::ZERO),
        (word("request"), U256::from(10)),
        (B256::repeat_byte(0xff), U256::MAX),
    ];
    let deal = |(request, consumed)| {
        json!({
            "consumed": decimal(consumed),
            "dealId": DealId::of_match(OrderHash(request), consumed).0,
            "requestHash": request,
        })
    };
    cases.into_iter().map(deal).collect()
}

fn tasks() -> Vec<Value> {
    let cases = [
        (B256::ZERO, U256::ZERO),
        (word("deal"), U256::ZERO),
        (word("deal"), U256::from(7)),
        (B256::repeat_byte(0xff), U256::MAX),
    ];
    let task = |(deal, index)| {
        json!({
            "dealId": deal,
            "index": decimal(index),
            "taskId": TaskId::of_deal(DealId(deal), index).0,
        })
    };
    cases.into_iter().map(task).collect()
}

fn results() -> Vec<Value> {
    let cases = [
        (Address::ZERO, B256::ZERO, B256::ZERO),
        (address("worker"), word("task"), word("digest")),
        (address("other worker"), word("task"), word("digest")),
        (Address::repeat_byte(0xff), B256::repeat_byte(0xff), B256::repeat_byte(0xff)),
    ];
    let result = |(worker, task, digest): (Address, B256, B256)| {
        let hash = ResultHash::of(TaskId(task), ResultDigest(digest));
        let seal = ResultSeal::of(worker, TaskId(task), ResultDigest(digest));
        json!({
            "digest": digest,
            "enclaveHash": enclave_hash(hash, seal),
            "resultHash": hash.0,
            "resultSeal": seal.0,
            "taskId": task,
            "worker": worker,
        })
    };
    cases.into_iter().map(result).collect()
}

fn authorizations() -> Vec<Value> {
    let cases = [
        (Address::ZERO, B256::ZERO, Address::ZERO),
        (address("worker"), word("task"), Address::ZERO),
        (address("worker"), word("task"), address("enclave")),
    ];
    let authorization = |(worker, task, challenge)| {
        json!({
            "enclaveChallenge": challenge,
            "hash": authorization_hash(worker, TaskId(task), challenge),
            "taskId": task,
            "worker": worker,
        })
    };
    cases.into_iter().map(authorization).collect()
}

fn logins() -> Vec<Value> {
    let cases = [
        (31337, address("workerpool"), address("worker"), word("nonce")),
        (u64::MAX, Address::repeat_byte(0xff), Address::ZERO, B256::ZERO),
    ];
    let login = |(chain_id, workerpool, worker, nonce)| {
        json!({
            "chainId": decimal(U256::from(chain_id)),
            "hash": login_hash(chain_id, workerpool, worker, nonce),
            "nonce": nonce,
            "worker": worker,
            "workerpool": workerpool,
        })
    };
    cases.into_iter().map(login).collect()
}

/// From ethers 6: `new SigningKey(key).sign(authorization)` with the keys keccak256("key 1") and
/// keccak256("key 2") over the second authorization above; then what nobody must accept.
const SIGNATURES: [(&str, &str); 4] = [
    (
        "65 bytes",
        "0x0cf6e6b76fb9215f82e1b0c04629c2f032cefcef524b0a0e560e8ce68fdee25a71b67694a574ea1c558d84cd112e58aada74e9b67fa34f2766b485f944f82efc1c",
    ),
    (
        "64 bytes",
        "0xbe9ab55abf90858a3c74ec32b5b2c281a5c83564c969132fc97094821e1a28319c2c7350423929f66d051903c6d2d008f6f2f0e01085d0fc1a10a5d003719c55",
    ),
    (
        "high s",
        "0x0cf6e6b76fb9215f82e1b0c04629c2f032cefcef524b0a0e560e8ce68fdee25a8e49896b5a8b15e3aa727b32eed1a753e039f3302fa55114591dd8938b3e12451b",
    ),
    (
        "v of 0",
        "0x0cf6e6b76fb9215f82e1b0c04629c2f032cefcef524b0a0e560e8ce68fdee25a71b67694a574ea1c558d84cd112e58aada74e9b67fa34f2766b485f944f82efc01",
    ),
];

fn signatures() -> Vec<Value> {
    let hash = authorization_hash(address("worker"), TaskId(word("task")), Address::ZERO);
    let signature = |(name, hex): (&str, &str)| {
        let bytes: poco_core::Bytes = hex.parse().unwrap();
        let signer = recover(hash, &bytes);
        json!({
            "hash": hash,
            "isValid": signer.is_some(),
            "name": name,
            "signature": bytes,
            "signer": signer.unwrap_or_default(),
        })
    };
    SIGNATURES.into_iter().map(signature).collect()
}

#[test]
fn signers_are_recovered_as_another_implementation_says() {
    let hash = authorization_hash(address("worker"), TaskId(word("task")), Address::ZERO);
    let signers = SIGNATURES.map(|(_, hex)| {
        let bytes: poco_core::Bytes = hex.parse().unwrap();
        recover(hash, &bytes).map(|signer| signer.to_string())
    });
    // From ethers 6: computeAddress of the two keys.
    assert_eq!(signers[0].as_deref(), Some("0x48dE8e60AeB5343a882C368006522C574738555a"));
    assert_eq!(signers[1].as_deref(), Some("0x2D239b3558A8DD14206c0C6E9216074AA1eE6c6b"));
    assert_eq!(signers[2], None);
    assert_eq!(signers[3], None);
}

#[test]
fn messages_hash_as_another_implementation_says() {
    // From ethers 6: solidityPackedKeccak256, hashMessage and TypedDataEncoder.hash.
    let deal = DealId::of_match(OrderHash(word("request")), U256::from(10));
    assert_eq!(
        deal.to_string(),
        "0xf44fff4024e3bd619ecfadebbc181c62700d09fadf2b4dfa05c23097809a4d63"
    );
    let seal =
        ResultSeal::of(address("worker"), TaskId(word("task")), ResultDigest(word("digest")));
    assert_eq!(
        seal.to_string(),
        "0xae067fd63a1f22679f28fa074952d212f830b572bc7cbf899de65555423112f3"
    );
    let hash = ResultHash::of(TaskId(word("task")), ResultDigest(word("digest")));
    assert_eq!(
        enclave_hash(hash, seal).to_string(),
        "0x485eda51c0d17b1f07edfaf89bc21e512a174ebf93d7e21fa9414f43e6dab34b"
    );
    let authorization = authorization_hash(address("worker"), TaskId(word("task")), Address::ZERO);
    assert_eq!(
        authorization.to_string(),
        "0x0d7babc27cf7a5626462972ff83a2d555a20f303a4bdaefb26f6c1d68a07858c"
    );
    let login = login_hash(31337, address("workerpool"), address("worker"), word("nonce"));
    assert_eq!(
        login.to_string(),
        "0xfcdf0ce860cba2d2321b38337f6929cf321746351c9445fd375e5304111c3fdf"
    );
}
