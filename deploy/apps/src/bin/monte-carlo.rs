//! `monte-carlo`: this task's share of pricing an option, or the sum of all shares.
//!
//! Arguments: `--kind call|put|asian-call|asian-put --spot S --strike K --rate R
//! --volatility V --years T --paths N --steps M --seed S`, all with defaults; `--shares N`
//! for a bag spread over several deals; `--callback` gives the price to the deal's callback
//! contract; `--merge FOLDER` adds up the shares below a folder. Result: `result.json`, or
//! `merged.json`.

use std::process::ExitCode;

use poco_apps::environment::Environment;
use poco_apps::{failure, option};

fn main() -> ExitCode {
    failure::conclude("monte-carlo", || {
        option::run(&Environment::of_process()?, std::env::args().skip(1).collect())
    })
}
