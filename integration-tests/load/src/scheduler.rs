//! The scheduler's process: started, killed, and looked at from outside.

use crate::node::{Node, chain};
use anyhow::{Context as _, Result, bail, ensure};
use poco_chain::Wallet;
use poco_chain::keystore::{KdfCost, store};
use poco_proto::pool_url::PoolUrl;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest wait for a process to answer.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between two looks at one that starts.
const LOOK: Duration = Duration::from_millis(5);
const PASSWORD: &str = "password";

/// How workers reach it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    Plain,
    /// With a key that the scheduler makes, and that workers know by its pin.
    Tls,
}

pub(crate) struct Scheduler {
    child: Child,
    program: PathBuf,
    node: Node,
    listen: String,
    line: Line,
    folder: TempDir,
    keystore: PathBuf,
    http: reqwest::Client,
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) cpu: Duration,
    pub(crate) rss_bytes: u64,
}

impl Scheduler {
    /// Starts the program on an empty store and waits until it serves.
    pub(crate) async fn start(
        program: PathBuf,
        node: &Node,
        owner: &Wallet,
        line: Line,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let keystore = store(folder.path(), owner, PASSWORD, KdfCost::CHEAP)?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let listen = listener.local_addr()?.to_string();
        drop(listener);
        let child = spawn(&program, node, (&listen, line), &folder, &keystore)?;
        // Whether it is healthy is asked before its pin is known.
        let http = reqwest::Client::builder().danger_accept_invalid_certs(true).build()?;
        let node = node.clone();
        let mut scheduler = Self { child, program, node, listen, line, folder, keystore, http };
        scheduler.until_healthy().await?;
        Ok(scheduler)
    }

    /// Ends the process as a power cut would and starts it again; how long it took to serve.
    pub(crate) async fn kill_and_restart(&mut self) -> Result<Duration> {
        self.child.kill()?;
        self.child.wait()?;
        let started = Instant::now();
        let at = (self.listen.as_str(), self.line);
        self.child = spawn(&self.program, &self.node, at, &self.folder, &self.keystore)?;
        self.until_healthy().await?;
        Ok(started.elapsed())
    }

    /// Waits until it holds so many tasks that have not ended.
    pub(crate) async fn until_live(&self, tasks: usize) -> Result<()> {
        let started = Instant::now();
        let url = format!("http://{}/status", self.listen);
        loop {
            let status: serde_json::Value = self.http.get(&url).send().await?.json().await?;
            // Each has one replica, in a slot of its own.
            let live = status["slotsUsed"].as_u64().unwrap_or_default();
            if live == tasks as u64 {
                return Ok(());
            }
            ensure!(started.elapsed() < PATIENCE, "{live} tasks are live, and not {tasks}");
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn until_healthy(&mut self) -> Result<()> {
        let started = Instant::now();
        let scheme = if self.line == Line::Tls { "https" } else { "http" };
        let url = format!("{scheme}://{}/healthz", self.listen);
        loop {
            if let Ok(answer) = self.http.get(&url).send().await
                && answer.status().is_success()
            {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                bail!("the scheduler ended with {status}: {}", self.log());
            }
            ensure!(started.elapsed() < PATIENCE, "the scheduler does not serve: {}", self.log());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// What a worker's owner would be told: with TLS it ends with the pin, as the log says it.
    pub(crate) fn url(&self) -> Result<PoolUrl> {
        let url = match self.line {
            Line::Plain => format!("http://{}", self.listen),
            Line::Tls => {
                let log = self.log();
                let words = log.split_whitespace().map(|word| word.trim_matches('"'));
                let told = words.filter_map(|word| word.find("https://").map(|at| &word[at..]));
                // The last line that says it: the log goes on over restarts.
                let pinned = told.rev().find(|url| url.contains("#sha256="));
                pinned.context("the scheduler's log names no pinned url")?.to_owned()
            }
        };
        Ok(PoolUrl::try_from(url.parse::<reqwest::Url>()?)?)
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Processor time and resident memory, all threads together.
    pub(crate) fn usage(&self) -> Result<Usage> {
        Usage::of(&self.child.id().to_string())
    }
}

impl Usage {
    /// Of a process, by its id or `self`.
    pub(crate) fn of(pid: &str) -> Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name, which stands in parentheses, may hold spaces.
        let (_, fields) = stat.rsplit_once(')').context("/proc/…/stat has another form")?;
        let field = |place: usize| fields.split_whitespace().nth(place)?.parse::<u64>().ok();
        // Fields 14, 15 and 24 of proc(5), of which two are cut off.
        let (user, system, pages) = (field(11), field(12), field(21));
        let ticks = user.zip(system).map(|(user, system)| user + system);
        // 100 ticks a second and 4 kB a page, on every Linux of this architecture.
        Ok(Self {
            cpu: Duration::from_millis(ticks.context("no times in /proc/…/stat")? * 10),
            rss_bytes: pages.context("no memory in /proc/…/stat")? * 4096,
        })
    }
}

fn spawn(
    program: &PathBuf,
    node: &Node,
    (listen, line): (&str, Line),
    folder: &TempDir,
    keystore: &PathBuf,
) -> Result<Child> {
    let log = File::options().create(true).append(true).open(folder.path().join("log"))?;
    let mut command = Command::new(program);
    // What the user has set for his own scheduler is no matter of the bench.
    let own = std::env::vars_os().filter(|(name, _)| {
        let name = name.to_string_lossy();
        name.starts_with("POCO_") && name != "POCO_LOG"
    });
    own.for_each(|(name, _)| {
        command.env_remove(name);
    });
    let child = command
        .args(["--listen", listen, "--rpc-url", &format!("http://{}", node.address)])
        .args(["--hub", &chain::HUB.to_string(), "--chain-id", &chain::CHAIN_ID.to_string()])
        .args(["--workerpool", &chain::POOL.to_string()])
        .args(["--tasks-live-max", "1000000"])
        .args(["--tls", if line == Line::Tls { "on" } else { "off" }])
        .arg("--keystore")
        .arg(keystore)
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .arg("--lock-dir")
        .arg(folder.path())
        .env("POCO_KEYSTORE_PASSWORD", PASSWORD)
        .stdout(Stdio::null())
        .stderr(log)
        .spawn();
    child.with_context(|| {
        format!("{} cannot be run: cargo build --release -p poco-scheduler", program.display())
    })
}
