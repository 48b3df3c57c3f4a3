//! A chain of our own: anvil, with what tests do to chains.

mod written;

use self::written::quantity;
use crate::process::{Process, free_port, wait_for};
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use url::Url;

/// The mnemonic of every development chain.
pub const MNEMONIC: &str = "test test test test test test test test test test test junk";
/// The chain id of every development chain.
pub const CHAIN_ID: u64 = 31_337;
/// Accounts with coin for gas.
pub const ACCOUNTS: u32 = 30;

/// How long it may take to answer after its start.
const START_MAX: Duration = Duration::from_secs(20);
/// How many blocks keep their transactions and events there: all that is kept is written each second.
pub const EVENTS_KEPT_BLOCKS: u64 = 300;
/// Pause between two looks at what is written down.
const LOOK_EVERY: Duration = Duration::from_millis(150);
/// How long a block is waited for that is not written down.
const UNWRITTEN_MAX: Duration = Duration::from_secs(4);
/// How long it may take until what is written down is whole.
const WHOLE_MAX: Duration = Duration::from_secs(30);

/// A running anvil.
#[derive(Debug)]
pub struct Anvil {
    process: Process,
    folder: PathBuf,
    arguments: Vec<OsString>,
    url: Url,
    socket: PathBuf,
    http: reqwest::Client,
}

impl Anvil {
    /// Starts a chain that mines each transaction at once, or every `block_seconds`.
    ///
    /// # Errors
    /// Where anvil is missing or does not answer.
    pub async fn start(folder: &Path, block_seconds: Option<u64>) -> Result<Self> {
        Self::start_with(folder, block_seconds, Vec::new()).await
    }

    /// Starts a chain that mines every second and writes itself down as often, so that
    /// [`Anvil::kill_written`] and [`Anvil::raise`] undo its last blocks. Raised, it knows only the state of
    /// its last block: anvil can keep the others, but then writes all there ever were each time.
    ///
    /// # Errors
    /// Where anvil is missing or does not answer.
    pub async fn start_written(folder: &Path) -> Result<Self> {
        let blocks = EVENTS_KEPT_BLOCKS.to_string();
        let events = ["--transaction-block-keeper", &blocks];
        let interval = ["--state-interval", "1", "--state"];
        let mut more: Vec<OsString> = events.into_iter().chain(interval).map(Into::into).collect();
        more.push(state_file(folder).into());
        Self::start_with(folder, Some(1), more).await
    }

    async fn start_with(
        folder: &Path,
        block_seconds: Option<u64>,
        more: Vec<OsString>,
    ) -> Result<Self> {
        let port = free_port()?;
        let socket = folder.join("anvil.ipc");
        let words = ["--port", &port.to_string(), "--chain-id", &CHAIN_ID.to_string()];
        let accounts = ["--accounts", &ACCOUNTS.to_string(), "--mnemonic", MNEMONIC];
        let fork = ["--hardfork", "cancun", "--silent", "--ipc"];
        let words = words.into_iter().chain(accounts).chain(fork);
        let mut arguments: Vec<OsString> = words.map(Into::into).collect();
        arguments.push(socket.clone().into());
        if let Some(seconds) = block_seconds {
            arguments.extend(["--block-time".into(), seconds.to_string().into()]);
        }
        arguments.extend(more);
        let process = spawn(&arguments, folder)?;
        let url: Url = format!("http://127.0.0.1:{port}").parse()?;
        let http = reqwest::Client::new();
        let anvil = Self { process, folder: folder.to_owned(), arguments, url, socket, http };
        anvil.answers().await?;
        Ok(anvil)
    }

