//! A running scheduler process.

use crate::chain::{Chainside, eventually};
use poco_chain::keystore::{KdfCost, store};
use poco_core::TaskId;
use poco_proto::v1::explain_request::Subject;
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::{
    ExplainRequest, Explanation, GetPoolRequest, GetTaskRequest, PoolReport, TaskReport,
};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub(crate) struct Process {
    child: Child,
    listen: String,
    pub(crate) folder: TempDir,
    pub(crate) keystore: PathBuf,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program with a clean environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_poco-scheduler"));
    command.env_clear().env("POCO_KEYSTORE_PASSWORD", "password");
    command
}

/// Everything that the program must be told.
pub(crate) fn configured(chain: &Chainside, listen: &str, folder: &Path, key: &Path) -> Command {
    let mut command = program();
    command
        .args(["--listen", listen, "--rpc-url", chain.addresses.rpc_url.as_str()])
        .args(["--hub", &chain.addresses.hub.to_string(), "--chain-id", "31337"])
        .args(["--workerpool", &chain.workerpool.to_string()])
        .args(["--lost-after-seconds", "2", "--start-grace-seconds", "10", "--lane", "classic"])
        .arg("--keystore")
        .arg(key)
        .arg("--data-dir")
        .arg(folder.join("data"))
        .env("POCO_SCHEDULER_LOCK_DIR", folder);
    command
}

pub(crate) fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Process {
    pub(crate) async fn start(chain: &Chainside, more: &[&str]) -> Self {
        let process = Self::begin(chain, more);
        process.until_healthy().await;
        process
    }

    /// Starts it and does not wait until it answers.
    pub(crate) fn begin(chain: &Chainside, more: &[&str]) -> Self {
        Self::begin_on(chain, &free_address(), more)
    }

    /// The same at an address.
    pub(crate) fn begin_on(chain: &Chainside, listen: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keystore = store(folder.path(), &chain.owner, "password", KdfCost::CHEAP).unwrap();
        let child = Self::spawn(chain, listen, folder.path(), &keystore, (more, ""));
        Self { child, listen: listen.to_owned(), folder, keystore }
    }

    fn spawn(
        chain: &Chainside,
        listen: &str,
        folder: &Path,
        keystore: &Path,
        (more, failpoints): (&[&str], &str),
    ) -> Child {
        let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
        configured(chain, listen, folder, keystore)
            .args(more)
            .env("POCO_FAILPOINTS", failpoints)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Ends the process as a power cut would.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        self.child.wait().unwrap();
    }

    /// Ends the process as a power cut would and starts it again, armed with `failpoints`.
    pub(crate) fn kill_and_restart(&mut self, chain: &Chainside, failpoints: &str) {
        self.kill();
        self.child =
            Self::spawn(chain, &self.listen, self.folder.path(), &self.keystore, (&[], failpoints));
    }

    /// Ends the process as a power cut would and starts it again with other flags.
    pub(crate) fn kill_and_restart_with(&mut self, chain: &Chainside, more: &[&str]) {
        self.kill();
        let (folder, keystore) = (self.folder.path(), &self.keystore);
        self.child = Self::spawn(chain, &self.listen, folder, keystore, (more, ""));
    }

    /// Memory of the process that is its own, in bytes.
    pub(crate) fn memory(&self) -> u64 {
        let path = format!("/proc/{}/status", self.child.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }

    pub(crate) fn address(&self) -> std::net::SocketAddr {
        self.listen.parse().unwrap()
    }

    /// Whether the process has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Asks the process to stop, and waits until it has.
    pub(crate) async fn stop(&mut self) -> std::process::ExitStatus {
        self.terminate();
        self.ended().await
    }

    /// Asks the process to stop.
    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    }

    /// Waits until the process has ended.
    pub(crate) async fn ended(&mut self) -> std::process::ExitStatus {
        for _ in 0..200 {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("it does not stop: {}", self.log());
    }

    /// Runs a command of the operator's.
    pub(crate) fn command(&self, words: &[&str]) -> std::process::Output {
        let data = self.folder.path().join("data");
        program().args(words).arg("--data-dir").arg(data).output().unwrap()
    }

    /// What such a command prints.
    pub(crate) fn told(&self, words: &[&str]) -> String {
        let output = self.command(words);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {error}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) async fn health(&self) -> (u16, serde_json::Value) {
        let response = self.get("/healthz").await;
        (response.status().as_u16(), response.json().await.unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.listen)
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub(crate) async fn until_healthy(&self) {
        let url = format!("{}/healthz", self.url());
        eventually("the scheduler answers", async || reqwest::get(&url).await.ok()).await;
    }

    pub(crate) async fn get(&self, path: &str) -> reqwest::Response {
        reqwest::get(format!("{}{path}", self.url())).await.unwrap()
    }

    pub(crate) async fn pool(&self) -> PoolReport {
        let mut client = ObserverClient::connect(self.url()).await.unwrap();
        client.get_pool(GetPoolRequest {}).await.unwrap().into_inner()
    }

    pub(crate) async fn explain(&self, subject: Subject) -> Result<Explanation, tonic::Status> {
        let mut client = ObserverClient::connect(self.url()).await.unwrap();
        let request = ExplainRequest { subject: Some(subject) };
        client.explain(request).await.map(tonic::Response::into_inner)
    }

    /// The last report of a task that is watched from before the scheduler knows it to its end.
    pub(crate) async fn watched(&self, task: TaskId) -> TaskReport {
        let mut client = ObserverClient::connect(self.url()).await.unwrap();
        let mut reports = loop {
            let request = GetTaskRequest { task: task.0.to_vec() };
            match client.watch_task(request).await {
                Ok(reports) => break reports.into_inner(),
                Err(status) => assert_eq!(status.code(), tonic::Code::NotFound, "{status}"),
            }
        };
        let mut last = None;
        while let Some(report) = reports.message().await.unwrap() {
            last = Some(report);
        }
        last.expect("a stream begins with a report")
    }

    pub(crate) async fn task(&self, task: TaskId) -> Option<TaskReport> {
        let mut client = ObserverClient::connect(self.url()).await.ok()?;
        let request = GetTaskRequest { task: task.0.to_vec() };
        client.get_task(request).await.ok().map(tonic::Response::into_inner)
    }
}
