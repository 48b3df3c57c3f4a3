//! Walks an out directory that an app wrote, trusting nothing in it.
//!
//! Symbolic links, devices, sockets and pipes are skipped and counted: a link could lead out of
//! the directory, and the others have no content. A file that also has a name outside the tree
//! is refused. What comes back is sorted and limited.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use thiserror::Error;
use walkdir::WalkDir;

use crate::Limits;

/// The regular files and directories below a root.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// By their path below the root, with `/` between components and, for a directory, at the
    /// end; byte order, so that a directory comes before what is in it.
    pub(crate) entries: BTreeMap<String, Entry>,
    /// Links and special files that were left out.
    pub(crate) skipped: u64,
}

#[derive(Debug)]
pub(crate) enum Entry {
    Directory,
    File { path: PathBuf, bytes: u64 },
}

/// Why an out directory is refused.
#[derive(Debug, Error)]
pub enum TreeError {
    /// More files and directories than allowed.
    #[error("the result has more than {entries_max} files and directories")]
    TooManyEntries {
        /// The limit.
        entries_max: u64,
    },
    /// More content than allowed.
    #[error("the result is larger than {bytes_max} bytes")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// A name that whoever unpacks the zip would have to refuse.
    #[error("the result has a file whose name is not plain text: {0:?}")]
    UnsafeName(PathBuf),
    /// A file that shares its content with a name outside of the directory.
    #[error("{0:?} is a hard link to a file outside of the result")]
    HardLinkOut(PathBuf),
    /// The directory cannot be read.
    #[error("cannot read the result: {0}")]
    Io(#[from] std::io::Error),
}

impl TreeError {
    /// Whether the app is to blame, so that running it again gives the same.
    pub fn is_app_fault(&self) -> bool {
        match self {
            Self::TooManyEntries { .. }
            | Self::TooLarge { .. }
            | Self::UnsafeName(_)
            | Self::HardLinkOut(_) => true,
            Self::Io(_) => false,
        }
    }
}

/// Names seen of a file that has several.
struct Names {
    seen: u64,
    total: u64,
    path: PathBuf,
}

/// Lists `root`.
pub(crate) fn read(root: &Path, limits: &Limits) -> Result<Tree, TreeError> {
    let mut tree = Tree::default();
    let mut bytes_left = limits.bytes_max;
    let mut shared: BTreeMap<(u64, u64), Names> = BTreeMap::new();
    let walk = WalkDir::new(root).min_depth(1).follow_links(false);
    for (visited, found) in walk.into_iter().enumerate() {
        // What is skipped counts as well, else a million links would be walked for nothing.
        if visited as u64 >= limits.entries_max {
            let entries_max = limits.entries_max;
            return Err(TreeError::TooManyEntries { entries_max });
        }
        let found = found.map_err(std::io::Error::from)?;
        let metadata = found.metadata().map_err(std::io::Error::from)?;
        let mut name = name_below(root, found.path())?;
        if metadata.is_dir() {
            name.push('/');
            tree.entries.insert(name, Entry::Directory);
        } else if metadata.is_file() {
            let bytes = metadata.len();
            let bytes_max = limits.bytes_max;
            bytes_left = bytes_left.checked_sub(bytes).ok_or(TreeError::TooLarge { bytes_max })?;
            count_name(&mut shared, found.path(), &metadata);
            let path = found.into_path();
            tree.entries.insert(name, Entry::File { path, bytes });
        } else {
            tree.skipped += 1;
        }
    }
    match shared.into_values().find(|names| names.seen < names.total) {
        Some(names) => Err(TreeError::HardLinkOut(names.path)),
        None => Ok(tree),
    }
}

fn count_name(shared: &mut BTreeMap<(u64, u64), Names>, path: &Path, metadata: &Metadata) {
    if metadata.nlink() > 1 {
        let names = shared.entry((metadata.dev(), metadata.ino())).or_insert_with(|| Names {
            seen: 0,
            total: metadata.nlink(),
            path: path.into(),
        });
        names.seen += 1;
    }
}

/// Whether a path below a root, with `/` between its components, means the same everywhere.
/// Backslashes and control characters are refused as well: another system or a terminal could
/// take them for something else.
pub(crate) fn is_safe(name: &str) -> bool {
    let plain = |component: &str| !matches!(component, "" | "." | "..");
    name.split('/').all(plain) && !name.contains(|c: char| c == '\\' || c.is_control())
}

fn name_below(root: &Path, path: &Path) -> Result<String, TreeError> {
    path.strip_prefix(root)
        .ok()
        .and_then(Path::to_str)
        .filter(|name| is_safe(name))
        .map(str::to_owned)
        .ok_or_else(|| TreeError::UnsafeName(path.into()))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use super::*;

    fn names(tree: &Tree) -> Vec<&str> {
        tree.entries.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_tree_is_sorted_and_keeps_empty_directories() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("b/empty")).unwrap();
        fs::write(dir.path().join("b/z"), "1").unwrap();
        fs::write(dir.path().join("a"), "22").unwrap();
        let tree = read(dir.path(), &Limits::default()).unwrap();
        assert_eq!(names(&tree), ["a", "b/", "b/empty/", "b/z"]);
    }

    #[test]
    fn links_and_sockets_are_left_out_and_counted() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/etc/passwd", dir.path().join("file")).unwrap();
        symlink("/etc", dir.path().join("directory")).unwrap();
        symlink("/nowhere", dir.path().join("dangling")).unwrap();
        let _socket = UnixListener::bind(dir.path().join("socket")).unwrap();
        let tree = read(dir.path(), &Limits::default()).unwrap();
        assert_eq!((names(&tree).len(), tree.skipped), (0, 4));
    }

    #[test]
    fn a_hard_link_out_is_refused_and_one_inside_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        fs::create_dir(&out).unwrap();
        fs::write(out.join("a"), "1").unwrap();
        fs::hard_link(out.join("a"), out.join("b")).unwrap();
        assert_eq!(names(&read(&out, &Limits::default()).unwrap()), ["a", "b"]);
        fs::hard_link(out.join("a"), dir.path().join("c")).unwrap();
        let refused = read(&out, &Limits::default()).unwrap_err();
        assert!(matches!(refused, TreeError::HardLinkOut(_)) && refused.is_app_fault());
    }

    #[test]
    fn limits_hold_on_entries_and_bytes() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), "123").unwrap();
        fs::write(dir.path().join("b"), "456").unwrap();
        let exact = Limits { entries_max: 2, bytes_max: 6 };
        assert!(read(dir.path(), &exact).is_ok());
        let fewer = read(dir.path(), &Limits { entries_max: 1, ..exact }).unwrap_err();
        assert!(matches!(fewer, TreeError::TooManyEntries { entries_max: 1 }));
        let smaller = read(dir.path(), &Limits { bytes_max: 5, ..exact }).unwrap_err();
        assert!(matches!(smaller, TreeError::TooLarge { bytes_max: 5 }));
    }

    #[test]
    fn a_name_that_is_not_plain_text_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for bytes in [&b"\xff\xfe"[..], b"a\\b", b"a\nb"] {
            let path = dir.path().join(std::ffi::OsStr::from_bytes(bytes));
            fs::write(&path, "1").unwrap();
            let refused = read(dir.path(), &Limits::default()).unwrap_err();
            assert!(matches!(refused, TreeError::UnsafeName(_)));
            fs::remove_file(path).unwrap();
        }
    }
}
