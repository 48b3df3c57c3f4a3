//! The gRPC protocol between scheduler, workers and requesters, generated from `poco/v1`.
//!
//! Protobuf is known here alone: the conversions to the words of `poco-core` live beside the
//! generated code, and refuse what cannot be one of them.

pub mod codec;
pub mod pool_url;
pub mod words;

/// Version of the protocol in `poco/v1`; both sides must speak the same.
pub const PROTOCOL_VERSION: u32 = 2;

/// Largest message either side takes: a login with thousands of live tasks fits.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Bytes of one part of an upload.
pub const UPLOAD_PART_BYTES: usize = 256 * 1024;

/// Messages and services of package `poco.v1`.
#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::allow_attributes_without_reason,
    clippy::large_futures,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    rust_2018_idioms,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("poco.v1");
}
