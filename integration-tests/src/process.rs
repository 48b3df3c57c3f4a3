//! Child processes that cannot outlive the test, with their output in files.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a process may take to stop when asked to.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Pause between two looks at something that is waited for.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A running child process.
#[derive(Debug)]
pub struct Process {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Process {
    /// Starts `command` with both outputs in `<folder>/<name>.log`, appended.
    ///
    /// # Errors
    /// Where the program cannot be started or the log cannot be written.
    pub fn start(mut command: Command, folder: &Path, name: &str) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log)?;
        let program = command.get_program().to_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        ends_with_us(child.id())?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// What it has written so far.
    #[must_use]
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last `count` lines of what it has written: what a failing test shows.
    #[must_use]
    pub fn tail(&self, count: usize) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().collect();
        lines[lines.len().saturating_sub(count)..].join("\n")
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, where it has ended.
    ///
    /// # Errors
    /// Where the system does not tell.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Ends it at once, as a crash would.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to stop and waits until it has.
    ///
    /// # Errors
    /// Where it does not stop in time.
    pub async fn stop(&mut self) -> Result<ExitStatus> {
        self.signal(Signal::SIGTERM)?;
        self.wait(STOP_MAX).await
    }

    /// Waits until it ends by itself.
    ///
    /// # Errors
    /// Where it does not within `limit`.
    pub async fn wait(&mut self, limit: Duration) -> Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if start.elapsed() > limit {
                bail!("{} did not end within {limit:?}:\n{}", self.name, self.tail(30));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// Where the system does not let us.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let pid = i32::try_from(self.child.id()).context("process ids fit 31 bits")?;
        kill(Pid::from_raw(pid), signal).context("cannot signal the process")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A process that has ended already is all we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // Its id may be another's from here on.
        let _ = tell_watchdog('-', self.child.id());
    }
}

/// Kills, after its standard input has ended, every process that was added (`+ PID`) and not taken
/// back (`- PID`).
const WATCHDOG: &str = r#"
pids=' '
while read -r sign pid; do
  case $sign in
    +) pids="$pids$pid " ;;
    -) case $pids in *" $pid "*) pids="${pids%% $pid *} ${pids#* $pid }" ;; esac ;;
  esac
done
for pid in $pids; do kill -KILL "$pid"; done
"#;

/// Lets a process be killed when this one ends, even where this one is killed itself and destroys
/// nothing: a pipe to a shell ends with whoever holds it.
///
/// # Errors
/// Where the shell cannot be started.
pub fn ends_with_us(pid: u32) -> Result<()> {
    tell_watchdog('+', pid)
}

fn tell_watchdog(sign: char, pid: u32) -> Result<()> {
    static WATCHDOG_INPUT: Mutex<Option<ChildStdin>> = Mutex::new(None);
    let mut input = WATCHDOG_INPUT.lock().unwrap_or_else(PoisonError::into_inner);
    if input.is_none() {
        let mut shell = Command::new("sh");
        // In a group of its own, it outlives what is meant for the test's group.
        shell.args(["-c", WATCHDOG]).process_group(0);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        *input = shell.spawn().context("cannot start sh")?.stdin;
    }
    let input = input.as_mut().context("the watchdog's input is a pipe")?;
    writeln!(input, "{sign} {pid}").context("the watchdog has ended")
}

/// Waits until `look` finds something; fails with `what` after `limit`.
///
/// # Errors
/// Where nothing was found in time, or a look failed.
pub async fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await? {
            return Ok(found);
        }
        if start.elapsed() > limit {
            bail!("waited {limit:?} in vain for {what}");
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// A port that nobody listens on at the moment.
///
/// # Errors
/// Where the system has none.
pub fn free_port() -> Result<u16> {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};

    /// Set, this test program plays the one that is killed, in the folder that it names.
    const VICTIM: &str = "POCO_TEST_VICTIM";

    fn sleeper(folder: &Path) -> Process {
        let mut command = Command::new("sleep");
        command.arg("600");
        Process::start(command, folder, "sleeper").unwrap()
    }

    #[tokio::test]
    async fn a_killed_test_leaves_no_process() {
        if let Some(folder) = std::env::var_os(VICTIM).map(PathBuf::from) {
            drop(sleeper(&folder));
            println!("pid {}", sleeper(&folder).pid());
            let held = sleeper(&folder);
            println!("pid {}", held.pid());
            return std::future::pending().await;
        }
        let folder = tempfile::TempDir::new().unwrap();
        let mut victim = Command::new(std::env::current_exe().unwrap());
        victim.args(["--exact", "process::tests::a_killed_test_leaves_no_process", "--nocapture"]);
        let mut victim = victim.env(VICTIM, folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(victim.stdout.take().unwrap()).lines();
        let mut pids = lines.map_while(Result::ok).filter_map(|line| {
            Some(PathBuf::from("/proc").join(line.strip_prefix("pid ")?.trim()))
        });
        let (_dropped, held) = (pids.next().unwrap(), pids.next().unwrap());
        assert!(held.exists());
        victim.kill().unwrap();
        victim.wait().unwrap();
        wait_for("the sleeper to be killed", STOP_MAX, async || Ok((!held.exists()).then_some(())))
            .await
            .unwrap();
    }
}
