//! Figures of the reference stack, to be shown beside ours.
//!
//! Gas is that of iExec PoCo 6.1.0, its own bytecode on anvil, in the scenario that the bench plays:
//! four orders never used before, a dataset, 124 bytes of params. Gas does not depend on the
//! machine. The time is that of iExec's Java scheduler at its default settings, whose workers ask
//! every 5 s and whose detectors look every 30 s; the machine hardly matters to it.

use super::gas::Call;

/// Overhead of a task, in seconds: the least and the most.
pub const OVERHEAD_SECONDS: (f64, f64) = (35.0, 60.0);

/// What is known of its memory.
pub const MEMORY: &str = "The reference runs a pool in 9 to 14 containers and three databases; what\n\
    they hold is not known.";

/// Gas of a call; `workers` voted in all.
#[must_use]
pub fn gas(call: Call, workers: usize) -> Option<u64> {
    Some(match call {
        Call::Match => 856_900,
        Call::Initialize => 231_100,
        Call::ContributeAlone => 399_100,
        Call::ContributeFirst => 319_900,
        Call::ContributeFollowing => 285_700,
        Call::ContributeDeciding => 381_500,
        Call::RevealFirst => 93_455,
        Call::RevealFollowing => 56_455,
        Call::Finalize if workers == 1 => 321_700,
        Call::Finalize if workers == 3 => 401_000,
        Call::Finalize => return None,
        Call::ContributeAndFinalize => 537_600,
        // It has no such lane: three workers take the classic one.
        Call::Commit | Call::Settle => return None,
    })
}

/// Gas of a whole task, match included.
#[must_use]
pub fn whole(is_fast: bool, workers: usize) -> Option<u64> {
    match (is_fast, workers) {
        // Not measured as one: the sum of its calls.
        (true, 1) => [Call::Match, Call::Initialize, Call::ContributeAndFinalize]
            .into_iter()
            .map(|call| gas(call, workers))
            .sum(),
        (false, 1) => Some(1_902_000),
        (false, 3) => Some(2_682_000),
        (true | false, _) => None,
    }
}
