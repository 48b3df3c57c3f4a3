//! Flags and variables. Each overrides the key of the same name in the configuration file.

use crate::config::{LaneChoice, LogFormat};
use crate::tls::TlsMode;
use clap::{Parser, Subcommand};
use poco_chain::ChainFlags;
use poco_core::Address;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;
use url::Url;

/// Runs a pool: follows its deals, leads its workers, keeps results, finalizes.
#[derive(Debug, Default, Parser, Serialize)]
#[command(name = "poco-scheduler", version)]
pub(crate) struct Flags {
    /// What to do; without it, the pool is run.
    #[command(subcommand)]
    #[serde(skip)]
    pub(crate) command: Option<Command>,
    /// Configuration file (TOML); flags and variables come first.
    #[arg(long, global = true, env = "POCO_SCHEDULER_CONFIG", value_name = "FILE")]
    #[serde(skip)]
    pub(crate) config: Option<PathBuf>,
    /// Print the configuration in force and exit.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) print_config: bool,
    /// Print the names of all failpoints and exit.
    #[arg(long, hide = true)]
    #[serde(skip)]
    pub(crate) list_failpoints: bool,
    /// Open file descriptor from which the keystore's password is read.
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip)]
    pub(crate) password_fd: Option<u32>,
    /// Address and port for workers and clients.
    #[arg(long, env = "POCO_SCHEDULER_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    listen: Option<SocketAddr>,
    /// Folder of the store and of results.
    #[arg(long, global = true, env = "POCO_SCHEDULER_DATA_DIR", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    data_dir: Option<PathBuf>,
    /// Address of the pool.
    #[arg(long, env = "POCO_WORKERPOOL", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    workerpool: Option<Address>,
    /// First block to read at the first start: that of the pool's creation.
    #[arg(long, env = "POCO_SCHEDULER_START_BLOCK", value_name = "BLOCK")]
    #[serde(skip_serializing_if = "Option::is_none")]
    start_block: Option<u64>,
    /// Where clients reach this scheduler, to be published in the market.
    #[arg(long, env = "POCO_SCHEDULER_PUBLIC_URL", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    public_url: Option<Url>,
    /// Market in which the pool's address is published.
    #[arg(long, env = "POCO_MARKET_URL", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    market_url: Option<Url>,
    /// Where results are kept (`file:///folder`, `s3://bucket/folder`).
    #[arg(long, env = "POCO_SCHEDULER_RESULTS_URL", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    results_url: Option<Url>,
    /// Let tasks at trust 1 take the fast lane.
    #[arg(long, env = "POCO_SCHEDULER_FAST_LANE", value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    #[serde(skip_serializing_if = "Option::is_none")]
    fast_lane: Option<bool>,
    /// Which lane replicated tasks and bags take.
    #[arg(long, env = "POCO_SCHEDULER_LANE", value_name = "LANE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lane: Option<LaneChoice>,
    /// Tasks opened and not decided at a time.
    #[arg(long, env = "POCO_SCHEDULER_TASKS_LIVE_MAX", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    tasks_live_max: Option<usize>,
    /// Workers on which a task may fail by its own fault.
    #[arg(long, env = "POCO_SCHEDULER_ATTEMPTS_MAX", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts_max: Option<usize>,
    /// How long a worker may be away before it is replaced.
    #[arg(long, env = "POCO_SCHEDULER_LOST_AFTER_SECONDS", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lost_after_seconds: Option<u64>,
    /// The same after the scheduler's own start.
    #[arg(long, env = "POCO_SCHEDULER_START_GRACE_SECONDS", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    start_grace_seconds: Option<u64>,
    /// How often workers must give a sign of life.
    #[arg(long, env = "POCO_SCHEDULER_HEARTBEAT_SECONDS", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    heartbeat_seconds: Option<u32>,
    /// Blocks after which a task's end is final.
    #[arg(long, env = "POCO_SCHEDULER_PRUNE_DEPTH_BLOCKS", value_name = "COUNT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    prune_depth_blocks: Option<u64>,
    /// How long results are kept after a task is forgotten.
    #[arg(long, env = "POCO_SCHEDULER_RESULT_SECONDS", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    result_seconds: Option<u64>,
    /// Socket of the operator's commands.
    #[arg(long, global = true, env = "POCO_SCHEDULER_ADMIN_SOCKET", value_name = "PATH")]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_socket: Option<PathBuf>,
    /// Address on loopback at which orders are taken from programs that have the token.
    #[arg(long, env = "POCO_SCHEDULER_ADMIN_LISTEN", value_name = "ADDRESS:PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_listen: Option<SocketAddr>,
    /// File whose first line is that token.
    #[arg(long, env = "POCO_SCHEDULER_ADMIN_TOKEN_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_token_file: Option<PathBuf>,
    /// Folder in which keys are locked, one scheduler each.
    #[arg(long, env = "POCO_SCHEDULER_LOCK_DIR", value_name = "FOLDER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    lock_dir: Option<PathBuf>,
    /// How long a stop waits for what is under way.
    #[arg(long, env = "POCO_SCHEDULER_STOP_SECONDS", value_name = "SECONDS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_seconds: Option<u64>,
    /// Gas that the owner must be able to pay; below, no task is opened.
    #[arg(long, env = "POCO_SCHEDULER_FLOOR_GAS", value_name = "GAS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_gas: Option<u64>,
    /// Free stake, in nRLC, below which the scheduler says so.
    #[arg(long, env = "POCO_SCHEDULER_FLOOR_STAKE_NANO", value_name = "NRLC")]
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_stake_nano: Option<u64>,
    /// Room that there must be for results, in bytes; below, no task is opened.
    #[arg(long, env = "POCO_SCHEDULER_FLOOR_ROOM_BYTES", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    floor_room_bytes: Option<u64>,
    /// What stored results may take together, in bytes.
    #[arg(long, env = "POCO_SCHEDULER_RESULTS_BYTES_MAX", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    results_bytes_max: Option<u64>,
    /// Log filter, as `info` or `poco_scheduler=debug`.
    #[arg(long, env = "POCO_LOG", value_name = "FILTER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log: Option<String>,
    /// How logs look.
    #[arg(long, env = "POCO_LOG_FORMAT", value_name = "FORMAT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    log_format: Option<LogFormat>,
    #[command(flatten)]
    files: FilesFlags,
    #[command(flatten)]
    tls: TlsFlags,
    #[command(flatten)]
    keystore: KeystoreFlags,
    #[command(flatten)]
    chain: ChainFlags,
}

