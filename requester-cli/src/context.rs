//! What a command works with: the chain, the market, the wallet. Opened when first asked for.

use crate::cli::Global;
use crate::failure::Failure;
use crate::output::Output;
use anyhow::Context as _;
use poco_chain::{
    Addresses, Chain, ChainSettings, FileLedger, Receipt, Sender, SenderSettings, Transaction,
    Wallet,
};
use poco_core::Address;
use poco_market_client::Market;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where the devnet of a checkout writes its addresses.
const DEVNET_ADDRESSES: &str = "deploy/devnet/addresses.toml";
/// A transaction that takes longer than this is worth a word to whoever waits for it.
const PATIENCE: Duration = Duration::from_secs(10);

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
        let market = Market::new(self.global.market_url.clone(), chain.chain_id());
        Ok(market.map_err(anyhow::Error::from)?)
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
        let sender = self.sender(chain, wallet).await?;
        let sending = sender.send(intent, transaction);
        tokio::pin!(sending);
        tokio::select! {
            sent = &mut sending => return Ok(sent?),
            () = tokio::time::sleep(PATIENCE) => self.output.note(
                "still waiting for the chain; what was sent is in the nonce ledger, and the next command of this wallet goes on with it",
            ),
        }
        Ok(sending.await?)
    }

    /// What sends for a wallet. While it is held it looks after all that the wallet has sent lately,
    /// and sends again what a reorg took back; no other command of the wallet can send meanwhile.
    pub(crate) async fn sender(
        &self,
        chain: &Chain,
        wallet: &Arc<Wallet>,
    ) -> Result<Sender, Failure> {
        let ledger = FileLedger::open(&self.ledger_file(chain, wallet.address())?)?;
        let settings = SenderSettings::default();
        Ok(Sender::start(chain.clone(), wallet.clone(), ledger, settings).await?)
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
            Failure::Usage(format!("--{what} is not known: pass it, or --addresses FILE"))
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
