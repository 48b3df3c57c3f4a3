//! Where results and files lie: an object store for each, addressed by CID.

use anyhow::{Context as _, anyhow, bail};
use futures::TryStreamExt as _;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;
use object_store::prefix::PrefixStore;
use object_store::{
    GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt as _, PutPayload, buffered,
};
use poco_result::Cid;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::Mutex;
use url::Url;

/// Bytes of an object kept in memory while it is stored.
const BUFFER_BYTES: usize = 8 << 20;

/// What is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of tasks.
    Results,
    /// That somebody gave into the pool's keeping.
    Files,
}

impl Kind {
    const fn name(self) -> &'static str {
        match self {
            Self::Results => "results",
            Self::Files => "files",
        }
    }

    /// Where the operator says where they lie.
    const fn setting(self) -> &'static str {
        match self {
            Self::Results => "--results-url",
            Self::Files => "files.url",
        }
    }
}

/// Objects by CID. Clones share the store.
#[derive(Clone, Debug)]
pub(crate) struct Objects {
    kind: Kind,
    store: Arc<dyn ObjectStore>,
    /// What they take, in bytes.
    bytes: Arc<AtomicU64>,
    /// What must stay though nothing may be recorded yet that holds it, and how often.
    held: Arc<Held>,
    /// Of those who remove something and those who begin to store it, one at a time.
    turn: Arc<Mutex<()>>,
}

/// How many hold each location.
type Held = std::sync::Mutex<BTreeMap<String, usize>>;

/// What was stored stays until this goes: until the task that brought it is recorded.
#[derive(Debug)]
pub(crate) struct Hold {
    location: String,
    held: Arc<Held>,
}

impl Hold {
    fn new(location: String, held: Arc<Held>) -> Self {
        *lock(&held).entry(location.clone()).or_default() += 1;
        Self { location, held }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some(count) = held.get_mut(&self.location) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.remove(&self.location);
            }
        }
    }
}

