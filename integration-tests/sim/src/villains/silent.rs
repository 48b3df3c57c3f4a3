//! The silent: they take a task and are never heard of it again, though they stay connected.

use crate::scenario::Millis;

/// Longer than any deal lasts.
pub(super) const RUN_MILLIS: Millis = 1_000_000_000;
