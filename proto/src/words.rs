//! Between bytes on the wire and the words of `poco-core`.

use crate::v1::RowVote;
use poco_core::lane::{Nonce, Vote};
use poco_core::{Address, B256, DealId, ResultDigest, ResultHash, ResultSeal, TaskId};

/// A field of a message that cannot be what it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: expected {expected} bytes, got {got}")]
pub struct BadLength {
    /// Name of the field.
    pub field: &'static str,
    /// How many bytes it must have.
    pub expected: usize,
    /// How many it has.
    pub got: usize,
}

/// Reads an address of 20 bytes.
///
/// # Errors
/// [`BadLength`] for any other length.
pub fn address(field: &'static str, bytes: &[u8]) -> Result<Address, BadLength> {
    Address::try_from(bytes).map_err(|_| BadLength { field, expected: 20, got: bytes.len() })
}

/// Reads a word of 32 bytes.
///
/// # Errors
/// [`BadLength`] for any other length.
pub fn word(field: &'static str, bytes: &[u8]) -> Result<B256, BadLength> {
    B256::try_from(bytes).map_err(|_| BadLength { field, expected: 32, got: bytes.len() })
}

/// Reads the id of a task.
///
/// # Errors
/// [`BadLength`] where it has not 32 bytes.
pub fn task(bytes: &[u8]) -> Result<TaskId, BadLength> {
    word("task", bytes).map(TaskId)
}

/// Reads the id of a deal.
///
/// # Errors
/// [`BadLength`] where it has not 32 bytes.
pub fn deal(bytes: &[u8]) -> Result<DealId, BadLength> {
    word("deal", bytes).map(DealId)
}

/// Reads a digest; `None` where the field is empty.
///
/// # Errors
/// [`BadLength`] where it has neither 0 nor 32 bytes.
pub fn digest(bytes: &[u8]) -> Result<Option<ResultDigest>, BadLength> {
    if bytes.is_empty() {
        Ok(None)
    } else {
        word("digest", bytes).map(|word| Some(ResultDigest(word)))
    }
}

/// Reads a vote of the settlement lane; `None` where all its fields are empty.
///
/// # Errors
/// [`BadLength`] where one of them has another length than it should.
pub fn row_vote(vote: &RowVote) -> Result<Option<Vote>, BadLength> {
    if vote.hash.is_empty() && vote.seal.is_empty() && vote.nonce.is_empty() {
        return Ok(None);
    }
    let nonce = <[u8; 16]>::try_from(vote.nonce.as_slice());
    let nonce =
        nonce.map_err(|_| BadLength { field: "nonce", expected: 16, got: vote.nonce.len() })?;
    Ok(Some(Vote {
        hash: ResultHash(word("hash", &vote.hash)?),
        seal: ResultSeal(word("seal", &vote.seal)?),
        nonce: Nonce(u128::from_be_bytes(nonce)),
    }))
}

/// Writes a vote of the settlement lane, or that there is none.
#[must_use]
pub fn row_vote_message(vote: Option<Vote>) -> RowVote {
    vote.map_or_else(RowVote::default, |vote| RowVote {
        hash: vote.hash.0.to_vec(),
        seal: vote.seal.0.to_vec(),
        nonce: vote.nonce.0.to_be_bytes().to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vote_survives_the_wire_and_half_a_vote_is_none() {
        let vote = Vote {
            hash: ResultHash(B256::repeat_byte(1)),
            seal: ResultSeal(B256::repeat_byte(2)),
            nonce: Nonce(3),
        };
        for told in [Some(vote), None] {
            assert_eq!(row_vote(&row_vote_message(told)), Ok(told));
        }
        let half = RowVote { nonce: vec![0; 15], ..row_vote_message(Some(vote)) };
        assert_eq!(row_vote(&half).map_err(|error| error.got), Err(15));
    }
}
