//! Where results go: whether there is room for them, and that nothing is left where none came.

use crate::failure::Failure;
use anyhow::Context as _;
use std::path::{Path, PathBuf};

/// The folder that a new `folder` is to lie in; `folder` itself must not be there.
pub(super) fn refuse_taken(folder: &Path) -> Result<PathBuf, Failure> {
    if folder.symlink_metadata().is_ok() {
        return Err(Failure::Usage(format!(
            "{} exists already: choose another folder with --output",
            folder.display()
        )));
    }
    Ok(match folder.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    })
}

/// Refuses a folder that cannot be made, before anything is paid for what should be in it.
pub(super) fn refuse_unwritable(folder: &Path) -> Result<(), Failure> {
    let parent = refuse_taken(folder)?;
    let parents = Parents::make(&parent)?;
    tempfile::tempfile_in(&parent).with_context(|| cannot_write(&parent))?;
    drop(parents);
    Ok(())
}

/// Folders that were made for a result, removed again unless something came to lie in them.
#[derive(Debug)]
pub(super) struct Parents {
    /// Outermost first.
    made: Vec<PathBuf>,
}

impl Parents {
    /// Makes `folder` and what it lies in, as far as they are missing.
    pub(super) fn make(folder: &Path) -> Result<Self, Failure> {
        let mut missing: Vec<&Path> =
            folder.ancestors().take_while(|path| path.symlink_metadata().is_err()).collect();
        missing.reverse();
        let mut parents = Self { made: Vec::new() };
        for path in missing.into_iter().filter(|path| *path != Path::new("")) {
            std::fs::create_dir(path).with_context(|| cannot_write(path))?;
            parents.made.push(path.to_owned());
        }
        if !folder.is_dir() {
            return Err(anyhow::anyhow!(
                "{} is no folder: choose another --output",
                folder.display()
            )
            .into());
        }
        Ok(parents)
    }
}

impl Drop for Parents {
    fn drop(&mut self) {
        for path in self.made.iter().rev() {
            // One that is not empty holds the result, and stays.
            let _ = std::fs::remove_dir(path);
        }
    }
}

fn cannot_write(folder: &Path) -> String {
    format!(
        "results cannot be written to {}: choose another folder with --output",
        folder.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_made_in_vain_are_removed_and_others_stay() {
        let root = tempfile::tempdir().unwrap();
        let deep = root.path().join("a/b/c");
        refuse_unwritable(&deep.join("result")).unwrap();
        assert!(!root.path().join("a").exists());
        let parents = Parents::make(&deep).unwrap();
        std::fs::write(deep.join("result"), "x").unwrap();
        drop(parents);
        assert!(deep.join("result").exists());
    }

    #[test]
    fn a_taken_or_impossible_place_is_refused_by_name() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        std::fs::write(&file, "x").unwrap();
        let taken = refuse_unwritable(&file).unwrap_err();
        assert!(matches!(&taken, Failure::Usage(text) if text.contains("exists already")));
        let below = refuse_unwritable(&file.join("result")).unwrap_err().to_string();
        assert!(below.contains("is no folder"), "{below}");
    }
}
