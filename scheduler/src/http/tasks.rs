//! Tasks as iExec's client and other tools of the protocol ask a pool for them: where a task stands,
//! and what its runs printed, for the requester. Paths, fields and words are theirs.

use super::refuse;
use crate::grpc::{Context, authorize, find};
use crate::transcripts::{Cursor, Piece};
use crate::translate::checksummed;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use poco_core::{Address, TaskId, Timestamp};
use poco_scheduler_core::{Cause, ReplicaReport, ReportStatus, Stage, TaskReport};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tonic::Code;
use tower_http::cors::{Any, CorsLayer};

/// What is promised in units of a category's time: contributions, and all.
const CONTRIBUTION_UNITS: u64 = 7;
const REVEAL_UNITS: u64 = 2;
const FINAL_UNITS: u64 = 10;

/// The routes. Web pages of others may use them.
pub(super) fn routes(context: &Context) -> Router {
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([Method::GET]).allow_headers([
        header::AUTHORIZATION,
        header::ACCEPT,
        header::CONTENT_TYPE,
    ]);
    Router::new()
        .route("/tasks/{task}", get(task))
        .route("/tasks/{task}/logs", get(logs))
        .route("/tasks/logs/challenge", get(challenge))
        .layer(cors)
        .with_state(context.clone())
}

