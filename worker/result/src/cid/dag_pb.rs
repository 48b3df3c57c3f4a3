//! The bytes of dag-pb blocks and of the UnixFS nodes in them.
//!
//! Sources: the IPLD dag-pb and the UnixFS v1 specifications. Blocks are written in the one
//! canonical form and read in any form, since their hash has been checked before.

use prost::Message;

use super::Codec;
use super::{Cid, Layout};

const TYPE_RAW: i32 = 0;
const TYPE_FILE: i32 = 2;

#[derive(Clone, PartialEq, Message)]
struct PbLink {
    #[prost(bytes = "vec", optional, tag = "1")]
    hash: Option<Vec<u8>>,
    #[prost(string, optional, tag = "2")]
    name: Option<String>,
    #[prost(uint64, optional, tag = "3")]
    tree_bytes: Option<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct PbNode {
    #[prost(bytes = "vec", optional, tag = "1")]
    data: Option<Vec<u8>>,
    #[prost(message, repeated, tag = "2")]
    links: Vec<PbLink>,
}

#[derive(Clone, PartialEq, Message)]
struct UnixFs {
    #[prost(int32, required, tag = "1")]
    kind: i32,
    #[prost(bytes = "vec", optional, tag = "2")]
    data: Option<Vec<u8>>,
    #[prost(uint64, optional, tag = "3")]
    file_bytes: Option<u64>,
    #[prost(uint64, repeated, packed = "false", tag = "4")]
    child_bytes: Vec<u64>,
}

/// A block of a file being imported, as its parent sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Child {
    pub(super) cid: Cid,
    /// File content below it.
    pub(super) file_bytes: u64,
    /// The block and all blocks below it.
    pub(super) tree_bytes: u64,
}

/// The block of a leaf with this content, and what its parent needs to know.
pub(super) fn leaf(layout: Layout, content: &[u8]) -> (Child, Vec<u8>) {
    let file_bytes = content.len() as u64;
    let (codec, block) = match layout {
        Layout::V1 => (Codec::Raw, content.to_vec()),
        Layout::V0 => {
            let data = (!content.is_empty()).then(|| content.to_vec());
            let node = UnixFs {
                kind: TYPE_FILE,
                data,
                file_bytes: Some(file_bytes),
                child_bytes: Vec::new(),
            };
            (Codec::DagPb, encode(Vec::new(), &node))
        }
    };
    let tree_bytes = block.len() as u64;
    let cid = Cid::of_block(layout, codec, &block);
    (Child { cid, file_bytes, tree_bytes }, block)
}

/// The block of an inner node over these children.
pub(super) fn parent(layout: Layout, children: &[Child]) -> (Child, Vec<u8>) {
    let file_bytes = children.iter().map(|child| child.file_bytes).sum();
    let links = children
        .iter()
        .map(|child| PbLink {
            hash: Some(child.cid.to_bytes()),
            name: Some(String::new()),
            tree_bytes: Some(child.tree_bytes),
        })
        .collect();
    let node = UnixFs {
        kind: TYPE_FILE,
        data: None,
        file_bytes: Some(file_bytes),
        child_bytes: children.iter().map(|child| child.file_bytes).collect(),
    };
    let block = encode(links, &node);
    let below: u64 = children.iter().map(|child| child.tree_bytes).sum();
    let tree_bytes = block.len() as u64 + below;
    let cid = Cid::of_block(layout, Codec::DagPb, &block);
    (Child { cid, file_bytes, tree_bytes }, block)
}

/// Canonical dag-pb has the links (field 2) before the data (field 1), so the two are written
/// one after the other; protobuf reads the concatenation as one message.
fn encode(links: Vec<PbLink>, node: &UnixFs) -> Vec<u8> {
    let mut block = PbNode { data: None, links }.encode_to_vec();
    let data = PbNode { data: Some(node.encode_to_vec()), links: Vec::new() };
    block.extend_from_slice(&data.encode_to_vec());
    block
}

/// A node of a file: content first, then what the links lead to.
#[derive(Debug)]
pub(super) struct FileNode {
    pub(super) content: Vec<u8>,
    pub(super) links: Vec<Cid>,
}

/// Reads a dag-pb block of a file; the text says why it is none.
pub(super) fn decode(block: &[u8]) -> Result<FileNode, String> {
    let node = PbNode::decode(block).map_err(|error| format!("not dag-pb: {error}"))?;
    let data = node.data.ok_or("no UnixFS data in it")?;
    let unix_fs =
        UnixFs::decode(data.as_slice()).map_err(|error| format!("not UnixFS: {error}"))?;
    if !matches!(unix_fs.kind, TYPE_FILE | TYPE_RAW) {
        return Err("a directory or link, not a file".into());
    }
    let links = node
        .links
        .iter()
        .map(|link| Cid::from_bytes(link.hash.as_deref().unwrap_or_default()))
        .collect::<Result<_, _>>()
        .map_err(|error| error.to_string())?;
    Ok(FileNode { content: unix_fs.data.unwrap_or_default(), links })
}
