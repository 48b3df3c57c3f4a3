//! Takes results in: to a file, examined as a whole, then to the object store.

use super::Context;
use crate::arrival::Arrival;
use crate::event_loop::UploadReply;
use crate::results::{Examined, examine};
use poco_chain::failpoint;
use poco_core::{Address, Bytes, ResultDigest, TaskId};
use poco_proto::v1::upload_part::Body;
use poco_proto::v1::{UploadHeader, UploadPart, UploadReceipt};
use poco_proto::words;
use poco_scheduler_core::{Input, StoredResult, UploadTerms};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::oneshot;
use tokio::time::timeout;
use tonic::{Status, Streaming};

/// Uploads at a time; each costs a file, some buffers and, at its end, a processor.
const UPLOADS_MAX: usize = 16;
/// Uploads of one worker at a time: so no few take all places.
const UPLOADS_PER_WORKER: usize = 4;
/// Longer than any CID as text: what is told back must fit into a header.
const CID_CHARS_MAX: usize = 256;
/// An upload that brings nothing for this long is over.
const PART_TIME: Duration = Duration::from_secs(30);

/// The uploads under way, by worker. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Uploads {
    open: Arc<Mutex<BTreeMap<Address, usize>>>,
}

/// An upload's place among those under way.
#[derive(Debug)]
struct Place {
    uploads: Uploads,
    worker: Address,
}

impl Uploads {
    fn take(&self, worker: Address) -> Result<Place, Status> {
        let mut open = self.lock();
        let own = open.get(&worker).copied().unwrap_or_default();
        if own >= UPLOADS_PER_WORKER || open.values().sum::<usize>() >= UPLOADS_MAX {
            return Err(Status::resource_exhausted("too many uploads now; try again"));
        }
        open.insert(worker, own.saturating_add(1));
        drop(open);
        Ok(Place { uploads: self.clone(), worker })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Address, usize>> {
        // Every change of it is complete by itself.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.uploads.lock();
        match open.get(&self.worker).copied() {
            Some(more) if more > 1 => open.insert(self.worker, more.saturating_sub(1)),
            Some(_) | None => open.remove(&self.worker),
        };
    }
}

/// Takes one upload in.
///
/// # Errors
/// What the worker is told: `invalid_argument` and `failed_precondition` where sending the same
/// again is of no use, others where it is.
pub(super) async fn receive(
    context: &Context,
    uploads: &Uploads,
    mut parts: Streaming<UploadPart>,
) -> Result<UploadReceipt, Status> {
    let Some(Body::Header(header)) = next(&mut parts).await? else {
        return Err(Status::invalid_argument("an upload begins with its header"));
    };
    let task = words::task(&header.task).map_err(invalid)?;
    if header.cid.len() > CID_CHARS_MAX {
        let told = format!("the CID has {} characters, at most {CID_CHARS_MAX}", header.cid.len());
        return Err(Status::invalid_argument(told));
    }
    let (worker, terms) = terms(context, task, &header).await?;
    // Now that it is known whose it is: a stranger takes nobody's place.
    let _place = uploads.take(worker)?;
    if header.size > context.upload_bytes_max {
        return Err(Status::invalid_argument(format!(
            "the result has {} bytes; this pool takes {}",
            header.size, context.upload_bytes_max
        )));
    }
    tell(context, Arrival::Core(Input::UploadBegan { worker, task })).await?;
    let mut note = FailureNote { context, worker, task, is_due: true };
    let upload = Upload { context, worker, task, terms };
    let location = upload.receive(&header, &mut parts).await?;
    note.is_due = false;
    Ok(UploadReceipt { location })
}

/// Tells the loop, when dropped, that an upload gave nothing: also where the worker hung up and
/// this request was dropped half way.
struct FailureNote<'a> {
    context: &'a Context,
    worker: Address,
    task: TaskId,
    is_due: bool,
}

impl Drop for FailureNote<'_> {
    fn drop(&mut self) {
        if self.is_due {
            let Self { worker, task, .. } = *self;
            let arrivals = self.context.arrivals.clone();
            tokio::spawn(async move {
                // The loop has ended and knows of no upload.
                let _ = arrivals.send(Arrival::Core(Input::UploadFailed { worker, task })).await;
            });
        }
    }
}

struct Upload<'a> {
    context: &'a Context,
    worker: Address,
    task: TaskId,
    terms: UploadTerms,
}

