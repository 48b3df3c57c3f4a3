//! Calls of the boost lane as bytes.

use crate::abi::Hub;
use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use poco_core::hub::{BoostCall, Push};

/// A call of the boost lane.
#[must_use]
pub fn boost(call: &BoostCall) -> Bytes {
    match call {
        BoostCall::Match { terms, is_sponsored: false } => Hub::matchOrdersBoostCall {
            appOrder: (&terms.app).into(),
            datasetOrder: (&terms.dataset).into(),
            workerpoolOrder: (&terms.workerpool).into(),
            requestOrder: (&terms.request).into(),
        }
        .abi_encode(),
        BoostCall::Match { terms, is_sponsored: true } => Hub::sponsorMatchOrdersBoostCall {
            appOrder: (&terms.app).into(),
            datasetOrder: (&terms.dataset).into(),
            workerpoolOrder: (&terms.workerpool).into(),
            requestOrder: (&terms.request).into(),
        }
        .abi_encode(),
        BoostCall::Push(push) => push_result(push).abi_encode(),
        BoostCall::Claim { deal, index } => {
            Hub::claimBoostCall { dealId: deal.0, index: *index }.abi_encode()
        }
    }
    .into()
}

fn push_result(push: &Push) -> Hub::pushResultBoostCall {
    Hub::pushResultBoostCall {
        dealId: push.deal.0,
        index: push.index,
        results: push.results.clone(),
        resultsCallback: push.results_callback.clone(),
        authorizationSign: push.authorization_sign.clone(),
        enclaveChallenge: push.enclave_challenge,
        enclaveSign: push.enclave_sign.clone(),
    }
}
