//! A process that dies where it was told to.

use anyhow::{Result, ensure};
use poco_integration_tests::process::Process;
use std::collections::VecDeque;
use std::os::unix::process::ExitStatusExt as _;

/// The signal of a process that ends itself at once, without clearing anything up.
const SIGABRT: i32 = 6;

/// A running process with the points where it is to die, one after the other.
#[derive(Debug)]
pub(crate) struct Mortal {
    pub(crate) process: Process,
    /// The first is armed now; the rest are for those who take its place.
    pub(crate) chain: VecDeque<String>,
    /// Where this process's part of the log begins.
    log_from: usize,
}

impl Mortal {
    /// A process just started, armed with the first of `chain`.
    pub(crate) fn new(process: Process, chain: VecDeque<String>, log_from: usize) -> Self {
        Self { process, chain, log_from }
    }

    /// The point where it died, if it did. It must have been the one, and nothing else's fault.
    pub(crate) fn find_death(&mut self) -> Result<Option<String>> {
        let Some(status) = self.process.ended()? else { return Ok(None) };
        let output = self.process.output();
        let said = output.get(self.log_from..).unwrap_or_default();
        let armed = self.chain.front();
        let has_reached = |point: &String| {
            said.lines().any(|line| line.contains("failpoint reached") && line.contains(point))
        };
        ensure!(
            status.signal() == Some(SIGABRT) && armed.is_some_and(has_reached),
            "it ended with {status}, armed with {armed:?}:\n{said}"
        );
        Ok(self.chain.pop_front())
    }
}
