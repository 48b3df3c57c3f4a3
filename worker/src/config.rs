//! What the operator chooses: one TOML file, under flags and variables, checked all at once.

use poco_chain::config::ConfigProblems;
use poco_chain::keystore::KeystoreConfig;
use poco_chain::{ChainConfig, SenderSettings};
use poco_core::tag::NAMED_BITS;
use poco_core::{Address, Amount, Tag};
use poco_proto::pool_url::PoolUrl;
use poco_sandbox::{DiskMode, RunLimits};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;
use url::Url;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Least memory of a slot: below this the engine starts nothing.
const MEMORY_BYTES_MIN: u64 = 16 * MIB;

/// Longest name of a region, as the protocol has it.
const REGION_BYTES_MAX: usize = 24;

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Folder of journal and runs; one per worker.
    pub(crate) data_dir: PathBuf,
    /// The pool's address as its scheduler prints it, with the pin of its key where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) scheduler_url: Option<Url>,
    /// The pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) workerpool: Option<Address>,
    /// Tasks that may run at the same time.
    pub(crate) slots: u32,
    /// Blocks on top of a task's end before what is kept for it is deleted: a reorg of fewer may bring
    /// the task back, and with it what is owed for it.
    pub(crate) forget_depth_blocks: u64,
    /// Tell the pool what apps print while they run, for the requesters who own the runs.
    pub(crate) tell_printed: bool,
    /// What this machine offers, by the tags' names: `gpu`.
    pub(crate) tags: Vec<String>,
    /// Log filter, as `info` or `poco_worker=debug`.
    pub(crate) log: String,
    /// `text` or `json`.
    pub(crate) log_format: LogFormat,
    /// Where to serve `/healthz` and `/metrics`; nowhere if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) http_listen: Option<SocketAddr>,
    /// The wallet.
    pub(crate) keystore: KeystoreConfig,
    /// The chain. Its confirmations also hold back the disclosure of digests.
    pub(crate) chain: ChainConfig,
    /// Transactions.
    pub(crate) sender: SenderSettings,
    /// Stake.
    pub(crate) stake: StakeConfig,
    /// The machine, as far as it is told.
    pub(crate) machine: MachineConfig,
    /// Containers.
    pub(crate) sandbox: SandboxConfig,
}

/// What the pool is told of the machine beside what it measures itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MachineConfig {
    /// Names the machine: the same for all workers that run on it, of which a task is then given to
    /// one alone. The pool sees its hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    /// Who runs it: of several workers of one owner a task is given to one alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<Address>,
    /// GPUs that runs may use.
    pub(crate) gpus: u32,
    /// Where it stands, as `eu-west`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) region: Option<String>,
    /// Carbon dioxide that a kWh makes there, in grams.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) carbon_g_per_kwh: Option<u32>,
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

/// What happens with the wallet's tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StakeConfig {
    /// On start, deposit tokens until this much stake (in nRLC) is free; never if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) auto_deposit: Option<u64>,
    /// The most stake (in nRLC) that is locked for one task; a task that asks for more is declined.
    /// Whatever the deal asks for if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_stake: Option<u64>,
    /// Stake put aside for the pool's settlement lane, where the hub has one: `auto` for half of
    /// all stake, an amount in nRLC, or `0` for none, which leaves the other lanes.
    pub(crate) bond: BondChoice,
}

/// How much stake is bonded for the pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum BondChoice {
    /// Half of all stake.
    #[default]
    Auto,
    /// This much; nothing is bonded where it is zero.
    Amount(Amount),
}

impl FromStr for BondChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            amount => amount
                .parse()
                .map(|nano| Self::Amount(Amount::from_nano(nano)))
                .map_err(|_| format!("{text:?} is neither `auto` nor an amount in nRLC")),
        }
    }
}

impl fmt::Display for BondChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Amount(amount) => write!(f, "{}", amount.0),
        }
    }
}

