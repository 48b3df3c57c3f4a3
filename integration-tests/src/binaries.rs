//! The binaries under test, built once per test process from the tree as it is, with the profile of
//! the test itself: optimised ones for a benchmark.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;

/// Whether this process has built them already; the lock also keeps two tests from building at once.
static IS_BUILT: Mutex<bool> = Mutex::new(false);

/// What cargo tells a test about itself. A cargo inside must not see it: build scripts that look at
/// these variables would run again, and everything above them be compiled again, each time.
const OUTER: [&str; 5] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];

/// The path of a binary: `poco-scheduler`, `poco-worker`, `poco-market` or `poco`.
///
/// # Errors
/// Where it does not build.
pub fn binary(name: &str) -> Result<PathBuf> {
    // The test itself lies in <target>/debug/deps, a benchmark in <target>/release/deps.
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("a test lies in a folder of the target")?;
    let profile: &[&str] = if folder.ends_with("release") { &["--release"] } else { &[] };
    let mut is_built = IS_BUILT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if !*is_built {
        // All at once, as `make build` does: one set of features, so nothing is compiled twice.
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--workspace", "--bins"]).args(profile);
        for (variable, _) in std::env::vars_os() {
            let is_outer = |name: &str| OUTER.iter().any(|outer| name.starts_with(outer));
            if variable.to_str().is_some_and(is_outer) {
                cargo.env_remove(variable);
            }
        }
        if !cargo.status().context("cargo cannot be run")?.success() {
            bail!("the binaries do not build");
        }
        *is_built = true;
    }
    Ok(folder.join(name))
}
