//! Plays sequences on demand and tells what happened.

use anyhow::{Result, bail};
use clap::Parser;
use poco_differential::sequence::Theatre;
use poco_differential::story::Story;
use poco_differential::tally::Tally;
use std::io::Write as _;
use std::process::ExitCode;

/// From so many sequences on, a run must have reached everything.
const SEQUENCES_FOR_ALL: u64 = 400;

/// Plays random calls on our contracts, on the reference's and on the model of both.
#[derive(Parser)]
struct Arguments {
    /// The seed of the first sequence.
    #[arg(default_value_t = 0)]
    seed: u64,
    /// Calls of a sequence.
    #[arg(long, default_value_t = 250)]
    calls: u64,
    /// How many sequences, of seeds that follow each other.
    #[arg(long, default_value_t = 1)]
    sequences: u64,
    /// Tells every step.
    #[arg(long)]
    verbose: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let Arguments { seed, calls, sequences, verbose } = Arguments::parse();
    let theatre = Theatre::open()?;
    let story = Story::new(&theatre.cast);
    let mut tally = Tally::default();
    let mut out = std::io::stdout().lock();
    for seed in seed..seed.saturating_add(sequences) {
        let mut lines = Vec::new();
        let found = theatre.play(seed, calls, &mut tally, |step, expected| {
            if verbose {
                lines.push(story.line(step, expected));
            }
        })?;
        for line in lines {
            writeln!(out, "{line}")?;
        }
        if let Some(found) = found {
            writeln!(out, "{}", story.of(seed, &theatre.shrink(found)?, &theatre)?)?;
            bail!("seed {seed} does not play the same everywhere");
        }
    }
    writeln!(out, "{}", tally.table())?;
    let missing = tally.missing();
    if sequences >= SEQUENCES_FOR_ALL && !missing.is_empty() {
        bail!("never reached:\n  {}", missing.join("\n  "));
    }
    Ok(())
}
