//! A chain with the contracts on it, wallets with money, and the command line.

use crate::anvil::{Anvil, CHAIN_ID};
use crate::binaries::binary;
use crate::leftovers::{LABEL, Leftovers};
use crate::process::{Process, free_port, wait_for};
use anyhow::{Context, Result, bail, ensure};
use poco_chain::deploy::{DeployPlan, deploy};
use poco_chain::keystore::{self, KdfCost};
use poco_chain::{
    Addresses, Chain, ChainSettings, FileLedger, Sender, SenderSettings, Transaction, Wallet,
};
use poco_core::B256;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use url::Url;

/// Password of every keystore here.
pub const PASSWORD: &str = "integration";
/// Private keys of the chain's first accounts, which everybody knows.
const KEYS: [&str; 10] = [
    "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80",
    "59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
    "5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a",
    "7c852118294e51e653712a81e05800f419141751be58f605c371e15141b007a6",
    "47e179ec197488593b187f80a00eb0da91f1b9d0b13f8733639f19c30a34926a",
    "8b3a350cf5c34c9194ca85829a2df0ec3153be0318b5e2d3348e872092edffba",
    "92db14e403b83dfe3df233f83dfa3a0d7096f21ca9b0d6d6b8d88b2b4ec1564e",
    "4bbbf85ce3377467afe5d46f804f221813b2bb87f24d81f60f1fcdbf7cbf4356",
    "dbda1821b80551c9d65939329250298aa3472ba22feea921c0cf5d620ea67b97",
    "2a871d0798f97d79848a013d4936a73bf4cc922c825d33c1cf7073dff6d409c6",
];
/// Workers for which there is an account.
pub const WORKERS_MAX: usize = 6;

/// A party of the marketplace: an account of the chain with coin for gas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Party {
    /// Owns the hub and the RLC supply.
    Owner,
    /// Owns a pool.
    Scheduler,
    /// Offers apps.
    Provider,
    /// Buys runs.
    Requester,
    /// Rents its machine, by number from 0.
    Worker(usize),
}

/// What the command line answered.
#[derive(Debug)]
pub struct Answer {
    /// Its exit code.
    pub code: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Answer {
    /// The answer as JSON, of a command that succeeded.
    ///
    /// # Errors
    /// Where it failed, or answered something else.
    pub fn json(&self) -> Result<Value> {
        ensure!(self.code == 0, "exit code {}: {}", self.code, self.stderr);
        serde_json::from_str(&self.stdout).with_context(|| format!("not JSON: {}", self.stdout))
    }
}

/// A chain with the contracts, and a folder for everything else. Whoever starts containers ends before
/// it does, which removes them.
#[derive(Debug)]
pub struct World {
    /// The chain.
    pub anvil: Anvil,
    /// The contracts.
    pub addresses: Addresses,
    leftovers: Leftovers,
    folder: TempDir,
}

impl World {
    /// Starts a chain, deploys the contracts and writes the parties' keystores.
    ///
    /// # Errors
    /// Where anvil is missing or the deployment fails.
    pub async fn start() -> Result<Self> {
        Self::start_with(deploy_default).await
    }

    /// The same with contracts that `deploy_contracts` puts there; the owner must have the tokens.
    ///
    /// # Errors
    /// Where anvil is missing or the deployment fails.
    pub async fn start_with(
        deploy_contracts: impl AsyncFnOnce(&Anvil) -> Result<Addresses>,
    ) -> Result<Self> {
        poco_chain::install_crypto();
        let folder = TempDir::new()?;
        let anvil = Anvil::start(folder.path(), None).await?;
        Self::on(folder, anvil, deploy_contracts).await
    }

    /// The same on a chain that is written down ([`Anvil::start_written`]), and mines each transaction
    /// at once until it is told otherwise or raised again.
    ///
    /// # Errors
    /// Where anvil is missing or the deployment fails.
    pub async fn start_written() -> Result<Self> {
        poco_chain::install_crypto();
        let folder = TempDir::new()?;
        let anvil = Anvil::start_written(folder.path()).await?;
        anvil.set_automine(true).await?;
        Self::on(folder, anvil, deploy_default).await
    }

    async fn on(
        folder: TempDir,
        anvil: Anvil,
        deploy_contracts: impl AsyncFnOnce(&Anvil) -> Result<Addresses>,
    ) -> Result<Self> {
        let addresses = deploy_contracts(&anvil).await?;
        let leftovers = Leftovers::of(folder.path())?;
        let labels = format!("[sandbox.labels]\n{LABEL:?} = {:?}\n", leftovers.label());
        let world = Self { anvil, addresses, leftovers, folder };
        std::fs::write(world.worker_config(), labels)?;
        world.addresses.write(&world.addresses_file())?;
        std::fs::write(world.path("password"), PASSWORD)?;
        let parties = [Party::Owner, Party::Scheduler, Party::Provider, Party::Requester];
        for party in parties.into_iter().chain((0..WORKERS_MAX).map(Party::Worker)) {
            let wallet = wallet(party)?;
            keystore::store(&world.path("keystore"), &wallet, PASSWORD, KdfCost::CHEAP)?;
        }
        Ok(world)
    }

