//! The worker of a pool: takes tasks, runs their apps in containers, votes, reveals, uploads.
//!
//! `poco-worker-core` decides; this binary carries it out and keeps the journal.

mod arrival;
mod attempt;
mod causes;
mod cli;
mod clock;
mod config;
mod doctor;
mod effects;
mod event_loop;
mod follow;
mod http;
mod idle;
mod journal;
mod link;
mod logs;
mod output;
mod params;
mod points;
mod reads;
mod runs;
mod signals;
mod stake;
mod statement;
mod telling;
mod worker;

use cli::{Cli, Command};
use poco_chain::failpoint;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    poco_chain::install_crypto();
    let cli = Cli::read();
    let done = match cli.command {
        _ if cli.options.list_failpoints => Ok(output::failpoints()),
        _ if cli.options.print_config => output::config(&cli),
        Some(Command::Doctor { json }) => Ok(doctor::doctor(&cli, json).await),
        Some(Command::Statement { worker, from_block, form }) => {
            statement::statement(&cli, worker, from_block, form.chosen()).await
        }
        Some(Command::Run) | None => run(&cli).await,
    };
    done.unwrap_or_else(|error| output::failure(&error))
}

async fn run(cli: &Cli) -> anyhow::Result<ExitCode> {
    let checked = cli.checked()?;
    logs::start(&checked.config)?;
    failpoint::arm(points::POINTS)?;
    // Before the keystore is opened, which takes a second: a stop in between ends as well.
    let stop = signals::stop()?;
    let wallet = checked.config.keystore.open(cli.options.password_fd)?;
    worker::run(checked, wallet, stop).await?;
    Ok(ExitCode::SUCCESS)
}
