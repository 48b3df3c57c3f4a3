//! Says why there is no work: what this worker waits for, as the scheduler that decides it tells.
//!
//! Asked over a connection of its own that is closed again, more and more rarely while nothing comes,
//! and logged where it is news. Nothing depends on the answer.

use crate::link::channel;
use poco_core::{Address, TaskId};
use poco_proto::MESSAGE_BYTES_MAX;
use poco_proto::pool_url::PoolUrl;
use poco_proto::v1::explain_request::Subject;
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::{ExplainRequest, Explanation};
use poco_worker_core::Stage;
use rand::Rng as _;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tonic::Status;

/// How long there must have been nothing to do before the scheduler is asked. It doubles with every
/// question: thousands of idle workers must cost the scheduler next to nothing.
const IDLE: Duration = Duration::from_secs(10);
/// Longest time between two questions.
const IDLE_MAX: Duration = Duration::from_secs(600);
/// For the answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Longest answer that is logged.
const TOLD_CHARS_MAX: usize = 600;

/// Logs what the worker waits for while it computes no task, until `stop`. It may hold some that it has
/// computed: they stay until the chain needs nothing of them any more.
pub(crate) async fn tell(
    url: PoolUrl,
    worker: Address,
    mut live: watch::Receiver<Vec<(TaskId, Stage)>>,
    stop: CancellationToken,
) {
    let (mut pause, mut told) = (IDLE, String::new());
    loop {
        // Spread, so that the workers of a scheduler that restarts do not ask all at once.
        let spread = rand::rng().random_range(1.0..1.5);
        tokio::select! {
            () = stop.cancelled() => return,
            changed = live.changed() => {
                if changed.is_err() {
                    return;
                }
                (pause, told) = (IDLE, String::new());
                continue;
            }
            () = tokio::time::sleep(pause.mul_f64(spread)) => {}
        }
        pause = (pause * 2).min(IDLE_MAX);
        if live.borrow().iter().any(|(_, stage)| is_computing(*stage)) {
            continue;
        }
        match timeout(ANSWER_TIME, ask(&url, worker)).await {
            Ok(Ok(explanation)) => {
                let reason = reason(&explanation);
                if reason != told {
                    tracing::info!(waits_for = reason, "no work: the pool says why");
                    told = reason;
                }
            }
            Ok(Err(error)) => tracing::debug!(%error, "the pool does not say why there is no work"),
            Err(_) => tracing::debug!("the pool does not say in time why there is no work"),
        }
    }
}

fn is_computing(stage: Stage) -> bool {
    match stage {
        Stage::Accepted | Stage::Pulling | Stage::Fetching | Stage::Running => true,
        Stage::Computed
        | Stage::Balloted
        | Stage::Committed
        | Stage::Contributed
        | Stage::Revealed
        | Stage::Uploaded
        | Stage::Failed => false,
    }
}

async fn ask(url: &PoolUrl, worker: Address) -> Result<Explanation, Status> {
    let channel = channel(url).map_err(|error| Status::unavailable(error.to_string()))?;
    let mut observer = ObserverClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX);
    let subject = Some(Subject::Worker(worker.to_vec()));
    observer.explain(ExplainRequest { subject }).await.map(tonic::Response::into_inner)
}

/// What is waited for and what would change it, in one line.
fn reason(told: &Explanation) -> String {
    let mut text = told.waits_for.clone();
    for way in &told.changes {
        text.push_str("; would change if ");
        text.push_str(&way.changes.join(", and "));
    }
    // From a stranger, into a log.
    let is_plain = |c: &char| !c.is_control();
    text.chars().filter(is_plain).take(TOLD_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_proto::v1::explanation::Way;

    #[test]
    fn a_reason_is_one_line_with_what_would_change_it_and_no_longer_than_a_log_takes() {
        let way = |changes: &[&str]| Way {
            changes: changes.iter().map(|change| (*change).to_owned()).collect(),
        };
        let told = Explanation {
            waits_for: "tasks that it fits\n".into(),
            changes: vec![way(&["a", "b"]), way(&["c"])],
            ..Explanation::default()
        };
        let line = "tasks that it fits; would change if a, and b; would change if c";
        assert_eq!(reason(&told), line);
        let endless = Explanation { waits_for: "x".repeat(100_000), ..Explanation::default() };
        assert_eq!(reason(&endless).len(), TOLD_CHARS_MAX);
    }
}
