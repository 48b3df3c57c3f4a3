//! CIDs: the names of results and of inputs on IPFS.
//!
//! A [`Cid`] is parsed once and then names a block whose bytes can be checked. [`import`] gives a
//! file the CID that kubo's `ipfs add` gives it, [`walk`] puts a file together from blocks that
//! are each checked. Fetching blocks is left to the caller. Only what such files are made of is
//! known here: sha2-256 over dag-pb or raw blocks.

use std::fmt;
use std::str::FromStr;

use cid::Version;
use multihash::Multihash;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

mod dag_pb;
pub mod import;
pub mod walk;

pub use import::{Importer, Layout, cid_of_file, cid_of_reader};
pub use walk::{Walk, WalkError};

/// Multicodec of a dag-pb block, which holds UnixFS nodes.
const DAG_PB: u64 = 0x70;
/// Multicodec of a block that is nothing but file content.
const RAW: u64 = 0x55;
/// Multihash code of sha2-256.
const SHA2_256: u64 = 0x12;
/// Bytes of a sha2-256 digest.
const DIGEST_BYTES: u8 = 32;

/// A CID of version 0 or 1 over a dag-pb or raw block with sha2-256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid(cid::Cid);

/// What a block holds, as its CID tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    DagPb,
    Raw,
}

/// Why a text is no CID that can be followed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ParseCidError {
    /// Not a CID at all.
    #[error("{0:?} is not a CID")]
    Malformed(String),
    /// A CID of something other than a sha2-256 hashed dag-pb or raw block.
    #[error("the CID {0} names neither a UnixFS nor a raw block hashed by sha2-256")]
    Unsupported(String),
}

impl Cid {
    /// The CID in `/ipfs/<cid>`, with or without the leading slash; nothing may follow it.
    pub fn from_location(location: &str) -> Result<Self, ParseCidError> {
        let path = location.strip_prefix('/').unwrap_or(location);
        match path.strip_prefix("ipfs/") {
            Some(text) => text.parse(),
            None => Err(ParseCidError::Malformed(location.into())),
        }
    }

    /// The CID a binary multihash names: version 0, as multiaddrs carry it.
    pub fn from_multihash(bytes: &[u8]) -> Result<Self, ParseCidError> {
        let malformed = || ParseCidError::Malformed(hex::encode(bytes));
        let hash = Multihash::from_bytes(bytes).map_err(|_| malformed())?;
        let cid = cid::Cid::new_v0(hash).map_err(|_| malformed())?;
        Self::checked(cid)
    }

    /// `/ipfs/<cid>`, the form results travel in.
    pub fn location(&self) -> String {
        format!("/ipfs/{self}")
    }

    /// Whether `block` is the block this CID names.
    pub fn verifies(&self, block: &[u8]) -> bool {
        self.0.hash().digest() == Sha256::digest(block).as_slice()
    }

    /// The layout `ipfs add` uses for files with CIDs of this version.
    pub fn layout(&self) -> Layout {
        match self.0.version() {
            Version::V0 => Layout::V0,
            Version::V1 => Layout::V1,
        }
    }

    pub(crate) fn codec(&self) -> Codec {
        if self.0.codec() == RAW { Codec::Raw } else { Codec::DagPb }
    }

    pub(crate) fn of_block(layout: Layout, codec: Codec, block: &[u8]) -> Self {
        let hash = Multihash::wrap(SHA2_256, &Sha256::digest(block))
            .expect("a multihash of 64 bytes holds the 32 of a sha2-256 digest");
        let code = match codec {
            Codec::DagPb => DAG_PB,
            Codec::Raw => RAW,
        };
        let version = match layout {
            Layout::V0 => Version::V0,
            Layout::V1 => Version::V1,
        };
        Self(cid::Cid::new(version, code, hash).expect("the V0 layout has dag-pb blocks only"))
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, ParseCidError> {
        let cid =
            cid::Cid::try_from(bytes).map_err(|_| ParseCidError::Malformed(hex::encode(bytes)))?;
        Self::checked(cid)
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.0.to_bytes()
    }

    fn checked(cid: cid::Cid) -> Result<Self, ParseCidError> {
        let hash = cid.hash();
        let known_hash = hash.code() == SHA2_256 && hash.size() == DIGEST_BYTES;
        if known_hash && matches!(cid.codec(), DAG_PB | RAW) {
            Ok(Self(cid))
        } else {
            Err(ParseCidError::Unsupported(cid.to_string()))
        }
    }
}

impl FromStr for Cid {
    type Err = ParseCidError;

    fn from_str(text: &str) -> Result<Self, ParseCidError> {
        let malformed = || ParseCidError::Malformed(text.into());
        // The parser below would also take a path and look for a CID in it.
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(malformed());
        }
        Self::checked(cid::Cid::try_from(text).map_err(|_| malformed())?)
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cid({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: &str = "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o";

    #[test]
    fn a_cid_reads_back_as_written() {
        for text in [HELLO, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"] {
            let cid: Cid = text.parse().unwrap();
            assert_eq!(cid.to_string(), text);
            assert_eq!(Cid::from_bytes(&cid.to_bytes()), Ok(cid));
            assert_eq!(Cid::from_location(&cid.location()), Ok(cid));
        }
    }

    #[test]
    fn what_is_not_a_cid_is_refused() {
        let inside = format!("/ipfs/{HELLO}");
        for bad in ["", "hello", "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5", &inside] {
            assert!(matches!(bad.parse::<Cid>(), Err(ParseCidError::Malformed(_))), "{bad}");
        }
        assert!(Cid::from_location(&format!("/ipfs/{HELLO}/file")).is_err());
        assert!(Cid::from_location(HELLO).is_err());
    }

    #[test]
    fn other_codecs_and_hashes_are_refused_by_name() {
        // dag-cbor with sha2-256, and raw with blake2b-256.
        for text in [
            "bafyreibvjvcv745gig4mvqs4hctx4zfkono4rjejm2ta6gtyzkqxfjeily",
            "bafk2bzacea3wsdh6y3a36tb3skempjoxqpuyompjbmfeyf34fi3uy6uue42v4",
        ] {
            let refused = text.parse::<Cid>();
            assert!(matches!(refused, Err(ParseCidError::Unsupported(_))), "{refused:?}");
        }
    }

    #[test]
    fn a_multihash_is_a_cid_of_version_0() {
        let cid: Cid = HELLO.parse().unwrap();
        assert_eq!(Cid::from_multihash(&cid.to_bytes()), Ok(cid));
        assert!(Cid::from_multihash(&[0x12, 0x20, 1]).is_err());
    }
}
