//! Files given into the pool's keeping, as `POST /api/v0/add` of an IPFS node takes them: what clients of
//! the protocol and IPFS's own send their inputs with. Paths, fields and words are theirs.

use crate::files::{FileRefusal, Files, Kept};
use crate::grpc::Context;
use crate::limits::{Excess, Visit};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{DefaultBodyLimit, Multipart, Query, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Json, Router};
use poco_result::cid::Layout;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use tokio::time::timeout;
use tower_http::cors::{Any, CorsLayer};

/// Where files are given.
pub(crate) const ADD: &str = "/api/v0/add";
/// A file that brings nothing for this long is not waited for.
const PART_TIME: Duration = Duration::from_secs(30);
/// Nor is one that takes longer than this as a whole.
const ADD_TIME: Duration = Duration::from_secs(3600);
/// How long the rest of a request that is refused is still read.
const REST_TIME: Duration = Duration::from_secs(5);
/// Files of one request.
const FILES_MAX: usize = 64;

/// The routes. Web pages of others may use them.
pub(super) fn routes(context: &Context) -> Router {
    let cors = CorsLayer::new().allow_origin(Any).allow_methods([Method::POST]).allow_headers(Any);
    Router::new()
        .route(ADD, post(add))
        // The operator's limits hold instead.
        .layer(DefaultBodyLimit::disable())
        .layer(cors)
        .with_state(context.clone())
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
    Form(String),
    #[error("a form with no file in it")]
    NoFile,
    #[error("more than {FILES_MAX} files in one request")]
    TooManyFiles,
    #[error("{0} is a directory or a link; only files are kept")]
    NotAFile(String),
    #[error("the file stalled")]
    Stalled,
    #[error(transparent)]
    Limit(#[from] Excess),
    #[error(transparent)]
    File(#[from] FileRefusal),
}

impl From<MultipartError> for AddRefusal {
    fn from(error: MultipartError) -> Self {
        Self::Form(error.body_text())
    }
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
    Query(query): Query<AddQuery>,
    mut form: Multipart,
) -> Response {
    let added = timeout(ADD_TIME, take(&context, &visit, &query, &mut form)).await;
    let added = added.unwrap_or(Err(AddRefusal::Stalled));
    if added.is_err() {
        // Who is still sending hears an answer only when it has sent all.
        let rest = async { while let Ok(Some(_)) = form.next_field().await {} };
        let _ = timeout(REST_TIME, rest).await;
    }
    match added {
        Ok(lines) => {
            let kind = HeaderValue::from_static("application/json");
            ([(header::CONTENT_TYPE, kind)], lines).into_response()
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Takes all files in; a line for each.
async fn take(
    context: &Context,
    visit: &Visit,
    query: &AddQuery,
    form: &mut Multipart,
) -> Result<String, AddRefusal> {
    let files = context.files.as_ref().ok_or(FileRefusal::NoneTaken)?;
    let layout = query.layout().map_err(AddRefusal::Option)?;
    let _held = visit.begin_adding()?;
    let mut lines = String::new();
    let mut count = 0usize;
    while let Some(field) = stalled(form.next_field()).await? {
        count = count.saturating_add(1);
        if count > FILES_MAX {
            return Err(AddRefusal::TooManyFiles);
        }
        let name = field.file_name().unwrap_or_default().to_owned();
        let kind = field.content_type().unwrap_or_default();
        if matches!(kind, "application/x-directory" | "application/symlink") {
            return Err(AddRefusal::NotAFile(format!("{name:?}")));
        }
        let Kept { cid, blocks_bytes } = take_one(files, visit, field, (layout, query)).await?;
        let name = if name.is_empty() { cid.to_string() } else { name };
        let size = blocks_bytes.to_string();
        tracing::debug!(%cid, "a file was added");
        lines.push_str(&json!({ "Name": name, "Hash": cid.to_string(), "Size": size }).to_string());
        lines.push('\n');
    }
    if count == 0 {
        return Err(AddRefusal::NoFile);
    }
    Ok(lines)
}

async fn take_one(
    files: &Files,
    visit: &Visit,
    mut field: Field<'_>,
    (layout, query): (Layout, &AddQuery),
) -> Result<Kept, AddRefusal> {
    let mut incoming = files.begin()?;
    visit.add(0, true)?;
    while let Some(part) = stalled(field.chunk()).await? {
        visit.add(part.len(), false)?;
        incoming.write(&part).await?;
    }
    Ok(incoming.keep(layout, !query.only_hash).await?)
}

async fn stalled<T>(
    next: impl Future<Output = Result<Option<T>, MultipartError>>,
) -> Result<Option<T>, AddRefusal> {
    let next = timeout(PART_TIME, next).await.map_err(|_| AddRefusal::Stalled)?;
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
        ] {
            assert!(layout(other).is_err(), "{other}");
        }
    }
}
