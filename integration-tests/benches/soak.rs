//! `make soak`: kills, freezes and starves a whole market on this machine, and says what became of
//! what was bought.

use anyhow::{Result, bail};
use clap::Parser;
use poco_integration_tests::soak::{self, Plan};
use std::io::Write as _;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// Plays faults on a market of its own; needs root, dockerd and loop devices.
#[derive(Debug, Parser)]
#[command(name = "soak")]
struct Options {
    /// For how long faults happen.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=1440))]
    minutes: u64,
    /// From what they are drawn.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// What `cargo bench` adds to every benchmark's arguments.
    #[arg(long, hide = true)]
    bench: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Nothing is left to be told if stderr is closed.
            drop(writeln!(std::io::stderr(), "soak: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<bool> {
    let mut terminate = signal(SignalKind::terminate())?;
    let plan = Plan { duration: Duration::from_secs(60 * options.minutes), seed: options.seed };
    // Whatever ends it, everything that was started is ended by being dropped.
    let verdict = tokio::select! {
        verdict = soak::run(plan, say) => verdict?,
        _ = tokio::signal::ctrl_c() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    write!(std::io::stdout(), "{verdict}")?;
    Ok(verdict.is_good())
}

/// Progress goes beside the verdict.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "soak: {line}"));
}
