//! Sees the containers of one bench start and end, and what the engine says about their runs.
//!
//! Asks the engine over its socket: a program started for each question would take the processors
//! from what is measured.

use crate::leftovers::LABEL;
use crate::process::wait_for;
use anyhow::{Context, Result, bail, ensure};
use poco_core::TaskId;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::task::JoinHandle;

/// Where the engine listens unless `DOCKER_HOST` says otherwise.
const SOCKET: &str = "/var/run/docker.sock";
/// The label under which a worker notes the task.
const TASK_LABEL: &str = "poco.task";

/// What is known of a container.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its task.
    pub task: TaskId,
    /// When the engine told that it was started.
    pub started: Option<Instant>,
    /// When the engine told that it had ended.
    pub ended: Option<Instant>,
    /// The app's own time: from `StartedAt` to `FinishedAt`, as the engine noted them.
    pub ran: Option<Duration>,
    /// Whether it was removed.
    pub is_gone: bool,
}

type Containers = Arc<Mutex<BTreeMap<String, Container>>>;

/// Listens to the engine until it is dropped.
#[derive(Debug)]
pub struct Engine {
    containers: Containers,
    listening: JoinHandle<Result<()>>,
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Engine {
    /// Listens to containers that have the label with this value.
    ///
    /// # Errors
    /// Where the engine does not answer.
    pub async fn listen(value: &str) -> Result<Self> {
        let socket = match std::env::var("DOCKER_HOST") {
            Ok(host) => match host.strip_prefix("unix://") {
                Some(path) => path.to_owned(),
                None => bail!("DOCKER_HOST is {host}; the bench needs an engine on this machine"),
            },
            Err(_) => SOCKET.to_owned(),
        };
        let http = reqwest::Client::builder().unix_socket(socket).build()?;
        let filters = serde_json::json!({
            "type": ["container"], "label": [format!("{LABEL}={value}")],
        });
        let mut events = http
            .get("http://engine/events")
            .query(&[("filters", filters.to_string())])
            .send()
            .await
            .context("the container engine does not answer")?
            .error_for_status()?;
        let containers = Containers::default();
        let sink = containers.clone();
        let listening = tokio::spawn(async move {
            let mut rest = Vec::new();
            while let Some(chunk) = events.chunk().await? {
                let at = Instant::now();
                rest.extend_from_slice(&chunk);
                while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = rest.drain(..=end).collect();
                    take(&http, &sink, &serde_json::from_slice(&line)?, at)?;
                }
            }
            bail!("the engine closed its socket")
        });
        Ok(Self { containers, listening })
    }

    /// The containers of a task.
    #[must_use]
    pub fn of(&self, task: TaskId) -> Vec<Container> {
        let containers = self.containers.lock().expect("no code panics while it holds this lock");
        containers.values().filter(|container| container.task == task).cloned().collect()
    }

    /// How many containers run now.
    #[must_use]
    pub fn running(&self) -> usize {
        let containers = self.containers.lock().expect("no code panics while it holds this lock");
        let runs =
            |container: &&Container| container.started.is_some() && container.ended.is_none();
        containers.values().filter(runs).count()
    }

    /// Waits until a task's containers are cleared away: the next task finds the machine idle.
    ///
    /// # Errors
    /// Where they are not within `limit`, or the engine is lost.
    pub async fn cleared(&self, task: TaskId, limit: Duration) -> Result<()> {
        wait_for("the containers to be cleared away", limit, async || {
            ensure!(!self.listening.is_finished(), "the engine is no longer heard of");
            Ok(self.of(task).iter().all(|container| container.is_gone).then_some(()))
        })
        .await
    }
}

fn take(http: &reqwest::Client, sink: &Containers, told: &Value, at: Instant) -> Result<()> {
    let id = told["Actor"]["ID"].as_str().context("an event has a container")?;
    let task = told["Actor"]["Attributes"][TASK_LABEL].as_str().context("a worker's container")?;
    let task: TaskId = task.parse()?;
    let mut containers = sink.lock().expect("no code panics while it holds this lock");
    let container = containers.entry(id.to_owned()).or_insert(Container {
        task,
        started: None,
        ended: None,
        ran: None,
        is_gone: false,
    });
    match told["Action"].as_str().unwrap_or_default() {
        "start" => container.started = Some(at),
        "die" => {
            container.ended = Some(at);
            tokio::spawn(note_run(http.clone(), sink.clone(), id.to_owned()));
        }
        "destroy" => container.is_gone = true,
        _ => {}
    }
    Ok(())
}

/// Asks how long a container ran, before it is cleared away, which happens once its task has ended.
/// Whoever needs the answer and finds none says so.
async fn note_run(http: reqwest::Client, sink: Containers, id: String) {
    let Ok(ran) = ran(&http, &id).await else { return };
    let mut containers = sink.lock().expect("no code panics while it holds this lock");
    if let Some(container) = containers.get_mut(&id) {
        container.ran = Some(ran);
    }
}

async fn ran(http: &reqwest::Client, id: &str) -> Result<Duration> {
    let answer = http.get(format!("http://engine/containers/{id}/json")).send().await?;
    let found: Value = answer.error_for_status()?.json().await?;
    let moment = |name: &str| {
        let text = found["State"][name].as_str().with_context(|| format!("no {name}"))?;
        Ok::<_, anyhow::Error>(OffsetDateTime::parse(text, &Rfc3339)?)
    };
    let (started, finished) = (moment("StartedAt")?, moment("FinishedAt")?);
    Ok((finished - started).try_into().unwrap_or_default())
}