impl Serialize for BondChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for BondChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// How apps run. Sizes are per slot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SandboxConfig {
    /// The container engine; `DOCKER_HOST` or the usual socket if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) engine_url: Option<String>,
    /// `auto`, `sized` (a disk of its own for each run) or `watched`.
    pub(crate) disk: DiskChoice,
    /// An OCI runtime that the engine knows, as `runsc`; its default if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) runtime: Option<String>,
    /// Memory.
    pub(crate) memory_bytes: u64,
    /// Thousandths of a processor.
    pub(crate) cpu_milli: u64,
    /// Processes and threads.
    pub(crate) pids: u64,
    /// Results.
    pub(crate) out_bytes: u64,
    /// Each temporary directory.
    pub(crate) tmp_bytes: u64,
    /// What is kept of an app's output.
    pub(crate) log_bytes: u64,
    /// Most bytes written to a root that the order asks to be writable.
    pub(crate) root_bytes: u64,
    /// Most bytes of all inputs of a run.
    pub(crate) input_bytes: u64,
    /// Longest time for all inputs of a run.
    pub(crate) fetch_seconds: u64,
    /// Longest time for an image.
    pub(crate) pull_seconds: u64,
    /// Fetches inputs from addresses that are not on the public internet. For development.
    pub(crate) allow_private_inputs: bool,
    /// IPFS gateways for inputs.
    pub(crate) ipfs_gateways: Vec<Url>,
    /// Labels that every container of this worker gets besides its own.
    pub(crate) labels: BTreeMap<String, String>,
}

/// How results are kept from filling the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DiskChoice {
    /// Sized where this machine can.
    Auto,
    /// A disk of its own for each run.
    Sized,
    /// A folder whose size is watched.
    Watched,
}

/// What is left after checking: nothing in it can be wrong by itself.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub(crate) config: Config,
    pub(crate) scheduler_url: PoolUrl,
    pub(crate) workerpool: Address,
    pub(crate) tag: Tag,
    pub(crate) chain: poco_chain::ChainSettings,
    pub(crate) auto_deposit: Option<Amount>,
    pub(crate) bond: BondChoice,
}

impl Default for Config {
    fn default() -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            data_dir: default_data_dir(),
            scheduler_url: None,
            workerpool: None,
            slots: u32::try_from(processors).unwrap_or(1),
            forget_depth_blocks: 12,
            tell_printed: true,
            tags: Vec::new(),
            log: "info".into(),
            log_format: LogFormat::Text,
            http_listen: None,
            keystore: KeystoreConfig::default(),
            chain: ChainConfig::default(),
            sender: SenderSettings::default(),
            stake: StakeConfig::default(),
            machine: MachineConfig::default(),
            sandbox: SandboxConfig::default(),
        }
    }
}

impl MachineConfig {
    fn problems(&self, problems: &mut Vec<String>) {
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_region = |name: &String| {
            (1..=REGION_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
        };
        if self.region.as_ref().is_some_and(|region| !is_region(region)) {
            problems.push(format!(
                "machine.region must have 1 to {REGION_BYTES_MAX} lower-case letters, digits and hyphens"
            ));
        }
    }
}

impl Default for SandboxConfig {
    fn default() -> Self {
        Self {
            engine_url: None,
            disk: DiskChoice::Auto,
            runtime: None,
            memory_bytes: GIB,
            cpu_milli: 1000,
            pids: 256,
            out_bytes: GIB,
            tmp_bytes: 64 * MIB,
            log_bytes: 4 * MIB,
            root_bytes: GIB,
            input_bytes: 4 * GIB,
            fetch_seconds: 1800,
            pull_seconds: 1800,
            allow_private_inputs: false,
            ipfs_gateways: Vec::new(),
            labels: BTreeMap::new(),
        }
    }
}

impl SandboxConfig {
    /// What one run may use, with 1T of its category as its time.
    pub(crate) fn limits(&self, time: Duration) -> RunLimits {
        RunLimits {
            time,
            memory_bytes: self.memory_bytes,
            cpu_milli: self.cpu_milli,
            pids: self.pids,
            out_bytes: self.out_bytes,
            tmp_bytes: self.tmp_bytes,
            log_bytes: self.log_bytes,
        }
    }

    pub(crate) fn disk_mode(&self) -> DiskMode {
        match self.disk {
            DiskChoice::Auto => DiskMode::Auto,
            DiskChoice::Sized => DiskMode::Sized,
            DiskChoice::Watched => DiskMode::Watched,
        }
    }

