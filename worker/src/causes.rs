//! What the sandbox's errors mean to the pool.

use poco_sandbox::input::FetchError;
use poco_sandbox::{CollectError, Ended, Outcome, PullError, StartError, WaitError};
use poco_worker_core::{Cause, Failure};

pub(crate) fn of_pull(error: &PullError) -> Failure {
    let cause = match error {
        PullError::ChecksumAbsent { .. } | PullError::ChecksumMismatch { .. } => Cause::ImageDigest,
        PullError::NotFound { .. }
        | PullError::WrongPlatform { .. }
        | PullError::Unreachable { .. }
        | PullError::TooLong { .. } => Cause::ImageMissing,
        PullError::NoSpace { .. } | PullError::Engine { .. } => Cause::Engine,
    };
    Failure::new(cause, error.to_string())
}

pub(crate) fn of_fetch(error: &FetchError, dataset: Option<&str>) -> Failure {
    let source = match error {
        FetchError::NotFound { source_shown, .. }
        | FetchError::Refused { source_shown, .. }
        | FetchError::TooLarge { source_shown, .. }
        | FetchError::Mismatch { source_shown, .. }
        | FetchError::Network { source_shown, .. } => Some(source_shown.as_str()),
        FetchError::TooMany | FetchError::TooLong { .. } | FetchError::Io { .. } => None,
    };
    let cause = match error {
        FetchError::Io { .. } => Cause::Engine,
        FetchError::TooMany
        | FetchError::TooLong { .. }
        | FetchError::NotFound { .. }
        | FetchError::Refused { .. }
        | FetchError::TooLarge { .. }
        | FetchError::Mismatch { .. }
        | FetchError::Network { .. } => match (source, dataset) {
            (Some(source), Some(dataset)) if source == dataset => Cause::Dataset,
            (Some(_) | None, Some(_) | None) => Cause::Input,
        },
    };
    Failure::new(cause, error.to_string())
}

pub(crate) fn of_start(error: &StartError) -> Failure {
    let cause = match error {
        // The image was here a moment ago: somebody deletes images under our feet.
        StartError::NoImage(_) => Cause::ImageMissing,
        StartError::AppUnstartable(_) => Cause::ExitCode,
        StartError::BadArgs(_) => Cause::Input,
        StartError::Io(_) | StartError::Engine(_) => Cause::Engine,
    };
    Failure::new(cause, error.to_string())
}

pub(crate) fn of_wait(error: &WaitError) -> Failure {
    Failure::new(Cause::Engine, error.to_string())
}

pub(crate) fn of_collect(error: &CollectError) -> Failure {
    let cause = if error.is_app_fault() { Cause::NoResult } else { Cause::Engine };
    Failure::new(cause, error.to_string())
}

/// Why a run that ended gives no result; `None` where it may. The cause says what happened, so the
/// detail says only what the cause does not.
pub(crate) fn of_ended(ended: &Ended) -> Option<Failure> {
    let (cause, detail, exit_code) = match ended.outcome {
        Outcome::Exited { code: 0 } => return None,
        Outcome::Exited { code } => {
            (Cause::ExitCode, last_line(&ended.stderr_tail), i32::try_from(code).ok())
        }
        Outcome::TimedOut => {
            let ran = ended.finished_at.duration_since(ended.started_at).unwrap_or_default();
            (Cause::TimeLimit, format!("stopped after {} seconds", ran.as_secs()), None)
        }
        Outcome::OutOfMemory => {
            (Cause::OutOfMemory, "it needs more memory than a slot has".into(), None)
        }
        Outcome::OutOfDisk => (Cause::OutOfDisk, "it wrote more than a slot has".into(), None),
    };
    Some(Failure { exit_code, ..Failure::new(cause, detail) })
}

/// The last line with words in it, where programs say why they fail.
fn last_line(text: &str) -> String {
    text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// The same failure with the end of what the app printed.
pub(crate) fn with_tails(failure: Failure, ended: &Ended) -> Failure {
    let (stdout_tail, stderr_tail) = (ended.stdout_tail.clone(), ended.stderr_tail.clone());
    Failure { stdout_tail, stderr_tail, ..failure }.bounded()
}
