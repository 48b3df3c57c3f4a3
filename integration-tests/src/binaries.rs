//! The binaries under test, built once per test process from the tree as it is.

use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

/// The packages whose binaries tests run.
const PACKAGES: [&str; 4] = ["poco-scheduler", "poco-worker", "poco-market", "poco"];

/// The path of a binary: `poco-scheduler`, `poco-worker`, `poco-market` or `poco`.
///
/// # Errors
/// Where the binaries do not build.
pub fn binary(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    match folder {
        Ok(folder) => Ok(folder.join(name)),
        Err(error) => bail!("{error}"),
    }
}

fn build() -> Result<PathBuf> {
    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--quiet", "--bins"]);
    for package in PACKAGES {
        command.args(["--package", package]);
    }
    let status = command.status().context("cargo cannot be run")?;
    if !status.success() {
        bail!("the binaries do not build");
    }
    // The test itself lies in <target>/debug/deps.
    let test = std::env::current_exe()?;
    let folder = test.ancestors().nth(2).context("a test lies in a folder of the target")?;
    Ok(folder.to_owned())
}
