//! The command line: flags over the configuration file, and what to do.

use crate::config::{BondChoice, Checked, Config, LogFormat};
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use poco_chain::ChainFlags;
use poco_chain::config::{ConfigProblems, layered};
use poco_core::Address;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use url::Url;

/// Rents this machine to a pool: runs apps in containers and earns for right results.
#[derive(Debug, Parser)]
#[command(name = "poco-worker", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

/// What to do; `run` if not said.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve the pool until stopped. The default.
    Run,
    /// Say all that is missing on this machine, with what to do about it.
    Doctor {
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Say what the wallet earned and lost for each task that has ended, and why, by the chain.
    Statement {
        /// Another wallet than this worker's.
        #[arg(long, value_name = "ADDRESS")]
        worker: Option<Address>,
        /// Tasks for which it voted from this block on.
        #[arg(long, default_value_t = 0, value_name = "NUMBER")]
        from_block: u64,
        #[command(flatten)]
        form: StatementFlags,
    },
}

/// How a statement is printed.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct StatementFlags {
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print comma-separated values, amounts in nRLC.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

/// How a statement is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StatementForm {
    Text,
    Json,
    Csv,
}

impl StatementFlags {
    pub(crate) fn chosen(self) -> StatementForm {
        match (self.json, self.csv) {
            (true, _) => StatementForm::Json,
            (false, true) => StatementForm::Csv,
            (false, false) => StatementForm::Text,
        }
    }
}

/// What is no setting.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Configuration file.
    #[arg(long, short, env = "POCO_WORKER_CONFIG", value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print the configuration in force and end.
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Read the keystore's password from this open file descriptor.
    #[arg(long, value_name = "FD")]
    pub(crate) password_fd: Option<u32>,
    /// Print the names of all failpoints and end.
    #[arg(long, hide = true)]
    pub(crate) list_failpoints: bool,
}

/// Settings that lie over the file's.
#[derive(Debug, Default, Serialize, Args)]
pub(crate) struct Flags {
    /// Folder of journal and runs; one per worker.
    #[arg(long, env = "POCO_WORKER_DATA_DIR", value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// The pool's address as its scheduler prints it: `https://HOST:PORT/#sha256=PIN`, or `http://…`.
    #[arg(long, env = "POCO_SCHEDULER_URL", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler_url: Option<Url>,
    /// The pool.
    #[arg(long, env = "POCO_WORKERPOOL", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    workerpool: Option<Address>,
    /// Tasks that may run at the same time.
    #[arg(long, env = "POCO_WORKER_SLOTS", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    slots: Option<u32>,
    /// Blocks on top of a task's end before its result is deleted here.
    #[arg(long, env = "POCO_WORKER_FORGET_DEPTH_BLOCKS", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    forget_depth_blocks: Option<u64>,
    /// Tell the pool what apps print while they run, for the requesters who own the runs.
    #[arg(long, env = "POCO_WORKER_TELL_PRINTED", value_name = "BOOL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tell_printed: Option<bool>,
    /// What this machine offers, by the tags' names, separated by commas.
    #[arg(long, env = "POCO_WORKER_TAGS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    /// Log filter.
    #[arg(long, env = "POCO_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// How logs look.
    #[arg(long, env = "POCO_LOG_FORMAT", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<LogFormat>,
    /// Where to serve /healthz and /metrics.
    #[arg(long, env = "POCO_WORKER_HTTP", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    http_listen: Option<SocketAddr>,
    #[command(flatten)]
    keystore: KeystoreFlags,
    #[command(flatten)]
    chain: ChainFlags,
    #[command(flatten)]
    stake: StakeFlags,
    #[command(flatten)]
    machine: MachineFlags,
    #[command(flatten)]
    sandbox: SandboxFlags,
}

#[derive(Debug, Default, Serialize, Args)]
struct MachineFlags {
    /// Names the machine to the pool, hashed: no task is given to two of its workers.
    #[arg(long = "machine", env = "POCO_WORKER_MACHINE", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// Who runs the worker: no task is given to two of its workers.
    #[arg(long, env = "POCO_WORKER_OWNER", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Address>,
    /// GPUs that runs may use.
    #[arg(long, env = "POCO_WORKER_GPUS", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    gpus: Option<u32>,
    /// Where the machine stands.
    #[arg(long, env = "POCO_WORKER_REGION", value_name = "NAME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    region: Option<String>,
    /// Carbon dioxide that a kWh makes there, in grams.
    #[arg(long, env = "POCO_WORKER_CARBON", value_name = "GRAMS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    carbon_g_per_kwh: Option<u32>,
}

