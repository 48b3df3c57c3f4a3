//! What processes hold in memory, as the kernel says.

use anyhow::{Context, Result};
use serde::Serialize;

/// A process's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Held {
    /// Resident: all its pages in memory, those shared with others too.
    pub rss_bytes: u64,
    /// Proportional: each shared page counts as its share. These add up over processes.
    pub pss_bytes: u64,
}

/// One process, at rest and at work.
#[derive(Clone, Debug, Serialize)]
pub struct ProcessMemory {
    /// What it is.
    pub name: String,
    /// Whether it is one of ours: the chain is shown for information.
    pub is_ours: bool,
    /// With nothing to do.
    pub idle: Held,
    /// With all tasks live.
    pub live: Held,
}

/// Everything measured of memory.
#[derive(Clone, Debug, Serialize)]
pub struct MemoryReport {
    /// Tasks that were live.
    pub tasks: usize,
    /// Workers that had them.
    pub workers: usize,
    /// Each process.
    pub processes: Vec<ProcessMemory>,
}

impl Held {
    /// What a process holds now.
    ///
    /// # Errors
    /// Where it has ended, or is not ours to look at.
    pub fn by(pid: u32) -> Result<Self> {
        let path = format!("/proc/{pid}/smaps_rollup");
        let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
        let bytes = |name| kib(&text, name).map(|kib| kib.saturating_mul(1024));
        Ok(Self { rss_bytes: bytes("Rss")?, pss_bytes: bytes("Pss")? })
    }
}

/// The number in a line `Name:   123 kB`.
pub(super) fn kib(text: &str, name: &str) -> Result<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let number = value.and_then(|value| value.trim().strip_suffix("kB"));
    let number = number.with_context(|| format!("no line {name} in kB"))?;
    number.trim().parse().with_context(|| format!("{name} is {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_words_are_understood() {
        let text = "55d-7ffe ---p 00000000 00:00 0 [rollup]\n\
                    Rss:    1234 kB\nPss:  617 kB\nPss_Anon: 9 kB\n";
        assert_eq!(kib(text, "Rss").unwrap(), 1234);
        assert_eq!(kib(text, "Pss").unwrap(), 617);
        assert!(kib(text, "Swap").is_err());
    }

    #[test]
    fn this_process_holds_memory_and_shares_no_more_than_it_has() {
        let held = Held::by(std::process::id()).unwrap();
        assert!(0 < held.pss_bytes && held.pss_bytes <= held.rss_bytes, "{held:?}");
    }
}
