//! Measures the scheduler's process: real logins, real gRPC, a real store whose records are synced,
//! with simulated workers and a node of the bench's own.
//!
//! The driver runs in this process and the scheduler in its own, so that the processor time of
//! each is known apart. What is measured are tasks from the event of their deal until they run at
//! a worker; ballots, commits and results are not among it.

mod fleet;
mod latency;
mod node;
mod peer;
mod report;
mod rows;
mod scene;
mod scheduler;

use anyhow::{Context, Result};
use clap::Parser;
use report::Report;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

/// Measures the scheduler under load and prints a table.
#[derive(Debug, Parser)]
#[command(name = "poco-load")]
struct Options {
    /// The scheduler; the one beside this program by default.
    #[arg(long)]
    program: Option<PathBuf>,
    /// Only these parts.
    #[arg(long, value_delimiter = ',', value_parser = ["bag", "kills", "latency", "curve", "live", "peer", "idle"])]
    only: Vec<String>,
    /// One part of it: fill so many tasks at so many workers, and nothing else.
    #[arg(long, num_args = 2, value_names = ["TASKS", "WORKERS"])]
    fill: Option<Vec<usize>>,
    /// Another: the memory of so many idle workers, without TLS and with it.
    #[arg(long, value_name = "WORKERS")]
    idle: Option<usize>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    poco_chain::install_crypto();
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("poco-scheduler"));
    let program = options.program.clone().or_else(beside).context("no program beside this one")?;
    let mut report = Report::default();
    let ended = match (options.fill.as_deref(), options.idle) {
        (Some([tasks, workers]), _) => rows::point(&program, (*tasks, *workers), &mut report).await,
        (_, Some(workers)) => rows::idle_memory(&program, workers, &mut report).await,
        (Some(_) | None, None) => rows::all(&program, &options.only, &mut report).await,
    };
    // What was measured before something failed was measured.
    write!(std::io::stdout(), "{report}")?;
    ended
}

/// Progress goes beside the report.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "load: {line}"));
}