#[derive(Debug, Default, Serialize, Args)]
struct KeystoreFlags {
    /// Ethereum V3 keystore file of the worker's wallet.
    #[arg(long = "keystore", env = "POCO_KEYSTORE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    /// File whose first line is the keystore's password.
    #[arg(long, env = "POCO_KEYSTORE_PASSWORD_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
}

#[derive(Debug, Default, Serialize, Args)]
struct StakeFlags {
    /// On start, deposit tokens until this much stake (nRLC) is free.
    #[arg(long, env = "POCO_WORKER_AUTO_DEPOSIT", value_name = "NRLC")]
    #[serde(skip_serializing_if = "Option::is_none")]
    auto_deposit: Option<u64>,
    /// The most stake (nRLC) that is locked for one task; a task that asks for more is declined.
    #[arg(long, env = "POCO_WORKER_MAX_STAKE", value_name = "NRLC")]
    #[serde(skip_serializing_if = "Option::is_none")]
    max_stake: Option<u64>,
    /// Stake for the pool's settlement lane: `auto` (half of all), an amount (nRLC), or 0.
    #[arg(long, env = "POCO_WORKER_BOND", value_name = "NRLC")]
    #[serde(skip_serializing_if = "Option::is_none")]
    bond: Option<BondChoice>,
}

#[derive(Debug, Default, Serialize, Args)]
struct SandboxFlags {
    /// The container engine.
    #[arg(long, env = "POCO_ENGINE_URL", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    engine_url: Option<String>,
    /// Memory of a slot, in bytes.
    #[arg(long, env = "POCO_WORKER_MEMORY_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    memory_bytes: Option<u64>,
    /// Fetch inputs from addresses that are not on the public internet. For development.
    #[arg(long, env = "POCO_ALLOW_PRIVATE_INPUTS")]
    #[serde(skip_serializing_if = "is_unset")]
    allow_private_inputs: bool,
    /// IPFS gateways for inputs, separated by commas.
    #[arg(long, env = "POCO_IPFS_GATEWAYS", value_delimiter = ',')]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ipfs_gateways: Vec<Url>,
}

/// A switch that is not given leaves the file's value alone.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_unset(switch: &bool) -> bool {
    !switch
}

/// Every flag may stand before or after the command.
fn command() -> clap::Command {
    Cli::command().mut_args(|arg| arg.global(true))
}

impl Cli {
    /// Reads the command line and the environment; ends the program where they make no sense.
    pub(crate) fn read() -> Self {
        Self::from_matches(command().get_matches()).unwrap_or_else(|error| error.exit())
    }

    fn from_matches(matches: clap::ArgMatches) -> clap::error::Result<Self> {
        Self::from_arg_matches(&matches)
    }

    /// The configuration in force.
    ///
    /// # Errors
    /// Every problem of its form.
    pub(crate) fn config(&self) -> Result<Config, ConfigProblems> {
        layered(self.options.config.as_deref(), &self.flags)
    }

    /// The configuration in force, checked.
    ///
    /// # Errors
    /// Every problem at once.
    pub(crate) fn checked(&self) -> Result<Checked, ConfigProblems> {
        self.config()?.check()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Cli {
        Cli::from_matches(command().try_get_matches_from(args).unwrap()).unwrap()
    }

    #[test]
    fn the_command_line_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_lie_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.toml");
        std::fs::write(&path, "slots = 3\ntags = ['gpu']\n[sandbox]\npids = 9\n").unwrap();
        let path = path.to_str().unwrap();
        let hub = format!("0x{}", "22".repeat(20));
        let args = ["poco-worker", "--config", path, "--slots", "5", "doctor", "--hub", &hub];
        let config = parse(&args).config().unwrap();
        assert_eq!((config.slots, config.sandbox.pids), (5, 9));
        assert_eq!(config.tags, ["gpu"]);
        assert_eq!(config.chain.hub, Some(Address::repeat_byte(0x22)));
    }

    #[test]
    fn a_key_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker.toml");
        std::fs::write(&path, "slotz = 3\n").unwrap();
        let args = ["poco-worker", "--config", path.to_str().unwrap()];
        let problems = parse(&args).config().unwrap_err();
        assert!(problems.to_string().contains("slotz"), "{problems}");
    }
}