/// What an operator asks of the scheduler that runs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show the pool, its workers, tasks, transactions and funds.
    Status {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make the tasks of new deals wait; deals that have begun are served.
    Pause,
    /// Serve new deals again.
    Resume,
    /// Give a worker nothing new; it keeps its promises.
    Drain(WorkerArgument),
    /// Give a worker new tasks again.
    Undrain(WorkerArgument),
    /// Let a worker in, whatever the configuration says.
    Allow(WorkerArgument),
    /// Keep a worker out, whatever the configuration says.
    Deny(WorkerArgument),
    /// Take the word on a worker back: the configuration decides again.
    Forget(WorkerArgument),
    /// Sell a category at a price, whatever the configuration says.
    Price(PriceArguments),
    /// Sell a category no more, whatever the configuration says.
    Unsell(CategoryArgument),
    /// Take the word on a category back: the configuration decides again.
    Unprice(CategoryArgument),
    /// Show what is sold, and for how much.
    Prices {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Show who is drained, allowed and denied.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a new store in place of a damaged one; the scheduler must not run.
    Repair(RepairArguments),
}

/// How a store is repaired.
#[derive(Debug, clap::Args)]
pub(crate) struct RepairArguments {
    /// From everything that the chain knows of the pool; the old store is moved aside.
    #[arg(long, required = true)]
    pub(crate) from_chain: bool,
    /// First block to read: that of the pool's creation, or `start_block` if not given.
    #[arg(long, value_name = "BLOCK")]
    pub(crate) from_block: Option<u64>,
}

/// A category.
#[derive(Debug, clap::Args)]
pub(crate) struct CategoryArgument {
    /// Number of the category.
    #[arg(value_name = "CATEGORY")]
    pub(crate) category: u64,
}

/// A category with its price.
#[derive(Debug, clap::Args)]
pub(crate) struct PriceArguments {
    /// Number of the category.
    #[arg(value_name = "CATEGORY")]
    pub(crate) category: u64,
    /// Price of one task while nothing runs, in nRLC.
    #[arg(value_name = "NRLC")]
    pub(crate) price_nano: u64,
    /// The same while every slot is used; as much, if not given.
    #[arg(long = "full", value_name = "NRLC")]
    pub(crate) price_full_nano: Option<u64>,
}

/// A worker.
#[derive(Debug, clap::Args)]
pub(crate) struct WorkerArgument {
    /// Wallet of the worker.
    #[arg(value_name = "WORKER")]
    pub(crate) worker: Address,
}

/// Flags over the `[files]` section.
#[derive(Debug, Default, clap::Args, Serialize)]
struct FilesFlags {
    /// What files that others give into keeping may take together, in bytes; none is taken if not given.
    #[arg(long = "files-bytes-max", env = "POCO_SCHEDULER_FILES_BYTES_MAX", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_max: Option<u64>,
    /// The largest such file, in bytes.
    #[arg(long = "file-bytes-max", env = "POCO_SCHEDULER_FILE_BYTES_MAX", value_name = "BYTES")]
    #[serde(skip_serializing_if = "Option::is_none")]
    file_bytes_max: Option<u64>,
}

/// Flags over the `[tls]` section.
#[derive(Debug, Default, clap::Args, Serialize)]
struct TlsFlags {
    /// Whether connections are encrypted: by default where other machines reach the port.
    #[arg(long = "tls", env = "POCO_SCHEDULER_TLS", value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<TlsMode>,
    /// Certificate with its chain (PEM); one is made if not given.
    #[arg(long = "tls-certificate", env = "POCO_SCHEDULER_TLS_CERTIFICATE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    certificate: Option<PathBuf>,
    /// The certificate's key (PEM).
    #[arg(long = "tls-key", env = "POCO_SCHEDULER_TLS_KEY", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<PathBuf>,
}

/// Flags over the `[keystore]` section.
#[derive(Debug, Default, clap::Args, Serialize)]
struct KeystoreFlags {
    /// Keystore of the pool's owner (Ethereum V3 file).
    #[arg(long = "keystore", env = "POCO_KEYSTORE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<PathBuf>,
    /// File whose first line is the keystore's password.
    #[arg(long, env = "POCO_KEYSTORE_PASSWORD_FILE", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    password_file: Option<PathBuf>,
}
