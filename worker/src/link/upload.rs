//! Sends a result to the pool, straight from disk.

use super::{Connection, client};
use futures::{StreamExt as _, stream};
use poco_core::TaskId;
use poco_proto::{UPLOAD_PART_BYTES, v1};
use poco_worker_core::Stored;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::fs::File;
use tokio_util::io::ReaderStream;
use tonic::Status;
use v1::upload_part::Body;

/// Longest time for one upload: 16 GiB, the largest result, at 5 MB a second.
const UPLOAD_TIME_MAX: Duration = Duration::from_secs(3600);

/// Why an upload failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UploadError {
    #[error("cannot read the result {path:?}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("the result {path:?} has {found} bytes, not {expected}")]
    Changed { path: PathBuf, expected: u64, found: u64 },
    #[error("the pool did not take it: {}: {}", .0.code(), .0.message())]
    Refused(Box<Status>),
    #[error("it took longer than {} s", UPLOAD_TIME_MAX.as_secs())]
    TooLong,
}

/// Uploads the zip at `path`; where the pool stored it.
///
/// # Errors
/// [`UploadError`]; whether to try again is the core's to decide.
pub(crate) async fn upload(
    connection: Connection,
    task: TaskId,
    path: PathBuf,
    stored: Stored,
) -> Result<String, UploadError> {
    let unreadable = |error| UploadError::File { path: path.clone(), error };
    let file = File::open(&path).await.map_err(unreadable)?;
    let found = file.metadata().await.map_err(unreadable)?.len();
    let expected = stored.computation.size;
    if found != expected {
        return Err(UploadError::Changed { path, expected, found });
    }
    let header = v1::UploadHeader {
        session: connection.session,
        task: task.0.to_vec(),
        size: expected,
        cid: stored.computation.cid,
        callback: stored.callback.to_vec(),
    };
    // A disk that fails in between ends the stream; the pool then misses the rest and refuses.
    let parts = ReaderStream::with_capacity(file, UPLOAD_PART_BYTES)
        .take_while(move |part| {
            if let Err(error) = part {
                tracing::warn!(%task, %error, "the result cannot be read to its end");
            }
            std::future::ready(part.is_ok())
        })
        .filter_map(|part| std::future::ready(part.ok()))
        .map(|part| Body::Data(part.to_vec()));
    let bodies = stream::iter([Body::Header(header)]).chain(parts);
    let request = bodies.map(|body| v1::UploadPart { body: Some(body) });
    let mut client = client(connection.channel);
    let sent = tokio::time::timeout(UPLOAD_TIME_MAX, client.upload_result(request)).await;
    let receipt = sent.map_err(|_| UploadError::TooLong)?;
    Ok(receipt.map_err(|status| UploadError::Refused(Box::new(status)))?.into_inner().location)
}
