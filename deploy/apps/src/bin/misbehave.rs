//! `misbehave`: does what apps should not do, for tests; see `poco_apps::misbehaviour`.

use std::process::ExitCode;

use poco_apps::environment::Environment;
use poco_apps::{failure, misbehaviour};

fn main() -> ExitCode {
    let mut exit_code = 0;
    let outcome = failure::conclude("misbehave", || {
        let words: Vec<_> = std::env::args().skip(1).collect();
        exit_code = misbehaviour::run(&Environment::of_process()?, &words)?;
        Ok(String::new())
    });
    // A step's own exit code is wanted; a failure keeps the code that says what failed.
    if exit_code == 0 { outcome } else { ExitCode::from(exit_code) }
}
