//! What the engine and this machine can do, for the operator to read.

use std::collections::BTreeSet;

use crate::disk;
use crate::engine::{Engine, EngineError};

/// Facts that decide what runs here and how well it is contained.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Where the engine is.
    pub url: String,
    /// The engine's version.
    pub version: String,
    /// The version of its interface.
    pub api_version: String,
    /// Operating system and architecture of containers, `linux` and `x86_64` for instance.
    pub platform: (String, String),
    /// 1 or 2; limits on memory, cpu and processes need one of them.
    pub cgroup_version: Option<u8>,
    /// Runtimes a run may choose, `runc` and perhaps `runsc`.
    pub runtimes: BTreeSet<String>,
    /// How images are stored, `overlay2` for instance.
    pub storage_driver: String,
    /// Processors of the engine's machine.
    pub cpus: u64,
    /// Memory of the engine's machine.
    pub memory_bytes: u64,
    /// Limits the engine says it cannot hold: `memory`, `swap`, `cpu`, `pids`.
    pub missing_limits: BTreeSet<String>,
    /// The engine itself runs without root.
    pub is_engine_rootless: bool,
    /// This process is root.
    pub is_root: bool,
    /// Whether out directories get a disk of their own; if not, why.
    pub sized_disks: Result<(), String>,
}

impl Engine {
    /// Asks the engine and this machine.
    pub async fn facts(&self) -> Result<Facts, EngineError> {
        let version = self.docker.version().await?;
        let info = self.docker.info().await?;
        let limits = [
            ("memory", info.memory_limit),
            ("swap", info.swap_limit),
            ("cpu", info.cpu_cfs_quota),
            ("pids", info.pids_limit),
        ];
        let missing = limits.into_iter().filter(|(_, has)| *has == Some(false));
        let cgroup = info.cgroup_version.map(|version| version.to_string());
        let security = info.security_options.unwrap_or_default();
        Ok(Facts {
            url: self.url.clone(),
            version: version.version.unwrap_or_default(),
            api_version: version.api_version.unwrap_or_default(),
            platform: (info.os_type.unwrap_or_default(), info.architecture.unwrap_or_default()),
            cgroup_version: cgroup.and_then(|version| version.parse().ok()),
            runtimes: info.runtimes.unwrap_or_default().into_keys().collect(),
            storage_driver: info.driver.unwrap_or_default(),
            cpus: u64::try_from(info.ncpu.unwrap_or(0)).unwrap_or(0),
            memory_bytes: u64::try_from(info.mem_total.unwrap_or(0)).unwrap_or(0),
            missing_limits: missing.map(|(name, _)| name.to_owned()).collect(),
            is_engine_rootless: security.iter().any(|option| option.contains("rootless")),
            is_root: nix::unistd::geteuid().is_root(),
            sized_disks: disk::sized_disks(),
        })
    }
}
