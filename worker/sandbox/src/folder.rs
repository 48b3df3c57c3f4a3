//! The folder of a run on this machine: inputs, out directory, logs and result.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::run::RunId;

/// Where everything of one run is. Nothing here exists before [`crate::Sandbox::prepare`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

impl RunFolder {
    pub(crate) fn new(root: &Path, id: RunId) -> Self {
        Self { path: root.join(id.to_string()) }
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the app sees as `/iexec_in`; inputs are fetched to here.
    pub fn input(&self) -> PathBuf {
        self.path.join("in")
    }

    /// What the app sees as `/iexec_out`. It is a directory below the mount point, so that
    /// nothing of the file system's own is in it.
    pub fn out(&self) -> PathBuf {
        self.mount_point().join("iexec_out")
    }

    /// What the app printed, once saved.
    pub fn stdout(&self) -> PathBuf {
        self.path.join("stdout.txt")
    }

    /// The errors the app printed, once saved.
    pub fn stderr(&self) -> PathBuf {
        self.path.join("stderr.txt")
    }

    /// The result zip, once collected.
    pub fn result(&self) -> PathBuf {
        self.path.join("result.zip")
    }

    /// Where the disk of the out directory is mounted, if it has one.
    pub(crate) fn mount_point(&self) -> PathBuf {
        self.path.join("out")
    }

    /// The disk of the out directory.
    pub(crate) fn disk(&self) -> PathBuf {
        self.path.join("out.disk")
    }

    /// Why the run was stopped, if we stopped it.
    pub(crate) fn verdict(&self) -> PathBuf {
        self.path.join("verdict")
    }

    /// Makes what is missing, except the out directory. Only this user gets into the folder; the
    /// container is shown the input and out directories alone.
    pub(crate) fn make(&self) -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.path)?;
        fs::create_dir_all(self.mount_point())?;
        make_directory(&self.input(), 0o755)
    }

    /// Makes the out directory, on its disk if there is one. The app's user is whatever the image
    /// says, so everybody may write.
    pub(crate) fn make_out(&self) -> io::Result<()> {
        make_directory(&self.out(), 0o777)
    }

    /// The runs that have a folder below `root`; other names are left alone.
    pub(crate) fn list(root: &Path) -> io::Result<Vec<RunId>> {
        let folders = match fs::read_dir(root) {
            Ok(folders) => folders,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let mut ids = Vec::new();
        for folder in folders {
            let name = folder?.file_name();
            ids.extend(name.to_str().and_then(|name| name.parse::<RunId>().ok()));
        }
        Ok(ids)
    }
}

fn make_directory(path: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode))
}
