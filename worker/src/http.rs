//! `/healthz` and `/metrics`, where the operator asks for them.

use crate::event_loop::Status;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use poco_worker_core::Stage;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Serves until `stop`.
pub(crate) async fn serve(
    listener: TcpListener,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
) {
    let router = Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .with_state(status);
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::warn!(%error, "the health port is gone");
    }
}

/// 200 while the scheduler is connected: an alarm on anything else means lost work.
async fn healthz(State(status): State<watch::Receiver<Status>>) -> impl IntoResponse {
    match status.borrow().is_connected {
        true => (StatusCode::OK, "ok\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "no stream to the scheduler\n"),
    }
}

async fn metrics(State(status): State<watch::Receiver<Status>>) -> impl IntoResponse {
    let text = exposition(&status.borrow());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text)
}

fn exposition(status: &Status) -> String {
    let mut by_stage: BTreeMap<Stage, u32> = BTreeMap::new();
    for (_, stage) in &status.live {
        *by_stage.entry(*stage).or_default() += 1;
    }
    let mut text = format!(
        "# TYPE poco_worker_connected gauge\npoco_worker_connected {}\n\
         # TYPE poco_worker_batches_total counter\npoco_worker_batches_total {}\n\
         # TYPE poco_worker_tasks gauge\n",
        u8::from(status.is_connected),
        status.batches
    );
    for (stage, count) in by_stage {
        let stage = format!("{stage:?}").to_lowercase();
        // Writing to a string cannot fail.
        let _ = writeln!(text, "poco_worker_tasks{{stage=\"{stage}\"}} {count}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{B256, TaskId};

    #[test]
    fn tasks_are_counted_by_stage() {
        let task = |byte| TaskId(B256::repeat_byte(byte));
        let live = vec![
            (task(1), Stage::Running),
            (task(2), Stage::Running),
            (task(3), Stage::Contributed),
        ];
        let text = exposition(&Status { is_connected: true, live, batches: 7 });
        assert!(text.contains("poco_worker_connected 1\n"), "{text}");
        assert!(text.contains("poco_worker_tasks{stage=\"running\"} 2\n"), "{text}");
        assert!(text.contains("poco_worker_tasks{stage=\"contributed\"} 1\n"), "{text}");
    }
}
