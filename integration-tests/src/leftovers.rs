//! What workers leave behind when they are ended, as they should, but a test should not: containers,
//! and the disks mounted for them.

use nix::mount::{MntFlags, umount2};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The label that the containers of one world have; its value is the world's.
pub const LABEL: &str = "poco.world";
/// How often containers are looked for to be removed: one may have been under way while its worker
/// was ended.
const REMOVALS_MAX: usize = 5;

/// The containers with a label's value and the mounts below a folder, until it is dropped.
#[derive(Debug)]
pub struct Leftovers {
    label: String,
    folder: PathBuf,
}

impl Leftovers {
    /// Of the workers whose data lie in `folder`, whose name is the label's value.
    ///
    /// # Errors
    /// Where there is no such folder.
    pub fn of(folder: &Path) -> std::io::Result<Self> {
        let folder = folder.canonicalize()?;
        let label = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { label, folder })
    }

    /// The value of [`LABEL`].
    #[must_use]
    pub fn label(&self) -> &str {
        &self.label
    }
}

impl Drop for Leftovers {
    fn drop(&mut self) {
        let filter = format!("label={LABEL}={}", self.label);
        for _ in 0..REMOVALS_MAX {
            let list = ["ps", "--all", "--quiet", "--no-trunc", "--filter", &filter];
            let Ok(listed) = Command::new("docker").args(list).output() else { break };
            let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
            if listed.trim().is_empty() {
                break;
            }
            // What cannot be removed is still there in the next round.
            let _ = Command::new("docker")
                .args(["rm", "--force", "--volumes"])
                .args(listed.split_whitespace())
                .output();
        }
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        for mount_point in mounts_below(&mounts, &self.folder) {
            // A mount that is left keeps the folder from being deleted, which is then seen.
            let _ = umount2(&mount_point, MntFlags::MNT_DETACH);
        }
    }
}

/// The mount points below a folder, the innermost first; the fifth field of each line.
fn mounts_below(mountinfo: &str, folder: &Path) -> Vec<PathBuf> {
    let points = mountinfo.lines().filter_map(|line| line.split(' ').nth(4)).map(PathBuf::from);
    let mut points: Vec<PathBuf> = points.filter(|point| point.starts_with(folder)).collect();
    points.reverse();
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_mounts_below_the_folder_are_its_own_and_the_innermost_comes_first() {
        let mountinfo = "1 2 7:0 / /tmp/.a/worker-0 rw - ext4 /dev/loop0 rw\n\
                         3 2 7:1 / /tmp/.ab/worker-0/runs/x/out rw - ext4 /dev/loop1 rw\n\
                         4 2 7:1 / / rw - ext4 /dev/vda rw\n\
                         5 1 7:2 / /tmp/.a/worker-0/runs/x/out rw - ext4 /dev/loop2 rw\n";
        let found = mounts_below(mountinfo, Path::new("/tmp/.a"));
        let expected = ["/tmp/.a/worker-0/runs/x/out", "/tmp/.a/worker-0"];
        assert_eq!(found, expected.map(PathBuf::from));
    }
}
