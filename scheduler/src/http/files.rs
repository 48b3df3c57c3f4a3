//! Files given into the pool's keeping, as `POST /api/v0/add` of an IPFS node takes them: what clients of
//! the protocol and IPFS's own send their inputs with. Paths, fields and words are theirs.

use crate::files::{FileRefusal, Files, Kept, Place};
use crate::grpc::Context;
use crate::limits::{Excess, Visit};
use crate::objects::BLOCK_BYTES;
use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use futures::{Stream, StreamExt as _};
use multer::{Field, Multipart};
use percent_encoding::percent_decode_str;
use poco_result::cid::Layout;
use serde::Deserialize;
use serde_json::json;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tower_http::cors::{Any, CorsLayer};

/// Where files are given.
pub(crate) const ADD: &str = "/api/v0/add";
/// A file that brings nothing for this long is not waited for.
const PART_TIME: Duration = Duration::from_secs(30);
/// Nor is one that comes at less than this, beyond that time: places are few.
const BYTES_PER_SECOND_MIN: u64 = 16 << 10;
/// How long the rest of a request that is refused is still read.
const REST_TIME: Duration = Duration::from_secs(5);
/// Files of one request.
const FILES_MAX: usize = 64;
/// What the parser may hold of a request: heads of parts, and what came with them.
const HELD_BYTES_MAX: u64 = 1 << 20;
/// Longer than any name on a disk.
const NAME_BYTES_MAX: usize = 1024;

/// The routes. Web pages of others may use them.
pub(super) fn routes(context: &Context) -> Router {
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([Method::POST]).allow_headers(Any);
    Router::new().route(ADD, post(add)).layer(cors).with_state(context.clone())
}

/// What changes a file's CID, and whether it is kept. What an IPFS node knows besides makes no difference
/// here.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct AddQuery {
    cid_version: Option<u8>,
    raw_leaves: Option<bool>,
    hash: Option<String>,
    chunker: Option<String>,
    trickle: bool,
    inline: bool,
    wrap_with_directory: bool,
    nocopy: bool,
    preserve_mode: bool,
    preserve_mtime: bool,
    mode: Option<String>,
    mtime: Option<String>,
    max_file_links: Option<String>,
    only_hash: bool,
}

impl AddQuery {
    /// How blocks are made.
    ///
    /// # Errors
    /// The option that this pool does not know.
    fn layout(&self) -> Result<Layout, String> {
        let unknown = |option: &str| Err(format!("this pool adds no files with {option}"));
        let (layout, raw) = match self.cid_version {
            None | Some(0) => (Layout::V0, false),
            Some(1) => (Layout::V1, true),
            Some(other) => return unknown(&format!("cid-version={other}")),
        };
        if self.raw_leaves.is_some_and(|wanted| wanted != raw) {
            return unknown("raw-leaves other than usual for the CID's version");
        }
        if self.hash.as_deref().is_some_and(|hash| hash != "sha2-256") {
            return unknown("another hash than sha2-256");
        }
        if self.chunker.as_deref().is_some_and(|chunker| chunker != "size-262144") {
            return unknown("another chunker than size-262144");
        }
        for (is_set, option) in [
            (self.trickle, "trickle"),
            (self.inline, "inline"),
            (self.wrap_with_directory, "wrap-with-directory"),
            (self.nocopy, "nocopy"),
            (self.preserve_mode, "preserve-mode"),
            (self.preserve_mtime, "preserve-mtime"),
            (self.mode.is_some(), "mode"),
            (self.mtime.is_some(), "mtime"),
            (self.max_file_links.is_some(), "max-file-links"),
        ] {
            if is_set {
                return unknown(option);
            }
        }
        Ok(layout)
    }
}

