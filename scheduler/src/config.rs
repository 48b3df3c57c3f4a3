//! What the operator chooses: one TOML file, under flags and variables, checked all at once.

mod profile;

pub(crate) use profile::ProfileConfig;

use crate::cli::Flags;
use crate::files::FilesConfig;
use crate::limits::LimitsConfig;
use crate::tls::TlsConfig;
use poco_chain::config::{ConfigProblems, layered};
use poco_chain::keystore::KeystoreConfig;
use poco_chain::{ChainConfig, ChainSettings, SenderSettings};
use poco_core::{Address, Amount};
use poco_scheduler_core::{CategoryPrice, SalesPolicy, Settings, TaskCost};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use url::Url;

/// Where workers and clients are answered unless told otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 3100);
const HEARTBEAT_SECONDS: u32 = 5;
/// Long enough for reveals and settlements of tasks that agree, and below the 90 s after which systemd
/// ends a process by force; a run that takes longer goes on without us.
const STOP_SECONDS: u64 = 60;
/// Orders are renewed some times an hour, and one that was withdrawn dies soon.
const SALES_EXPIRE_SECONDS: u64 = 900;
/// The highest trust offered unless told otherwise: beyond, a task takes many workers.
const TRUST_MAX: u64 = 100;
const STOP_SECONDS_MAX: u64 = 24 * 3600;
const UPLOAD_BYTES_MAX: u64 = 4 << 30;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Address and port for workers and clients.
    pub(crate) listen: SocketAddr,
    /// Folder of the store, of uploads under way and, by default, of results.
    pub(crate) data_dir: PathBuf,
    /// The pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workerpool: Option<Address>,
    /// First block to read at the first start.
    pub(crate) start_block: u64,
    /// Where workers and clients reach this scheduler; `http(s)://<listen>` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) public_url: Option<Url>,
    /// Market in which the pool's address is published; nowhere if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) market_url: Option<Url>,
    /// Where results are kept; `<data_dir>/results` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) results_url: Option<Url>,
    /// Wallets that may work here; everybody if empty.
    pub(crate) allowed_workers: BTreeSet<Address>,
    /// Wallets that may not.
    pub(crate) denied_workers: BTreeSet<Address>,
    /// Socket of the operator's commands; `<data_dir>/admin.sock` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_socket: Option<PathBuf>,
    /// Address on loopback at which the operator's orders are taken from programs; nowhere if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_listen: Option<SocketAddr>,
    /// File whose first line is the token that such a program needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) admin_token_file: Option<PathBuf>,
    /// Where keys are locked; `$XDG_DATA_HOME/poco/locks` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) lock_dir: Option<PathBuf>,
    /// How long a stop waits for what is under way.
    pub(crate) stop_seconds: u64,
    /// Gas that the owner must be able to pay at the present price; below, no task is opened.
    pub(crate) floor_gas: u64,
    /// Free stake, in nRLC, below which the scheduler says so.
    pub(crate) floor_stake_nano: u64,
    /// Room that there must be for results, in bytes; below, no task is opened.
    pub(crate) floor_room_bytes: u64,
    /// What stored results may take together, in bytes; what the disk has, if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) results_bytes_max: Option<u64>,
    pub(crate) fast_lane: bool,
    /// Whether replicated tasks and bags take the settlement lane where the hub has it.
    pub(crate) lane: LaneChoice,
    pub(crate) tasks_live_max: usize,
    pub(crate) attempts_max: usize,
    pub(crate) lost_after_seconds: u64,
    pub(crate) start_grace_seconds: u64,
    pub(crate) heartbeat_seconds: u32,
    pub(crate) prune_depth_blocks: u64,
    pub(crate) result_seconds: u64,
    /// Largest result taken.
    pub(crate) upload_bytes_max: u64,
    /// Log filter, as `info` or `poco_scheduler=debug`.
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// The pool owner's wallet.
    pub(crate) keystore: KeystoreConfig,
    pub(crate) chain: ChainConfig,
    /// Transactions.
    pub(crate) sender: SenderSettings,
    /// What the scheduler sells by itself.
    pub(crate) sales: SalesConfig,
    /// What the pool promises.
    pub(crate) profile: ProfileConfig,
    /// How connections are encrypted.
    pub(crate) tls: TlsConfig,
    /// What one address may take.
    pub(crate) limits: LimitsConfig,
    /// Files of others that are kept.
    pub(crate) files: FilesConfig,
}

