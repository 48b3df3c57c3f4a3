//! The whole process against real contracts, with workers that speak the protocol and run no app.
#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]
#![allow(clippy::wildcard_enum_match_arm, reason = "a test looks at a few of many events")]

mod bad_input;
mod bad_reports;
mod chain;
mod files;
mod floods;
mod keys;
mod logs;
mod operator;
mod prices;
mod refusals;
mod repair;
mod runs;
mod scheduler;
mod statement;
mod tls;
mod unmade;
mod variants;
mod worker;