/// Why files are not added.
#[derive(Debug, thiserror::Error)]
enum AddRefusal {
    #[error("{0}")]
    Option(String),
    #[error("the request is no form with files: {0}")]
    Form(#[from] multer::Error),
    #[error("a form with no file in it")]
    NoFile,
    #[error("more than {FILES_MAX} files in one request")]
    TooManyFiles,
    #[error("{0:?} is no plain file: directories, links, modes and times are not kept")]
    NotAFile(String),
    #[error("the file came too slowly")]
    Stalled,
    #[error(transparent)]
    Limit(#[from] Excess),
    #[error(transparent)]
    File(#[from] FileRefusal),
}

impl AddRefusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Option(_)
            | Self::Form(_)
            | Self::NoFile
            | Self::TooManyFiles
            | Self::NotAFile(_) => StatusCode::BAD_REQUEST,
            Self::Stalled => StatusCode::REQUEST_TIMEOUT,
            Self::Limit(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::File(refusal) => match refusal {
                FileRefusal::NoneTaken => StatusCode::NOT_FOUND,
                FileRefusal::TooMany => StatusCode::TOO_MANY_REQUESTS,
                FileRefusal::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
                FileRefusal::Full => StatusCode::INSUFFICIENT_STORAGE,
                FileRefusal::Failed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            },
        }
    }
}

impl IntoResponse for AddRefusal {
    fn into_response(self) -> Response {
        if let Self::File(FileRefusal::Failed(error)) = &self {
            tracing::error!(error = format!("{error:#}"), "a file cannot be stored");
        }
        let error = self.to_string();
        // In our words and in those of an IPFS node.
        let body = json!({
            "ok": false, "error": error, "Message": error, "Code": 0, "Type": "error",
        });
        (self.status(), Json(body)).into_response()
    }
}

async fn add(
    State(context): State<Context>,
    Extension(visit): Extension<Visit>,
    query: Result<Query<AddQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match admit(&context, &visit, query, &headers) {
        Ok(adding) => match adding.take(body).await {
            Ok(lines) => {
                let kind = HeaderValue::from_static("application/json");
                ([(header::CONTENT_TYPE, kind)], lines).into_response()
            }
            Err(refusal) => refusal.into_response(),
        },
        Err(refusal) => {
            let _ = timeout(REST_TIME, read_little(body)).await;
            refusal.into_response()
        }
    }
}

/// Reads what somebody sends who is refused before anything was looked at, if it is little.
async fn read_little(body: Body) {
    let (mut parts, mut read) = (body.into_data_stream(), 0u64);
    while let Some(Ok(part)) = parts.next().await {
        read = read.saturating_add(length_of(&part));
        if read > HELD_BYTES_MAX {
            return;
        }
    }
}

/// Who may add files, and how; looked at before anything of them is read.
fn admit<'a>(
    context: &'a Context,
    visit: &'a Visit,
    query: Result<Query<AddQuery>, QueryRejection>,
    headers: &HeaderMap,
) -> Result<Adding<'a>, AddRefusal> {
    let files = context.files.as_ref().ok_or(FileRefusal::NoneTaken)?;
    let place = files.enter()?;
    let Query(query) = query.map_err(|rejection| AddRefusal::Option(rejection.body_text()))?;
    let layout = query.layout().map_err(AddRefusal::Option)?;
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let boundary = multer::parse_boundary(kind.unwrap_or_default())?;
    let _held = visit.begin_adding()?;
    Ok(Adding { files, place, visit, layout, is_kept: !query.only_hash, boundary, _held })
}

/// A request with files.
struct Adding<'a> {
    files: &'a Files,
    place: Place,
    visit: &'a Visit,
    layout: Layout,
    /// Else only their names are wanted.
    is_kept: bool,
    boundary: String,
    _held: crate::limits::Held,
}

