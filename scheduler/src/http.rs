//! What is answered over HTTP: results, tasks as clients of the market see them, health, numbers.

mod explain;
mod files;
mod tasks;

pub(crate) use files::ADD;

use crate::grpc::Context;
use crate::meters::Seen;
use crate::objects::Objects;
use crate::page::page;
use crate::status::{self, State as Working, Status};
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use object_store::{GetOptions, GetRange};
use poco_core::{Address, TaskId};
use poco_result::Cid;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Clone, Debug)]
struct Shared {
    context: Context,
    shown: Arc<tokio::sync::Mutex<Option<Shown>>>,
}

/// A status, and when it was made.
type Shown = (Instant, Arc<Status>);

/// The routes.
pub(crate) fn routes(context: &Context) -> Router {
    let shared = Shared { context: context.clone(), shown: Arc::default() };
    Router::new()
        .route("/ipfs/{cid}", get(object))
        .route("/results/{task}/challenge", get(challenge))
        .route("/", get(page))
        .route("/healthz", get(health))
        .route("/status", get(whole_status))
        .route("/metrics", get(metrics))
        .with_state(shared)
        .merge(explain::routes(context))
        .merge(files::routes(context))
        .merge(tasks::routes(context))
}

/// Refuses with a status and one line.
pub(crate) fn refuse(status: StatusCode, error: &str) -> Response {
    (status, Json(json!({ "ok": false, "error": error }))).into_response()
}

async fn object(
    State(shared): State<Shared>,
    method: Method,
    Path(cid): Path<String>,
    headers: HeaderMap,
) -> Response {
    let Ok(cid) = cid.parse::<Cid>() else {
        return refuse(StatusCode::BAD_REQUEST, "this is no CID");
    };
    let (objects, kind) = match find(&shared, &cid, &headers).await {
        Ok(found) => found,
        Err(refusal) => return *refusal,
    };
    let range = headers.get(header::RANGE).and_then(|range| range_of(range.to_str().ok()?));
    let is_part = range.is_some();
    let options = GetOptions { range, head: method == Method::HEAD, ..GetOptions::default() };
    let found = match objects.get(&cid, options).await {
        Ok(Some(found)) => found,
        Ok(None) => return refuse(StatusCode::NOT_FOUND, "this pool does not have it"),
        Err(error) if is_part => {
            tracing::debug!(%cid, %error, "a range was refused");
            return refuse(StatusCode::RANGE_NOT_SATISFIABLE, "there is no such range");
        }
        Err(error) => {
            tracing::error!(%cid, %error, "what is stored cannot be read");
            return refuse(StatusCode::INTERNAL_SERVER_ERROR, "it cannot be read");
        }
    };
    let (size, part) = (found.meta.size, found.range.clone());
    let mut answer = Response::builder()
        .header(header::CONTENT_TYPE, kind)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::CONTENT_LENGTH, part.end.saturating_sub(part.start))
        .header(header::ACCEPT_RANGES, "bytes")
        .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")
        .header(header::ETAG, format!("\"{cid}\""));
    if is_part {
        let last = part.end.saturating_sub(1);
        answer = answer
            .status(StatusCode::PARTIAL_CONTENT)
            .header(header::CONTENT_RANGE, format!("bytes {}-{last}/{size}", part.start));
    }
    let body =
        if method == Method::HEAD { Body::empty() } else { Body::from_stream(found.into_stream()) };
    answer.body(body).expect("the headers are made of digits, a CID and constants")
}

/// Where it lies, and of which kind it is: a result, or a file in keeping. A file everybody may read; a
/// result too where one of its tasks is public, else a beneficiary that signed a challenge.
async fn find<'a>(
    shared: &'a Shared,
    cid: &Cid,
    headers: &HeaderMap,
) -> Result<(&'a Objects, &'static str), Box<Response>> {
    let result = (&shared.context.room.results, "application/zip");
    let (store, location) = (shared.context.store.clone(), cid.location());
    let readers = tokio::task::spawn_blocking(move || store.readers(&location)).await;
    let readers = match readers {
        Ok(Ok(readers)) => readers,
        Ok(Err(_)) | Err(_) => {
            let refusal = refuse(StatusCode::INTERNAL_SERVER_ERROR, "the store cannot be read");
            return Err(Box::new(refusal));
        }
    };
    if readers.iter().any(|reader| reader.is_zero()) {
        return Ok(result);
    }
    // Who gave it had it, whose result it may be besides.
    if let Some(files) = &shared.context.files
        && files.objects().has(cid).await
    {
        // Whatever it is, no page of this pool shall run it.
        return Ok((files.objects(), "application/octet-stream"));
    }
    if readers.is_empty() {
        return Err(Box::new(refuse(StatusCode::NOT_FOUND, "this pool does not have it")));
    }
    let Some(proof) = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok())
    else {
        let error = "only its beneficiary may fetch this result: sign the challenge of \
                     /results/<task>/challenge?address=<beneficiary>";
        return Err(Box::new(refuse(StatusCode::UNAUTHORIZED, error)));
    };
    let caller = shared.context.challenges.close(proof);
    match caller {
        Some(caller) if readers.contains(&caller) => Ok(result),
        Some(_) => {
            let error = "only its beneficiary may fetch this result";
            Err(Box::new(refuse(StatusCode::FORBIDDEN, error)))
        }
        None => Err(Box::new(refuse(StatusCode::UNAUTHORIZED, "invalid authorization"))),
    }
}

