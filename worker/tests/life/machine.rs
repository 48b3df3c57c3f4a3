//! The program under test, as a process with its own folder.

use crate::engine::LABEL;
use crate::market::{Market, PATIENCE};
use crate::pool::Pool;
use poco_chain::keystore::{KdfCost, store};
use poco_core::TaskId;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A machine that rents itself out.
pub(crate) struct Machine {
    folder: TempDir,
    config: PathBuf,
}

/// A running worker; killed when dropped.
pub(crate) struct Worker {
    child: Child,
    log: PathBuf,
    /// Where this process's part of the log begins.
    log_from: usize,
}

/// The points where it can be made to die.
pub(crate) fn failpoints() -> Vec<String> {
    let output = program().arg("--list-failpoints").output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn program() -> Command {
    Command::new(env!("CARGO_BIN_EXE_poco-worker"))
}

impl Machine {
    pub(crate) fn new(market: &Market, pool: &Pool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keystore = store(folder.path(), &market.worker, "pass", KdfCost::CHEAP).unwrap();
        let (label, value) = LABEL;
        let text = format!(
            "data_dir = '{}'\nscheduler_url = '{}'\nworkerpool = '{}'\nslots = 2\nforget_depth_blocks = 0\n\
             log = 'info,poco_worker=debug'\n[keystore]\npath = '{}'\n[chain]\nrpc_urls = ['{}']\n\
             hub = '{}'\n[stake]\nbond = '0'\n[sandbox]\nmemory_bytes = 67108864\nout_bytes = 8388608\n\
             [sandbox.labels]\n'{label}' = '{value}'\n",
            folder.path().join("data").display(),
            pool.url,
            market.workerpool,
            keystore.display(),
            market.addresses.rpc_url,
            market.chain.hub(),
        );
        let config = folder.path().join("worker.toml");
        std::fs::write(&config, text).unwrap();
        Self { folder, config }
    }

    /// Starts the worker, to die at `failpoint` if one is given.
    pub(crate) fn start(&self, failpoint: Option<&str>) -> Worker {
        let log = self.folder.path().join("worker.log");
        let log_from = self.log().len();
        let file = std::fs::File::options().create(true).append(true).open(&log).unwrap();
        let mut command = program();
        command.arg("--config").arg(&self.config).env("POCO_KEYSTORE_PASSWORD", "pass");
        // The servers of inputs are on this machine too.
        command.arg("--allow-private-inputs");
        if let Some(point) = failpoint {
            command.env("POCO_FAILPOINTS", point);
        }
        let child = command.stdout(Stdio::null()).stderr(file).spawn().unwrap();
        Worker { child, log, log_from }
    }

    /// Lets it use the engine at `url`.
    pub(crate) fn use_engine(&self, url: &str) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        let text = text.replace("[sandbox]\n", &format!("[sandbox]\nengine_url = '{url}'\n"));
        std::fs::write(&self.config, text).unwrap();
    }

    /// Waits until nothing of a task is left on this machine.
    pub(crate) async fn until_cleared(&self, task: TaskId) {
        let runs = self.folder.path().join("data/runs");
        let name = format!("{}-0", task.to_string().trim_start_matches("0x"));
        let started = Instant::now();
        while runs.join(&name).exists() {
            assert!(started.elapsed() < PATIENCE, "{name} is still there\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until a worker of this machine has said something.
    pub(crate) async fn until_logged(&self, text: &str) {
        let started = Instant::now();
        while !self.log().contains(text) {
            assert!(started.elapsed() < PATIENCE, "not said: {text}\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("worker.log")).unwrap_or_default()
    }
}

impl Worker {
    /// Asks it to stop once it is up, and sees it stop well.
    pub(crate) async fn terminate(&mut self) {
        let started = Instant::now();
        while !self.log().contains("logged in") {
            assert!(started.elapsed() < PATIENCE, "it does not log in\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        let status = self.ended().await;
        assert!(status.success(), "{status}\n{}", self.log());
    }

    /// Waits until it died at the point it was to die at.
    pub(crate) async fn until_dead(&mut self, point: &str) {
        let status = self.ended().await;
        assert!(!status.success(), "{point} was not reached\n{}", self.log());
        assert!(self.log().contains("failpoint reached"), "{point}\n{}", self.log());
    }

    async fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "it goes on\n{}", self.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        text.get(self.log_from..).unwrap_or_default().to_owned()
    }
}

impl Drop for Machine {
    /// A task that was never finalized keeps its disk, and a folder with a mount in it stays.
    fn drop(&mut self) {
        let runs = std::fs::read_dir(self.folder.path().join("data/runs"));
        for run in runs.into_iter().flatten().flatten() {
            let _ = Command::new("umount").arg(run.path().join("out")).output();
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
