//! The world that all tests of this program share, one after the other.

use anyhow::{Context, Result};
use poco_integration_tests::process::Process;
use poco_integration_tests::world::{Answer, Party, WORKERS_MAX, World, answer, wallet};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Weak};
use tokio::sync::{Mutex, MutexGuard};

/// An address that nobody has.
pub(crate) const NOBODY: &str = "0x00000000000000000000000000000000000000aa";
/// The same, as the programs write it.
pub(crate) const NOBODY_SHOWN: &str = "0x00000000000000000000000000000000000000AA";
/// A port on which nothing listens.
pub(crate) const NOWHERE: &str = "http://127.0.0.1:1";
/// How a connection to [`NOWHERE`] fails.
pub(crate) const NO_NODE: &str = "cannot reach the chain: no node answered (http://127.0.0.1:1: error sending request: client error (Connect): tcp connect error: Connection refused (os error 111)); is the node running, and is --rpc-url right?";

/// A market with an app and a pool on offer, and money in everybody's escrow.
pub(crate) struct Stage {
    pub(crate) world: World,
    _market: Process,
    pub(crate) market_url: String,
    pub(crate) app: String,
    pub(crate) pool: String,
}

static STAGE: Mutex<Weak<Stage>> = Mutex::const_new(Weak::new());
/// What is sent is counted for the whole chain, so one test at a time may look.
static TURN: Mutex<()> = Mutex::const_new(());

impl Stage {
    async fn shared() -> Result<Arc<Self>> {
        let mut shared = STAGE.lock().await;
        if let Some(stage) = shared.upgrade() {
            return Ok(stage);
        }
        let stage = Arc::new(Self::start().await?);
        *shared = Arc::downgrade(&stage);
        Ok(stage)
    }

    async fn start() -> Result<Self> {
        let world = World::start().await?;
        let (market, url) = world.market().await?;
        let market_url = url.to_string();
        world.fund(Party::Scheduler, "100RLC")?;
        world.fund(Party::Requester, "100RLC")?;
        let address = |answer: Answer| -> Result<String> {
            Ok(answer.json()?["address"].as_str().context("an address")?.to_owned())
        };
        let checksum = format!("sha256:{}", "11".repeat(32));
        let words =
            ["app", "deploy", "--name", "x", "--image", "a.test/x", "--checksum", &checksum];
        let app = address(world.poco(Party::Provider, &words)?)?;
        let words = ["workerpool", "deploy", "--description", "a pool"];
        let pool = address(world.poco(Party::Scheduler, &words)?)?;
        let stage = Self { world, _market: market, market_url, app, pool };
        std::fs::create_dir(stage.desk())?;
        std::fs::create_dir(stage.world.path("papers"))?;
        let words = ["order", "sign", "app", &stage.app, "--price", "1RLC", "--volume", "1000"];
        stage.poco(Party::Provider, &[&words[..], &["--publish"]].concat())?.json()?;
        let words = ["order", "sign", "workerpool", &stage.pool, "--price", "2RLC"];
        let terms = ["--volume", "20", "--publish"];
        stage.poco(Party::Scheduler, &[&words[..], &terms].concat())?.json()?;
        Ok(stage)
    }

    /// The folder in which commands run: what is found there was left behind.
    pub(crate) fn desk(&self) -> PathBuf {
        self.world.path("desk")
    }

    /// Writes a file that a command is to read.
    pub(crate) fn paper(&self, name: &str, content: impl AsRef<[u8]>) -> Result<String> {
        let path = self.world.path("papers").join(name);
        std::fs::write(&path, content)?;
        Ok(path.display().to_string())
    }

    /// `poco --json` on the desk, without a wallet.
    pub(crate) fn command(&self) -> Result<Command> {
        let mut command = self.world.command()?;
        command.current_dir(self.desk()).args(["--yes", "--market-url", &self.market_url]);
        Ok(command)
    }

    /// Runs `poco --json` as a party.
    pub(crate) fn poco<S: AsRef<OsStr>>(&self, party: Party, words: &[S]) -> Result<Answer> {
        let mut command = self.command()?;
        command.args(["--wallet", &address_of(party)?]).args(words);
        Ok(answer(command.output()?))
    }

    /// The block height, how often every party has sent, and what lies on the desk.
    async fn traces(&self) -> Result<Traces> {
        let mut counts = vec![self.ask("eth_blockNumber", json!([])).await?];
        let parties = [Party::Owner, Party::Scheduler, Party::Provider, Party::Requester];
        for party in parties.into_iter().chain((0..WORKERS_MAX).map(Party::Worker)) {
            let params = json!([address_of(party)?, "pending"]);
            counts.push(self.ask("eth_getTransactionCount", params).await?);
        }
        Ok(Traces { counts, files: files(&self.desk())? })
    }

    /// One JSON-RPC call, over a connection of its own: those of the shared client end with the
    /// test that made them.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Result<Value> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let url = self.world.anvil.url().clone();
        let answer: Value =
            reqwest::Client::new().post(url).json(&body).send().await?.json().await?;
        answer.get("result").cloned().with_context(|| format!("{method}: {answer}"))
    }
}

#[derive(Debug, PartialEq, Eq)]
struct Traces {
    counts: Vec<Value>,
    files: BTreeSet<PathBuf>,
}

/// The right to use the stage alone.
pub(crate) struct Turn {
    stage: Arc<Stage>,
    before: std::sync::Mutex<Traces>,
    _alone: MutexGuard<'static, ()>,
}

impl std::ops::Deref for Turn {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        &self.stage
    }
}

impl Turn {
    pub(crate) async fn take() -> Result<Self> {
        // The stage first, so that it stays up while its users wait for their turn.
        let stage = Stage::shared().await?;
        let alone = TURN.lock().await;
        let before = std::sync::Mutex::new(stage.traces().await?);
        Ok(Self { stage, before, _alone: alone })
    }

    /// Looks anew: what was done so far was meant.
    pub(crate) async fn begin_anew(&self) -> Result<()> {
        let now = self.stage.traces().await?;
        *self.before.lock().expect("nobody panics with the lock") = now;
        Ok(())
    }

    /// Asserts that nothing was sent and no file was left since the turn began.
    pub(crate) async fn assert_untouched(&self) -> Result<()> {
        let now = self.stage.traces().await?;
        let before = self.before.lock().expect("nobody panics with the lock");
        assert_eq!(now, *before, "something was sent or left behind");
        Ok(())
    }
}

/// Asserts that a command answered nothing and said exactly this one line, with this exit code.
#[track_caller]
pub(crate) fn refused(answer: &Answer, code: i32, text: &str) {
    assert_eq!(answer.stdout, "", "nothing that looks like an answer");
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one line: {answer:?}");
    let error: Value = serde_json::from_str(lines[0]).expect("an error in JSON");
    assert_eq!(error, json!({ "ok": false, "error": text, "code": code }));
    assert_eq!(answer.code, code, "the process's own exit code");
}

/// A party's address, as the programs write it.
pub(crate) fn address_of(party: Party) -> Result<String> {
    Ok(wallet(party)?.address().to_string())
}

/// An address in the form with a check sum.
pub(crate) fn shown(address: &str) -> String {
    let parsed: poco_core::Address = address.parse().expect("an address");
    parsed.to_string()
}

/// Everything below a folder, with hidden files.
pub(crate) fn files(folder: &Path) -> Result<BTreeSet<PathBuf>> {
    let mut found = BTreeSet::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files(&path)?);
        }
        found.insert(path);
    }
    Ok(found)
}
