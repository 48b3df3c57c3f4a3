//! Ids and the messages that parties compute or sign. Packed encoding, addresses 20 bytes.

use crate::eip712::{Domain, StructHasher, signing_hash};
use crate::types::{DealId, OrderHash, ResultDigest, ResultHash, ResultSeal, TaskId};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, keccak256};

impl DealId {
    /// The id of the deal that a match makes when `consumed` units of the request were used before.
    #[must_use]
    pub fn of_match(request_hash: OrderHash, consumed: U256) -> Self {
        Self(hash_packed(&[request_hash.0.as_slice(), &consumed.to_be_bytes::<32>()]))
    }
}

impl TaskId {
    /// The id of the task with `index` in `deal`.
    #[must_use]
    pub fn of_deal(deal: DealId, index: U256) -> Self {
        Self(hash_packed(&[deal.0.as_slice(), &index.to_be_bytes::<32>()]))
    }
}

impl ResultHash {
    /// The vote for `digest` in `task`.
    #[must_use]
    pub fn of(task: TaskId, digest: ResultDigest) -> Self {
        Self(hash_packed(&[task.0.as_slice(), digest.0.as_slice()]))
    }
}

impl ResultSeal {
    /// What binds the vote for `digest` in `task` to `worker`.
    #[must_use]
    pub fn of(worker: Address, task: TaskId, digest: ResultDigest) -> Self {
        Self(hash_packed(&[worker.as_slice(), task.0.as_slice(), digest.0.as_slice()]))
    }
}

/// What the pool's owner (or the enclave broker) signs, eth-prefixed, to let `worker` contribute.
///
/// `enclave_challenge` is the zero address outside enclaves.
#[must_use]
pub fn authorization_hash(worker: Address, task: TaskId, enclave_challenge: Address) -> B256 {
    eth_signed_message_hash(hash_packed(&[
        worker.as_slice(),
        task.0.as_slice(),
        enclave_challenge.as_slice(),
    ]))
}

/// What an enclave's key signs, eth-prefixed, with a contribution.
#[must_use]
pub fn enclave_hash(hash: ResultHash, seal: ResultSeal) -> B256 {
    eth_signed_message_hash(hash_packed(&[hash.0.as_slice(), seal.0.as_slice()]))
}

/// What an enclave's key signs, eth-prefixed, with a result of the boost lane: the digest of the
/// results, or of the callback's data where there is a callback.
#[must_use]
pub fn boost_enclave_hash(worker: Address, task: TaskId, digest: ResultDigest) -> B256 {
    eth_signed_message_hash(ResultSeal::of(worker, task, digest).0)
}

/// What a worker's wallet signs to log into the pool `workerpool`: EIP-712 over the pool's challenge.
///
/// Domain `("PoCo Pool", "1", chain id, workerpool)`, type `Login(address worker,bytes32 nonce)`.
#[must_use]
pub fn login_hash(chain_id: u64, workerpool: Address, worker: Address, nonce: B256) -> B256 {
    let domain = Domain {
        name: "PoCo Pool".into(),
        version: "1".into(),
        chain_id,
        verifying_contract: workerpool,
    };
    let login = StructHasher::new("Login(address worker,bytes32 nonce)")
        .address(worker)
        .word(nonce)
        .finish();
    signing_hash(domain.separator(), login)
}

/// What a wallet signs to prove itself to a service of the marketplace over HTTP.
///
/// EIP-712 domain `(service, "1", chain id)` without a contract, type `Challenge(string challenge)`.
#[must_use]
pub fn challenge_hash(service: &str, chain_id: u64, challenge: &str) -> B256 {
    let domain = StructHasher::new("EIP712Domain(string name,string version,uint256 chainId)")
        .text(service)
        .text("1")
        .uint(U256::from(chain_id))
        .finish();
    let message = StructHasher::new("Challenge(string challenge)").text(challenge).finish();
    signing_hash(domain, message)
}

/// What a pool's owner signs, as a personal message, about its pool: where its API is and, where it
/// promises anything, the text of its terms ([`crate::promise::PoolTerms`]).
///
/// `keccak256("PoCo pool profile" ‖ chain id ‖ pool ‖ url ‖ timestamp)`; with terms
/// `keccak256("PoCo pool profile and terms" ‖ chain id ‖ pool ‖ timestamp ‖ keccak256(url) ‖
/// keccak256(terms))`.
#[must_use]
pub fn pool_profile_hash(
    chain_id: u64,
    workerpool: Address,
    api_url: &str,
    terms: Option<&str>,
    timestamp: u64,
) -> B256 {
    let chain_id = U256::from(chain_id).to_be_bytes::<32>();
    let time = U256::from(timestamp).to_be_bytes::<32>();
    let pool = workerpool.as_slice();
    match terms {
        None => hash_packed(&[b"PoCo pool profile", &chain_id, pool, api_url.as_bytes(), &time]),
        Some(terms) => {
            let (url, terms) = (keccak256(api_url), keccak256(terms));
            let name = b"PoCo pool profile and terms";
            hash_packed(&[name, &chain_id, pool, &time, url.as_slice(), terms.as_slice()])
        }
    }
}

/// EIP-191 for a 32-byte message: what wallets sign as a "personal message".
#[must_use]
pub fn eth_signed_message_hash(message: B256) -> B256 {
    hash_packed(&[b"\x19Ethereum Signed Message:\n32", message.as_slice()])
}

fn hash_packed(parts: &[&[u8]]) -> B256 {
    keccak256(parts.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>())
}
