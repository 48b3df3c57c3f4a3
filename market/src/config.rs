//! What the market is told at start: a TOML file under flags and variables.

use clap::Parser;
use poco_chain::config::{ConfigProblems, layered};
use poco_chain::{ChainConfig, ChainFlags, ChainSettings};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// Where the API answers unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3000);

/// Requests of one address in a minute unless told otherwise; loopback has no limit.
const REQUESTS_PER_MINUTE: u32 = 100;

/// The order book of a marketplace for verified computing.
#[derive(Debug, Parser, Serialize)]
#[command(name = "poco-market", version)]
pub(crate) struct Flags {
    /// Configuration file (TOML); flags and variables come first.
    #[arg(long, env = "POCO_MARKET_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Print the configuration in force and exit.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) print_config: bool,
    /// Address and port of the API.
    #[arg(long, env = "POCO_MARKET_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Folder of the order book.
    #[arg(long, env = "POCO_MARKET_DATA_DIR", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// First block to read at the first start: that of the hub's deployment.
    #[arg(long, env = "POCO_MARKET_START_BLOCK", value_name = "BLOCK")]
    #[serde(skip_serializing_if = "Option::is_none")]
    start_block: Option<u64>,
    /// Requests of one address in a minute.
    #[arg(long, env = "POCO_MARKET_REQUESTS_PER_MINUTE", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    requests_per_minute: Option<u32>,
    /// Take callers' addresses from X-Forwarded-For: only behind a proxy that sets it.
    #[arg(long, env = "POCO_MARKET_TRUST_PROXY", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    trust_proxy: Option<bool>,
    #[command(flatten)]
    chain: ChainFlags,
}

/// Everything that is set, by flag, variable, file or default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) data_dir: PathBuf,
    pub(crate) start_block: u64,
    pub(crate) requests_per_minute: u32,
    pub(crate) trust_proxy: bool,
    pub(crate) chain: ChainConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            data_dir: default_data_dir(),
            start_block: 0,
            requests_per_minute: REQUESTS_PER_MINUTE,
            trust_proxy: false,
            chain: ChainConfig::default(),
        }
    }
}

/// `$XDG_DATA_HOME/poco/market`; beside the caller where the user has no home.
fn default_data_dir() -> PathBuf {
    directories::BaseDirs::new()
        .map_or_else(|| PathBuf::from("."), |dirs| dirs.data_dir().to_path_buf())
        .join("poco")
        .join("market")
}

impl Config {
    /// The configuration that the flags, the variables and the file make.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigProblems> {
        layered(flags.config.as_deref(), flags)
    }

    /// How to reach the chain, once everything else is right too.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub(crate) fn check(&self) -> Result<ChainSettings, ConfigProblems> {
        let mut problems = Vec::new();
        if self.requests_per_minute == 0 {
            problems.push("requests_per_minute must be at least 1".into());
        }
        if self.data_dir.as_os_str().is_empty() {
            problems.push("data_dir must not be empty".into());
        }
        match self.chain.settings() {
            Ok(settings) if problems.is_empty() => Ok(settings),
            Ok(_) => Err(ConfigProblems(problems)),
            Err(more) => {
                problems.extend(more);
                Err(ConfigProblems(problems))
            }
        }
    }
}
