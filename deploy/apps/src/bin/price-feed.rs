//! `price-feed`: what a pair costs, for a contract.
//!
//! Arguments: `--pair NAME`. Inputs: one file from each source, `{"pair": "RLC/USD", "at":
//! 1700000000, "price": "1.25"}`. Result: callback bytes, `abi.encode(bytes32 pair, uint64 at,
//! uint128 price)` with the median price in 18 decimals and the time of the oldest quote.

use std::process::ExitCode;

use poco_apps::environment::Environment;
use poco_apps::{failure, quotes};

fn main() -> ExitCode {
    failure::conclude("price-feed", || {
        quotes::run(&Environment::of_process()?, std::env::args().skip(1).collect())
    })
}
