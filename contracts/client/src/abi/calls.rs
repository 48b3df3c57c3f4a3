//! Calls of the hub as calldata.

use crate::abi::{self, Hub};
use alloy_sol_types::SolCall;
use poco_core::call::{Contribution, SignedTerms, WholeContribution};
use poco_core::order::OrderOperation;
use poco_core::{Address, Amount, AnyOrder, B256, Bytes, Call, DealId, U256};

/// The calldata of a call.
pub(crate) fn encode(call: &Call) -> Bytes {
    match call {
        Call::Deposit { amount } => Hub::depositCall { amount: amount.0 }.abi_encode().into(),
        Call::DepositFor { amount, target } => {
            Hub::depositForCall { amount: amount.0, target: *target }.abi_encode().into()
        }
        Call::DepositForArray { deposits } => deposit_for_array(deposits),
        Call::Withdraw { amount } => Hub::withdrawCall { amount: amount.0 }.abi_encode().into(),
        Call::WithdrawTo { amount, target } => {
            Hub::withdrawToCall { amount: amount.0, target: *target }.abi_encode().into()
        }
        Call::Recover => Hub::recoverCall {}.abi_encode().into(),
        Call::Transfer { to, amount } => {
            Hub::transferCall { recipient: *to, amount: amount.0 }.abi_encode().into()
        }
        Call::TransferFrom { from, to, amount } => {
            let (sender, recipient, amount) = (*from, *to, amount.0);
            Hub::transferFromCall { sender, recipient, amount }.abi_encode().into()
        }
        Call::Approve { spender, amount } => {
            Hub::approveCall { spender: *spender, amount: amount.0 }.abi_encode().into()
        }
        Call::ManageOrder { order, operation, sign } => manage(order, *operation, sign),
        Call::MatchOrders(terms) => match_orders(terms),
        Call::SponsorMatchOrders(terms) => sponsor_match_orders(terms),
        Call::Initialize { deal, index } => {
            Hub::initializeCall { dealId: deal.0, index: *index }.abi_encode().into()
        }
        Call::InitializeArray { tasks } => {
            let (deals, indexes) = columns(tasks);
            Hub::initializeArrayCall { dealIds: deals, indexes }.abi_encode().into()
        }
        Call::InitializeAndClaimArray { tasks } => {
            let (deals, indexes) = columns(tasks);
            Hub::initializeAndClaimArrayCall { dealIds: deals, indexes }.abi_encode().into()
        }
        Call::Contribute(contribution) => contribute(contribution),
        Call::Reveal { task, digest } => {
            Hub::revealCall { taskId: task.0, resultDigest: digest.0 }.abi_encode().into()
        }
        Call::Reopen { task } => Hub::reopenCall { taskId: task.0 }.abi_encode().into(),
        Call::Finalize { task, results, results_callback } => {
            let (results, results_callback) = (results.clone(), results_callback.clone());
            Hub::finalizeCall { taskId: task.0, results, resultsCallback: results_callback }
                .abi_encode()
                .into()
        }
        Call::ContributeAndFinalize(whole) => contribute_and_finalize(whole),
        Call::Claim { task } => Hub::claimCall { taskId: task.0 }.abi_encode().into(),
        Call::ClaimArray { tasks } => {
            let ids = tasks.iter().map(|task| task.0).collect();
            Hub::claimArrayCall { taskIds: ids }.abi_encode().into()
        }
        Call::CreateCategory { name, description, work_clock_time_ref_seconds } => {
            let (name, description) = (name.clone(), description.clone());
            let seconds = U256::from(*work_clock_time_ref_seconds);
            Hub::createCategoryCall { name, description, workClockTimeRef: seconds }
                .abi_encode()
                .into()
        }
    }
}

fn deposit_for_array(deposits: &[(Amount, Address)]) -> Bytes {
    let (amounts, targets) = deposits.iter().map(|(amount, target)| (amount.0, *target)).unzip();
    Hub::depositForArrayCall { amounts, targets }.abi_encode().into()
}

fn manage(order: &AnyOrder, operation: OrderOperation, sign: &Bytes) -> Bytes {
    let operation = operation as u8;
    let sign = sign.clone();
    match order {
        AnyOrder::App(order) => Hub::manageAppOrderCall {
            operation: abi::AppOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
        AnyOrder::Dataset(order) => Hub::manageDatasetOrderCall {
            operation: abi::DatasetOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
        AnyOrder::Workerpool(order) => Hub::manageWorkerpoolOrderCall {
            operation: abi::WorkerpoolOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
        AnyOrder::Request(order) => Hub::manageRequestOrderCall {
            operation: abi::RequestOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
    }
    .into()
}

fn match_orders(terms: &SignedTerms) -> Bytes {
    Hub::matchOrdersCall {
        _0: (&terms.app).into(),
        _1: (&terms.dataset).into(),
        _2: (&terms.workerpool).into(),
        _3: (&terms.request).into(),
    }
    .abi_encode()
    .into()
}

fn sponsor_match_orders(terms: &SignedTerms) -> Bytes {
    Hub::sponsorMatchOrdersCall {
        _0: (&terms.app).into(),
        _1: (&terms.dataset).into(),
        _2: (&terms.workerpool).into(),
        _3: (&terms.request).into(),
    }
    .abi_encode()
    .into()
}

fn contribute(contribution: &Contribution) -> Bytes {
    Hub::contributeCall {
        taskId: contribution.task.0,
        resultHash: contribution.hash.0,
        resultSeal: contribution.seal.0,
        enclaveChallenge: contribution.enclave_challenge,
        enclaveSign: contribution.enclave_sign.clone(),
        authorizationSign: contribution.authorization_sign.clone(),
    }
    .abi_encode()
    .into()
}

fn contribute_and_finalize(whole: &WholeContribution) -> Bytes {
    Hub::contributeAndFinalizeCall {
        taskId: whole.task.0,
        resultDigest: whole.digest.0,
        results: whole.results.clone(),
        resultsCallback: whole.results_callback.clone(),
        enclaveChallenge: whole.enclave_challenge,
        enclaveSign: whole.enclave_sign.clone(),
        authorizationSign: whole.authorization_sign.clone(),
    }
    .abi_encode()
    .into()
}

fn columns(tasks: &[(DealId, U256)]) -> (Vec<B256>, Vec<U256>) {
    tasks.iter().map(|(deal, index)| (deal.0, *index)).unzip()
}
