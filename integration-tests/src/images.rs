//! The example apps as images in a registry of this machine, shared by all tests of a process.

use crate::process::{ends_with_us, free_port};
use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use tempfile::TempDir;

/// Where the script writes the registry's process id.
const PID_FILE: &str = "run/registry.pid";

/// An app's image and the digest by which it is pulled.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Image {
    /// As docker names it.
    pub image: String,
    /// The registry digest.
    pub checksum: String,
}

/// A registry with the example apps; it ends when nobody holds it any more.
#[derive(Debug)]
pub struct Registry {
    folder: TempDir,
}

impl Registry {
    /// The registry that this process's tests share, started for the first of them.
    ///
    /// # Errors
    /// Where the images cannot be built or pushed.
    pub fn shared() -> Result<Arc<Self>> {
        static SHARED: Mutex<Weak<Registry>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(registry) = shared.upgrade() {
            return Ok(registry);
        }
        let registry = Arc::new(start()?);
        *shared = Arc::downgrade(&registry);
        Ok(registry)
    }

    /// The image of an example app: `text-stats`, `draw`, `monte-carlo`, `price-feed` or
    /// `misbehave`.
    ///
    /// # Errors
    /// Where there is no such app.
    pub fn image(&self, app: &str) -> Result<Image> {
        let text = std::fs::read_to_string(self.folder.path().join("images.toml"))?;
        let mut images: BTreeMap<String, Image> = toml::from_str(&text)?;
        images.remove(app).with_context(|| format!("no image of {app}"))
    }

    /// Takes the images' names back from the engine, which has no other use for a registry that is
    /// gone; layers under other names stay. That something is left is no failure of a test.
    fn forget_images(&self) {
        let text = std::fs::read_to_string(self.folder.path().join("images.toml"));
        let images: BTreeMap<String, Image> =
            text.ok().and_then(|text| toml::from_str(&text).ok()).unwrap_or_default();
        for Image { image, checksum } in images.into_values() {
            let by_digest = format!("{image}@{}", checksum.replacen("0x", "sha256:", 1));
            let _ = Command::new("docker").args(["image", "rm", &image, &by_digest]).output();
        }
    }

    /// The process id, which the file holds first.
    fn pid(&self) -> Result<i32> {
        let text = std::fs::read_to_string(self.folder.path().join(PID_FILE))?;
        let pid = text.split_whitespace().next().context("the registry's pid file is empty")?;
        Ok(pid.parse()?)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.forget_images();
        // A registry that has ended already is all we want.
        if let Ok(pid) = self.pid() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
    }
}

fn start() -> Result<Registry> {
    let registry = Registry { folder: TempDir::new()? };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/images.sh");
    let output = Command::new(script)
        .env("POCO_DATA", registry.folder.path())
        .env("REGISTRY_PORT", free_port()?.to_string())
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        bail!("the images cannot be made: {}", String::from_utf8_lossy(&output.stderr));
    }
    ends_with_us(registry.pid()?.unsigned_abs())?;
    Ok(registry)
}
