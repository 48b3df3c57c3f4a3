//! A container engine of the soak's own, so that no other container of the machine dies with it.

use crate::process::{Process, wait_for};
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long the engine may take to answer.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to end its containers.
const STOP_MAX: Duration = Duration::from_secs(30);
/// Pause between two looks whether it has ended.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A dockerd with its own data, without networks, and the containerd that it uses.
#[derive(Debug)]
pub(super) struct Engine {
    folder: PathBuf,
    /// Dies and comes back.
    process: Process,
    /// Stays, as where systemd runs both.
    containers: Process,
}

impl Engine {
    /// Starts one in `folder`, which is made.
    pub(super) async fn start(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir(&folder)?;
        let containers = spawn_containerd(&folder)?;
        let process = spawn(&folder)?;
        let mut engine = Self { folder, process, containers };
        engine.answers().await?;
        Ok(engine)
    }

    /// Where it listens, for `POCO_ENGINE_URL`.
    pub(super) fn url(&self) -> String {
        url(&self.folder)
    }

    /// Ends it as a power cut would. Its containers run on, and it ends them when it is back.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.process.kill()
    }

    /// Starts it again.
    pub(super) async fn raise(&mut self) -> Result<()> {
        // One that was killed leaves it, and refuses to start if the number is another's by now.
        let _ = std::fs::remove_file(self.folder.join("docker.pid"));
        self.process = spawn(&self.folder)?;
        self.answers().await
    }

    async fn answers(&mut self) -> Result<()> {
        let url = self.url();
        wait_for("the engine to answer", START_MAX, async || {
            if let Some(status) = self.process.ended()? {
                bail!("dockerd ended with {status}: {}", self.process.tail(20));
            }
            let asked = Command::new("docker").args(["--host", &url, "version"]).output()?;
            Ok(asked.status.success().then_some(()))
        })
        .await
    }

    /// Ends every container, then the engine.
    fn stop(&mut self) -> Result<()> {
        let url = self.url();
        let docker = |words: &[&str]| {
            Command::new("docker").args(["--host", &url]).args(words).output().context("docker")
        };
        if self.process.ended()?.is_some() {
            // Nobody else ends what runs on without it.
            let _ = std::fs::remove_file(self.folder.join("docker.pid"));
            self.process = spawn(&self.folder)?;
            wait_here(|| Ok(docker(&["version"])?.status.success()))?;
        }
        let listed = docker(&["ps", "--all", "--quiet"])?;
        let listed = String::from_utf8(listed.stdout)?;
        let containers: Vec<&str> = listed.split_whitespace().collect();
        if !containers.is_empty() {
            docker(&[&["rm", "--force", "--volumes"], &containers[..]].concat())?;
        }
        for process in [&mut self.process, &mut self.containers] {
            process.signal(Signal::SIGTERM)?;
            wait_here(|| Ok(process.ended()?.is_some()))?;
        }
        Ok(())
    }
}

/// Waits without a runtime, which there is none of while things are dropped.
fn wait_here(mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !is_so()? && start.elapsed() < STOP_MAX {
        #[expect(clippy::disallowed_methods, reason = "nothing else is left to be done")]
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

impl Drop for Engine {
    fn drop(&mut self) {
        // One that does not stop is killed with its process.
        let _ = self.stop();
    }
}

fn url(folder: &Path) -> String {
    format!("unix://{}", folder.join("docker.sock").display())
}

fn spawn(folder: &Path) -> Result<Process> {
    let mut command = Command::new("dockerd");
    command
        .args(["--host", &url(folder), "--bridge", "none", "--iptables=false"])
        .args([Path::new("--containerd"), &containerd_socket(folder)])
        .args([Path::new("--data-root"), &folder.join("data")])
        .args([Path::new("--exec-root"), &folder.join("run")])
        .args([Path::new("--pidfile"), &folder.join("docker.pid")]);
    let beside = folder.parent().context("the engine's folder lies in the world's")?;
    Process::start(command, beside, "dockerd")
}

fn spawn_containerd(folder: &Path) -> Result<Process> {
    let config = folder.join("containerd.toml");
    // What kubelets need listens on a port.
    std::fs::write(&config, "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n")?;
    let mut command = Command::new("containerd");
    command
        .args([Path::new("--config"), &config])
        .args([Path::new("--address"), &containerd_socket(folder)])
        .args([Path::new("--root"), &folder.join("containers")])
        .args([Path::new("--state"), &folder.join("state")]);
    let beside = folder.parent().context("the engine's folder lies in the world's")?;
    Process::start(command, beside, "containerd")
}

fn containerd_socket(folder: &Path) -> PathBuf {
    folder.join("containerd.sock")
}
