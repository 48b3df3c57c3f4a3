//! The points at which processes die, and how they are dealt out to tasks.

use anyhow::{Result, ensure};
use poco_integration_tests::binaries::binary;
use std::process::Command;

/// What the points of the settlement lane have in their names.
const LANE: &str = ".lane.";

/// Every point of a binary that a pool in the classic and the fast lane comes by, in the order of a
/// task's life.
pub(crate) fn of_binary(name: &str) -> Result<Vec<String>> {
    let all = all_of_binary(name)?;
    Ok(all.into_iter().filter(|point| !point.contains(LANE)).collect())
}

/// The points of a binary that only a pool in the settlement lane comes by.
pub(crate) fn of_lane(name: &str) -> Result<Vec<String>> {
    let all = all_of_binary(name)?;
    Ok(all.into_iter().filter(|point| point.contains(LANE)).collect())
}

fn all_of_binary(name: &str) -> Result<Vec<String>> {
    let output = Command::new(binary(name)?).arg("--list-failpoints").output()?;
    ensure!(output.status.success(), "{name} lists no failpoints");
    let names = String::from_utf8(output.stdout)?;
    Ok(names.lines().map(str::to_owned).collect())
}

/// The two points around each of these steps.
pub(crate) fn around(steps: &[&str]) -> Vec<String> {
    steps.iter().flat_map(|step| [format!("{step}.before"), format!("{step}.after")]).collect()
}

/// Deals `points` out to chains of up to `length`, in their order and as far apart as can be: what
/// a death undid has been made good when the next one comes.
pub(crate) fn chains(points: &[String], length: usize) -> Vec<Vec<String>> {
    let count = points.len().div_ceil(length);
    let chain = |first| points.iter().skip(first).step_by(count).cloned().collect();
    (0..count).map(chain).collect()
}

#[test]
fn chains_keep_the_order_and_lose_no_point() {
    let points: Vec<String> = (0..8).map(|number| number.to_string()).collect();
    assert_eq!(chains(&points, 3), [vec!["0", "3", "6"], vec!["1", "4", "7"], vec!["2", "5"]]);
}
