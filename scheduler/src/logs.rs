//! Logs: to standard error, as text or JSON.

use crate::config::{Config, LogFormat};
use anyhow::Context as _;
use std::io::IsTerminal as _;
use tracing_subscriber::EnvFilter;

/// Starts logging.
///
/// # Errors
/// Where the filter cannot be read.
pub(crate) fn start(config: &Config) -> anyhow::Result<()> {
    let filter: EnvFilter = config.log.parse().with_context(|| format!("log: {:?}", config.log))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        // Telling that nobody reads would be a panic: nobody reads that either.
        .log_internal_errors(false)
        .with_writer(std::io::stderr);
    match config.log_format {
        LogFormat::Text => builder.init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}
