//! A small disk of its own for a process's data, which is filled and freed.

use anyhow::{Context, Result, ensure};
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is written at a time to fill a disk: first quickly, then to the last block.
const PIECES: [usize; 2] = [1 << 20, 1 << 12];

/// A mounted disk.
#[derive(Debug)]
pub(super) struct Disk {
    filler: PathBuf,
}

impl Disk {
    /// Mounts an empty disk of `bytes` at `place`, which is made. The file that holds it lies beside.
    pub(super) fn mount(place: &Path, bytes: u64) -> Result<Self> {
        let image = place.with_extension("disk");
        File::create(&image)?.set_len(bytes)?;
        std::fs::create_dir(place)?;
        // No blocks are kept back for root, who runs this.
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image))?;
        run(Command::new("mount").args(["-o", "loop"]).args([&*image, place]))?;
        Ok(Self { filler: place.join("filler") })
    }

    /// Leaves no byte free.
    pub(super) fn fill(&self) -> Result<()> {
        let mut file = File::create(&self.filler)?;
        for piece in PIECES {
            let zeros = vec![0; piece];
            loop {
                match file.write_all(&zeros).and_then(|()| file.sync_data()) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => return Err(error).context("the disk cannot be filled"),
                }
            }
        }
        Ok(())
    }

    /// Gives the space back.
    pub(super) fn free(&self) -> Result<()> {
        std::fs::remove_file(&self.filler).context("the disk cannot be freed")
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}
