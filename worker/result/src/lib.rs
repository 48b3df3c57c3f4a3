//! What a result is: the digest a worker votes with, the zip that carries it, the CID that
//! names the zip, and the encryption that closes it.
//!
//! The sandbox produces results with this crate, the scheduler and the requester check them with
//! it, so that the three cannot disagree. It knows files and bytes only: no container engine, no
//! network, no chain. Everything streams; the one thing held whole is callback data, which is
//! limited by [`computed::CALLBACK_BYTES_MAX`].

pub mod archive;
pub mod cid;
pub mod computed;
pub mod digest;
pub mod encryption;
mod limits;
mod tree;
pub mod unpack;
mod zip_source;

pub use cid::Cid;
pub use digest::{Computed, DigestError, Output};
pub use limits::Limits;
