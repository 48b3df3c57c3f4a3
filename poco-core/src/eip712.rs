//! EIP-712: the domain of a hub and the hashing of its structures.

use alloc::{string::String, vec::Vec};
use alloy_primitives::{Address, B256, U256, keccak256};

/// Longest structure of the protocol, in words: a request order with its type hash.
const STRUCT_WORDS_MAX: usize = 16;

/// The EIP-712 domain of a hub: `("iExecODB", "5.0.0", chain id, hub)` unless the hub says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain {
    /// Name of the signing domain.
    pub name: String,
    /// Version of the signing domain.
    pub version: String,
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The contract that verifies: the hub.
    pub verifying_contract: Address,
}

impl Domain {
    /// The name under which orders are signed.
    pub const NAME: &'static str = "iExecODB";
    /// The version under which orders are signed.
    pub const VERSION: &'static str = "5.0.0";

    /// The domain of the hub at `hub` on chain `chain_id`.
    #[must_use]
    pub fn of_hub(chain_id: u64, hub: Address) -> Self {
        Self {
            name: Self::NAME.into(),
            version: Self::VERSION.into(),
            chain_id,
            verifying_contract: hub,
        }
    }

    /// The domain separator: the struct hash of the domain itself.
    #[must_use]
    pub fn separator(&self) -> B256 {
        StructHasher::new(
            "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
        )
        .text(&self.name)
        .text(&self.version)
        .uint(U256::from(self.chain_id))
        .address(self.verifying_contract)
        .finish()
    }
}

/// What is signed: `keccak256(0x1901 ‖ domain separator ‖ struct hash)`.
#[must_use]
pub fn signing_hash(domain_separator: B256, struct_hash: B256) -> B256 {
    let mut bytes = Vec::with_capacity(66);
    bytes.extend_from_slice(&[0x19, 0x01]);
    bytes.extend_from_slice(domain_separator.as_slice());
    bytes.extend_from_slice(struct_hash.as_slice());
    keccak256(bytes)
}

/// Hashes one structure, member by member in the order of its type.
#[derive(Debug)]
pub struct StructHasher {
    words: Vec<u8>,
}

impl StructHasher {
    /// Starts a structure of the EIP-712 type `type_text` (with the types it refers to appended).
    #[must_use]
    pub fn new(type_text: &str) -> Self {
        let mut words = Vec::with_capacity(STRUCT_WORDS_MAX.saturating_mul(32));
        words.extend_from_slice(keccak256(type_text).as_slice());
        Self { words }
    }

    /// Adds an atomic 32-byte member, or the hash of a nested structure.
    #[must_use]
    pub fn word(mut self, word: B256) -> Self {
        self.words.extend_from_slice(word.as_slice());
        self
    }

    /// Adds an address member.
    #[must_use]
    pub fn address(self, address: Address) -> Self {
        self.word(address.into_word())
    }

    /// Adds an unsigned integer member.
    #[must_use]
    pub fn uint(self, value: U256) -> Self {
        self.word(B256::from(value.to_be_bytes::<32>()))
    }

    /// Adds a string member: its keccak.
    #[must_use]
    pub fn text(self, text: &str) -> Self {
        self.word(keccak256(text))
    }

    /// The struct hash.
    #[must_use]
    pub fn finish(self) -> B256 {
        keccak256(self.words)
    }
}
