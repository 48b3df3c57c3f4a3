//! `addresses.toml`: where a deployment lies. The devnet writes it, every binary reads it.

use crate::file;
use anyhow::Context;
use poco_core::Address;
use serde::{Deserialize, Serialize};
use std::path::Path;
use url::Url;

/// Where a deployment lies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Addresses {
    /// The hub.
    pub hub: Address,
    /// The token.
    pub token: Address,
    /// The registry of apps.
    pub app_registry: Address,
    /// The registry of datasets.
    pub dataset_registry: Address,
    /// The registry of pools.
    pub workerpool_registry: Address,
    /// A node of the chain.
    pub rpc_url: Url,
    /// EIP-155 id of the chain.
    pub chain_id: u64,
}

impl Addresses {
    /// Reads the file.
    ///
    /// # Errors
    /// One line that names the file and what is wrong with it.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read the addresses in {}", path.display()))?;
        toml::from_str(&text).map_err(|error| {
            let what = error.message().replace('\n', " ");
            anyhow::anyhow!("{} is no file of addresses: {what}", path.display())
        })
    }

    /// Writes the file in one step: a reader sees all of it or the one before.
    ///
    /// # Errors
    /// One line that names the file.
    pub fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = toml::to_string(self).context("cannot encode the addresses")?;
        file::write_whole(path, text.as_bytes(), file::PUBLIC)
            .with_context(|| format!("cannot write the addresses to {}", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_back_as_written_and_other_files_are_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/addresses.toml");
        let addresses = Addresses {
            hub: Address::repeat_byte(1),
            token: Address::repeat_byte(2),
            app_registry: Address::repeat_byte(3),
            dataset_registry: Address::repeat_byte(4),
            workerpool_registry: Address::repeat_byte(5),
            rpc_url: "http://127.0.0.1:8545".parse().unwrap(),
            chain_id: 31337,
        };
        addresses.write(&path).unwrap();
        assert_eq!(Addresses::read(&path).unwrap(), addresses);

        std::fs::write(&path, "hub = 5\n").unwrap();
        let error = Addresses::read(&path).unwrap_err().to_string();
        assert!(error.contains("addresses.toml") && !error.contains('\n'), "{error}");
    }
}
