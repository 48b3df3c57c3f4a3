//! What a worker computes and signs: its vote, blinded, and the ballot that holds it.

use crate::eip712::{Domain, StructHasher, signing_hash};
use crate::types::{DealId, ResultDigest, ResultHash, ResultSeal, TaskId};
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, U256, keccak256};
use core::fmt;

/// Bytes of an entry in a row: worker and blinded vote.
const ENTRY_SIZE: usize = 52;

/// What keeps a blinded vote from being guessed; known to its worker alone until it is disclosed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Nonce(pub u128);

impl fmt::Debug for Nonce {
    /// Without the number: a nonce in a log would disclose a vote.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nonce(..)")
    }
}

/// What a worker's nonces follow from; known to the worker alone.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct NonceSecret(pub B256);

impl fmt::Debug for NonceSecret {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NonceSecret(..)")
    }
}

/// `keccak256(resultHash ‖ resultSeal ‖ enclaveChallenge ‖ nonce)`: a vote that nobody can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlindedVote(pub B256);

impl BlindedVote {
    /// What stands in a ballot for a task without a vote.
    pub const ABSENT: Self = Self(B256::ZERO);
}

/// A vote as it is disclosed: what opens a [`BlindedVote`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Vote {
    /// What is voted for.
    pub hash: ResultHash,
    /// The same, bound to the worker.
    pub seal: ResultSeal,
    /// What it was blinded with.
    pub nonce: Nonce,
}

impl Vote {
    /// The vote of `worker` for `digest` in `task`.
    #[must_use]
    pub fn of(worker: Address, task: TaskId, digest: ResultDigest, nonce: Nonce) -> Self {
        let (hash, seal) = (ResultHash::of(task, digest), ResultSeal::of(worker, task, digest));
        Self { hash, seal, nonce }
    }

    /// The blinded vote. The lane has no enclaves: their challenge is zero.
    #[must_use]
    pub fn blinded(&self) -> BlindedVote {
        let mut bytes = Vec::with_capacity(100);
        bytes.extend_from_slice(self.hash.0.as_slice());
        bytes.extend_from_slice(self.seal.0.as_slice());
        bytes.extend_from_slice(Address::ZERO.as_slice());
        bytes.extend_from_slice(&self.nonce.0.to_be_bytes());
        BlindedVote(keccak256(bytes))
    }
}

/// One vote of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// Who.
    pub worker: Address,
    /// What, blinded.
    pub vote: BlindedVote,
}

/// The committed votes of a task, by worker, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Row(pub Vec<Entry>);

impl Row {
    /// The row as the hub hashes it: of each entry worker, 20 bytes, and blinded vote, 32.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.0.len().saturating_mul(ENTRY_SIZE));
        for entry in &self.0 {
            bytes.extend_from_slice(entry.worker.as_slice());
            bytes.extend_from_slice(entry.vote.0.as_slice());
        }
        bytes
    }

    /// The row's hash.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.to_bytes())
    }

    /// The vote of a worker, where it has one.
    #[must_use]
    pub fn vote_of(&self, worker: Address) -> Option<BlindedVote> {
        self.0.iter().find(|entry| entry.worker == worker).map(|entry| entry.vote)
    }

    /// The rows of a commit as its event tells them: how many entries each has, and all entries
    /// one behind the other. `None` where the two do not fit.
    #[must_use]
    pub fn split(lengths: &[u8], rows: &[u8]) -> Option<Vec<Self>> {
        let mut entries = rows.chunks_exact(ENTRY_SIZE);
        let mut all = Vec::with_capacity(lengths.len());
        for length in lengths {
            let mut row = Vec::with_capacity(usize::from(*length));
            for _ in 0..*length {
                let (worker, vote) = entries.next()?.split_at_checked(20)?;
                let vote = BlindedVote(B256::from_slice(vote));
                row.push(Entry { worker: Address::from_slice(worker), vote });
            }
            all.push(Self(row));
        }
        let is_used_up = entries.next().is_none() && entries.remainder().is_empty();
        is_used_up.then_some(all)
    }
}

