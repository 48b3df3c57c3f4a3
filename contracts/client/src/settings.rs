//! What a binary must know to reach the chain, and the `[chain]` section it comes from.

use crate::addresses::Addresses;
use poco_core::Address;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use url::Url;

/// Between two looks at an idle chain: a tenth of a second is unnoticed by people and light for a
/// node nearby. For a public node set it to its block time.
const POLL_MILLIS: u64 = 100;
/// For one answer of a node.
const CALL_TIMEOUT_SECONDS: u64 = 10;

/// What a binary must know to reach the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSettings {
    /// Nodes of the chain; the next one is asked when one fails.
    pub rpc_urls: Vec<Url>,
    /// The hub.
    pub hub: Address,
    /// EIP-155 id that the chain must have; `None` for whichever it has.
    #[serde(default)]
    pub chain_id: Option<u64>,
    /// Blocks on top of a block before its events are told.
    #[serde(default)]
    pub confirmations: u64,
    /// The longest pause between two looks at an idle chain.
    #[serde(default = "poll_millis")]
    pub poll_millis: u64,
    /// The longest wait for one answer of a node.
    #[serde(default = "call_timeout_seconds")]
    pub call_timeout_seconds: u64,
}

const fn poll_millis() -> u64 {
    POLL_MILLIS
}

const fn call_timeout_seconds() -> u64 {
    CALL_TIMEOUT_SECONDS
}

impl ChainSettings {
    /// Settings for one node and a hub, all else by default.
    #[must_use]
    pub fn new(rpc_url: Url, hub: Address) -> Self {
        Self {
            rpc_urls: vec![rpc_url],
            hub,
            chain_id: None,
            confirmations: 0,
            poll_millis: POLL_MILLIS,
            call_timeout_seconds: CALL_TIMEOUT_SECONDS,
        }
    }
}

impl From<&Addresses> for ChainSettings {
    fn from(addresses: &Addresses) -> Self {
        Self {
            chain_id: Some(addresses.chain_id),
            ..Self::new(addresses.rpc_url.clone(), addresses.hub)
        }
    }
}

/// The `[chain]` section of a configuration file: settings, or the file of addresses that has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainConfig {
    /// A file written by a deployment; what is set beside it comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<PathBuf>,
    /// Nodes of the chain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rpc_urls: Vec<Url>,
    /// The hub.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<Address>,
    /// EIP-155 id that the chain must have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// Blocks on top of a block before its events are told.
    pub confirmations: u64,
    /// The longest pause between two looks at an idle chain.
    pub poll_millis: u64,
    /// The longest wait for one answer of a node.
    pub call_timeout_seconds: u64,
}

impl Default for ChainConfig {
    fn default() -> Self {
        Self {
            addresses: None,
            rpc_urls: Vec::new(),
            hub: None,
            chain_id: None,
            confirmations: 0,
            poll_millis: POLL_MILLIS,
            call_timeout_seconds: CALL_TIMEOUT_SECONDS,
        }
    }
}

impl ChainConfig {
    /// The settings that this section stands for.
    ///
    /// # Errors
    /// Everything that is missing or wrong, one line each.
    pub fn settings(&self) -> Result<ChainSettings, Vec<String>> {
        let mut problems = Vec::new();
        let addresses = self.addresses.as_ref().and_then(|path| {
            Addresses::read(path).map_err(|error| problems.push(format!("{error:#}"))).ok()
        });
        let from_file = addresses.as_ref();
        let rpc_urls = match (self.rpc_urls.is_empty(), from_file) {
            (true, Some(addresses)) => vec![addresses.rpc_url.clone()],
            (true, None) | (false, _) => self.rpc_urls.clone(),
        };
        let hub = self.hub.or(from_file.map(|addresses| addresses.hub));
        if problems.is_empty() {
            if rpc_urls.is_empty() {
                problems.push("no node is set: chain.rpc_urls, --rpc-url or POCO_RPC_URL".into());
            }
            if hub.is_none() {
                problems.push("no hub is set: chain.hub, --hub or POCO_HUB, or --addresses".into());
            }
        }
        if self.poll_millis == 0 {
            problems.push("chain.poll_millis must be at least 1".into());
        }
        if self.call_timeout_seconds == 0 {
            problems.push("chain.call_timeout_seconds must be at least 1".into());
        }
        match hub {
            Some(hub) if problems.is_empty() => Ok(ChainSettings {
                rpc_urls,
                hub,
                chain_id: self.chain_id.or(from_file.map(|addresses| addresses.chain_id)),
                confirmations: self.confirmations,
                poll_millis: self.poll_millis,
                call_timeout_seconds: self.call_timeout_seconds,
            }),
            Some(_) | None => Err(problems),
        }
    }
}

/// Flags and variables over the `[chain]` section. Flatten it into a binary's flags.
#[cfg(feature = "clap")]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, clap::Args)]
pub struct ChainFlags {
    /// Node of the chain (several: repeat it, or separate by commas).
    #[arg(long = "rpc-url", env = "POCO_RPC_URL", value_delimiter = ',', value_name = "URL")]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rpc_urls: Vec<Url>,
    /// Address of the hub.
    #[arg(long, env = "POCO_HUB", value_name = "ADDRESS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hub: Option<Address>,
    /// Id that the chain must have.
    #[arg(long, env = "POCO_CHAIN_ID", value_name = "ID")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// File with the addresses of a deployment.
    #[arg(long, env = "POCO_ADDRESSES", value_name = "FILE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addresses: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_missing_is_told_at_once() {
        let config = ChainConfig { poll_millis: 0, ..ChainConfig::default() };
        let problems = config.settings().unwrap_err();
        assert_eq!(problems.len(), 3, "{problems:?}");
        let missing = ChainConfig { addresses: Some("/nowhere.toml".into()), ..config };
        assert_eq!(missing.settings().unwrap_err().len(), 2);
    }

    #[test]
    fn what_is_set_comes_before_the_file_of_addresses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("addresses.toml");
        let hub = Address::repeat_byte(9);
        let addresses = Addresses {
            hub,
            token: hub,
            app_registry: hub,
            dataset_registry: hub,
            workerpool_registry: hub,
            rpc_url: "http://file".parse().unwrap(),
            chain_id: 5,
        };
        addresses.write(&path).unwrap();
        let url: Url = "http://flag".parse().unwrap();
        let config = ChainConfig {
            addresses: Some(path),
            rpc_urls: vec![url.clone()],
            ..ChainConfig::default()
        };
        let settings = config.settings().unwrap();
        assert_eq!((settings.rpc_urls, settings.hub), (vec![url], hub));
        assert_eq!(settings.chain_id, Some(5));
    }
}
