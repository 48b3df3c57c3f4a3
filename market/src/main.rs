//! `poco-market`: the order book of a marketplace for verified computing.
//!
//! One process: it keeps published orders in RocksDB, follows the chain for what becomes of them,
//! and answers clients over HTTP. It signs nothing and sends no transaction.

mod book;
mod challenge;
mod config;
mod deal;
mod draft;
mod follow;
mod http;
mod live;
mod market;
mod meters;
mod profile;
mod publish;
mod rate;
mod record;
mod rules;
mod serve;
mod standing;
mod store;

use clap::Parser;
use config::{Config, Flags};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    poco_chain::install_crypto();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // Telling that nobody reads would be a panic: nobody reads that either.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .init();
    match run(&Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nothing is left to be told if stderr is closed.
            for line in format!("{error:#}").lines() {
                drop(writeln!(std::io::stderr(), "poco-market: {line}"));
            }
            ExitCode::FAILURE
        }
    }
}

async fn run(flags: &Flags) -> anyhow::Result<()> {
    let config = Config::load(flags)?;
    if flags.print_config {
        return Ok(write!(std::io::stdout(), "{}", toml::to_string(&config)?)?);
    }
    let settings = config.check()?;
    serve::serve(config, settings).await
}
