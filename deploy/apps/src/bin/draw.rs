//! `draw`: paints a mountain lake that never was.
//!
//! Arguments: `--seed N` the place (1; task i of a bag draws place N + i), `--light
//! dawn|day|dusk|night` (by default the seed decides), `--width` and `--height` in pixels
//! (1200 x 750), `--samples` of a pixel along each side (2). Result: `picture.png`.

use std::process::ExitCode;

use poco_apps::environment::Environment;
use poco_apps::{failure, landscape};

fn main() -> ExitCode {
    failure::conclude("draw", || {
        landscape::run(&Environment::of_process()?, std::env::args().skip(1).collect())
    })
}
