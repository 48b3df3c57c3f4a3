//! On what machine the figures were measured.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fmt;

/// A machine.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// The processor's name.
    pub cpu: String,
    /// Processors that this process may use.
    pub cores: usize,
    /// In bytes.
    pub memory_bytes: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Processes that ran or wanted to run, on average over the last minute before the bench: others
    /// at work make every time longer.
    pub load: f64,
}

impl Machine {
    /// This machine.
    ///
    /// # Errors
    /// Where `/proc` is not what it is on Linux.
    pub fn this() -> Result<Self> {
        let read = |path: &str| {
            std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
        };
        let processors = read("/proc/cpuinfo")?;
        let memory = super::memory::kib(&read("/proc/meminfo")?, "MemTotal")?;
        let load = read("/proc/loadavg")?;
        Ok(Self {
            cpu: cpu_name(&processors).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            memory_bytes: memory.saturating_mul(1024),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            load: load.split(' ').next().context("/proc/loadavg is empty")?.parse()?,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, kernel, load, .. } = self;
        let gib = self.memory_bytes >> 30;
        write!(f, "{cpu}, {cores} cores, {gib} GiB, Linux {kernel}, load before {load}")
    }
}

fn cpu_name(processors: &str) -> Option<&str> {
    let line = processors.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_has_a_name() {
        let processors = "processor\t: 0\nmodel name\t: AMD EPYC\nprocessor\t: 1\n";
        assert_eq!(cpu_name(processors), Some("AMD EPYC"));
        assert_eq!(cpu_name("processor\t: 0\n"), None);
    }
}
