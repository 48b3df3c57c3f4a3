//! The example apps: what their five small binaries are made of.
//!
//! Each binary becomes a container image with nothing else in it, so everything here is
//! the standard library, `png` and `serde_json`. Workers vote on the digest of what an app
//! writes: the same arguments must give the same bytes on every machine. No clock, no
//! operating-system randomness, no hash map order, and no mathematical function of the
//! platform (`exact` has our own). The one exception is a mode of `misbehave` that is
//! different on purpose.
//!
//! Left out: anything about deals, orders or the chain. An app knows files and variables.

pub mod arguments;
pub mod environment;
pub mod exact;
pub mod failure;
pub mod landscape;
pub mod misbehaviour;
pub mod option;
pub mod output;
pub mod quotes;
pub mod random;
pub mod text;
