//! Plays simulated markets: one with its story, or many.

use clap::Parser;
use poco_sim::{play, play_many};
use std::process::ExitCode;

/// Plays whole markets in one thread, each from its seed, and checks that nobody loses what is theirs.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// The seed; with --worlds the first one.
    #[arg(default_value_t = 1)]
    seed: u64,
    /// Tell the story of the seed.
    #[arg(long, conflicts_with = "worlds")]
    verbose: bool,
    /// Play so many worlds, from the seed on, on all cores.
    #[arg(long)]
    worlds: Option<u64>,
    /// Stop once so many worlds have failed.
    #[arg(long, requires = "worlds", default_value_t = 10)]
    stop_after: usize,
    /// Fail unless the worlds together reach all that is interesting.
    #[arg(long, requires = "worlds")]
    goals: bool,
}

#[expect(clippy::print_stdout, reason = "the outcome is this program's output")]
fn main() -> ExitCode {
    let options = Options::parse();
    let Some(worlds) = options.worlds else {
        let reached = play(options.seed, options.verbose);
        println!("seed {}: all holds", options.seed);
        for (what, count) in reached.all() {
            println!("{count:>8} {what}");
        }
        return ExitCode::SUCCESS;
    };
    let batch = play_many(options.seed, worlds, options.stop_after);
    println!("{} worlds, {} failed", batch.worlds, batch.failures.len());
    for (what, count) in batch.reached.all() {
        println!("{count:>8} {what}");
    }
    for failure in &batch.failures {
        println!("seed {}: {}", failure.seed, failure.message);
    }
    let missing = if options.goals { batch.reached.missing() } else { Vec::new() };
    for goal in &missing {
        println!("never reached: {goal}");
    }
    if batch.failures.is_empty() && missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