impl Upload<'_> {
    async fn receive(
        &self,
        header: &UploadHeader,
        parts: &mut Streaming<UploadPart>,
    ) -> Result<String, Status> {
        failpoint::hit("scheduler.upload.receive.before");
        let file = NamedTempFile::new_in(&self.context.upload_folder).map_err(ours)?;
        write(&file, header.size, parts).await?;
        failpoint::hit("scheduler.upload.receive.after");
        let path = file.path().to_owned();
        let bytes_max = self.context.upload_bytes_max;
        let examined = tokio::task::spawn_blocking(move || examine(&path, bytes_max)).await;
        let examined = examined.map_err(ours)?.map_err(|error| {
            Status::invalid_argument(format!("the result cannot be taken: {error:#}"))
        })?;
        let Examined { cid, digest, callback } = examined;
        if header.cid != cid.to_string() {
            return Err(Status::invalid_argument(format!(
                "the result has CID {cid}, not {}",
                header.cid
            )));
        }
        let (location, callback) = (cid.location(), Bytes::from(callback));
        let digest = self
            .terms
            .check(self.task, ResultDigest(digest), &location, &callback)
            .map_err(|refusal| Status::failed_precondition(refusal.to_string()))?;
        failpoint::hit("scheduler.upload.object.before");
        let hold = self.context.room.results.put(&cid, file.path()).await.map_err(ours)?;
        failpoint::hit("scheduler.upload.object.after");
        let result = StoredResult {
            worker: self.worker,
            digest,
            location: location.clone(),
            callback,
            size_bytes: header.size,
        };
        let (reply, answer) = oneshot::channel();
        let reply = UploadReply { answer: reply, hold };
        tell(self.context, Arrival::Stored { task: self.task, result, reply }).await?;
        match answer.await {
            Ok(Ok(())) => {
                self.context.meters.uploads_bytes.inc_by(header.size);
                tracing::info!(task = %self.task, worker = %self.worker, %location, "result stored");
                Ok(location)
            }
            Ok(Err(refusal)) => Err(Status::failed_precondition(refusal.to_string())),
            Err(_) => Err(Status::unavailable("the scheduler is stopping; try again")),
        }
    }
}

/// Who sends over this session, and what the result must fulfil.
async fn terms(
    context: &Context,
    task: TaskId,
    header: &UploadHeader,
) -> Result<(Address, UploadTerms), Status> {
    let token = words::word("session", &header.session).map_err(invalid)?;
    let (reply, answer) = oneshot::channel();
    tell(context, Arrival::UploadAsked { token, task, reply }).await?;
    match answer.await {
        Ok(Some((worker, Ok(terms)))) => Ok((worker, terms)),
        Ok(Some((_, Err(refusal)))) => Err(Status::failed_precondition(refusal.to_string())),
        Ok(None) => Err(Status::unauthenticated("the session is not open; log in again")),
        Err(_) => Err(Status::unavailable("the scheduler is stopping; try again")),
    }
}

/// Writes the parts, of `size` bytes together.
async fn write(
    file: &NamedTempFile,
    size: u64,
    parts: &mut Streaming<UploadPart>,
) -> Result<(), Status> {
    let mut out = tokio::fs::File::from_std(file.reopen().map_err(ours)?);
    let mut left = size;
    while let Some(body) = next(parts).await? {
        let Body::Data(data) = body else {
            return Err(Status::invalid_argument("a second header"));
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        left = left
            .checked_sub(length)
            .ok_or_else(|| Status::invalid_argument("more bytes than the header says"))?;
        out.write_all(&data).await.map_err(ours)?;
    }
    if left > 0 {
        return Err(Status::invalid_argument(format!("{left} bytes are missing")));
    }
    out.flush().await.map_err(ours)
}

async fn next(parts: &mut Streaming<UploadPart>) -> Result<Option<Body>, Status> {
    let part = timeout(PART_TIME, parts.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the upload stalled"))??;
    match part {
        None => Ok(None),
        Some(UploadPart { body: Some(body) }) => Ok(Some(body)),
        Some(UploadPart { body: None }) => Err(Status::invalid_argument("an empty part")),
    }
}

async fn tell(context: &Context, arrival: Arrival) -> Result<(), Status> {
    let sent = context.arrivals.send(arrival).await;
    sent.map_err(|_| Status::unavailable("the scheduler is stopping; try again"))
}

fn invalid(error: words::BadLength) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Trouble of this machine: the log says what, the worker only that it may try again.
fn ours(error: impl Into<anyhow::Error>) -> Status {
    tracing::error!(error = format!("{:#}", error.into()), "a result cannot be stored");
    Status::internal("the pool cannot store the result at the moment; try again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_few_workers_take_all_places_of_uploads() {
        let uploads = Uploads::default();
        let take = |worker: u8| uploads.take(Address::repeat_byte(worker));
        let mut places: Vec<Place> = (0..UPLOADS_PER_WORKER).map(|_| take(1).unwrap()).collect();
        assert_eq!(take(1).unwrap_err().code(), tonic::Code::ResourceExhausted);
        for worker in 2..=4 {
            places.extend((0..UPLOADS_PER_WORKER).map(|_| take(worker).unwrap()));
        }
        assert_eq!(take(5).unwrap_err().code(), tonic::Code::ResourceExhausted);
        places.remove(0);
        assert!(take(5).is_ok());
        places.clear();
        assert!(uploads.lock().is_empty());
    }
}
