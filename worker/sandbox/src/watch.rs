//! Measures what a run has written, where no disk of its own limits it.

use std::path::Path;

use walkdir::WalkDir;

/// Files after which counting stops: so many are over any limit on their own.
const FILES_MAX: u64 = 1_000_000;
/// What a file or directory costs the host besides its content.
const ENTRY_BYTES: u64 = 4096;

/// Whether the files below `root` take more than `bytes_max`, counting what they occupy, so that
/// neither holes are charged nor many empty files are free. What vanishes during the walk is
/// not counted; the app is still running.
pub(crate) fn is_over(root: &Path, bytes_max: u64) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let mut bytes = 0_u64;
    for (visited, entry) in WalkDir::new(root).min_depth(1).into_iter().enumerate() {
        let Some(metadata) = entry.ok().and_then(|entry| entry.metadata().ok()) else { continue };
        let occupied = metadata.blocks().saturating_mul(512);
        bytes = bytes.saturating_add(occupied.max(ENTRY_BYTES));
        if bytes > bytes_max || visited as u64 > FILES_MAX {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::*;

    #[test]
    fn content_counts_and_holes_do_not() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a"), vec![1; 100_000]).unwrap();
        assert!(is_over(folder.path(), 90_000));
        assert!(!is_over(folder.path(), 110_000));
        File::create(folder.path().join("hole")).unwrap().set_len(1 << 40).unwrap();
        assert!(!is_over(folder.path(), 120_000));
    }

    #[test]
    fn empty_files_are_not_free() {
        let folder = tempfile::tempdir().unwrap();
        for i in 0..100 {
            File::create(folder.path().join(i.to_string())).unwrap();
        }
        assert!(is_over(folder.path(), 100 * ENTRY_BYTES - 1));
        assert!(!is_over(folder.path(), 100 * ENTRY_BYTES));
    }
}