/// The `[sales]` section: without categories nothing is sold by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SalesConfig {
    /// Tasks offered per slot, in percent.
    pub(crate) factor_percent: usize,
    /// The highest trust offered.
    pub(crate) trust_max: u64,
    /// How long an order lives, where the hub lets orders expire.
    pub(crate) expire_seconds: u64,
    /// What matching a request that waits in the market may cost, in wei; if not set, requests are left to
    /// be matched by others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fill_cost_wei_max: Option<u64>,
    /// What no price is below; if not set, prices do not know what gas costs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cost: Option<CostConfig>,
    /// What is sold.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) categories: Vec<CategoryConfig>,
}

/// The `[sales.cost]` section: what a task costs the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CostConfig {
    /// What 10^18 wei of the coin that pays for gas are worth, in nRLC.
    pub(crate) coin_nano: u64,
    /// Gas of the pool's own transactions for a task.
    #[serde(default = "task_gas")]
    pub(crate) task_gas: u64,
    /// The least price, in percent of the cost.
    #[serde(default = "cost_percent")]
    pub(crate) percent: u64,
}

/// Of `initialize` and `finalize` with three workers, classic (`contracts/README.md`).
const fn task_gas() -> u64 {
    252_000
}

const fn cost_percent() -> u64 {
    100
}

impl CostConfig {
    fn problems(&self) -> impl Iterator<Item = String> {
        let mut problems = Vec::new();
        let mut demand = |is_right: bool, problem: &str| {
            if !is_right {
                problems.push(problem.to_owned());
            }
        };
        demand(self.coin_nano > 0, "coin_nano must be at least 1");
        demand(
            (21_000..=30_000_000).contains(&self.task_gas),
            "task_gas must be from 21000 to 30000000",
        );
        demand((1..=100_000).contains(&self.percent), "percent must be from 1 to 100000");
        problems.into_iter()
    }
}

/// One category on sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoryConfig {
    pub(crate) category: u64,
    /// Price of one task while nothing runs, in nRLC.
    pub(crate) price_nano: u64,
    /// The same while every slot is used; as much, if not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) price_full_nano: Option<u64>,
}

impl Default for SalesConfig {
    fn default() -> Self {
        let expire_seconds = SALES_EXPIRE_SECONDS;
        Self {
            factor_percent: 100,
            trust_max: TRUST_MAX,
            expire_seconds,
            fill_cost_wei_max: None,
            cost: None,
            categories: Vec::new(),
        }
    }
}

impl SalesConfig {
    /// How the core is to sell.
    pub(crate) fn policy(&self) -> SalesPolicy {
        let price = |one: &CategoryConfig| CategoryPrice {
            category: one.category,
            idle: Amount::from_nano(one.price_nano),
            full: Amount::from_nano(one.price_full_nano.unwrap_or(one.price_nano)),
        };
        let prices = self.categories.iter().map(price).collect();
        let Self { factor_percent, trust_max, .. } = *self;
        let cost = self.cost.map(|cost| TaskCost {
            gas: cost.task_gas,
            coin_nano: cost.coin_nano,
            percent: cost.percent,
        });
        SalesPolicy { prices, factor_percent, trust_max, cost }
    }

    /// What is wrong with it, one line each.
    fn problems(&self, has_market: bool) -> Vec<String> {
        let mut problems = Vec::new();
        let mut demand = |is_right: bool, problem: &str| {
            if !is_right {
                problems.push(format!("sales.{problem}"));
            }
        };
        let names: BTreeSet<u64> = self.categories.iter().map(|one| one.category).collect();
        demand(names.len() == self.categories.len(), "categories names a category twice");
        demand(
            has_market || self.categories.is_empty(),
            "categories needs a market: market_url, --market-url or POCO_MARKET_URL",
        );
        let is_rising =
            |one: &CategoryConfig| one.price_full_nano.is_none_or(|full| full >= one.price_nano);
        demand(
            self.categories.iter().all(is_rising),
            "categories: price_full_nano must be at least price_nano",
        );
        demand(
            (1..=10_000).contains(&self.factor_percent),
            "factor_percent must be from 1 to 10000",
        );
        demand(self.trust_max > 0, "trust_max must be at least 1");
        demand(
            (60..=86_400).contains(&self.expire_seconds),
            "expire_seconds must be from 60 to 86400",
        );
        demand(
            self.fill_cost_wei_max != Some(0),
            "fill_cost_wei_max of 0 fills nothing: leave it out",
        );
        let costs = self.cost.iter().flat_map(CostConfig::problems);
        problems.extend(costs.map(|problem| format!("sales.cost.{problem}")));
        problems
    }
}

