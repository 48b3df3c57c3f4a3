//! A disk of its own for each out directory, so that an app can fill no more than its share.
//!
//! A file with an ext4 file system, mounted through a loop device. That takes root, loop devices
//! and two system programs; where one is missing the out directory is a plain folder and
//! [`crate::watch`] measures it instead.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::mount::{MntFlags, umount2};
use tokio::process::Command;
use tokio::time::timeout;

use crate::folder::RunFolder;

/// Room for ext4's own tables, so that the app gets about what it was promised: 1/32 and 1 MiB.
const TABLES_SHARE: u64 = 32;
const TABLES_BYTES: u64 = 1 << 20;
/// Making and mounting an empty disk takes milliseconds; longer means the host is stuck.
const COMMAND_TIME: Duration = Duration::from_secs(60);
/// Mounts stacked on one directory, which only two processes at once could make.
const MOUNTS_MAX: usize = 8;
/// A disk with less than this left is full: ext4 keeps a few blocks back for itself.
const FULL_BYTES: u64 = 64 << 10;

/// How out directories are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskMode {
    /// A disk of their own where this machine can, else watched.
    Auto,
    /// A disk of their own; starting fails where this machine cannot.
    Sized,
    /// A plain folder whose size is watched.
    Watched,
}

impl DiskMode {
    pub(crate) fn is_sized(self) -> bool {
        match self {
            Self::Auto => sized_disks().is_ok(),
            Self::Sized => true,
            Self::Watched => false,
        }
    }
}

/// Whether this machine can give out directories disks of their own; if not, why.
pub(crate) fn sized_disks() -> Result<(), String> {
    if !nix::unistd::geteuid().is_root() {
        return Err("mounting takes root".into());
    }
    if !Path::new("/dev/loop-control").exists() {
        return Err("there are no loop devices (/dev/loop-control)".into());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    for program in ["mkfs.ext4", "mount"] {
        if !std::env::split_paths(&path).any(|folder| folder.join(program).exists()) {
            return Err(format!("the program {program} is missing"));
        }
    }
    Ok(())
}

/// Mounts a disk of `bytes` for the out directory, unless it is mounted. Existing content stays:
/// after the machine restarted, the disk is only mounted again.
pub(crate) async fn mount(folder: &RunFolder, bytes: u64) -> io::Result<()> {
    let (disk, mount_point) = (folder.disk(), folder.mount_point());
    if is_mounted(&mount_point)? {
        return Ok(());
    }
    if !disk.exists() {
        make(folder, bytes).await?;
    }
    let [option, options] = ["-o", "loop,nosuid,nodev"].map(OsStr::new);
    command("mount", &[option, options, disk.as_os_str(), mount_point.as_os_str()]).await
}

/// The disk gets its name only when it is complete.
async fn make(folder: &RunFolder, bytes: u64) -> io::Result<()> {
    let partial = folder.disk().with_extension("partial");
    let total = bytes.saturating_add(bytes / TABLES_SHARE).saturating_add(TABLES_BYTES);
    File::create(&partial)?.set_len(total)?;
    // No journal and no reserved blocks: nothing on it survives a crash anyway. The tables are
    // written lazily, so a large disk is made as fast as a small one.
    let options =
        ["-q", "-F", "-m", "0", "-O", "^has_journal", "-E", "lazy_itable_init=1,nodiscard"];
    let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
    arguments.push(partial.as_os_str());
    command("mkfs.ext4", &arguments).await?;
    fs::rename(&partial, folder.disk())
}

/// Mounts the disk of a run again if it has one; for runs of an earlier process.
pub(crate) async fn mount_again(folder: &RunFolder) -> io::Result<()> {
    if folder.disk().exists() { mount(folder, 0).await } else { Ok(()) }
}

/// Unmounts the out directory. The loop device goes when its last user does.
pub(crate) fn unmount(folder: &RunFolder) -> io::Result<bool> {
    let mount_point = folder.mount_point();
    let mut unmounted = false;
    for _ in 0..MOUNTS_MAX {
        if !is_mounted(&mount_point)? {
            return Ok(unmounted);
        }
        umount2(&mount_point, MntFlags::MNT_DETACH)?;
        unmounted = true;
    }
    Err(io::Error::other(format!("{} cannot be unmounted", mount_point.display())))
}

/// Whether the run's own disk, if it has one, has no room left.
pub(crate) fn is_full(folder: &RunFolder) -> io::Result<bool> {
    let mount_point = folder.mount_point();
    if !is_mounted(&mount_point)? {
        return Ok(false);
    }
    let stat = nix::sys::statvfs::statvfs(&mount_point)?;
    let left = stat.blocks_available().saturating_mul(stat.fragment_size());
    Ok(left < FULL_BYTES || stat.files_available() == 0)
}

/// A directory on another device than its parent is a mount.
fn is_mounted(directory: &Path) -> io::Result<bool> {
    let device = |path: &Path| match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata.dev())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    let parent = directory.parent().unwrap_or(Path::new("/"));
    Ok(match (device(directory)?, device(parent)?) {
        (Some(inside), Some(outside)) => inside != outside,
        (None, _) | (_, None) => false,
    })
}

async fn command(program: &str, arguments: &[&OsStr]) -> io::Result<()> {
    let run =
        Command::new(program).args(arguments).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(COMMAND_TIME, run)
        .await
        .map_err(|_| io::Error::other(format!("{program} does not end")))??;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("{program} failed: {}", said.trim())))
}
