//! What is forgotten when its time is over.

use super::{EXPIRY, Entry, RESULTS, RETIRED, Store, TASK_RESULTS, location_prefix};
use anyhow::Context as _;
use poco_core::{B256, TaskId, Timestamp};
use rocksdb::{Direction, IteratorMode, WriteBatch};
use std::collections::{BTreeMap, BTreeSet};

/// Retired tasks whose time is over.
#[derive(Debug, Default)]
pub(crate) struct Expired {
    /// With the keys of their times.
    pub(crate) tasks: BTreeMap<TaskId, Box<[u8]>>,
    /// Where results lie that no other task holds: their objects can go.
    pub(crate) locations: Vec<String>,
    /// From where to look for more; `None` where that was all.
    pub(crate) rest: Option<Box<[u8]>>,
}

impl Store {
    /// Up to `most` retired tasks whose time ended by `now`, the first first, from `begin` on. Those of which a
    /// location is held are left for another time.
    pub(crate) fn find_expired(
        &self,
        now: Timestamp,
        begin: &[u8],
        most: usize,
        is_held: impl Fn(&str) -> bool,
    ) -> anyhow::Result<Expired> {
        let mut found = Expired::default();
        let mut locations = BTreeSet::new();
        let mode = IteratorMode::From(begin, Direction::Forward);
        for (looked_at, entry) in self.db.iterator_cf(self.family(EXPIRY), mode).enumerate() {
            let (key, _) = entry?;
            let (time, task) = key.split_at_checked(8).context("an expiry has no time")?;
            if *time > *now.0.to_be_bytes().as_slice() {
                break;
            }
            if looked_at >= most {
                found.rest = Some(key);
                break;
            }
            let task = TaskId(B256::try_from(task).context("an expiry has no task")?);
            let of_task = self.locations_of(task)?;
            if !of_task.iter().any(|location| is_held(location)) {
                locations.extend(of_task);
                found.tasks.insert(task, key);
            }
        }
        for location in locations {
            let prefix = location_prefix(&location);
            let is_found = |(key, _): &Entry| {
                let task = key.get(prefix.len()..).and_then(|task| B256::try_from(task).ok());
                task.is_some_and(|task| found.tasks.contains_key(&TaskId(task)))
            };
            if self.under(RESULTS, &prefix)?.iter().all(is_found) {
                found.locations.push(location);
            }
        }
        Ok(found)
    }

    /// Forgets retired tasks: who may read their results, then their reports.
    pub(crate) fn forget(&self, expired: &Expired) -> anyhow::Result<()> {
        let mut writes = WriteBatch::default();
        for (task, key) in &expired.tasks {
            let id = task.0.as_slice();
            for location in self.locations_of(*task)? {
                writes.delete_cf(self.family(RESULTS), [&location_prefix(&location), id].concat());
                writes.delete_cf(self.family(TASK_RESULTS), [id, location.as_bytes()].concat());
            }
            writes.delete_cf(self.family(RETIRED), id);
            writes.delete_cf(self.family(EXPIRY), key);
        }
        self.write(writes)
    }

    /// Where results of a task are stored.
    fn locations_of(&self, task: TaskId) -> anyhow::Result<Vec<String>> {
        let id = task.0.as_slice();
        let text = |key: &[u8]| String::from_utf8(key.get(id.len()..).unwrap_or_default().to_vec());
        let keys = self.under(TASK_RESULTS, id)?;
        keys.iter().map(|(key, _)| text(key).context("a location is damaged")).collect()
    }
}