    fn problems(&self, problems: &mut Vec<String>) {
        if self.memory_bytes < MEMORY_BYTES_MIN {
            problems.push(format!("sandbox.memory_bytes must be at least {MEMORY_BYTES_MIN}"));
        }
        let positive = [
            ("cpu_milli", self.cpu_milli),
            ("pids", self.pids),
            ("out_bytes", self.out_bytes),
            ("tmp_bytes", self.tmp_bytes),
            ("log_bytes", self.log_bytes),
            ("root_bytes", self.root_bytes),
            ("input_bytes", self.input_bytes),
            ("fetch_seconds", self.fetch_seconds),
            ("pull_seconds", self.pull_seconds),
        ];
        for (name, _) in positive.into_iter().filter(|(_, value)| *value == 0) {
            problems.push(format!("sandbox.{name} must be at least 1"));
        }
    }
}

impl Config {
    /// Checks everything that can be checked without asking anybody.
    ///
    /// # Errors
    /// All problems, one line each.
    pub(crate) fn check(self) -> Result<Checked, ConfigProblems> {
        let mut problems = Vec::new();
        let chain = self.chain.settings().map_err(|found| problems.extend(found)).ok();
        let tag = tag(&self.tags).map_err(|problem| problems.push(problem)).ok();
        if self.scheduler_url.is_none() {
            problems.push(
                "no scheduler is set: scheduler_url, --scheduler-url or POCO_SCHEDULER_URL".into(),
            );
        }
        let scheduler_url = self.scheduler_url.clone().map(PoolUrl::try_from).transpose();
        let scheduler_url = scheduler_url
            .map_err(|problem| problems.push(format!("scheduler_url {problem}")))
            .ok()
            .flatten();
        if self.workerpool.is_none_or(|pool| pool.is_zero()) {
            problems.push("no pool is set: workerpool, --workerpool or POCO_WORKERPOOL".into());
        }
        if self.slots == 0 {
            problems.push("slots must be at least 1".into());
        }
        self.machine.problems(&mut problems);
        self.sandbox.problems(&mut problems);
        match (chain, tag, scheduler_url, self.workerpool) {
            (Some(chain), Some(tag), Some(scheduler_url), Some(workerpool))
                if problems.is_empty() =>
            {
                let auto_deposit = self.stake.auto_deposit.map(Amount::from_nano);
                let bond = self.stake.bond;
                Ok(Checked {
                    config: self,
                    scheduler_url,
                    workerpool,
                    tag,
                    chain,
                    auto_deposit,
                    bond,
                })
            }
            _ => Err(problems.into()),
        }
    }
}

fn tag(names: &[String]) -> Result<Tag, String> {
    let mut tag = Tag::NONE;
    for name in names {
        let known = NAMED_BITS.iter().find(|(known, _)| known == name);
        let Some((_, bit)) = known else {
            let known: Vec<&str> = NAMED_BITS.iter().map(|(name, _)| *name).collect();
            return Err(format!("tags: {name:?} is none of {}", known.join(", ")));
        };
        if Tag::TEE.contains(*bit) || Tag::TEE_KINDS.contains(*bit) {
            return Err(format!("tags: {name:?}: this worker has no enclaves"));
        }
        tag = tag | *bit;
    }
    Ok(tag)
}

fn default_data_dir() -> PathBuf {
    match directories::BaseDirs::new() {
        Some(dirs) => dirs.data_dir().join("poco").join("worker"),
        // Without a home there is no better place than here.
        None => PathBuf::from("poco-worker-data"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_told_at_once() {
        let mut config = Config { slots: 0, tags: vec!["fast".into()], ..Config::default() };
        config.sandbox.pids = 0;
        let ConfigProblems(problems) = config.check().unwrap_err();
        for words in ["no node", "no hub", "no scheduler", "no pool", "slots", "fast", "pids"] {
            assert!(problems.iter().any(|line| line.contains(words)), "{words}: {problems:#?}");
        }
    }

    #[test]
    fn what_is_printed_is_what_is_read() {
        let config = Config { tags: vec!["gpu".into()], ..Config::default() };
        let text = toml::to_string(&config).unwrap();
        assert_eq!(toml::from_str::<Config>(&text).unwrap(), config);
    }

    #[test]
    fn enclaves_are_not_offered() {
        assert_eq!(tag(&["gpu".into()]), Ok(Tag::GPU));
        assert!(tag(&["tee".into()]).is_err());
        assert!(tag(&["tdx".into()]).is_err());
    }
}
