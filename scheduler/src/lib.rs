//! The scheduler of a pool: follows its deals, leads its workers, keeps results, finalizes.
//!
//! `poco-scheduler-core` decides; this crate carries it out and keeps the promises. It is a library only
//! so that its decoders can be put to the test (`fuzzing`); what is linked elsewhere is nothing else.

mod access;
mod admin;
mod admission;
mod arrival;
mod cli;
mod config;
mod descriptors;
mod doors;
mod effects;
mod event_loop;
mod explaining;
mod files;
mod filling;
mod follow;
mod grpc;
mod heartbeats;
mod http;
mod leaving;
mod limits;
mod listening;
mod logs;
mod meters;
mod objects;
mod operator;
mod outlook;
mod pace;
mod page;
mod place;
mod placement;
mod points;
mod pricing;
mod profile;
mod reads;
mod repair;
mod results;
mod rival;
mod room;
mod sales;
mod scheduler;
mod sessions;
mod signals;
mod status;
mod store;
mod sweep;
mod tls;
mod token;
mod transcripts;
mod translate;
mod watchers;

#[cfg(feature = "fuzzing")]
pub mod fuzzing;

use clap::Parser as _;
use cli::Flags;
use config::Config;
use poco_chain::failpoint;
use std::io::Write as _;
use std::process::ExitCode;

/// The whole program, from its command line to its exit code.
pub async fn main() -> ExitCode {
    poco_chain::install_crypto();
    match run(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told if stderr is closed.
            for line in format!("{error:#}").lines() {
                drop(writeln!(std::io::stderr(), "poco-scheduler: {line}"));
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    if flags.list_failpoints {
        let names = failpoint::names(points::POINTS);
        return Ok(writeln!(std::io::stdout(), "{}", names.join("\n"))?);
    }
    if let Some(command) = &flags.command {
        let answer = operator::run(command, flags).await?;
        return Ok(write!(std::io::stdout(), "{answer}")?);
    }
    let config = Config::load(flags)?;
    if flags.print_config {
        return Ok(write!(std::io::stdout(), "{}", toml::to_string(&config)?)?);
    }
    let checked = config.check()?;
    logs::start(&checked.config)?;
    descriptors::take_all();
    failpoint::arm(points::POINTS)?;
    let wallet = checked.config.keystore.open(flags.password_fd)?;
    scheduler::run(checked, wallet, signals::stop()?).await
}
