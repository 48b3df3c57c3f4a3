//! `poco`: the command line of requesters and of app, dataset and pool providers.

mod address;
mod cli;
mod commands;
mod context;
mod failure;
mod interrupt;
mod keys;
mod mark;
mod output;
mod pool;
mod price;

use std::process::ExitCode;

fn main() -> ExitCode {
    poco_chain::install_crypto();
    let cli = match cli::read() {
        Ok(cli) => cli,
        Err(code) => return code,
    };
    let output = output::Output::new(cli.global.json);
    start_log(cli.global.verbose);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return output.failure(&anyhow::Error::from(error).into()),
    };
    match runtime.block_on(commands::run(cli, output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => output.failure(&failure),
    }
}

/// Logs go to the standard error: nothing unless asked for, the command's own words say what matters.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "off",
        1 => "poco=debug,poco_chain=info",
        _ => "debug",
    };
    let filter =
        tracing_subscriber::EnvFilter::try_from_env("POCO_LOG").unwrap_or_else(|_| level.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Telling that nobody reads would be a panic: nobody reads that either.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .init();
}
