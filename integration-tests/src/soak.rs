//! `make soak`: a market at work while its processes are killed, frozen and cut off from their disks,
//! its chain and its container engine; afterwards everything must have been done and paid for once.
//!
//! All of it is drawn from a seed, but processes and clocks are real: a seed repeats the faults, not
//! the interleaving.

mod chain;
mod disk;
mod engine;
mod faults;
mod load;
mod stage;
mod verdict;

use anyhow::Result;
use faults::Faults;
use load::Load;
use stage::Stage;
use std::time::{Duration, Instant};
pub use verdict::Verdict;

/// How long the market may take to end what is open, once nothing is done to it any more.
const CALM_MAX: Duration = Duration::from_secs(300);
/// Pause between two looks at the market.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How often it is told how far things are.
const TELL_EVERY: Duration = Duration::from_secs(30);

/// What is played.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// For how long faults happen.
    pub duration: Duration,
    /// From what they are drawn.
    pub seed: u64,
}

/// Plays; `say` hears how far it is.
///
/// # Errors
/// Where the market cannot be started, or cannot be looked at in the end. That it failed is in the
/// verdict.
pub async fn run(plan: Plan, say: impl Fn(&str)) -> Result<Verdict> {
    say("starting a market");
    let mut stage = Stage::start().await?;
    let before = verdict::Before::read(&stage).await?;
    let mut faults = Faults::of(plan.seed);
    let mut load = Load::default();
    say("the market is at work; faults begin");
    let begin = Instant::now();
    let mut told = begin;
    while begin.elapsed() < plan.duration {
        stage.tend()?;
        faults.act(&mut stage).await?;
        load.tend(&stage).await?;
        if told.elapsed() > TELL_EVERY {
            told = Instant::now();
            say(&format!("{:>4} s: {load}; {faults}", begin.elapsed().as_secs()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    say("faults end; waiting for what is open");
    faults.end(&mut stage).await?;
    let calm = Instant::now();
    loop {
        stage.tend()?;
        if load.is_done(&stage).await? || calm.elapsed() > CALM_MAX {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    before.judge(&stage, &load, faults).await
}
