//! Why a replica gives nothing, in the words of the pool's protocol.

use alloc::string::String;
use serde::{Deserialize, Serialize};

/// Longest detail of a failure; one line for people.
pub const DETAIL_BYTES_MAX: usize = 1024;

/// Longest end of an app's output that travels with a failure, as the protocol says.
pub const TAIL_BYTES_MAX: usize = 4096;

/// What kind of failure it is; the protocol's causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Cause {
    /// The worker will not: no free slot, tag, leaving.
    Declined,
    /// The chain does not agree with the assignment.
    Chain,
    /// The image cannot be had.
    ImageMissing,
    /// The image is not the one that the app's checksum names.
    ImageDigest,
    /// An input file cannot be had.
    Input,
    /// The dataset cannot be had or is not the registered one.
    Dataset,
    /// The app ended with another exit code than 0.
    ExitCode,
    /// The app ran longer than its category allows.
    TimeLimit,
    /// The app needed more memory than a slot has.
    OutOfMemory,
    /// The app wrote more than a slot has.
    OutOfDisk,
    /// No `computed.json`, or it names nothing that exists.
    NoResult,
    /// The container engine or the machine failed.
    Engine,
    /// The hub refused the vote.
    Refused,
    /// Stopped because the scheduler asked, or the task ended on chain.
    Abandoned,
}

/// Why a replica gives nothing, with what helps to understand it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind.
    pub cause: Cause,
    /// One line for people.
    pub detail: String,
    /// The app's exit code, where it ended by itself.
    pub exit_code: Option<i32>,
    /// The end of what the app printed.
    pub stdout_tail: String,
    /// The end of what the app printed as errors.
    pub stderr_tail: String,
}

impl Failure {
    /// A failure without output of an app.
    #[must_use]
    pub fn new(cause: Cause, detail: impl Into<String>) -> Self {
        Self {
            cause,
            detail: detail.into(),
            exit_code: None,
            stdout_tail: String::new(),
            stderr_tail: String::new(),
        }
        .bounded()
    }

    /// The same failure with every text within its limit: the head of the detail, the ends of
    /// the outputs. What an app prints must not grow a journal or a message without bound.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let mut head = self.detail.len().min(DETAIL_BYTES_MAX);
        while !self.detail.is_char_boundary(head) {
            head = head.saturating_sub(1);
        }
        self.detail.truncate(head);
        keep_end(&mut self.stdout_tail);
        keep_end(&mut self.stderr_tail);
        self
    }
}

fn keep_end(text: &mut String) {
    let mut start = text.len().saturating_sub(TAIL_BYTES_MAX);
    while !text.is_char_boundary(start) {
        start = start.saturating_add(1);
    }
    text.drain(..start);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_keeps_its_end_and_stays_text() {
        let failure = Failure {
            stderr_tail: "é".repeat(TAIL_BYTES_MAX) + "the end!",
            ..Failure::new(Cause::ExitCode, "x".repeat(5000))
        }
        .bounded();
        assert!(failure.stderr_tail.ends_with("éthe end!"));
        assert!(failure.stderr_tail.len() <= TAIL_BYTES_MAX);
        assert!(failure.stderr_tail.len() > TAIL_BYTES_MAX - 4);
        assert_eq!(failure.detail.len(), DETAIL_BYTES_MAX);
    }
}