    /// Kills a chain that is written down, at a moment at which that is whole, and of one moment: other files
    /// are no fault of a chain's, but of anvil's. Where it can it waits for a block that is not written yet, and is
    /// lost. Answers how many are.
    ///
    /// # Errors
    /// Where it has ended already, or is not written down.
    pub async fn kill_written(&mut self) -> Result<u64> {
        let start = Instant::now();
        loop {
            let head = self.height().await?;
            self.process.signal(Signal::SIGSTOP)?;
            let lost = read_state(&self.folder)?.map(|written| head.saturating_sub(written));
            match lost {
                Some(lost) if lost > 0 || start.elapsed() > UNWRITTEN_MAX => {
                    self.process.kill()?;
                    return Ok(lost);
                }
                Some(_) | None => self.process.signal(Signal::SIGCONT)?,
            }
            ensure!(start.elapsed() < WHOLE_MAX, "the chain is not written down");
            // It writes while it is not looked at.
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until the blocks of now are written down.
    ///
    /// # Errors
    /// Where they are not in time.
    pub async fn until_written(&self) -> Result<()> {
        let head = self.height().await?;
        wait_for("the chain to be written down", WHOLE_MAX, async || {
            Ok(read_state(&self.folder)?.filter(|written| *written >= head))
        })
        .await?;
        Ok(())
    }

    /// Starts one that was killed again, where it was.
    ///
    /// # Errors
    /// Where it does not answer.
    pub async fn raise(&mut self) -> Result<()> {
        self.process = spawn(&self.arguments, &self.folder)?;
        self.answers().await
    }

    async fn answers(&self) -> Result<()> {
        wait_for("anvil to answer", START_MAX, async || {
            Ok(self.call("eth_chainId", json!([])).await.ok())
        })
        .await?;
        Ok(())
    }

    /// Its JSON-RPC.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Its socket for JSON-RPC with subscriptions.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Its process, to be killed by tests of absent chains.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Lets `seconds` pass and mines a block.
    ///
    /// # Errors
    /// Where anvil refuses.
    pub async fn travel(&self, seconds: u64) -> Result<()> {
        self.call("evm_increaseTime", json!([seconds])).await?;
        self.mine(1).await
    }

    /// Mines `count` blocks.
    ///
    /// # Errors
    /// Where anvil refuses.
    pub async fn mine(&self, count: u64) -> Result<()> {
        self.call("anvil_mine", json!([format!("{count:#x}")])).await?;
        Ok(())
    }

    /// Replaces the last `depth` blocks by others without their transactions, which are nowhere
    /// then: nobody but their senders brings them back.
    ///
    /// # Errors
    /// Where anvil refuses.
    pub async fn reorg(&self, depth: u64) -> Result<()> {
        self.call("anvil_reorg", json!([depth, []])).await?;
        Ok(())
    }

    /// Replaces the last `depth` blocks by others, the last of which has all their transactions.
    ///
    /// # Errors
    /// Where anvil refuses.
    pub async fn reorg_moving(&self, depth: u64) -> Result<()> {
        let head = self.height().await?;
        let last = depth.checked_sub(1).context("a reorg has a depth")?;
        let mut moved = Vec::new();
        for number in (head + 1).saturating_sub(depth)..=head {
            let number = format!("{number:#x}");
            let block = self.call("eth_getBlockByNumber", json!([number, false])).await?;
            for hash in block["transactions"].as_array().into_iter().flatten() {
                moved.push((self.call("eth_getRawTransactionByHash", json!([hash])).await?, last));
            }
        }
        ensure!(!moved.is_empty(), "nothing to move in the last {depth} blocks");
        self.call("anvil_reorg", json!([depth, moved])).await?;
        Ok(())
    }

    /// The number of the latest block.
    ///
    /// # Errors
    /// Where anvil does not answer.
    pub async fn height(&self) -> Result<u64> {
        quantity(&self.call("eth_blockNumber", json!([])).await?)
    }

    /// The latest block's timestamp, in seconds since 1970.
    ///
    /// # Errors
    /// Where anvil does not answer.
    pub async fn time(&self) -> Result<u64> {
        let block = self.call("eth_getBlockByNumber", json!(["latest", false])).await?;
        quantity(&block["timestamp"])
    }

    /// Mines a block every `seconds` from now on, and none between.
    ///
    /// # Errors
    /// Where anvil does not answer.
    pub async fn mine_every(&self, seconds: u64) -> Result<()> {
        self.call("evm_setIntervalMining", json!([seconds])).await?;
        Ok(())
    }

    /// Whether each transaction is mined at once, or waits for [`Anvil::mine`].
    ///
    /// # Errors
    /// Where anvil does not answer.
    pub async fn set_automine(&self, is_on: bool) -> Result<()> {
        self.call("evm_setAutomine", json!([is_on])).await?;
        Ok(())
    }

    /// How many transactions could be mined now.
    ///
    /// # Errors
    /// Where anvil does not answer.
    pub async fn waiting(&self) -> Result<u64> {
        quantity(&self.call("txpool_status", json!([])).await?["pending"])
    }

    /// Sends a transaction as it is, from an account whose key the chain holds itself; its receipt.
    ///
    /// # Errors
    /// Where anvil refuses, or does not mine it.
    pub async fn transact(&self, request: Value) -> Result<Value> {
        let hash = self.call("eth_sendTransaction", json!([request])).await?;
        wait_for("a transaction to be mined", Duration::from_secs(20), async || {
            let receipt = self.call("eth_getTransactionReceipt", json!([hash])).await?;
            Ok((!receipt.is_null()).then_some(receipt))
        })
        .await
    }

    /// One JSON-RPC call.
    ///
    /// # Errors
    /// Where the node does not answer or answers an error.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let answer: Value =
            self.http.post(self.url.clone()).json(&body).send().await?.json().await?;
        if let Some(error) = answer.get("error") {
            bail!("{method}: {error}");
        }
        answer.get("result").cloned().with_context(|| format!("{method}: no result in {answer}"))
    }
}

fn spawn(arguments: &[OsString], folder: &Path) -> Result<Process> {
    let mut command = Command::new(program()?);
    command.args(arguments);
    Process::start(command, folder, "anvil")
}

/// Where a chain in `folder` is written down.
fn state_file(folder: &Path) -> PathBuf {
    folder.join("anvil.json")
}

/// The last block that is written down; `None` while it is being written, and where it is of two moments.
fn read_state(folder: &Path) -> Result<Option<u64>> {
    std::fs::read(state_file(folder)).map_or(Ok(None), |file| written::last_block(&file))
}

/// The program itself: npm's `.bin/anvil` is a script around it, and ending that would leave the
/// chain running.
fn program() -> Result<PathBuf> {
    if let Some(path) = std::env::var_os("POCO_ANVIL") {
        return Ok(path.into());
    }
    let folder =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/node_modules/@foundry-rs");
    let platforms = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    platforms
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("anvil-"))
        .map(|entry| entry.path().join("bin/anvil"))
        .find(|path| path.is_file())
        .context("anvil is missing: run `make setup`, or name it in POCO_ANVIL")
}
