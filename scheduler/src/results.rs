//! What an uploaded result turns out to be.

use poco_result::{Cid, Limits, Output};
use std::path::Path;

/// What an uploaded zip turned out to be.
#[derive(Clone, Debug)]
pub(crate) struct Examined {
    pub(crate) cid: Cid,
    pub(crate) digest: poco_core::B256,
    pub(crate) callback: Vec<u8>,
}

/// Computes CID and digest of a zip from its bytes alone. Blocks.
///
/// # Errors
/// One line that says what is wrong with the zip.
pub(crate) fn examine(zip: &Path, bytes_max: u64) -> anyhow::Result<Examined> {
    let cid = poco_result::cid::cid_of_file(zip)?;
    // What it unpacks to may be larger than the zip, but not without end.
    let limits = Limits { bytes_max: bytes_max.saturating_mul(4), ..Limits::default() };
    let file = std::io::BufReader::new(std::fs::File::open(zip)?);
    let computed = poco_result::digest::digest_of_zip(file, &limits)?;
    let callback = match computed.output {
        Output::File | Output::Directory => Vec::new(),
        Output::Callback(bytes) => bytes,
    };
    Ok(Examined { cid, digest: computed.digest, callback })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_is_no_result_is_not_taken() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"not a zip").unwrap();
        assert!(examine(file.path(), 1000).is_err());
    }
}
