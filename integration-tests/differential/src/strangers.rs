//! Contracts of strangers, as the hub may meet them, as bytecode written by hand.
//!
//! They answer from their storage, which the world changes from outside; so a fact about one of
//! them is one slot, and the model's fact is the same.

use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};

/// A wallet: ERC-1271, accepts what its storage says.
pub const WALLET: Address = address!("51a1000000000000000000000000000000000001");
/// Groups: ERC-734.
pub const GROUPS: [Address; 2] = [
    address!("51a1000000000000000000000000000000000002"),
    address!("51a1000000000000000000000000000000000003"),
];
/// A receiver that repeats what it is told in a log.
pub const LISTENER: Address = address!("51a1000000000000000000000000000000000004");
/// A receiver that fails with a long answer.
pub const REFUSER: Address = address!("51a1000000000000000000000000000000000005");
/// A receiver that burns all it gets.
pub const GLUTTON: Address = address!("51a1000000000000000000000000000000000006");
/// A receiver that calls the hub back: it gives the thief one nRLC of its stake.
pub const RETURNER: Address = address!("51a1000000000000000000000000000000000007");
/// An earlier hub, which knows scores.
pub const OLD_HUB: Address = address!("51a1000000000000000000000000000000000008");
/// A spender that takes approvals, and one that does not.
pub const SPENDERS: [Address; 2] = [
    address!("51a1000000000000000000000000000000000009"),
    address!("51a100000000000000000000000000000000000a"),
];
/// Has an owner and is in no registry.
pub const OWNED: Address = address!("51a100000000000000000000000000000000000b");

/// ERC-1271: reads the slot of keccak(hash ‖ signature).
pub const WALLET_CODE: [u8; 31] =
    hex!("602060046000376044358060646020376020016000205460005260206000f3");

/// The code of each stranger.
#[must_use]
pub fn codes(hub: Address, thief: Address) -> Vec<(Address, Bytes)> {
    let group = hex!("6040600460003760406000205460005260206000f3");
    let answer = |word: u8| Bytes::from(vec![0x60, word, 0x60, 0, 0x52, 0x60, 0x20, 0x60, 0, 0xf3]);
    vec![
        (WALLET, Bytes::from_static(&WALLET_CODE)),
        (GROUPS[0], group.into()),
        (GROUPS[1], group.into()),
        (LISTENER, hex!("366000600037366000a000").into()),
        (REFUSER, hex!("620186a06000fd").into()),
        (GLUTTON, hex!("fe").into()),
        (RETURNER, returner(hub, thief)),
        (OLD_HUB, hex!("6004355460005260206000f3").into()),
        (SPENDERS[0], answer(1)),
        (SPENDERS[1], answer(0)),
        (OWNED, owned(thief)),
    ]
}

/// Calls `transfer(thief, 1)` of the hub and ends well, whatever that says.
fn returner(hub: Address, thief: Address) -> Bytes {
    let mut code = hex!("63a9059cbb60e01b60005273").to_vec();
    code.extend(thief.as_slice());
    code.extend(hex!("60045260016024526000600060446000600073"));
    code.extend(hub.as_slice());
    code.extend(hex!("5af100"));
    code.into()
}

/// Answers with its owner, whatever is asked.
fn owned(owner: Address) -> Bytes {
    let mut code = vec![0x73];
    code.extend(owner.as_slice());
    code.extend(hex!("60005260206000f3"));
    code.into()
}

/// The slot and word by which a wallet accepts a signature.
#[must_use]
pub fn acceptance(hash: B256, sign: &Bytes) -> (U256, U256) {
    let key = keccak256([hash.as_slice(), sign].concat());
    let mut word = [0; 32];
    word[..4].copy_from_slice(&hex!("1626ba7e"));
    (key.into(), U256::from_be_bytes(word))
}

/// The slot by which a group has a member.
#[must_use]
pub fn membership(member: Address) -> U256 {
    purpose(member, 4)
}

/// The slot by which a group vouches for an enclave's key.
#[must_use]
pub fn vouching(key: Address) -> U256 {
    purpose(key, 5)
}

fn purpose(key: Address, purpose: u64) -> U256 {
    let purpose = U256::from(purpose).to_be_bytes::<32>();
    keccak256([key.into_word().as_slice(), &purpose].concat()).into()
}

/// The slot in which the earlier hub keeps a worker's score.
#[must_use]
pub fn old_score(worker: Address) -> U256 {
    worker.into_word().into()
}