    /// The keystore file of a party.
    ///
    /// # Errors
    /// Where there is none.
    pub fn keystore(&self, party: Party) -> Result<PathBuf> {
        let address = wallet(party)?.address();
        let found = keystore::find_keystore(&self.path("keystore"), address)?;
        found.with_context(|| format!("no keystore of {party:?}"))
    }

    /// Gives a party tokens and lets it deposit them.
    ///
    /// # Errors
    /// Where the command line fails.
    pub fn fund(&self, party: Party, amount: &str) -> Result<()> {
        let address = wallet(party)?.address().to_string();
        if party != Party::Owner {
            self.poco(Party::Owner, &["account", "send", &address, amount])?.json()?;
        }
        self.poco(party, &["account", "deposit", amount])?.json()?;
        Ok(())
    }

    /// A place in the world's folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The addresses file.
    #[must_use]
    pub fn addresses_file(&self) -> PathBuf {
        self.path("addresses.toml")
    }

    /// The configuration of its workers: labels by which their containers are found.
    #[must_use]
    pub fn worker_config(&self) -> PathBuf {
        self.path("worker.toml")
    }

    /// What the containers of its workers have as [`LABEL`].
    #[must_use]
    pub fn label(&self) -> &str {
        self.leftovers.label()
    }

    /// Reads of the hub.
    ///
    /// # Errors
    /// Where the chain does not answer.
    pub async fn chain(&self) -> Result<Chain> {
        Ok(Chain::connect(&ChainSettings::from(&self.addresses)).await?)
    }

    /// Sends a transaction that no program of ours would send, and waits until it is mined. Not for a
    /// wallet with which a program sends meanwhile.
    ///
    /// # Errors
    /// Where the contract refuses it, or the chain does not answer.
    pub async fn send(&self, wallet: Arc<Wallet>, transaction: Transaction) -> Result<()> {
        let ledger = FileLedger::open(&self.path(&format!("ledger-{}.json", wallet.address())))?;
        let settings = SenderSettings::default();
        let sender = Sender::start(self.chain().await?, wallet, ledger, settings).await?;
        sender.send("test", transaction).await?;
        Ok(())
    }

    /// Runs `poco --json` as a party.
    ///
    /// # Errors
    /// Where it cannot be run at all; that it fails is in the answer.
    pub fn poco(&self, party: Party, words: &[&str]) -> Result<Answer> {
        let address = wallet(party)?.address().to_string();
        let mut command = self.command()?;
        command.args(["--yes", "--wallet", &address]).args(words);
        Ok(answer(command.output()?))
    }

    /// `poco --json` with this world's folders and nothing else, to be misused.
    ///
    /// # Errors
    /// Where the binaries do not build.
    pub fn command(&self) -> Result<Command> {
        let mut command = Command::new(binary("poco")?);
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.folder.path())
            .env("POCO_STATE_DIR", self.path("state"))
            .arg("--json")
            .args([Path::new("--addresses"), &self.addresses_file()])
            .args([Path::new("--keystore-dir"), &self.path("keystore")])
            .args([Path::new("--password-file"), &self.path("password")]);
        Ok(command)
    }

    /// Starts a market on this chain; its API's url comes along.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn market(&self) -> Result<(Process, Url)> {
        let url: Url = format!("http://127.0.0.1:{}", free_port()?).parse()?;
        let mut process = self.raise_market(&url)?;
        let version = url.join("version")?;
        wait_for("the market to answer", Duration::from_secs(20), async || {
            if let Some(status) = process.ended()? {
                bail!("the market ended with {status}: {}", process.tail(20));
            }
            Ok(reqwest::get(version.clone()).await.ok())
        })
        .await?;
        Ok((process, url))
    }

    /// Starts the market again where it was.
    ///
    /// # Errors
    /// Where it cannot be started.
    pub fn raise_market(&self, url: &Url) -> Result<Process> {
        let port = url.port().context("the market has a port")?;
        let mut command = Command::new(binary("poco-market")?);
        command
            .args(["--listen", &format!("127.0.0.1:{port}")])
            .args([Path::new("--addresses"), &self.addresses_file()])
            .args([Path::new("--data-dir"), &self.path("market")]);
        Process::start(command, self.folder.path(), "market")
    }
}

async fn deploy_default(anvil: &Anvil) -> Result<Addresses> {
    let owner = Arc::new(wallet(Party::Owner)?);
    deploy(anvil.url().clone(), owner, DeployPlan::default()).await
}

/// A party's wallet.
///
/// # Errors
/// Where there is no account for it.
pub fn wallet(party: Party) -> Result<Wallet> {
    let index = match party {
        Party::Owner => 0,
        Party::Scheduler => 1,
        Party::Provider => 2,
        Party::Requester => 3,
        Party::Worker(number) => 4 + number,
    };
    let key = KEYS.get(index).with_context(|| format!("no account for {party:?}"))?;
    let key: B256 = key.parse()?;
    Ok(Wallet::from_key(key)?)
}

/// What a finished command answered.
#[must_use]
pub fn answer(output: Output) -> Answer {
    Answer {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// The chain id of every world.
#[must_use]
pub const fn chain_id() -> u64 {
    CHAIN_ID
}
