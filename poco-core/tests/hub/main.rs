//! The model of the contract, from the outside: calls in, the whole list of events out.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod boost;
mod conditions;
mod lane;
mod lane_calls;
mod lane_market;
mod lane_stops;
mod life;
mod market;
mod matching;
mod money;
mod orders;
mod properties;
mod rules;
