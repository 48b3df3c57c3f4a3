//! Gives a file the CID that kubo's `ipfs add` gives it.
//!
//! Chunks of 262 144 bytes, a balanced tree of at most 174 links a node, sha2-256. The importer
//! streams: it holds one chunk and the unfinished nodes of each level, never the file.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::Cid;
use super::dag_pb::{self, Child};

/// Bytes of a chunk, kubo's `size-262144`.
pub const CHUNK_BYTES: usize = 262_144;

/// Links of an inner node, kubo's default for files.
pub const LINKS_MAX: usize = 174;

/// How leaves are stored and CIDs are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// `ipfs add`: CIDv0, leaves wrapped in dag-pb. What results are named by.
    V0,
    /// `ipfs add --cid-version=1`: CIDv1, raw leaves.
    V1,
}

/// Takes the bytes of a file and hands out its blocks, leaves before their parents.
///
/// `sink` gets every block once, the root last; pass `|_, _| {}` when only the CID matters.
pub struct Importer<S> {
    layout: Layout,
    chunk: Vec<u8>,
    /// Finished children that have no parent yet; level 0 holds leaves.
    levels: Vec<Vec<Child>>,
    sink: S,
}

impl<S: FnMut(&Cid, &[u8])> Importer<S> {
    /// An importer for one file.
    pub fn new(layout: Layout, sink: S) -> Self {
        Self { layout, chunk: Vec::with_capacity(CHUNK_BYTES), levels: Vec::new(), sink }
    }

    /// The CID of everything written so far, an empty file included.
    pub fn finish(mut self) -> Cid {
        if !self.chunk.is_empty() || self.levels.is_empty() {
            self.close_chunk();
        }
        let mut level = 0;
        loop {
            let is_top = level + 1 == self.levels.len();
            // Only a file of one chunk has a single child at the top: that leaf is its root.
            if let (true, [root]) = (is_top, self.levels[level].as_slice()) {
                return root.cid;
            }
            self.close_level(level);
            level += 1;
        }
    }

    fn close_chunk(&mut self) {
        let (leaf, block) = dag_pb::leaf(self.layout, &self.chunk);
        (self.sink)(&leaf.cid, &block);
        self.chunk.clear();
        self.add(0, leaf);
    }

    /// Adds a child to a level. A full node is closed only when one more child comes, since only
    /// then the tree has another level.
    fn add(&mut self, level: usize, child: Child) {
        if self.levels.len() == level {
            self.levels.push(Vec::with_capacity(LINKS_MAX));
        } else if self.levels[level].len() == LINKS_MAX {
            self.close_level(level);
        }
        self.levels[level].push(child);
    }

    fn close_level(&mut self, level: usize) {
        let children = std::mem::take(&mut self.levels[level]);
        let (parent, block) = dag_pb::parent(self.layout, &children);
        (self.sink)(&parent.cid, &block);
        self.add(level + 1, parent);
    }
}

impl<S: FnMut(&Cid, &[u8])> Write for Importer<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK_BYTES {
            self.close_chunk();
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The CIDv0 of what `reader` gives.
pub fn cid_of_reader(mut reader: impl Read) -> io::Result<Cid> {
    let mut importer = Importer::new(Layout::V0, |_: &Cid, _: &[u8]| {});
    io::copy(&mut reader, &mut importer)?;
    Ok(importer.finish())
}

/// The CIDv0 of a file: what `ipfs add` prints for it.
pub fn cid_of_file(path: &Path) -> io::Result<Cid> {
    cid_of_reader(File::open(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Byte i is floor(i / 7) mod 251: no two neighbouring chunks are equal.
    fn pattern(bytes: u64) -> impl Read {
        struct Pattern {
            at: u64,
            end: u64,
        }
        impl Read for Pattern {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                let count = (self.end - self.at).min(buffer.len() as u64);
                for (byte, i) in buffer.iter_mut().zip(self.at..self.at + count) {
                    *byte = (i / 7 % 251) as u8;
                }
                self.at += count;
                Ok(count as usize)
            }
        }
        Pattern { at: 0, end: bytes }
    }

    fn import(layout: Layout, bytes: u64) -> String {
        let mut importer = Importer::new(layout, |_: &Cid, _: &[u8]| {});
        io::copy(&mut pattern(bytes), &mut importer).unwrap();
        importer.finish().to_string()
    }

    #[test]
    fn well_known_files_have_their_well_known_cids() {
        let empty = cid_of_reader(io::empty()).unwrap();
        assert_eq!(empty.to_string(), "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH");
        let hello = cid_of_reader(&b"hello world\n"[..]).unwrap();
        assert_eq!(hello.to_string(), "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o");
    }

    /// The CIDs are those of npm's ipfs-unixfs-importer 17.1.1 with kubo's parameters.
    #[test]
    fn files_of_many_chunks_have_the_cids_of_another_implementation() {
        let chunk = CHUNK_BYTES as u64;
        for (bytes, cid) in [
            (chunk, "QmNjpgVruhDWX5GAxYTo6FsCdhwDuT6LmorTdoQgskDSaj"),
            (chunk + 1, "QmeLEUd8Mt9ZtQULVUGkpGmAsVGUdQEkgnpu2yVe4wXuQY"),
            (2 * chunk + 5, "QmSYhXZAu99WYyA79yhQTQMfF8T9UBSWECwKHQJaxNkn9u"),
            (174 * chunk, "QmebkgZoqxUz2DQu6HTKZJxyHEVTqXQP1MHnXFVwchiyqp"),
            (174 * chunk + 1, "QmZ4TRvyKDqsEiDmqPMkTrN7UCWZFpeuFV1WbSMwDGpgeD"),
            (350 * chunk - 1, "QmXXeBbTeERYjvhBbYaigXB9bbE5NKQLqR6AJtSu2kYgUc"),
        ] {
            assert_eq!(import(Layout::V0, bytes), cid, "{bytes} bytes");
        }
        for (bytes, cid) in [
            (0, "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"),
            (chunk + 1, "bafybeiea2xf4nxown5lcoscij2lkpp43iyfcikygo6uxvizf4kuzow6kgi"),
            (174 * chunk + 1, "bafybeif4hn3rcz5lcwwlxalli77xdr4pggoojhvly4dxbvtmo2vd3fwk7y"),
        ] {
            assert_eq!(import(Layout::V1, bytes), cid, "{bytes} bytes");
        }
    }
}
