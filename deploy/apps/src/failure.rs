//! How an app fails: one line on stderr and an exit code that says whose turn it is.

use std::fmt;
use std::io::Write;
use std::process::ExitCode;

/// Why a run of an app cannot give a result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// The requester must change the arguments or add an input. Exit code 2.
    Usage(String),
    /// An input is there but cannot be read or does not make sense. Exit code 3.
    Input(String),
    /// The result cannot be written. Exit code 4.
    Output(String),
}

impl Failure {
    /// The process exit code, as the worker reports it.
    pub fn exit_code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Input(_) => 3,
            Failure::Output(_) => 4,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Usage(text) | Failure::Input(text) | Failure::Output(text) => {
                out.write_str(text)
            }
        }
    }
}

impl std::error::Error for Failure {}

/// Runs an app's body and turns its outcome into the exit code of `main`.
///
/// A summary goes to stdout, which ends up in the result as `stdout.txt`.
pub fn conclude(app: &str, body: impl FnOnce() -> Result<String, Failure>) -> ExitCode {
    match body() {
        Ok(summary) => match std::io::stdout().write_all(summary.as_bytes()) {
            Ok(()) => ExitCode::SUCCESS,
            // The result is complete; a closed stdout does not make it wrong.
            Err(_) => ExitCode::SUCCESS,
        },
        Err(failure) => {
            // Nobody is left to tell if stderr is closed too; the exit code still speaks.
            drop(writeln!(std::io::stderr(), "{app}: {failure}"));
            ExitCode::from(failure.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_has_an_exit_code_of_its_own() {
        let codes = [
            Failure::Usage("a".into()).exit_code(),
            Failure::Input("a".into()).exit_code(),
            Failure::Output("a".into()).exit_code(),
        ];
        assert_eq!(codes, [2, 3, 4]);
    }
}