/// One range of bytes; others are ignored, as HTTP allows.
pub(crate) fn range_of(text: &str) -> Option<GetRange> {
    let (first, last) = text.strip_prefix("bytes=")?.split_once('-')?;
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => last.parse().ok().map(GetRange::Suffix),
        (false, true) => first.parse().ok().map(GetRange::Offset),
        (false, false) => {
            let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then(|| GetRange::Bounded(first..last.saturating_add(1)))
        }
    }
}

#[derive(Debug, Deserialize)]
struct ChallengeQuery {
    address: String,
}

async fn challenge(
    State(shared): State<Shared>,
    Path(task): Path<String>,
    Query(query): Query<ChallengeQuery>,
) -> Response {
    let (Ok(_), Ok(address)) = (task.parse::<TaskId>(), query.address.parse::<Address>()) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "expected /results/<task>/challenge?address=<address>",
        );
    };
    let data = shared.context.challenges.issue(address);
    Json(json!({ "ok": true, "data": data })).into_response()
}

/// Healthy while the loop answers and the chain can be read; degraded where less is taken on.
async fn health(State(shared): State<Shared>) -> Response {
    let Ok(snapshot) = status::snapshot(&shared.context).await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the scheduler is stopping");
    };
    let health = status::health(&shared.context, &snapshot.concerns);
    let code = match health.state {
        Working::Ok | Working::Degraded => StatusCode::OK,
        Working::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    let answer = json!({
        "ok": health.state != Working::Down,
        "state": health.state,
        "reasons": health.reasons,
        "block": snapshot.stats.head.number,
        "workers": snapshot.stats.workers,
    });
    (code, Json(answer)).into_response()
}

/// Everything that is shown, at most this old: looking costs the loop, and strangers may look often.
const SHOWN_AGE: Duration = Duration::from_secs(1);

async fn whole_status(State(shared): State<Shared>) -> Response {
    let mut shown = shared.shown.lock().await;
    let fresh = shown.as_ref().filter(|(at, _)| at.elapsed() < SHOWN_AGE);
    let status = match fresh {
        Some((_, status)) => status.clone(),
        None => match status::status(&shared.context).await {
            Ok(status) => {
                let status = Arc::new(status);
                *shown = Some((Instant::now(), status.clone()));
                status
            }
            Err(status) => return refuse(StatusCode::SERVICE_UNAVAILABLE, status.message()),
        },
    };
    drop(shown);
    let headers = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"), (header::CACHE_CONTROL, "no-store")];
    (headers, Json(status.as_ref())).into_response()
}

async fn metrics(State(shared): State<Shared>) -> Response {
    let context = &shared.context;
    let Ok(snapshot) = status::snapshot(context).await else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the scheduler is stopping");
    };
    let seen = Seen {
        health: &status::health(context, &snapshot.concerns),
        latest: context.outlook.borrow().purse.block.number,
        store_bytes: context.store.size_bytes(),
        output_bytes: context.transcripts.bytes(),
        results_bytes: context.room.results.bytes(),
        files_bytes: context.files.as_ref().map_or(0, |files| files.objects().bytes()),
        room_bytes: context.room.left().unwrap_or_default(),
        queue: context.queue_len(),
        snapshot: &snapshot,
    };
    match context.meters.text(&seen) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "numbers cannot be shown");
            refuse(StatusCode::INTERNAL_SERVER_ERROR, "numbers cannot be shown")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_http_writes_them() {
        assert_eq!(range_of("bytes=0-9"), Some(GetRange::Bounded(0..10)));
        assert_eq!(range_of("bytes=5-"), Some(GetRange::Offset(5)));
        assert_eq!(range_of("bytes=-5"), Some(GetRange::Suffix(5)));
        for other in ["bytes=-", "bytes=9-0", "lines=0-1", "bytes=0-1,3-4", "bytes=x-y"] {
            assert_eq!(range_of(other), None, "{other}");
        }
    }
}
