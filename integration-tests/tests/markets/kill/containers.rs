//! What the engine says about containers: how often each task's app was started.

use anyhow::{Result, ensure};
use poco_core::TaskId;
use poco_integration_tests::process::Process;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// One line for each start: the task, then the worker.
const FORMAT: &str =
    "{{index .Actor.Attributes \"poco.task\"}} {{index .Actor.Attributes \"poco.worker\"}}";

/// Listens to the engine. It keeps few events itself, so they are written down as they come.
#[derive(Debug)]
pub(crate) struct Containers {
    listener: Process,
}

impl Containers {
    /// Listens from now on.
    pub(crate) fn listen(folder: &Path) -> Result<Self> {
        let mut command = Command::new("docker");
        command
            .args(["events", "--filter", "event=start", "--filter", "label=poco.task"])
            .args(["--format", FORMAT]);
        Ok(Self { listener: Process::start(command, folder, "containers")? })
    }

    /// How often a container of `task` was started.
    pub(crate) fn starts_of(&self, task: TaskId) -> usize {
        self.workers_of(task).len()
    }

    /// Every vote had one run. One more there may be: that of a newcomer that went along, to earn
    /// a score, and came too late.
    pub(crate) fn assert_once(&self, task: TaskId, votes: usize) {
        assert!(!self.is_repeated(task), "{task}: a worker ran it twice");
        let starts = self.starts_of(task);
        assert!((votes..=votes + 1).contains(&starts), "{task}: {starts} runs for {votes} votes");
    }

    /// Whether some worker started a container of `task` more than once.
    pub(crate) fn is_repeated(&self, task: TaskId) -> bool {
        let workers = self.workers_of(task);
        workers.iter().collect::<BTreeSet<_>>().len() < workers.len()
    }

    /// Who started a container of `task`, once for each time.
    fn workers_of(&self, task: TaskId) -> Vec<String> {
        let task = task.to_string();
        let output = self.listener.output();
        let starts = output.lines().filter_map(|line| line.split_once(' '));
        starts.filter(|(of, _)| *of == task).map(|(_, worker)| worker.to_owned()).collect()
    }
}

/// The containers of `task` that are there, running or not.
pub(crate) fn containers_of(task: TaskId) -> Result<Vec<String>> {
    let filter = format!("label=poco.task={task}");
    let output = Command::new("docker").args(["ps", "-aq", "--filter", &filter]).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.lines().map(str::to_owned).collect())
}
