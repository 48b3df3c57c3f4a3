//! What is printed for whoever started the program. Everything else is a log.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "this is the output module")]

use crate::cli::Cli;
use crate::doctor::Check;
use crate::points::POINTS;
use poco_chain::failpoint;
use std::process::ExitCode;

/// The names of all failpoints, one a line.
pub(crate) fn failpoints() -> ExitCode {
    failpoint::names(POINTS).iter().for_each(|point| println!("{point}"));
    ExitCode::SUCCESS
}

/// The configuration in force, as a file that gives the same. Holds no secrets.
pub(crate) fn config(cli: &Cli) -> anyhow::Result<ExitCode> {
    print!("{}", toml::to_string(&cli.config()?)?);
    Ok(ExitCode::SUCCESS)
}

/// Why the program could not do what was asked.
pub(crate) fn failure(error: &anyhow::Error) -> ExitCode {
    for line in format!("{error:#}").lines() {
        eprintln!("poco-worker: {line}");
    }
    ExitCode::FAILURE
}

/// An answer.
pub(crate) fn text(text: &str) {
    println!("{text}");
}

/// The doctor's findings, for people.
pub(crate) fn checks(checks: &[Check]) {
    for check in checks {
        println!("{:<7} {:<10} {}", check.verdict.word(), check.name, check.found);
        if let Some(advice) = &check.advice {
            println!("{:18} -> {advice}", "");
        }
    }
}

/// The doctor's findings, for programs.
pub(crate) fn checks_json(checks: &[Check]) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(checks)?);
    Ok(())
}
