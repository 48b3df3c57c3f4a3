//! What the programs do with what is wrong: one clear line that says what to do, the documented
//! exit code, nothing sent, nothing lost and nothing left behind.
//!
//! Lines are compared whole, so that a change of wording is seen and judged.

mod answers;
mod bonds;
mod chains;
mod images;
mod marks;
mod money;
mod orders;
mod places;
mod pool;
mod results;
mod scripted;
mod servers;
mod stage;
mod wallets;
mod words;
