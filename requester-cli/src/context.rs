//! What a command works with: the chain, the market, the wallet. Opened when first asked for.

use crate::cli::Global;
use crate::failure::Failure;
use crate::market::Market;
use crate::output::Output;
use anyhow::Context as _;
use poco_chain::keystore::{self, KeystoreFile};
use poco_chain::{
    Addresses, Chain, ChainSettings, FileLedger, Receipt, Sender, SenderSettings, Transaction,
    Wallet,
};
use poco_core::Address;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Where the devnet of a checkout writes its addresses.
const DEVNET_ADDRESSES: &str = "deploy/devnet/addresses.toml";

/// A command's surroundings.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) global: Global,
    pub(crate) output: Output,
}

impl Context {
    pub(crate) fn new(global: Global, output: Output) -> Self {
        Self { global, output }
    }

    /// Connects to the chain and checks that it is the one meant.
    pub(crate) async fn chain(&self) -> Result<Chain, Failure> {
        let settings = self.chain_settings()?;
        Chain::connect(&settings).await.map_err(|error| Failure::Unreachable(error.to_string()))
    }

    /// The market's API for this chain.
    pub(crate) fn market(&self, chain: &Chain) -> Result<Market, Failure> {
        Market::new(self.global.market_url.clone(), chain.chain_id())
    }

