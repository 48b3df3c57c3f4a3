//! Sees what the scheduler says about each task, through the stream that requesters follow.

use anyhow::Result;
use poco_core::{Address, DealId, TaskId, U256};
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::{GetPoolRequest, GetTaskRequest, PoolReport, TaskReport};
use poco_proto::words;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::transport::Channel;
use url::Url;

/// How often a scheduler is asked again that does not know the task yet, and for how long: it hears
/// of a deal only some milliseconds after we do.
const AGAIN: Duration = Duration::from_millis(2);
const KNOWN_WITHIN: Duration = Duration::from_secs(30);

/// When the scheduler told what about one task.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Each worker that was assigned.
    pub assigned: BTreeMap<Address, Instant>,
    /// The result was stored.
    pub uploaded: Option<Instant>,
}

type Tasks = Arc<Mutex<BTreeMap<TaskId, Told>>>;

/// Follows the first task of every deal until it is dropped.
#[derive(Debug)]
pub struct Watch {
    client: ObserverClient<Channel>,
    tasks: Tasks,
    following: JoinHandle<()>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.following.abort();
    }
}

impl Watch {
    /// Follows the first task of each deal that comes.
    ///
    /// # Errors
    /// Where the pool does not answer.
    pub async fn follow(pool: &Url, mut deals: mpsc::Receiver<DealId>) -> Result<Self> {
        let client = ObserverClient::connect(pool.to_string()).await?;
        let tasks = Tasks::default();
        let (asking, sink) = (client.clone(), tasks.clone());
        let following = tokio::spawn(async move {
            while let Some(deal) = deals.recv().await {
                let task = TaskId::of_deal(deal, U256::ZERO);
                // One deal at a time: its stream ends with its task, or when the scheduler stops.
                let _ = one(asking.clone(), task, &sink).await;
            }
        });
        Ok(Self { client, tasks, following })
    }

    /// What was told of a task.
    #[must_use]
    pub fn of(&self, task: TaskId) -> Told {
        let tasks = self.tasks.lock().expect("no code panics while it holds this lock");
        tasks.get(&task).cloned().unwrap_or_default()
    }

    /// The pool as a whole.
    ///
    /// # Errors
    /// Where the scheduler does not answer.
    pub async fn pool(&self) -> Result<PoolReport> {
        Ok(self.client.clone().get_pool(GetPoolRequest {}).await?.into_inner())
    }
}

async fn one(
    mut client: ObserverClient<Channel>,
    task: TaskId,
    sink: &Mutex<BTreeMap<TaskId, Told>>,
) -> Result<(), tonic::Status> {
    let since = Instant::now();
    let request = || GetTaskRequest { task: task.0.to_vec() };
    let mut reports = loop {
        match client.watch_task(request()).await {
            Ok(reports) => break reports.into_inner(),
            Err(status) if status.code() == Code::NotFound && since.elapsed() < KNOWN_WITHIN => {
                tokio::time::sleep(AGAIN).await;
            }
            Err(status) => return Err(status),
        }
    };
    while let Some(report) = reports.message().await? {
        let at = Instant::now();
        let mut tasks = sink.lock().expect("no code panics while it holds this lock");
        note(tasks.entry(task).or_default(), &report, at);
    }
    Ok(())
}

fn note(told: &mut Told, report: &TaskReport, at: Instant) {
    for replica in &report.replicas {
        if let Ok(worker) = words::address("worker", &replica.worker) {
            told.assigned.entry(worker).or_insert(at);
        }
    }
    if !report.location.is_empty() {
        told.uploaded.get_or_insert(at);
    }
}
