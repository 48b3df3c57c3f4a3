//! Puts a file together from blocks, each checked against the CID that names it.
//!
//! A [`Walk`] says which block it wants next and takes that block; fetching is the caller's. Blocks
//! come from strangers, so their size, the depth of the tree and the length of the file are limited.

use std::borrow::Cow;

use thiserror::Error;

use super::dag_pb;
use super::{Cid, Codec};

/// Largest block taken: IPFS nodes do not pass on larger ones.
pub const BLOCK_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Deepest tree followed. Four levels of 174 links and 256 KiB leaves already hold 240 TB.
pub const DEPTH_MAX: usize = 16;

/// The state of reading one file.
#[derive(Debug)]
pub struct Walk {
    /// What is still to come, the next on top.
    wanted: Vec<Wanted>,
    bytes_left: u64,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    cid: Cid,
    depth: usize,
}

/// Why blocks do not make the file that was asked for.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum WalkError {
    /// The block is not the one its CID names. Another source may have the right one.
    #[error("a block does not match its CID {0}")]
    Mismatch(Cid),
    /// The block is larger than any that IPFS passes on.
    #[error("the block {0} is larger than {BLOCK_BYTES_MAX} bytes")]
    BlockTooLarge(Cid),
    /// The block is right but is not part of a file.
    #[error("the block {cid} is not part of a file: {reason}")]
    NotAFile {
        /// The block.
        cid: Cid,
        /// What it is instead.
        reason: String,
    },
    /// The tree is deeper than any real one.
    #[error("the file's tree is deeper than {DEPTH_MAX} levels")]
    TooDeep,
    /// The file is longer than the caller allows.
    #[error("the file is longer than allowed")]
    TooLarge,
    /// All blocks have been taken already.
    #[error("no more blocks are wanted")]
    Done,
}

impl Walk {
    /// Starts at `root`; a file longer than `bytes_max` is refused on the way.
    pub fn new(root: Cid, bytes_max: u64) -> Self {
        Self { wanted: vec![Wanted { cid: root, depth: 0 }], bytes_left: bytes_max }
    }

    /// The block to bring next, or none when the file is complete.
    pub fn wanted(&self) -> Option<Cid> {
        self.wanted.last().map(|wanted| wanted.cid)
    }

    /// Takes the wanted block and returns the bytes of the file that come next, possibly none.
    /// After an error the same block is still wanted.
    pub fn supply<'b>(&mut self, block: &'b [u8]) -> Result<Cow<'b, [u8]>, WalkError> {
        let Wanted { cid, depth } = *self.wanted.last().ok_or(WalkError::Done)?;
        if block.len() > BLOCK_BYTES_MAX {
            return Err(WalkError::BlockTooLarge(cid));
        }
        if !cid.verifies(block) {
            return Err(WalkError::Mismatch(cid));
        }
        let (content, links) = match cid.codec() {
            Codec::Raw => (Cow::Borrowed(block), Vec::new()),
            Codec::DagPb => {
                let node =
                    dag_pb::decode(block).map_err(|reason| WalkError::NotAFile { cid, reason })?;
                (Cow::Owned(node.content), node.links)
            }
        };
        if !links.is_empty() && depth == DEPTH_MAX {
            return Err(WalkError::TooDeep);
        }
        // A tree of empty nodes could go on for ever without a byte of the file.
        if content.is_empty() && links.is_empty() && depth > 0 {
            return Err(WalkError::NotAFile { cid, reason: "an empty part".into() });
        }
        let length = content.len() as u64;
        self.bytes_left = self.bytes_left.checked_sub(length).ok_or(WalkError::TooLarge)?;
        self.wanted.pop();
        let below = links.into_iter().rev().map(|cid| Wanted { cid, depth: depth + 1 });
        self.wanted.extend(below);
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::io::Write as _;

    use super::super::import::{CHUNK_BYTES, Importer, LINKS_MAX, Layout};
    use super::*;

    fn blocks_of(layout: Layout, content: &[u8]) -> (Cid, BTreeMap<Cid, Vec<u8>>) {
        let mut blocks = BTreeMap::new();
        let mut importer = Importer::new(layout, |cid: &Cid, block: &[u8]| {
            blocks.insert(*cid, block.to_vec());
        });
        importer.write_all(content).unwrap();
        let root = importer.finish();
        (root, blocks)
    }

    fn walk_all(mut walk: Walk, blocks: &BTreeMap<Cid, Vec<u8>>) -> Result<Vec<u8>, WalkError> {
        let mut file = Vec::new();
        while let Some(cid) = walk.wanted() {
            file.extend_from_slice(&walk.supply(&blocks[&cid])?);
        }
        Ok(file)
    }

    fn content(bytes: usize) -> Vec<u8> {
        (0..bytes).map(|i| (i / 7 % 251) as u8).collect()
    }

    #[test]
    fn blocks_give_back_the_file_they_were_made_of() {
        for layout in [Layout::V0, Layout::V1] {
            for bytes in [0, 1, CHUNK_BYTES, CHUNK_BYTES + 1, (LINKS_MAX + 1) * CHUNK_BYTES + 3] {
                let file = content(bytes);
                let (root, blocks) = blocks_of(layout, &file);
                let walked = walk_all(Walk::new(root, bytes as u64), &blocks).unwrap();
                assert!(walked == file, "{layout:?} {bytes}");
            }
        }
    }

    #[test]
    fn a_wrong_block_is_refused_and_still_wanted() {
        let file = content(3 * CHUNK_BYTES);
        let (root, blocks) = blocks_of(Layout::V0, &file);
        let mut walk = Walk::new(root, u64::MAX);
        walk.supply(&blocks[&root]).unwrap();
        let first = walk.wanted().unwrap();
        let mut forged = blocks[&first].clone();
        forged[100] ^= 1;
        assert_eq!(walk.supply(&forged), Err(WalkError::Mismatch(first)));
        assert_eq!(walk.wanted(), Some(first));
        assert!(walk.supply(&blocks[&first]).is_ok());
        assert_ne!(walk.wanted(), Some(first));
    }

    #[test]
    fn a_file_longer_than_allowed_is_refused_on_the_way() {
        let file = content(2 * CHUNK_BYTES);
        let (root, blocks) = blocks_of(Layout::V1, &file);
        let refused = walk_all(Walk::new(root, file.len() as u64 - 1), &blocks);
        assert_eq!(refused, Err(WalkError::TooLarge));
    }

    #[test]
    fn a_block_that_is_no_file_is_refused() {
        // The empty UnixFS directory, known as QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn.
        let block = [0x0a, 0x02, 0x08, 0x01];
        let root: Cid = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn".parse().unwrap();
        let mut walk = Walk::new(root, 100);
        assert!(matches!(walk.supply(&block), Err(WalkError::NotAFile { .. })));
    }
}