    /// Where keystores are.
    pub(crate) fn keystore_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.global.keystore_dir {
            return Ok(dir.clone());
        }
        let home = directories::BaseDirs::new()
            .ok_or_else(|| Failure::Wallet("no home folder: pass --keystore-dir".to_owned()))?;
        Ok(home.home_dir().join(".ethereum").join("keystore"))
    }

    /// The keystore that `--wallet` means, with its address where the file tells it.
    pub(crate) fn keystore(&self) -> Result<KeystoreFile, Failure> {
        let Some(choice) = &self.global.wallet else {
            return self.only_keystore();
        };
        if let Ok(address) = choice.parse::<Address>() {
            let dir = self.keystore_dir()?;
            let found = keystore::find_keystore(&dir, address)
                .map_err(|error| Failure::Wallet(error.to_string()))?;
            let path = found.ok_or_else(|| {
                Failure::Wallet(format!("no keystore of {address} in {}", dir.display()))
            })?;
            return Ok(KeystoreFile { path, address: Some(address) });
        }
        let path = PathBuf::from(choice);
        // A file that does not tell its address is opened for it later.
        let address = path
            .parent()
            .and_then(|dir| keystore::list_keystores(dir).ok())
            .and_then(|files| files.into_iter().find(|file| file.path == path))
            .and_then(|file| file.address);
        Ok(KeystoreFile { path, address })
    }

    fn only_keystore(&self) -> Result<KeystoreFile, Failure> {
        let dir = self.keystore_dir()?;
        let mut files =
            keystore::list_keystores(&dir).map_err(|error| Failure::Wallet(error.to_string()))?;
        match (files.len(), files.pop()) {
            (1, Some(only)) => Ok(only),
            (0, _) => Err(Failure::Wallet(format!(
                "no wallet in {}: make one with `poco wallet create`",
                dir.display()
            ))),
            (several, _) => Err(Failure::Wallet(format!(
                "{several} wallets in {}: say which with --wallet ADDRESS",
                dir.display()
            ))),
        }
    }

    /// Opens the wallet, asking for the password where nothing else tells it.
    pub(crate) fn wallet(&self) -> Result<Arc<Wallet>, Failure> {
        let path = self.keystore()?.path;
        let password = self.password("Password: ")?;
        Wallet::open(&path, &password)
            .map(Arc::new)
            .map_err(|error| Failure::Wallet(error.to_string()))
    }

    /// The wallet's address: read from its file without the password where possible.
    pub(crate) fn wallet_address(&self) -> Result<Address, Failure> {
        if let Some(address) = self.global.wallet.as_ref().and_then(|text| text.parse().ok()) {
            return Ok(address);
        }
        match self.keystore()?.address {
            Some(address) => Ok(address),
            None => Ok(self.wallet()?.address()),
        }
    }

    /// The password from `--password-file`, the environment or a prompt.
    pub(crate) fn password(&self, prompt: &str) -> Result<String, Failure> {
        if let Some(path) = &self.global.password_file {
            return read_password(path);
        }
        if let Ok(password) = std::env::var("POCO_KEYSTORE_PASSWORD") {
            return Ok(password);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Wallet(
                "no password: pass --password-file or set POCO_KEYSTORE_PASSWORD".to_owned(),
            ));
        }
        rpassword::prompt_password(prompt)
            .map_err(|error| Failure::Wallet(format!("no password read: {error}")))
    }

    /// Sends one transaction and waits until it is mined. `intent` names what is wanted: the same
    /// intent that an interrupted command left behind is waited for, not sent twice.
    pub(crate) async fn send(
        &self,
        chain: &Chain,
        wallet: &Arc<Wallet>,
        intent: &str,
        transaction: Transaction,
    ) -> Result<Receipt, Failure> {
        let ledger = FileLedger::open(&self.ledger_file(chain, wallet.address())?)?;
        let sender =
            Sender::start(chain.clone(), wallet.clone(), ledger, SenderSettings::default()).await?;
        Ok(sender.send(intent, transaction).await?)
    }

    /// Asks before something is signed that binds money, unless `--yes`.
    pub(crate) fn agree(&self, question: &str) -> Result<(), Failure> {
        if self.global.yes || self.output.confirm(question)? {
            Ok(())
        } else {
            Err(Failure::Cancelled("nothing was signed or sent".to_owned()))
        }
    }

    /// The contracts' addresses, where a file tells them.
    pub(crate) fn addresses(&self) -> Result<Option<Addresses>, Failure> {
        match &self.global.addresses {
            Some(path) => Ok(Some(Addresses::read(path)?)),
            None if Path::new(DEVNET_ADDRESSES).exists() => {
                Ok(Some(Addresses::read(Path::new(DEVNET_ADDRESSES))?))
            }
            None => Ok(None),
        }
    }

    fn chain_settings(&self) -> Result<ChainSettings, Failure> {
        let file = self.addresses()?;
        let missing = |what: &str| {
            Failure::Usage(format!("{what} is not known: pass --addresses FILE or --{what}"))
        };
        let rpc_url = self.global.rpc_url.clone();
        let rpc_url = rpc_url.or_else(|| file.as_ref().map(|file| file.rpc_url.clone()));
        let hub = self.global.hub.or_else(|| file.as_ref().map(|file| file.hub));
        let mut settings = ChainSettings::new(
            rpc_url.ok_or_else(|| missing("rpc-url"))?,
            hub.ok_or_else(|| missing("hub"))?,
        );
        settings.chain_id = self.global.chain_id.or(file.map(|file| file.chain_id));
        Ok(settings)
    }

    /// One ledger of nonces per chain and wallet, so that a command that was interrupted after
    /// sending is taken up again.
    fn ledger_file(&self, chain: &Chain, wallet: Address) -> Result<PathBuf, Failure> {
        let base = match std::env::var_os("POCO_STATE_DIR") {
            Some(dir) => PathBuf::from(dir),
            None => directories::BaseDirs::new()
                .context("no home folder: set POCO_STATE_DIR")?
                .data_dir()
                .join("poco"),
        };
        let dir = base.join("transactions");
        std::fs::create_dir_all(&dir)
            .with_context(|| format!("cannot make the folder {}", dir.display()))?;
        // The hub is part of the name: a devnet started afresh has the same chain id.
        Ok(dir.join(format!("{}-{:x}-{wallet:x}.json", chain.chain_id(), chain.hub())))
    }
}

fn read_password(path: &Path) -> Result<String, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::Wallet(format!("{}: {error}", path.display())))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
