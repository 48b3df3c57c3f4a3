//! Plants the faults of `faults.rs` in the pure crates, one at a time in a copy of them, and expects
//! the simulation to fail each time.

mod faults;

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use faults::{FAULTS, Fault};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is copied: the crates that decide, and the simulator.
const COPIED: [&str; 6] = [
    "poco-core",
    "scheduler/core",
    "worker/core",
    "contracts/client/core",
    "integration-tests/sim",
    "Cargo.lock",
];

/// Worlds that are played without any fault, all of whose goals must be reached.
const SOUND_WORLDS: u64 = 3_000;

/// Where the table stands, between its marks.
const TABLE: &str = "integration-tests/sim/FAULTS.md";

/// Plants faults in the crates that decide and expects the simulation to notice.
#[derive(Debug, Parser)]
struct Options {
    /// Plays those with these numbers alone, from 0.
    numbers: Vec<usize>,
    /// Worlds that are played for each fault.
    #[arg(long, default_value_t = 20_000)]
    worlds: u64,
    /// Where the copy and its build lie.
    #[arg(long, default_value = "/tmp/poco-sim-mutants")]
    work: PathBuf,
    /// Write what caught each fault into the table.
    #[arg(long)]
    write: bool,
}

#[expect(clippy::print_stdout, reason = "the outcome is this program's output")]
fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize()?;
    copy(&root, &options.work)?;
    let sound = play(&options, SOUND_WORLDS)?;
    ensure!(sound.is_none(), "the simulation fails without any fault");
    let all: Vec<usize> = (0..FAULTS.len()).collect();
    let numbers = if options.numbers.is_empty() { &all } else { &options.numbers };
    let mut found = Vec::new();
    for number in numbers {
        let fault = FAULTS.get(*number).with_context(|| format!("there is no fault {number}"))?;
        let caught = plant(&options, fault)?;
        let told = caught.as_deref().unwrap_or("NOTHING");
        println!("{number:>3} {}: {told}", fault.name);
        found.push((*number, caught));
        // It takes hours: what was found stays, whatever comes.
        if options.write {
            write_table(&root.join(TABLE), &found)?;
        }
    }
    let survivors = found.iter().filter(|(_, caught)| caught.is_none()).count();
    ensure!(survivors == 0, "{survivors} faults were not noticed");
    Ok(())
}

/// The crates in a workspace of their own, so that nothing else is built.
fn copy(root: &Path, work: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(work)?;
    for part in COPIED {
        let to = work.join(part);
        if to.is_dir() {
            fs::remove_dir_all(&to)?;
        }
        fs::create_dir_all(to.parent().context("a part has a folder")?)?;
        // As new files: else cargo takes what it built of the last fault for what these lead to.
        let copied = Command::new("cp").arg("-r").arg(root.join(part)).arg(&to).status()?;
        ensure!(copied.success(), "cannot copy {part}");
    }
    let text = fs::read_to_string(root.join("Cargo.toml"))?;
    let (before, rest) = text.split_once("members = [").context("no members")?;
    let (_, after) = rest.split_once(']').context("no end of the members")?;
    let members: Vec<String> = COPIED
        .iter()
        .filter(|part| !part.contains('.'))
        .map(|part| format!("\"{part}\""))
        .collect();
    let text = format!("{before}members = [{}]{after}", members.join(", "));
    fs::write(work.join("Cargo.toml"), text)?;
    Ok(())
}

/// The file in which a fault is planted, whose place stands in it once.
fn read(root: &Path, fault: &Fault) -> anyhow::Result<String> {
    let sound = fs::read_to_string(root.join(fault.file))?;
    let places = sound.matches(fault.from).count();
    ensure!(places == 1, "{:?} stands {places} times in {}", fault.from, fault.file);
    Ok(sound)
}

fn plant(options: &Options, fault: &Fault) -> anyhow::Result<Option<String>> {
    let file = options.work.join(fault.file);
    let sound = read(&options.work, fault)?;
    fs::write(&file, sound.replace(fault.from, fault.to))?;
    let caught = play(options, options.worlds);
    fs::write(&file, sound)?;
    caught.with_context(|| fault.name)
}

/// Builds and plays; the first failure, if there is one.
fn play(options: &Options, worlds: u64) -> anyhow::Result<Option<String>> {
    let built = Command::new("cargo")
        .args(["build", "--quiet", "-p", "poco-sim", "--bin", "poco-sim"])
        .current_dir(&options.work)
        .env("CARGO_TARGET_DIR", options.work.join("target"))
        .env("RUSTFLAGS", "-Awarnings")
        .output()?;
    if !built.status.success() {
        bail!("it does not compile:\n{}", String::from_utf8_lossy(&built.stderr));
    }
    let played = Command::new(options.work.join("target/debug/poco-sim"))
        .args(["1", "--worlds", &worlds.to_string(), "--stop-after", "1", "--goals"])
        .output()?;
    if played.status.success() {
        return Ok(None);
    }
    let text = String::from_utf8_lossy(&played.stdout).into_owned();
    let failed = text.lines().find(|line| line.starts_with("seed ") || line.starts_with("never "));
    Ok(Some(failed.unwrap_or("it died").to_owned()))
}

/// The table with what was found now; what was not played stays as it stood.
fn write_table(path: &Path, found: &[(usize, Option<String>)]) -> anyhow::Result<()> {
    let text = fs::read_to_string(path)?;
    let (before, rest) = text.split_once("<!-- faults -->\n").context("no mark")?;
    let (known, after) = rest.split_once("<!-- end of faults -->").context("no end mark")?;
    let mut rows = String::from("| fault | in | noticed by |\n|---|---|---|\n");
    for (number, fault) in FAULTS.iter().enumerate() {
        let row_of = |line: &&str| line.starts_with(&format!("| {} |", fault.name));
        let noticed = match found.iter().find(|(played, _)| *played == number) {
            Some((_, Some(caught))) => short(caught),
            Some((_, None)) => "**nothing**".into(),
            None => known
                .lines()
                .find(row_of)
                .and_then(|line| line.rsplit(" | ").next())
                .map_or("not played yet".into(), |cell| cell.trim_end_matches(" |").to_owned()),
        };
        rows.push_str(&format!("| {} | `{}` | {noticed} |\n", fault.name, fault.file));
    }
    fs::write(path, format!("{before}<!-- faults -->\n{rows}<!-- end of faults -->{after}"))?;
    Ok(())
}

/// The words of a failure without ids, which say nothing to a reader.
fn short(caught: &str) -> String {
    let words: Vec<&str> = caught.split_whitespace().take(16).collect();
    let kept = words.iter().map(|word| if word.contains("0x") { "…" } else { word });
    kept.collect::<Vec<_>>().join(" ").replace('|', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_its_place_and_its_name() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for fault in FAULTS {
            read(&root, fault).unwrap();
        }
        let names: std::collections::BTreeSet<_> = FAULTS.iter().map(|fault| fault.name).collect();
        assert_eq!(names.len(), FAULTS.len());
    }
}
