//! How many bytes of results can still be stored: what the disk has left, and the configuration allows.

use crate::arrival::{Arrival, Arrivals};
use crate::objects::Objects;
use anyhow::Context as _;
use nix::sys::statvfs::statvfs;
use poco_scheduler_core::Input;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks: a disk does not fill from the floor to its last byte in less.
const PERIOD: Duration = Duration::from_secs(5);

/// Where results go. Clones look at the same place.
#[derive(Clone, Debug)]
pub(crate) struct Room {
    /// On the disk that uploads pass through, and where results stay if they are stored nowhere else.
    pub(crate) folder: PathBuf,
    pub(crate) results: Objects,
    /// What results may take together, in bytes; as much as there is, if not set.
    pub(crate) bytes_max: Option<u64>,
}

impl Room {
    /// Bytes for which there is room.
    ///
    /// # Errors
    /// Where the system does not say what the disk has left.
    pub(crate) fn left(&self) -> anyhow::Result<u64> {
        let on_disk = self.on_disk()?;
        let allowed = self.bytes_max.map(|most| most.saturating_sub(self.results.bytes()));
        Ok(allowed.map_or(on_disk, |allowed| allowed.min(on_disk)))
    }

    /// Bytes that the disk has left.
    ///
    /// # Errors
    /// Where the system does not say it.
    pub(crate) fn on_disk(&self) -> anyhow::Result<u64> {
        let folder = &self.folder;
        let disk = statvfs(folder).with_context(|| {
            format!("cannot see what is left on the disk of {}", folder.display())
        })?;
        Ok(disk.blocks_available().saturating_mul(disk.fragment_size()))
    }

    /// Tells what is left until the loop is gone.
    pub(crate) async fn watch(self, arrivals: Arrivals) {
        loop {
            sleep(PERIOD).await;
            match self.left() {
                Ok(left) => {
                    if arrivals.send(Arrival::Core(Input::Room(left))).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "room for results not known")
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::Kind;

    #[tokio::test]
    async fn results_leave_less_of_what_they_may_take_and_of_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let results = Objects::open(Kind::Results, None, &folder.path().join("results")).unwrap();
        let room = |bytes_max| Room {
            folder: folder.path().to_owned(),
            results: results.clone(),
            bytes_max,
        };
        let disk = room(None).left().unwrap();
        assert!(disk > 1_000);
        assert_eq!(room(Some(1_000)).left().unwrap(), 1_000);
        std::fs::write(folder.path().join("results/one"), [0; 900]).unwrap();
        results.check().await.unwrap();
        assert_eq!(room(Some(1_000)).left().unwrap(), 100);
        assert_eq!(room(Some(800)).left().unwrap(), 0);
        assert!(room(Some(u64::MAX)).left().unwrap() <= disk.saturating_add(1 << 30));
        let nowhere = Room { folder: "/nowhere".into(), ..room(None) };
        assert!(nowhere.left().unwrap_err().to_string().contains("/nowhere"));
    }
}
