//! What our contracts can hold: records are contract code, and code has a limit.

use super::refusal::Refusal;
use super::state::State;
use crate::deal::Deal;
use crate::mark::DealConditions;
use crate::rules::RECORD_BYTES_MAX;
use alloy_primitives::{Address, Bytes, U256};

/// Bytes of a deal's record before its four numbers.
const DEAL_HEAD_BYTES: usize = 204;
/// A dataset with owner and price.
const DATASET_BYTES: usize = 52;
/// An optional account.
const ACCOUNT_BYTES: usize = 20;
/// Conditions and their guard.
const CONDITIONS_BYTES: usize = 21;
/// The two bytes that say what a record is.
const KIND_BYTES: usize = 2;
/// The length of the results, where callback bytes follow.
const LENGTH_BYTES: usize = 3;
/// Digest and worker, of a task done in one call.
const FAST_BYTES: usize = 52;

/// What a result's record holds beside results and callback bytes.
#[derive(Clone, Copy)]
pub(super) enum ResultForm {
    /// Of `finalize`.
    Classic,
    /// Of `contributeAndFinalize`, with the enclave's key if there is one.
    Fast(Address),
}

impl State {
    /// Refuses a deal whose record would be too long.
    pub(super) fn check_deal_record(
        &self,
        deal: &Deal,
        conditions: DealConditions,
    ) -> Result<(), Refusal> {
        let is_wide = [deal.trust, deal.bot_first, deal.bot_size, deal.worker_stake.0]
            .into_iter()
            .any(|number| number > U256::from(u64::MAX));
        let number_bytes: usize = if is_wide { 32 } else { 8 };
        let accounts =
            [!deal.beneficiary.is_zero(), !deal.callback.is_zero(), deal.sponsor != deal.requester];
        let optional = accounts.into_iter().filter(|is_there| *is_there).count();
        let bytes = DEAL_HEAD_BYTES
            .saturating_add(number_bytes.saturating_mul(4))
            .saturating_add(if deal.dataset.pointer.is_zero() { 0 } else { DATASET_BYTES })
            .saturating_add(optional.saturating_mul(ACCOUNT_BYTES))
            .saturating_add(if conditions == DealConditions::NONE { 0 } else { CONDITIONS_BYTES })
            .saturating_add(deal.params.len());
        self.check_record(bytes)
    }

    /// Refuses results whose record would be too long.
    pub(super) fn check_result_record(
        &self,
        form: ResultForm,
        results: &Bytes,
        results_callback: &Bytes,
    ) -> Result<(), Refusal> {
        let head = match form {
            ResultForm::Classic => KIND_BYTES,
            ResultForm::Fast(challenge) if challenge.is_zero() => {
                KIND_BYTES.saturating_add(FAST_BYTES)
            }
            ResultForm::Fast(_) => {
                KIND_BYTES.saturating_add(FAST_BYTES).saturating_add(ACCOUNT_BYTES)
            }
        };
        let length = if results_callback.is_empty() { 0 } else { LENGTH_BYTES };
        let bytes = head
            .saturating_add(length)
            .saturating_add(results.len())
            .saturating_add(results_callback.len());
        self.check_record(bytes)
    }

    fn check_record(&self, bytes: usize) -> Result<(), Refusal> {
        if self.rules.are_ours() && bytes > RECORD_BYTES_MAX {
            Err(Refusal::RecordTooLong)
        } else {
            Ok(())
        }
    }
}
