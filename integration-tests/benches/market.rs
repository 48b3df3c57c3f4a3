//! `make bench`: measures a whole market on this machine and prints what it found.

use anyhow::{Result, bail};
use clap::Parser;
use poco_integration_tests::bench::{self, RUNS_MAX};
use std::io::Write as _;
use std::process::ExitCode;
use tokio::signal::unix::{SignalKind, signal};

/// Measures the time, gas and memory of tasks on a market of its own, beside the reference's.
#[derive(Debug, Parser)]
#[command(name = "bench")]
struct Options {
    /// Tasks of each lane.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=RUNS_MAX))]
    runs: u64,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// What `cargo bench` adds to every benchmark's arguments.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told if stderr is closed.
            drop(writeln!(std::io::stderr(), "bench: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let runs = usize::try_from(options.runs)?;
    // Whatever ends it, everything that was started is ended by being dropped.
    let report = tokio::select! {
        report = bench::run(runs, say) => report?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    let mut output = std::io::stdout();
    if options.json {
        writeln!(output, "{}", serde_json::to_string_pretty(&report)?)?;
    } else {
        write!(output, "{report}")?;
    }
    Ok(())
}

/// Progress goes beside the report.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "bench: {line}"));
}
