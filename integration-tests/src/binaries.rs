//! The binaries under test, built once per test process from the tree as it is.

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// What this process has built already; the lock also keeps two tests from building at once.
static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// The path of a binary: `poco-scheduler`, `poco-worker`, `poco-market` or `poco`, which are also
/// the names of their packages.
///
/// # Errors
/// Where it does not build.
pub fn binary(name: &str) -> Result<PathBuf> {
    let mut built = BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !built.contains(name) {
        let status = Command::new(env!("CARGO"))
            .args(["build", "--quiet", "--package", name, "--bin", name])
            .status()
            .context("cargo cannot be run")?;
        if !status.success() {
            bail!("{name} does not build");
        }
        built.insert(name.to_owned());
    }
    // The test itself lies in <target>/debug/deps.
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("a test lies in a folder of the target")?;
    Ok(folder.join(name))
}