async fn task(State(context): State<Context>, Path(task): Path<String>) -> Response {
    let Ok(task) = task.parse::<TaskId>() else {
        return refuse(StatusCode::BAD_REQUEST, "this is no task id");
    };
    match find(&context, task).await {
        Ok(report) => Json(task_json(&report)).into_response(),
        Err(status) => refused(&status),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeQuery {
    chain_id: Option<String>,
    address: Option<String>,
}

/// The typed data to sign, as it is.
async fn challenge(
    State(context): State<Context>,
    Query(query): Query<ChallengeQuery>,
) -> Response {
    let Some(chain_id) = query.chain_id else {
        return refuse(StatusCode::BAD_REQUEST, "chainId is missing");
    };
    if chain_id != context.chain.chain_id().to_string() {
        let error = format!("chainId {chain_id} is not supported");
        return refuse(StatusCode::BAD_REQUEST, &error);
    }
    match query.address.and_then(|address| address.parse::<Address>().ok()) {
        Some(address) => Json(context.challenges.issue(address)).into_response(),
        None => refuse(StatusCode::BAD_REQUEST, "address must be an address"),
    }
}

async fn logs(
    State(context): State<Context>,
    Path(task): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Ok(task) = task.parse::<TaskId>() else {
        return refuse(StatusCode::BAD_REQUEST, "this is no task id");
    };
    let proof = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    match authorize(&context, task, proof.unwrap_or_default()).await {
        Ok(report) => {
            let pieces = context.transcripts.read(task, None, &mut Cursor::default());
            Json(json!({ "computeLogsList": logs_json(&report, pieces) })).into_response()
        }
        Err(status) => refused(&status),
    }
}

fn refused(status: &tonic::Status) -> Response {
    let code = if status.code() == Code::NotFound {
        StatusCode::NOT_FOUND
    } else if status.code() == Code::Unauthenticated {
        StatusCode::UNAUTHORIZED
    } else if status.code() == Code::PermissionDenied {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    refuse(code, status.message())
}

/// What was printed by worker; of a run that told nothing, the last lines that came with its failure.
fn logs_json(report: &TaskReport, pieces: Vec<Piece>) -> Vec<Value> {
    let mut printed: BTreeMap<Address, [Vec<u8>; 2]> = BTreeMap::new();
    for piece in pieces {
        match piece {
            Piece::Output { worker, is_stderr, data, lost } => {
                let streams = printed.entry(worker).or_default();
                let stream = &mut streams[usize::from(is_stderr)];
                if lost > 0 {
                    stream.extend_from_slice(
                        format!("[at least {lost} bytes are missing]\n").as_bytes(),
                    );
                }
                stream.extend_from_slice(&data);
            }
            // Somebody who reads for the first time hears nothing twice.
            Piece::Again { .. } => {}
        }
    }
    for replica in &report.replicas {
        if let (Some(failure), false) = (&replica.failure, printed.contains_key(&replica.worker)) {
            let tails = [&failure.stdout_tail, &failure.stderr_tail];
            printed.insert(replica.worker, tails.map(|tail| tail.clone().into_bytes()));
        }
    }
    let shown = |(worker, [stdout, stderr]): (Address, [Vec<u8>; 2])| {
        json!({
            "walletAddress": checksummed(worker),
            "stdout": String::from_utf8_lossy(&stdout),
            "stderr": String::from_utf8_lossy(&stderr),
        })
    };
    printed.into_iter().map(shown).collect()
}

fn task_json(report: &TaskReport) -> Value {
    let history = history(report);
    let status = history.last().map_or("RECEIVED", |(status, _)| status);
    let entry =
        |(status, time): &(&str, Timestamp)| json!({ "status": status, "date": iso(*time) });
    json!({
        "chainTaskId": report.task.to_string(),
        "chainDealId": report.deal.to_string(),
        "taskIndex": report.index.to_string(),
        "currentStatus": status,
        "dateStatusList": history.iter().map(entry).collect::<Vec<_>>(),
        "waitingFor": report.waiting_for,
        "contributionDeadline": report.contribution_deadline.0,
        "finalDeadline": report.final_deadline.0,
        "resultLink": report.location,
        "replicates": report.replicas.iter().map(replica_json).collect::<Vec<_>>(),
    })
}

/// What is known of a task's way: times that no report has follow from its deadlines.
fn history(report: &TaskReport) -> Vec<(&'static str, Timestamp)> {
    let (contribution, last) = (report.contribution_deadline.0, report.final_deadline.0);
    let unit = last.saturating_sub(contribution) / (FINAL_UNITS - CONTRIBUTION_UNITS);
    let received = Timestamp(contribution.saturating_sub(unit.saturating_mul(CONTRIBUTION_UNITS)));
    let first =
        report.replicas.iter().map(|replica| replica.updated).filter(|time| time.0 > 0).min();
    let running = first.unwrap_or(received);
    let mut history = vec![("RECEIVED", received)];
    match (report.status, &report.given_up) {
        (ReportStatus::Pending, None) => {}
        (ReportStatus::Active, None) => history.push(("RUNNING", running)),
        (ReportStatus::Pending | ReportStatus::Active, Some(_)) => {
            history.push(("RUNNING_FAILED", running));
        }
        (ReportStatus::Revealing, _) => {
            let consensus = report.reveal_deadline.0.saturating_sub(unit * REVEAL_UNITS);
            history.extend([("RUNNING", running), ("CONSENSUS_REACHED", Timestamp(consensus))]);
        }
        (ReportStatus::Completed, _) => {
            history.extend([("RUNNING", running), ("COMPLETED", report.ended)]);
        }
        // Claimed, which cannot be before this time.
        (ReportStatus::Failed, _) => history.push(("FAILED", report.final_deadline)),
    }
    history
}

fn replica_json(replica: &ReplicaReport) -> Value {
    let status = replica_status(replica);
    let mut update = json!({ "status": status, "date": iso(replica.updated) });
    let mut shown = json!({
        "walletAddress": checksummed(replica.worker),
        "currentStatus": status,
    });
    if let Some(failure) = &replica.failure {
        update["cause"] = failure.to_string().into();
        if let Some(code) = failure.exit_code {
            shown["appExitCode"] = code.into();
        }
    }
    shown["statusUpdateList"] = json!([update]);
    shown
}

fn replica_status(replica: &ReplicaReport) -> &'static str {
    if let Some(failure) = &replica.failure {
        return match failure.cause {
            Cause::Declined | Cause::Chain => "START_FAILED",
            Cause::ImageMissing | Cause::ImageDigest => "APP_DOWNLOAD_FAILED",
            Cause::Input | Cause::Dataset => "DATA_DOWNLOAD_FAILED",
            Cause::ExitCode
            | Cause::TimeLimit
            | Cause::OutOfMemory
            | Cause::OutOfDisk
            | Cause::NoResult
            | Cause::Engine => "COMPUTE_FAILED",
            Cause::Refused => "CONTRIBUTE_FAILED",
            Cause::Abandoned => "ABORTED",
            Cause::Slow => "WORKER_LOST",
        };
    }
    match replica.stage {
        None => "WORKER_LOST",
        Some(Stage::Promised) => "CREATED",
        Some(Stage::Accepted) => "STARTED",
        Some(Stage::Pulling) => "APP_DOWNLOADING",
        Some(Stage::Fetching) => "DATA_DOWNLOADING",
        Some(Stage::Running) => "COMPUTING",
        Some(Stage::Computed) => "COMPUTED",
        Some(Stage::Balloted) => "CONTRIBUTING",
        Some(Stage::Committed | Stage::Contributed) => "CONTRIBUTED",
        Some(Stage::Revealed) => "REVEALED",
        Some(Stage::Uploaded) => "RESULT_UPLOADED",
    }
}

fn iso(time: Timestamp) -> String {
    let seconds = i64::try_from(time.0).ok();
    let date = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    // A chain's clock beyond the year 9999 has no date.
    date.and_then(|date| date.format(&Rfc3339).ok()).unwrap_or_default()
}
