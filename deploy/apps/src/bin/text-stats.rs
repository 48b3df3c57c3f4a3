//! `text-stats`: statistics of the request's input files, or of its dataset.
//!
//! Arguments: `--top N` words to list (20). Result: the folder `stats` with `report.txt`
//! for people and `stats.json` for programs.

use std::process::ExitCode;

use poco_apps::environment::Environment;
use poco_apps::{failure, text};

fn main() -> ExitCode {
    failure::conclude("text-stats", || {
        text::run(&Environment::of_process()?, std::env::args().skip(1).collect())
    })
}
