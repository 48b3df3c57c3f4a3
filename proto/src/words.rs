//! Between bytes on the wire and the words of `poco-core`.

use poco_core::{Address, B256, DealId, ResultDigest, TaskId};

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
