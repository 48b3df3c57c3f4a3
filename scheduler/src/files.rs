//! Files that anybody may give into the pool's keeping, as inputs of tasks, where the operator takes some:
//! within a space, for a time.

use crate::objects::{BLOCK_BYTES, Kind, Objects};
use crate::room::Room;
use anyhow::Context as _;
use poco_result::Cid;
use poco_result::cid::{Importer, Layout};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::sleep;
use url::Url;

/// Files taken at a time; each costs a file, some buffers and, at its end, a processor.
const PLACES: usize = 16;
/// Between two looks for files whose time is over.
const PERIOD: Duration = Duration::from_secs(600);
/// The largest file unless told otherwise: ten of them are what an address may give in a day.
const FILE_BYTES_MAX: u64 = 100 << 20;
/// As long as results are kept unless told otherwise: a month.
const KEEP_SECONDS: u64 = 30 * 24 * 3600;

/// The `[files]` section: which files are taken into keeping. None, unless `bytes_max` is set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FilesConfig {
    /// What all of them may take, in bytes; 0 for none.
    pub(crate) bytes_max: u64,
    /// The largest one.
    pub(crate) file_bytes_max: u64,
    /// How long a file is kept since it was given last.
    pub(crate) keep_seconds: u64,
    /// Where they are kept; `<data_dir>/files` if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<Url>,
}

impl Default for FilesConfig {
    fn default() -> Self {
        Self { bytes_max: 0, file_bytes_max: FILE_BYTES_MAX, keep_seconds: KEEP_SECONDS, url: None }
    }
}

impl FilesConfig {
    /// What is wrong with it, one line each.
    pub(crate) fn problems(&self, data_dir: &Path, results_url: Option<&Url>) -> Vec<String> {
        let mut problems = Vec::new();
        let mut demand = |is_right: bool, problem: &str| {
            if !is_right {
                problems.push(format!("files.{problem}"));
            }
        };
        demand(self.file_bytes_max > 0, "file_bytes_max must be at least 1");
        demand(self.keep_seconds > 0, "keep_seconds must be at least 1");
        // Each of them takes all that lies there for its own.
        let at = |url: Option<&Url>, name: &str| {
            let folder = || format!("file://{}", data_dir.join(name).display());
            let place = url.map_or_else(folder, |url| url.as_str().to_owned());
            format!("{}/", place.trim_end_matches('/'))
        };
        let (own, results) = (at(self.url.as_ref(), "files"), at(results_url, "results"));
        demand(
            !own.starts_with(&results) && !results.starts_with(&own),
            "url must be another place than that of results, neither in the other",
        );
        problems
    }
}

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileRefusal {
    #[error("this pool keeps no files of others")]
    NoneTaken,
    #[error("too many files are on their way to this pool; try again")]
    TooMany,
    #[error("the file is larger than the {0} bytes that this pool takes")]
    TooLarge(u64),
    #[error("this pool has no room for more files now")]
    Full,
    #[error("the pool cannot store the file at the moment; try again")]
    Failed(#[source] anyhow::Error),
}

/// Trouble of this machine.
fn ours(error: impl Into<anyhow::Error>) -> FileRefusal {
    FileRefusal::Failed(error.into())
}

/// The files in keeping. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Files {
    config: Arc<FilesConfig>,
    objects: Objects,
    /// Bytes of those that are on their way.
    coming: Arc<AtomicU64>,
    places: Arc<Semaphore>,
    /// Where they pass through.
    folder: PathBuf,
    room: Room,
    /// What is left for results on the same disk.
    floor_room_bytes: u64,
}

/// What was taken into keeping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) cid: Cid,
    /// What its blocks take together.
    pub(crate) blocks_bytes: u64,
}

