//! Those who vote and then keep silent, in both lanes.

use poco_worker_core::Intent;

pub(super) fn withholds(intent: Intent) -> bool {
    match intent {
        Intent::Reveal | Intent::Disclose => true,
        Intent::Contribute | Intent::ContributeAndFinalize | Intent::Close | Intent::Release => {
            false
        }
    }
}
