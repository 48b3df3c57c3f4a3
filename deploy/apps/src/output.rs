//! Writing a result: files below `IEXEC_OUT`, and last of all `computed.json`, which tells
//! the worker what the vote is about. A run that dies half-way has no `computed.json` and
//! thereby no result.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::failure::Failure;

/// Writes one file of a result, making the folders on the way.
pub fn write_file(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let outcome = match path.parent() {
        Some(folder) => fs::create_dir_all(folder).and_then(|()| fs::write(path, content)),
        None => fs::write(path, content),
    };
    outcome.map_err(|error| Failure::Output(format!("cannot write {}: {error}", path.display())))
}

/// Declares `result`, a file or folder below `folder`, as what all replicas must agree on.
pub fn declare_path(folder: &Path, result: &Path) -> Result<(), Failure> {
    let text = result
        .to_str()
        .ok_or_else(|| Failure::Output(format!("the path {} is not UTF-8", result.display())))?;
    write_computed(folder, &json!({ "deterministic-output-path": text }))
}

/// Declares the bytes that the chain hands to the requester's callback contract.
pub fn declare_callback(folder: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    write_computed(folder, &json!({ "callback-data": format!("0x{digits}") }))
}

fn write_computed(folder: &Path, content: &serde_json::Value) -> Result<(), Failure> {
    write_file(&folder.join("computed.json"), format!("{content}\n").as_bytes())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::path::PathBuf;
    use std::sync::atomic::{AtomicU64, Ordering};

    static COUNTER: AtomicU64 = AtomicU64::new(0);

    /// A folder for one test, removed when dropped.
    pub(crate) struct Folder(pub(crate) PathBuf);

    impl Folder {
        pub(crate) fn new() -> Self {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("poco-apps-{}-{number}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn computed_json_has_the_key_the_worker_looks_for() {
        let folder = Folder::new();
        declare_path(&folder.0, Path::new("/iexec_out/stats")).unwrap();
        let text = fs::read_to_string(folder.0.join("computed.json")).unwrap();
        assert_eq!(text, "{\"deterministic-output-path\":\"/iexec_out/stats\"}\n");
        declare_callback(&folder.0, &[0, 0xab]).unwrap();
        let text = fs::read_to_string(folder.0.join("computed.json")).unwrap();
        assert_eq!(text, "{\"callback-data\":\"0x00ab\"}\n");
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_output_failure() {
        let folder = Folder::new();
        write_file(&folder.0.join("file"), b"x").unwrap();
        let failure = write_file(&folder.0.join("file/below"), b"x").unwrap_err();
        assert_eq!(failure.exit_code(), 4);
    }
}