impl Files {
    /// Opens the place where they lie, if there is one to be.
    ///
    /// # Errors
    /// One line that says what is wrong with it.
    pub(crate) async fn open(
        config: FilesConfig,
        folder: &Path,
        room: Room,
        floor_room_bytes: u64,
    ) -> anyhow::Result<Option<Self>> {
        // Where none is taken any more, what is there is still kept for its time.
        if config.bytes_max == 0 && config.url.is_none() && !folder.exists() {
            return Ok(None);
        }
        let objects = Objects::open(Kind::Files, config.url.as_ref(), folder)?;
        objects.check().await?;
        Ok(Some(Self {
            config: Arc::new(config),
            objects,
            coming: Arc::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            folder: room.folder.clone(),
            room,
            floor_room_bytes,
        }))
    }

    /// Where they lie.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    /// A place among those who bring files, for one after the other.
    ///
    /// # Errors
    /// Where none are taken, or by too many at once.
    pub(crate) fn enter(&self) -> Result<Place, FileRefusal> {
        if self.config.bytes_max == 0 {
            return Err(FileRefusal::NoneTaken);
        }
        let place = self.places.clone().try_acquire_owned().map_err(|_| FileRefusal::TooMany)?;
        Ok(Place(Arc::new(place)))
    }

    /// Begins to take a file in.
    ///
    /// # Errors
    /// Where there is no room, or it cannot be written.
    pub(crate) fn begin(&self, place: &Place) -> Result<Incoming, FileRefusal> {
        let file = NamedTempFile::new_in(&self.folder).map_err(ours)?;
        let out = File::from_std(file.reopen().map_err(ours)?);
        let (files, place) = (self.clone(), place.clone());
        let mut incoming = Incoming { files, file, out, bytes: 0, reserved: 0, _place: place };
        incoming.reserve(BLOCK_BYTES)?;
        Ok(incoming)
    }

    /// Whether there is room for so many bytes more: among the files, and on the disk they pass through,
    /// where each is written twice. Twice the room that results must have is left: the pool opens no tasks
    /// again before there is clearly more than once.
    fn has_room(&self, bytes: u64) -> Result<bool, FileRefusal> {
        let coming = self.coming.load(Ordering::Relaxed).saturating_add(bytes);
        let all = self.objects.bytes().saturating_add(coming);
        let wanted = self.floor_room_bytes.saturating_add(coming).saturating_mul(2);
        let is_on_disk = self.room.on_disk().map_err(ours)? >= wanted;
        Ok(all <= self.config.bytes_max && is_on_disk)
    }

    /// Forgets those whose time is over, again and again.
    pub(crate) async fn watch(self) {
        loop {
            if let Err(error) = self.sweep(SystemTime::now()).await {
                tracing::warn!(error = format!("{error:#}"), "old files cannot be forgotten");
            }
            sleep(PERIOD).await;
        }
    }

    async fn sweep(&self, now: SystemTime) -> anyhow::Result<()> {
        let kept = Duration::from_secs(self.config.keep_seconds);
        let Some(oldest) = now.checked_sub(kept) else { return Ok(()) };
        let old = self.objects.stored_before(oldest).await.context("files cannot be listed")?;
        for location in old {
            // It may have been given again since.
            if self.objects.remove_stored_before(&location, oldest).await {
                tracing::debug!(%location, "a file was kept for its time and is forgotten");
            }
        }
        Ok(())
    }
}

