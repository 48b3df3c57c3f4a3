//! Another scheduler on the same machine in the same run, where Python has it: HyperQueue, which gives out
//! programs of one user to machines that are his, signs nothing and keeps nothing through a crash.

use crate::report::{Report, Row};
use crate::say;
use anyhow::{Context as _, Result};
use serde::Deserialize;
use std::process::Command;

const SCRIPT: &str = include_str!("peer.py");
/// Each is a process of its own, which takes far longer than to give it out.
const TASKS: u32 = 5_000;

#[derive(Deserialize)]
struct Told {
    version: String,
    tasks: u32,
    seconds: f64,
    server_seconds: f64,
}

/// The processor time that its server takes for a task, beside ours.
pub(crate) fn measure(report: &mut Report) -> Result<()> {
    let python = std::env::var("POCO_PEER_PYTHON").unwrap_or_else(|_| "python3".into());
    let has_it = Command::new(&python).args(["-c", "import hyperqueue"]).output();
    if !has_it.is_ok_and(|output| output.status.success()) {
        say(
            "no peer beside it: `pip install hyperqueue`, or name a python that has it in POCO_PEER_PYTHON",
        );
        return Ok(());
    }
    say(&format!("{TASKS} tasks through HyperQueue"));
    let output = Command::new(&python).args(["-c", SCRIPT, &TASKS.to_string()]).output()?;
    let said = String::from_utf8_lossy(&output.stdout);
    let told: Told = serde_json::from_str(said.trim()).with_context(|| {
        format!("the peer failed: {}", String::from_utf8_lossy(&output.stderr).trim())
    })?;
    let tasks = f64::from(told.tasks);
    let micros = told.server_seconds / tasks * 1e6;
    let mut note = format!(
        "HyperQueue {}, {:.0} processes/s; in memory, unsigned",
        told.version,
        tasks / told.seconds
    );
    if let Some(ours) = report.task_cpu {
        note = format!("{note}; ours takes {:.1} times as much", ours.as_secs_f64() * 1e6 / micros);
    }
    report.rows.push(Row::told("a peer's processor time of a task", micros, "µs").with(note));
    Ok(())
}
