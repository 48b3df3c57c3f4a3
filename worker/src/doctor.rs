//! Says all that is missing on this machine in one go, each with what to do about it.
//!
//! Changes nothing: no transaction, no container, no file.

mod chain;
mod machine;
mod pool;

use crate::cli::Cli;
use crate::config::Checked;
use crate::output;
use poco_chain::Wallet;
use serde::Serialize;
use std::process::ExitCode;

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// How it is.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) found: String,
    /// What to do, where something is to be done.
    pub(crate) advice: Option<String>,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// Works, but less well or not for long.
    Warning,
    /// The worker cannot earn like this.
    Blocks,
}

impl Verdict {
    /// For people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Blocks => "BLOCKS",
        }
    }
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, verdict: Verdict::Ok, found: found.into(), advice: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let (found, advice) = (found.into(), Some(advice.into()));
        Self { name, verdict: Verdict::Warning, found, advice }
    }

    fn blocks(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let (found, advice) = (found.into(), Some(advice.into()));
        Self { name, verdict: Verdict::Blocks, found, advice }
    }
}

/// Looks at everything and prints what was found. Fails where anything blocks.
pub(crate) async fn doctor(cli: &Cli, json: bool) -> ExitCode {
    let checks = checks(cli).await;
    if !json {
        output::checks(&checks);
    } else if let Err(error) = output::checks_json(&checks) {
        return output::failure(&error);
    }
    match checks.iter().any(|check| check.verdict == Verdict::Blocks) {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

async fn checks(cli: &Cli) -> Vec<Check> {
    // What can be looked at is looked at, also where the configuration is incomplete.
    let (config, mut checks) = match cli.config() {
        Ok(config) => (config, Vec::new()),
        Err(problems) => (crate::config::Config::default(), problem_checks(&problems.0)),
    };
    let checked = match config.clone().check() {
        Ok(checked) => Some(checked),
        Err(problems) => {
            checks.extend(problem_checks(&problems.0));
            None
        }
    };
    if checks.is_empty() {
        checks.push(Check::ok("config", "complete"));
    }
    checks.extend(machine::checks(&config).await);
    let wallet = match config.keystore.open(cli.options.password_fd) {
        Ok(wallet) => {
            checks.push(Check::ok("keystore", format!("wallet {}", wallet.address())));
            Some(wallet)
        }
        Err(error) => {
            let advice = "`poco wallet create` makes a keystore; set its file and password";
            checks.push(Check::blocks("keystore", format!("{error:#}"), advice));
            None
        }
    };
    if let Some(checked) = checked {
        checks.extend(remote(&checked, wallet).await);
    }
    checks
}

/// What others hold: the chain and the scheduler.
async fn remote(checked: &Checked, wallet: Option<Wallet>) -> Vec<Check> {
    let address = wallet.as_ref().map(Wallet::address);
    let (mut checks, chain) = chain::checks(checked, address).await;
    checks.push(pool::check(checked, chain.as_ref(), wallet).await);
    checks
}

fn problem_checks(problems: &[String]) -> Vec<Check> {
    let advice = "`poco-worker --help` names every setting";
    problems.iter().map(|problem| Check::blocks("config", problem, advice)).collect()
}
