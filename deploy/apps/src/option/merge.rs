//! Adding up the shares of a bag.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::black_scholes;
use super::share::Share;
use super::simulation::Sums;
use super::terms::Terms;
use crate::failure::Failure;

/// Folders below the given one that are searched: one for each task, and room for a level
/// that unpacking or a deal adds.
const DEPTH_MAX: usize = 3;

/// Most files looked at, so that a wrong folder is noticed instead of searched for hours.
const ENTRIES_MAX: usize = 100_000;

/// Bytes of one share's file, at most; real ones have under a thousand.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// How many missing shares the summary names.
const MISSING_NAMED: usize = 10;

/// The shares of a bag, added.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Merged {
    /// What was simulated.
    pub(super) terms: Terms,
    /// The sums over all shares found.
    pub(super) sums: Sums,
    /// The number of shares of the bag.
    pub(super) count: u64,
    /// Indices of the shares that were not found.
    pub(super) missing: Vec<u64>,
}

/// Reads every `result.json` in a folder and the folders below.
pub(super) fn read_shares(folder: &Path) -> Result<Vec<Share>, Failure> {
    let mut files = Vec::new();
    let mut entries = 0;
    find_files(folder, DEPTH_MAX, &mut entries, &mut files)?;
    if files.is_empty() {
        return Err(Failure::Usage(format!("no result.json in {}", folder.display())));
    }
    // The order of a folder's entries is the machine's; ours is that of the names.
    files.sort();
    files.iter().map(|file| read_share(file)).collect()
}

/// Adds shares of one bag: equal terms, no share twice.
pub(super) fn merge(shares: &[Share]) -> Result<Merged, Failure> {
    let first = shares.first().ok_or_else(|| Failure::Usage("no shares to merge".into()))?;
    let mut seen = BTreeSet::new();
    let mut sums = Sums::default();
    for share in shares {
        if (share.terms, share.share.count) != (first.terms, first.share.count) {
            return Err(Failure::Input(format!(
                "shares of different runs: '{}' and '{}'",
                first.terms, share.terms
            )));
        }
        if !seen.insert(share.share.index) {
            return Err(Failure::Input(format!("share {} is there twice", share.share.index)));
        }
        sums = sums.add(&share.sums)?;
    }
    let count = first.share.count;
    let missing = (0..count).filter(|index| !seen.contains(index)).collect();
    Ok(Merged { terms: first.terms, sums, count, missing })
}

impl Merged {
    /// The content of `merged.json`.
    pub(super) fn to_json(&self) -> Value {
        let estimate = self.sums.estimate();
        json!({
            "terms": self.terms.to_json(),
            "paths": self.sums.count.to_string(),
            "shares": self.count,
            "shares_missing": self.missing,
            "price": format!("{:.9}", estimate.price),
            "standard_error": format!("{:.9}", estimate.standard_error),
            "closed_form": black_scholes(&self.terms).map(|price| format!("{price:.9}")),
        })
    }

    /// A few lines for people.
    pub(super) fn summary(&self) -> String {
        let estimate = self.sums.estimate();
        let mut text = format!(
            "{}\nprice {:.6} +- {:.6} (95 %) from {} paths in {} shares\n",
            self.terms,
            estimate.price,
            estimate.half_width,
            self.sums.count,
            self.count - self.missing.len() as u64,
        );
        if let Some(exact) = black_scholes(&self.terms) {
            let error = (estimate.price - exact).abs();
            let verdict = if error <= estimate.half_width { "inside" } else { "outside" };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "Black-Scholes {exact:.6}: {verdict} the interval");
        }
        if !self.missing.is_empty() {
            let named: Vec<_> =
                self.missing.iter().take(MISSING_NAMED).map(u64::to_string).collect();
            let more = if self.missing.len() > MISSING_NAMED { ", …" } else { "" };
            let _ = writeln!(
                text,
                "{} of {} shares are missing: {}{more}",
                self.missing.len(),
                self.count,
                named.join(", ")
            );
        }
        text
    }
}

fn find_files(
    folder: &Path,
    depth: usize,
    entries: &mut usize,
    files: &mut Vec<PathBuf>,
) -> Result<(), Failure> {
    let refuse = |error: std::io::Error| {
        Failure::Input(format!("cannot read {}: {error}", folder.display()))
    };
    for entry in fs::read_dir(folder).map_err(refuse)? {
        let entry = entry.map_err(refuse)?;
        *entries += 1;
        if *entries > ENTRIES_MAX {
            return Err(Failure::Usage(format!(
                "more than {ENTRIES_MAX} files: is this the folder with the shares?"
            )));
        }
        let kind = entry.file_type().map_err(refuse)?;
        if kind.is_dir() && depth > 0 {
            find_files(&entry.path(), depth - 1, entries, files)?;
        } else if kind.is_file() && entry.file_name() == "result.json" {
            files.push(entry.path());
        }
    }
    Ok(())
}

fn read_share(file: &Path) -> Result<Share, Failure> {
    let refuse = |reason: String| Failure::Input(format!("{}: {reason}", file.display()));
    let bytes = fs::metadata(file).map_err(|error| refuse(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(refuse(format!("{bytes} bytes are too many for a share")));
    }
    let text = fs::read_to_string(file).map_err(|error| refuse(error.to_string()))?;
    let value = serde_json::from_str(&text).map_err(|error| refuse(error.to_string()))?;
    Share::from_json(&value).map_err(|failure| refuse(failure.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::share::ShareOf;
    use super::super::terms::tests::terms;
    use super::*;
    use crate::output::tests::Folder;

    fn share(line: &str, index: u64) -> Share {
        let sums = Sums { count: 5, nano: 7, nano_squared: 49 };
        Share { terms: terms(line), share: ShareOf { index, count: 20 }, sums }
    }

    #[test]
    fn missing_shares_are_named() {
        let merged = merge(&[share("--paths 100", 3), share("--paths 100", 0)]).unwrap();
        assert_eq!(merged.sums, Sums { count: 10, nano: 14, nano_squared: 98 });
        assert_eq!(merged.missing.len(), 18);
        let summary = merged.summary();
        assert!(summary.contains("18 of 20 shares are missing: 1, 2, 4"), "{summary}");
    }

    #[test]
    fn shares_that_do_not_belong_together_are_refused() {
        let twice = merge(&[share("--paths 100", 3), share("--paths 100", 3)]).unwrap_err();
        assert!(twice.to_string().contains("twice"), "{twice}");
        let other = merge(&[share("--paths 100", 3), share("--paths 100 --seed 2", 4)]);
        assert!(other.unwrap_err().to_string().contains("different runs"));
        assert!(merge(&[]).is_err());
    }

    #[test]
    fn a_folder_without_shares_and_a_broken_share_are_told_apart() {
        let folder = Folder::new();
        assert_eq!(read_shares(&folder.0).unwrap_err().exit_code(), 2);
        fs::write(folder.0.join("result.json"), "{}").unwrap();
        let broken = read_shares(&folder.0).unwrap_err();
        assert_eq!(broken.exit_code(), 3);
        assert!(broken.to_string().contains("result.json"), "{broken}");
    }
}