/// Which lane replicated tasks and bags take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LaneChoice {
    /// The settlement lane where the hub has it and workers have bonds, else the classic one.
    #[default]
    Auto,
    /// The classic one.
    Classic,
}

/// How logs look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For programs: one JSON object a line.
    Json,
}

/// What is left after checking: nothing in it can be wrong by itself.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) config: Config,
    pub(crate) workerpool: Address,
    pub(crate) chain: ChainSettings,
}

impl Default for Config {
    fn default() -> Self {
        let usual = Settings::new(Address::ZERO, Address::ZERO);
        Self {
            listen: LISTEN,
            data_dir: data_base_dir().join("scheduler"),
            workerpool: None,
            start_block: 0,
            public_url: None,
            market_url: None,
            results_url: None,
            allowed_workers: BTreeSet::new(),
            denied_workers: BTreeSet::new(),
            admin_socket: None,
            admin_listen: None,
            admin_token_file: None,
            lock_dir: None,
            stop_seconds: STOP_SECONDS,
            floor_gas: usual.floor_gas,
            floor_stake_nano: 0,
            floor_room_bytes: usual.floor_room_bytes,
            results_bytes_max: None,
            fast_lane: usual.fast_lane,
            lane: LaneChoice::default(),
            tasks_live_max: usual.tasks_live_max,
            attempts_max: usual.attempts_max,
            lost_after_seconds: usual.lost_after_millis / 1000,
            start_grace_seconds: usual.start_grace_millis / 1000,
            heartbeat_seconds: HEARTBEAT_SECONDS,
            prune_depth_blocks: usual.prune_depth_blocks,
            result_seconds: usual.result_seconds,
            upload_bytes_max: UPLOAD_BYTES_MAX,
            log: "info".into(),
            log_format: LogFormat::Text,
            keystore: KeystoreConfig::default(),
            chain: ChainConfig::default(),
            sender: SenderSettings::default(),
            sales: SalesConfig::default(),
            profile: ProfileConfig::default(),
            tls: TlsConfig::default(),
            limits: LimitsConfig::default(),
            files: FilesConfig::default(),
        }
    }
}

/// `$XDG_DATA_HOME/poco`; beside the caller where the user has no home.
fn data_base_dir() -> PathBuf {
    directories::BaseDirs::new()
        .map_or_else(|| PathBuf::from("."), |dirs| dirs.data_dir().to_path_buf())
        .join("poco")
}

