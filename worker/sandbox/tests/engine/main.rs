//! Runs real containers on the engine of this machine.
//!
//! Without an engine these tests fail and say what to do. `POCO_SKIP_ENGINE_TESTS=1` skips them,
//! and says so.

#![allow(clippy::unwrap_used, reason = "a test whose set-up fails should panic")]

mod confinement;
mod images;
mod leftovers;
mod limits;
mod results;
mod support;