/// What the hub keeps of a commit: the hash over the hashes of its rows.
#[must_use]
pub fn commit_hash(rows: impl IntoIterator<Item = B256>) -> B256 {
    keccak256(rows.into_iter().flat_map(|row| row.0).collect::<Vec<u8>>())
}

/// What a worker signs: its votes for the tasks of a deal from `first` on, in order.
///
/// EIP-712 in the hub's domain, type `Ballot(bytes32 dealid,uint256 first,bytes32[] entries)`.
#[must_use]
pub fn ballot_hash(
    domain_separator: B256,
    deal: DealId,
    first: U256,
    entries: &[BlindedVote],
) -> B256 {
    let words: Vec<u8> = entries.iter().flat_map(|entry| entry.0.0).collect();
    let ballot = StructHasher::new("Ballot(bytes32 dealid,uint256 first,bytes32[] entries)")
        .word(deal.0)
        .uint(first)
        .word(keccak256(words))
        .finish();
    signing_hash(domain_separator, ballot)
}

/// What a worker's wallet signs, for nobody else to see, to get the secret of its nonces: the
/// keccak of that signature. A wallet that signs deterministically has the same secret again
/// after it lost everything but its key.
///
/// EIP-712 domain `("PoCo Worker", "1", chain id, hub)`, type `Nonces(address worker)`.
#[must_use]
pub fn nonce_secret_hash(chain_id: u64, hub: Address, worker: Address) -> B256 {
    let domain = Domain {
        name: "PoCo Worker".into(),
        version: "1".into(),
        chain_id,
        verifying_contract: hub,
    };
    let nonces = StructHasher::new("Nonces(address worker)").address(worker).finish();
    signing_hash(domain.separator(), nonces)
}

/// The nonce of a vote: the first 16 bytes of `keccak256(secret ‖ taskid ‖ digest)`. The same
/// vote has the same nonce every time, so that no crash can make two ballots of one.
#[must_use]
pub fn nonce_of(secret: NonceSecret, task: TaskId, digest: ResultDigest) -> Nonce {
    let words: Vec<u8> = [secret.0, task.0, digest.0].iter().flat_map(|word| word.0).collect();
    let hash = U256::from_be_bytes(keccak256(words).0);
    Nonce(hash.wrapping_shr(128).saturating_to())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn rows_are_read_back_from_what_the_event_tells_and_from_nothing_else() {
        let entry = |byte| Entry {
            worker: Address::repeat_byte(byte),
            vote: BlindedVote(B256::repeat_byte(byte)),
        };
        let rows =
            [Row(alloc::vec![entry(1), entry(2)]), Row::default(), Row(alloc::vec![entry(3)])];
        let bytes: Vec<u8> = rows.iter().flat_map(Row::to_bytes).collect();
        assert_eq!(Row::split(&[2, 0, 1], &bytes).unwrap(), rows);
        assert_eq!(Row::split(&[2, 0], &bytes), None);
        assert_eq!(Row::split(&[2, 0, 2], &bytes), None);
        assert_eq!(Row::split(&[2, 0, 1], bytes.split_last().unwrap().1), None);
    }

    #[test]
    fn a_nonce_is_the_same_every_time_and_not_shown() {
        let (secret, task) = (NonceSecret(B256::repeat_byte(1)), TaskId(B256::repeat_byte(2)));
        let digest = ResultDigest(B256::repeat_byte(3));
        let nonce = nonce_of(secret, task, digest);
        assert_eq!(nonce, nonce_of(secret, task, digest));
        assert_ne!(nonce, nonce_of(NonceSecret(B256::repeat_byte(4)), task, digest));
        assert_ne!(nonce, nonce_of(secret, task, ResultDigest(B256::repeat_byte(4))));
        assert_ne!(nonce.0 >> 64, 0);
        assert_eq!(format!("{nonce:?}"), "Nonce(..)");
    }
}