impl Adding<'_> {
    /// Takes all files in; a line for each.
    async fn take(&self, body: Body) -> Result<String, AddRefusal> {
        let held = Arc::new(AtomicU64::new(0));
        let mut form = Multipart::new(bounded(body, held.clone()), &self.boundary);
        let taken = self.take_all(&mut form, &held).await;
        if taken.is_err() {
            // Who is still sending hears an answer only when it has sent all.
            let rest = async {
                while let Ok(Some(mut field)) = form.next_field().await {
                    while let Ok(Some(part)) = field.chunk().await {
                        let _ = held.fetch_sub(length_of(&part), Ordering::Relaxed);
                    }
                }
            };
            let _ = timeout(REST_TIME, rest).await;
        }
        taken
    }

    async fn take_all(
        &self,
        form: &mut Multipart<'_>,
        held: &AtomicU64,
    ) -> Result<String, AddRefusal> {
        let mut lines = String::new();
        let mut count = 0usize;
        while let Some(field) = stalled(PART_TIME, form.next_field()).await? {
            count = count.saturating_add(1);
            if count > FILES_MAX {
                return Err(AddRefusal::TooManyFiles);
            }
            let name = name_of(&field)?;
            let Kept { cid, blocks_bytes } = self.take_one(field, held).await?;
            let name = if name.is_empty() { cid.to_string() } else { name };
            let size = blocks_bytes.to_string();
            tracing::debug!(%cid, "a file was added");
            let line = json!({ "Name": name, "Hash": cid.to_string(), "Size": size });
            lines.push_str(&line.to_string());
            lines.push('\n');
        }
        if count == 0 {
            return Err(AddRefusal::NoFile);
        }
        Ok(lines)
    }

    async fn take_one(&self, mut field: Field<'_>, held: &AtomicU64) -> Result<Kept, AddRefusal> {
        // What a file takes besides its bytes, also of one that is refused.
        self.visit.add(BLOCK_BYTES)?;
        let begun = Instant::now();
        let mut incoming = self.files.begin(&self.place)?;
        loop {
            let fair = Duration::from_secs(incoming.bytes() / BYTES_PER_SECOND_MIN);
            let left = (begun + PART_TIME + fair).saturating_duration_since(Instant::now());
            let Some(part) = stalled(left.min(PART_TIME), field.chunk()).await? else { break };
            let _ = held.fetch_sub(length_of(&part), Ordering::Relaxed);
            self.visit.add(length_of(&part))?;
            incoming.write(&part).await?;
        }
        Ok(incoming.keep(self.layout, self.is_kept).await?)
    }
}

fn length_of(part: &Bytes) -> u64 {
    u64::try_from(part.len()).unwrap_or(u64::MAX)
}

/// A body of which no more than [`HELD_BYTES_MAX`] is read before it is taken out of the form again: a parser
/// keeps what comes until it has found where a part begins.
fn bounded(body: Body, held: Arc<AtomicU64>) -> impl Stream<Item = io::Result<Bytes>> {
    body.into_data_stream().map(move |part| {
        let part = part.map_err(io::Error::other)?;
        let length = length_of(&part);
        if held.fetch_add(length, Ordering::Relaxed).saturating_add(length) > HELD_BYTES_MAX {
            return Err(io::Error::other("the head of a part has no end"));
        }
        Ok(part)
    })
}

/// The name that a file is given.
fn name_of(field: &Field<'_>) -> Result<String, AddRefusal> {
    let name = field.file_name().unwrap_or_default();
    let kind = field.content_type().map(|kind| kind.essence_str()).unwrap_or_default();
    let is_file = name.len() <= NAME_BYTES_MAX
        && !matches!(kind, "application/x-directory" | "application/symlink")
        && !kind.starts_with("multipart/")
        // A mode or a time, which would make another CID.
        && !field.name().unwrap_or_default().contains('?');
    let shown: String = name.chars().take(64).collect();
    let decoded = percent_decode_str(name).decode_utf8().ok().filter(|name| !name.contains('/'));
    match decoded {
        Some(name) if is_file => Ok(name.into_owned()),
        Some(_) | None => Err(AddRefusal::NotAFile(shown)),
    }
}

async fn stalled<T>(
    patience: Duration,
    next: impl Future<Output = multer::Result<Option<T>>>,
) -> Result<Option<T>, AddRefusal> {
    let next = timeout(patience, next).await.map_err(|_| AddRefusal::Stalled)?;
    Ok(next?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(query: &str) -> Result<Layout, String> {
        let query = axum::http::Uri::try_from(format!("/?{query}")).unwrap();
        Query::<AddQuery>::try_from_uri(&query).unwrap().0.layout()
    }

    #[test]
    fn options_make_the_cid_that_ipfs_makes_or_are_refused() {
        assert_eq!(layout("stream-channels=true&progress=false&pin=true"), Ok(Layout::V0));
        assert_eq!(layout("cid-version=1&raw-leaves=true"), Ok(Layout::V1));
        assert_eq!(layout("hash=sha2-256&chunker=size-262144&trickle=false"), Ok(Layout::V0));
        for other in [
            "cid-version=2",
            "raw-leaves=true",
            "cid-version=1&raw-leaves=false",
            "hash=blake2b-256",
            "chunker=rabin",
            "trickle=true",
            "wrap-with-directory=true",
            "inline=true",
            "nocopy=true",
            "preserve-mode=true",
            "mode=0755",
            "mtime=1",
            "max-file-links=9",
        ] {
            assert!(layout(other).is_err(), "{other}");
        }
    }
}