fn lock(held: &Held) -> std::sync::MutexGuard<'_, BTreeMap<String, usize>> {
    held.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Objects {
    /// Opens the store at `url`, or the folder.
    ///
    /// # Errors
    /// One line that says what is wrong with either.
    pub(crate) fn open(kind: Kind, url: Option<&Url>, folder: &Path) -> anyhow::Result<Self> {
        let store: Arc<dyn ObjectStore> = match url {
            None => {
                std::fs::create_dir_all(folder).with_context(|| {
                    let shown = folder.display();
                    format!("cannot create the data folder {shown}: choose another --data-dir")
                })?;
                remove_unfinished(folder)
                    .with_context(|| format!("cannot clear {}", folder.display()))?;
                Arc::new(
                    LocalFileSystem::new_with_prefix(folder)
                        .with_context(|| format!("cannot use {}", folder.display()))?
                        .with_fsync(true),
                )
            }
            Some(url) => {
                let environment =
                    std::env::vars().map(|(name, value)| (name.to_lowercase(), value));
                let (store, prefix) = object_store::parse_url_opts(url, environment)
                    .map_err(|_| {
                        let (name, setting) = (kind.name(), kind.setting());
                        anyhow!("{name} cannot be stored at {url}: give {setting} file:///folder or s3://bucket/folder")
                    })?;
                Arc::new(PrefixStore::new(store, prefix))
            }
        };
        Ok(Self { kind, store, bytes: Arc::default(), held: Arc::default(), turn: Arc::default() })
    }

    /// Fails at the start rather than at the first object, and adds up what is stored.
    ///
    /// # Errors
    /// Where nothing can be written or listed.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        let (name, setting) = (self.kind.name(), self.kind.setting());
        let probe = ObjectPath::from("probe");
        let written = self.store.put(&probe, PutPayload::from_static(b"probe")).await;
        written.with_context(|| {
            format!("{name} cannot be stored: choose another {setting} or --data-dir")
        })?;
        let deleted = self.store.delete(&probe).await;
        deleted.with_context(|| format!("stored {name} cannot be deleted"))?;
        let sum = async |sum: u64, object: ObjectMeta| Ok(sum.saturating_add(object.size));
        let stored = self.store.list(None).try_fold(0, sum).await;
        let stored = stored.with_context(|| format!("stored {name} cannot be listed"))?;
        self.bytes.store(stored, Ordering::Relaxed);
        Ok(())
    }

    /// What all of them take, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn count(&self, change: impl Fn(u64) -> u64) {
        let _known = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |bytes| Some(change(bytes)));
    }

    /// Stores a file under its CID. Storing the same again changes nothing. It stays at least as long as what is
    /// given back.
    ///
    /// # Errors
    /// Where the store or the file fails.
    pub(crate) async fn put(&self, cid: &Cid, file: &Path) -> anyhow::Result<Hold> {
        let size = tokio::fs::metadata(file).await?.len();
        let hold = self.hold(cid).await;
        if self.store.head(&object(cid)).await.is_ok_and(|known| known.size == size) {
            return Ok(hold);
        }
        self.write(cid, file, size).await?;
        Ok(hold)
    }

    /// The same, and it is as new where it was known.
    ///
    /// # Errors
    /// Where the store or the file fails.
    pub(crate) async fn put_anew(&self, cid: &Cid, file: &Path) -> anyhow::Result<Hold> {
        let size = tokio::fs::metadata(file).await?.len();
        let hold = self.hold(cid).await;
        let known = self.store.head(&object(cid)).await.map_or(0, |known| known.size);
        self.write(cid, file, size).await?;
        self.count(|bytes| bytes.saturating_sub(known));
        Ok(hold)
    }

    /// From now on nobody removes what has this CID.
    async fn hold(&self, cid: &Cid) -> Hold {
        let _turn = self.turn.lock().await;
        Hold::new(cid.location(), self.held.clone())
    }

    async fn write(&self, cid: &Cid, file: &Path, size: u64) -> anyhow::Result<()> {
        let mut from = tokio::fs::File::open(file).await?;
        let mut to =
            buffered::BufWriter::with_capacity(self.store.clone(), object(cid), BUFFER_BYTES);
        let copied = tokio::io::copy(&mut from, &mut to).await;
        match copied {
            Ok(copied) if copied == size => {
                to.shutdown().await?;
                self.count(|bytes| bytes.saturating_add(size));
                Ok(())
            }
            Ok(copied) => {
                to.abort().await?;
                bail!("the file shrank from {size} to {copied} bytes")
            }
            Err(error) => {
                to.abort().await?;
                Err(error.into())
            }
        }
    }

    /// The locations of what was last stored before `time`.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn stored_before(&self, time: SystemTime) -> anyhow::Result<Vec<String>> {
        let old = self.store.list(None).try_filter_map(async |object: ObjectMeta| {
            let is_old = SystemTime::from(object.last_modified) < time;
            let cid = object.location.as_ref().parse::<Cid>().ok().filter(|_| is_old);
            Ok(cid.map(|cid| cid.location()))
        });
        Ok(old.try_collect().await?)
    }

    /// Opens an object, or a part of it; `None` where there is none.
    ///
    /// # Errors
    /// Where the store fails.
    pub(crate) async fn get(
        &self,
        cid: &Cid,
        options: GetOptions,
    ) -> object_store::Result<Option<GetResult>> {
        match self.store.get_opts(&object(cid), options).await {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The locations of what must stay though nothing may be recorded yet that holds it.
    pub(crate) fn held(&self) -> BTreeSet<String> {
        lock(&self.held).keys().cloned().collect()
    }

    /// Forgets what lies at `location`, unless it is just stored again.
    pub(crate) async fn remove(&self, location: &str) {
        let Ok(cid) = Cid::from_location(location) else { return };
        // Who stores it meanwhile waits, finds it gone and writes it anew.
        let _turn = self.turn.lock().await;
        if lock(&self.held).contains_key(&cid.location()) {
            return;
        }
        let object = object(&cid);
        let size = self.store.head(&object).await.map_or(0, |known| known.size);
        match self.store.delete(&object).await {
            Ok(()) => self.count(|bytes| bytes.saturating_sub(size)),
            Err(object_store::Error::NotFound { .. }) => {}
            Err(error) => tracing::warn!(%location, %error, "what is stored cannot be deleted"),
        }
    }
}

/// Removes what a killed process had begun to store: the local store writes to a name with `#`, which
/// no CID has, and gives the right one in the end.
fn remove_unfinished(folder: &Path) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().contains('#') {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn object(cid: &Cid) -> ObjectPath {
    ObjectPath::from(cid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[tokio::test]
    async fn a_result_is_read_back_whole_and_in_parts_and_can_be_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let results = Objects::open(Kind::Results, None, &folder.path().join("results")).unwrap();
        results.check().await.unwrap();
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(b"0123456789").unwrap();
        let cid = poco_result::cid::cid_of_file(file.path()).unwrap();
        assert!(results.get(&cid, GetOptions::default()).await.unwrap().is_none());
        let first = results.put(&cid, file.path()).await.unwrap();
        let second = results.put(&cid, file.path()).await.unwrap();
        assert_eq!(results.bytes(), 10, "stored once");
        let again = Objects::open(Kind::Results, None, &folder.path().join("results")).unwrap();
        again.check().await.unwrap();
        assert_eq!(again.bytes(), 10, "also after a restart");
        let part = GetOptions::new().with_range(Some(2..5u64));
        let found = results.get(&cid, part).await.unwrap().unwrap();
        assert_eq!(found.bytes().await.unwrap().as_ref(), b"234");
        for hold in [first, second] {
            results.remove(&cid.location()).await;
            assert_eq!(results.bytes(), 10, "somebody holds it");
            drop(hold);
        }
        results.remove(&cid.location()).await;
        results.remove(&cid.location()).await;
        assert_eq!(results.bytes(), 0);
        assert!(results.get(&cid, GetOptions::default()).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn what_was_begun_and_not_finished_is_gone_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let results = Objects::open(Kind::Results, None, folder.path()).unwrap();
        let mut begun = results.store.put_multipart(&ObjectPath::from("begun")).await.unwrap();
        begun.put_part(PutPayload::from_static(b"half")).await.unwrap();
        std::mem::forget(begun);
        results.store.put(&ObjectPath::from("done"), PutPayload::from_static(b"")).await.unwrap();
        let names = || -> Vec<_> {
            std::fs::read_dir(folder.path()).unwrap().map(|one| one.unwrap().file_name()).collect()
        };
        assert_eq!(names().len(), 2);
        Objects::open(Kind::Results, None, folder.path()).unwrap();
        assert_eq!(names(), ["done"]);
    }
}