/// A place among those who bring files; free once the last clone is gone.
#[derive(Clone, Debug)]
pub(crate) struct Place(#[expect(dead_code, reason = "held")] Arc<OwnedSemaphorePermit>);

/// A file on its way.
pub(crate) struct Incoming {
    files: Files,
    file: NamedTempFile,
    out: File,
    bytes: u64,
    /// For how many bytes of the space it counts.
    reserved: u64,
    _place: Place,
}

impl Incoming {
    fn reserve(&mut self, bytes: u64) -> Result<(), FileRefusal> {
        if !self.files.has_room(bytes)? {
            return Err(FileRefusal::Full);
        }
        self.reserved = self.reserved.saturating_add(bytes);
        self.files.coming.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Its bytes so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes a part of it in.
    ///
    /// # Errors
    /// Where it grows too large, or there is no room for it.
    pub(crate) async fn write(&mut self, part: &[u8]) -> Result<(), FileRefusal> {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        let most = self.files.config.file_bytes_max;
        if self.bytes.saturating_add(length) > most {
            return Err(FileRefusal::TooLarge(most));
        }
        self.bytes = self.bytes.saturating_add(length);
        self.reserve(self.bytes.saturating_sub(self.reserved))?;
        self.out.write_all(part).await.map_err(ours)
    }

    /// All of it has come: names it, as IPFS does in this layout, and keeps it, or forgets it where only
    /// its name is wanted.
    ///
    /// # Errors
    /// Where it cannot be stored.
    pub(crate) async fn keep(mut self, layout: Layout, is_kept: bool) -> Result<Kept, FileRefusal> {
        self.out.flush().await.map_err(ours)?;
        // With its place, also where nobody waits for it any more.
        let keeping = tokio::spawn(async move {
            let path = self.file.path().to_owned();
            let kept = tokio::task::spawn_blocking(move || name(&path, layout)).await??;
            if is_kept {
                self.files.objects.put_anew(&kept.cid, self.file.path()).await?;
            }
            anyhow::Ok(kept)
        });
        keeping.await.map_err(ours)?.map_err(FileRefusal::Failed)
    }
}

impl Drop for Incoming {
    fn drop(&mut self) {
        self.files.coming.fetch_sub(self.reserved, Ordering::Relaxed);
    }
}

/// The CID of a file, and what its blocks take. Blocks.
fn name(path: &Path, layout: Layout) -> io::Result<Kept> {
    let mut blocks_bytes = 0u64;
    let count = |_: &Cid, block: &[u8]| {
        let length = u64::try_from(block.len()).unwrap_or(u64::MAX);
        blocks_bytes = blocks_bytes.saturating_add(length);
    };
    let mut importer = Importer::new(layout, count);
    io::copy(&mut std::fs::File::open(path)?, &mut importer)?;
    let cid = importer.finish();
    Ok(Kept { cid, blocks_bytes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::GetOptions;
    use tempfile::TempDir;

    async fn files(folder: &TempDir, config: FilesConfig, floor_room_bytes: u64) -> Files {
        let (results, uploads) = (folder.path().join("results"), folder.path().join("uploads"));
        std::fs::create_dir_all(&uploads).unwrap();
        let results = Objects::open(Kind::Results, None, &results).unwrap();
        let room = Room { folder: uploads, results, bytes_max: None };
        let kept = folder.path().join("files");
        Files::open(config, &kept, room, floor_room_bytes).await.unwrap().unwrap()
    }

    async fn add(files: &Files, content: &[u8]) -> Result<Kept, FileRefusal> {
        let mut incoming = files.begin(&files.enter()?)?;
        for part in content.chunks(3_000) {
            incoming.write(part).await?;
        }
        incoming.keep(Layout::V0, true).await
    }

    fn small() -> FilesConfig {
        FilesConfig { bytes_max: 3 * BLOCK_BYTES, file_bytes_max: 8_000, ..FilesConfig::default() }
    }

    #[tokio::test]
    async fn files_are_taken_within_their_space_and_given_back() {
        let folder = TempDir::new().unwrap();
        let files = files(&folder, small(), 0).await;
        assert!(matches!(add(&files, &[0; 8_001]).await, Err(FileRefusal::TooLarge(8_000))));
        // `ipfs add` of the same.
        let kept = add(&files, b"hello world\n").await.unwrap();
        assert_eq!(kept.cid.to_string(), "QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o");
        assert_eq!(kept.blocks_bytes, 20);
        let found = files.objects().get(&kept.cid, GetOptions::default()).await.unwrap().unwrap();
        assert_eq!(found.bytes().await.unwrap().as_ref(), b"hello world\n");
        // One of three blocks is taken, however small the file.
        assert_eq!(files.objects().bytes(), BLOCK_BYTES);
        assert!(add(&files, &[1; 8_000]).await.is_ok());
        assert_eq!(files.objects().bytes(), 3 * BLOCK_BYTES);
        assert!(matches!(add(&files, b"a").await, Err(FileRefusal::Full)));
        // Nothing of what was refused is left, and nothing counted.
        assert_eq!(std::fs::read_dir(folder.path().join("uploads")).unwrap().count(), 0);
        assert_eq!(files.coming.load(Ordering::Relaxed), 0);
        // Those on their way count too.
        files.objects().remove(&kept.cid.location()).await;
        let mut one = files.begin(&files.enter().unwrap()).unwrap();
        one.write(&[0; 10]).await.unwrap();
        assert!(matches!(add(&files, b"a").await, Err(FileRefusal::Full)));
        drop(one);
        assert!(add(&files, b"a").await.is_ok());
    }

    #[tokio::test]
    async fn so_many_are_taken_in_at_a_time() {
        let folder = TempDir::new().unwrap();
        let config = FilesConfig { bytes_max: 1 << 30, ..FilesConfig::default() };
        let files = files(&folder, config, 0).await;
        let mut all: Vec<_> = (0..PLACES).map(|_| files.enter().unwrap()).collect();
        assert!(matches!(files.enter(), Err(FileRefusal::TooMany)));
        all.clear();
        assert!(files.enter().is_ok());
        // The same file from several at a time counts once.
        let added = futures::future::join_all((0..8).map(|_| add(&files, b"the same"))).await;
        assert!(added.iter().all(Result::is_ok));
        assert_eq!(files.objects().bytes(), BLOCK_BYTES);
    }

    #[tokio::test]
    async fn files_leave_the_room_that_results_must_have() {
        let folder = TempDir::new().unwrap();
        let files = files(&folder, small(), u64::MAX / 2).await;
        assert!(matches!(add(&files, b"a").await, Err(FileRefusal::Full)));
    }

    #[tokio::test]
    async fn a_file_is_kept_for_its_time_since_it_was_given_last() {
        let folder = TempDir::new().unwrap();
        let config = FilesConfig { keep_seconds: 100, ..small() };
        let files = files(&folder, config, 0).await;
        let [first, again] = [b"first", b"again"];
        let (first, again) = (add(&files, first).await.unwrap(), add(&files, again).await.unwrap());
        let now = SystemTime::now();
        for (kept, age) in [(first, 200), (again, 200)] {
            let path = folder.path().join("files").join(kept.cid.to_string());
            let file = std::fs::File::options().write(true).open(path).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        assert_eq!(add(&files, b"again").await.unwrap(), again);
        assert_eq!(files.objects().bytes(), 2 * BLOCK_BYTES, "counted once");
        files.sweep(now).await.unwrap();
        let is_there = async |kept: Kept| {
            files.objects().get(&kept.cid, GetOptions::default()).await.unwrap().is_some()
        };
        assert!(!is_there(first).await);
        assert!(is_there(again).await);
        assert_eq!(files.objects().bytes(), BLOCK_BYTES);
    }

    #[test]
    fn settings_that_make_no_sense_are_told() {
        let data = Path::new("/data");
        let url = |text: &str| -> Option<Url> { Some(text.parse().unwrap()) };
        let config = FilesConfig {
            file_bytes_max: 0,
            keep_seconds: 0,
            url: url("s3://bucket/all"),
            ..FilesConfig::default()
        };
        assert_eq!(config.problems(data, url("s3://bucket/all").as_ref()).len(), 3);
        assert!(FilesConfig::default().problems(data, None).is_empty());
        for (files, results) in [
            ("s3://b/all/", "s3://b/all"),
            ("s3://b", "s3://b/results"),
            ("s3://b/results/files", "s3://b/results"),
            ("file:///data/results", "file:///data/results/"),
        ] {
            let config = FilesConfig { url: url(files), ..FilesConfig::default() };
            assert_eq!(config.problems(data, url(results).as_ref()).len(), 1, "{files} {results}");
        }
        let config = FilesConfig { url: url("file:///data/results"), ..FilesConfig::default() };
        assert_eq!(config.problems(data, None).len(), 1);
    }
}
