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

/// What a file takes at least.
pub(crate) const BLOCK_BYTES: u64 = 4 << 10;
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

    /// What an object of so many bytes counts as: a file at least a block of the disk, so that many small
    /// ones are not for nothing.
    fn weight(self, bytes: u64) -> u64 {
        match self {
            Self::Results => bytes,
            Self::Files => {
                bytes.checked_next_multiple_of(BLOCK_BYTES).unwrap_or(bytes).max(BLOCK_BYTES)
            }
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

/// Who holds each location: how many, and whose turn it is to write there.
type Holders = BTreeMap<String, (usize, Arc<Mutex<()>>)>;
type Held = std::sync::Mutex<Holders>;

/// What was stored stays until this goes: until the task that brought it is recorded.
#[derive(Debug)]
pub(crate) struct Hold {
    location: String,
    held: Arc<Held>,
    writing: Arc<Mutex<()>>,
}

impl Hold {
    fn new(location: String, held: Arc<Held>) -> Self {
        let writing = {
            let mut all = lock(&held);
            let (count, writing) = all.entry(location.clone()).or_default();
            *count = count.saturating_add(1);
            writing.clone()
        };
        Self { location, held, writing }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut held = lock(&self.held);
        if let Some((count, _)) = held.get_mut(&self.location) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.remove(&self.location);
            }
        }
    }
}

fn lock(held: &Held) -> std::sync::MutexGuard<'_, Holders> {
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
        let weight = |object: &ObjectMeta| self.kind.weight(object.size);
        let sum = async |sum: u64, object: ObjectMeta| Ok(sum.saturating_add(weight(&object)));
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
    /// given back. What is begun is done and counted also where nobody waits for it any more.
    ///
    /// # Errors
    /// Where the store or the file fails.
    pub(crate) async fn put(&self, cid: &Cid, file: &Path) -> anyhow::Result<Hold> {
        self.store(cid, file, false).await
    }

    /// The same, and it is as new where it was known.
    ///
    /// # Errors
    /// Where the store or the file fails.
    pub(crate) async fn put_anew(&self, cid: &Cid, file: &Path) -> anyhow::Result<Hold> {
        self.store(cid, file, true).await
    }

    async fn store(&self, cid: &Cid, file: &Path, anew: bool) -> anyhow::Result<Hold> {
        let from = tokio::fs::File::open(file).await?;
        let size = from.metadata().await?.len();
        // Before it is looked for: from now on nobody removes it.
        let hold = {
            let _turn = self.turn.lock().await;
            Hold::new(cid.location(), self.held.clone())
        };
        let (objects, object) = (self.clone(), object(cid));
        let writing = tokio::spawn(async move {
            // Of two who bring the same, one writes.
            let one = hold.writing.clone().lock_owned().await;
            let known = objects.store.head(&object).await.ok().map(|known| known.size);
            if anew || known != Some(size) {
                objects.write(object, from, size).await?;
                let before = known.map_or(0, |known| objects.kind.weight(known));
                let after = objects.kind.weight(size);
                objects.count(|bytes| bytes.saturating_add(after).saturating_sub(before));
            }
            drop(one);
            Ok(hold)
        });
        writing.await?
    }

    async fn write(
        &self,
        object: ObjectPath,
        mut from: tokio::fs::File,
        size: u64,
    ) -> anyhow::Result<()> {
        let mut to = buffered::BufWriter::with_capacity(self.store.clone(), object, BUFFER_BYTES);
        let copied = tokio::io::copy(&mut from, &mut to).await;
        match copied {
            Ok(copied) if copied == size => Ok(to.shutdown().await?),
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

    /// Whether it is there.
    pub(crate) async fn has(&self, cid: &Cid) -> bool {
        self.store.head(&object(cid)).await.is_ok()
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
        self.remove_if(location, |_| true).await;
    }

    /// Forgets what lies at `location` if it was last stored before `time`; whether it did.
    pub(crate) async fn remove_stored_before(&self, location: &str, time: SystemTime) -> bool {
        self.remove_if(location, |object| SystemTime::from(object.last_modified) < time).await
    }

    async fn remove_if(&self, location: &str, is_meant: impl Fn(&ObjectMeta) -> bool) -> bool {
        let Ok(cid) = Cid::from_location(location) else { return false };
        // Who stores it meanwhile waits, finds it gone and writes it anew.
        let _turn = self.turn.lock().await;
        if lock(&self.held).contains_key(&cid.location()) {
            return false;
        }
        let object = object(&cid);
        let known = match self.store.head(&object).await {
            Ok(known) => known,
            Err(object_store::Error::NotFound { .. }) => return false,
            Err(error) => {
                tracing::warn!(%location, %error, "what is stored cannot be looked at");
                return false;
            }
        };
        if !is_meant(&known) {
            return false;
        }
        match self.store.delete(&object).await {
            Ok(()) => {
                let weight = self.kind.weight(known.size);
                self.count(|bytes| bytes.saturating_sub(weight));
                true
            }
            Err(error) => {
                tracing::warn!(%location, %error, "what is stored cannot be deleted");
                false
            }
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