impl Config {
    /// The configuration that the flags, the variables and the file make.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub(crate) fn load(flags: &Flags) -> Result<Self, ConfigProblems> {
        layered(flags.config.as_deref(), flags)
    }

    /// Where the operator's commands find the scheduler.
    pub(crate) fn admin_socket(&self) -> PathBuf {
        self.admin_socket.clone().unwrap_or_else(|| self.data_dir.join("admin.sock"))
    }

    /// Where keys are locked: in one place for all schedulers of a user, wherever their data lie.
    pub(crate) fn lock_dir(&self) -> PathBuf {
        self.lock_dir.clone().unwrap_or_else(|| data_base_dir().join("locks"))
    }

    /// Checks what can be checked without the chain and the keystore.
    ///
    /// # Errors
    /// Every problem, one line each.
    pub(crate) fn check(self) -> Result<Checked, ConfigProblems> {
        let mut problems = Vec::new();
        let mut demand = |is_right: bool, problem: &str| {
            if !is_right {
                problems.push(problem.to_owned());
            }
        };
        demand(!self.data_dir.as_os_str().is_empty(), "data_dir must not be empty");
        demand(self.tasks_live_max > 0, "tasks_live_max must be at least 1");
        demand(self.attempts_max > 0, "attempts_max must be at least 1");
        demand(self.upload_bytes_max > 0, "upload_bytes_max must be at least 1");
        demand(self.stop_seconds <= STOP_SECONDS_MAX, "stop_seconds must be at most 86400, a day");
        demand(
            (1..=300).contains(&self.heartbeat_seconds),
            "heartbeat_seconds must be from 1 to 300",
        );
        demand(
            self.admin_listen.is_none_or(|listen| listen.ip().is_loopback()),
            "admin_listen must be an address on loopback, as 127.0.0.1:3101",
        );
        demand(
            self.admin_listen.is_none() || self.admin_token_file.is_some(),
            "admin_listen needs a token: admin_token_file, --admin-token-file",
        );
        demand(
            self.keystore.path.is_some(),
            "no keystore is set: keystore.path, --keystore or POCO_KEYSTORE",
        );
        demand(
            self.workerpool.is_some(),
            "no pool is set: workerpool, --workerpool or POCO_WORKERPOOL",
        );
        problems.extend(self.sales.problems(self.market_url.is_some()));
        problems.extend(self.profile.problems(&self.sales, self.market_url.is_some()));
        problems.extend(self.tls.problem());
        problems.extend(self.files.problems(&self.data_dir, self.results_url.as_ref()));
        let chain = self.chain.settings().map_err(|more| problems.extend(more)).ok();
        match (self.workerpool, chain) {
            (Some(workerpool), Some(chain)) if problems.is_empty() => {
                Ok(Checked { config: self, workerpool, chain })
            }
            (Some(_) | None, Some(_) | None) => Err(ConfigProblems(problems)),
        }
    }
}

impl Checked {
    /// What the core is told, for a pool led by `owner`.
    pub(crate) fn settings(&self, owner: Address) -> Settings {
        Settings {
            workerpool: self.workerpool,
            owner,
            fast_lane: self.config.fast_lane,
            // What the hub can do, the chain says.
            settlement: false,
            tasks_live_max: self.config.tasks_live_max,
            attempts_max: self.config.attempts_max,
            lost_after_millis: self.config.lost_after_seconds.saturating_mul(1000),
            start_grace_millis: self.config.start_grace_seconds.saturating_mul(1000),
            prune_depth_blocks: self.config.prune_depth_blocks,
            result_seconds: self.config.result_seconds,
            floor_gas: self.config.floor_gas,
            floor_stake: Amount::from_nano(self.config.floor_stake_nano),
            floor_room_bytes: self.config.floor_room_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_told_at_once() {
        let config = Config { tasks_live_max: 0, heartbeat_seconds: 0, ..Config::default() };
        let ConfigProblems(problems) = config.check().unwrap_err();
        assert_eq!(problems.len(), 6, "{problems:#?}");
    }

    #[test]
    fn sales_that_make_no_sense_are_told() {
        let one = |category, full| CategoryConfig {
            category,
            price_nano: 10,
            price_full_nano: Some(full),
        };
        let sales = SalesConfig {
            factor_percent: 0,
            trust_max: 0,
            expire_seconds: 5,
            fill_cost_wei_max: Some(0),
            cost: Some(CostConfig { coin_nano: 0, task_gas: 1, percent: 0 }),
            categories: vec![one(1, 9), one(1, 10)],
        };
        let problems = sales.problems(false);
        assert_eq!(problems.len(), 10, "{problems:#?}");
        let cost: CostConfig = toml::from_str("coin_nano = 5").unwrap();
        let sales = SalesConfig {
            categories: vec![one(1, 10)],
            cost: Some(cost),
            ..SalesConfig::default()
        };
        assert!(sales.problems(true).is_empty());
        let config = Config { sales, ..Config::default() };
        let printed = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), config);
    }

    #[test]
    fn what_is_printed_can_be_read_back() {
        let printed = toml::to_string(&Config::default()).unwrap();
        assert_eq!(toml::from_str::<Config>(&printed).unwrap(), Config::default());
    }
}
