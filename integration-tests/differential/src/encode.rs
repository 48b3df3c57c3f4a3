//! Calls of the hub as bytes.

mod boost;
mod lane;

pub use boost::boost;
pub use lane::lane;

use crate::abi::Hub;
use crate::stage::Places;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use poco_core::call::{Contribution, SignedTerms, WholeContribution};
use poco_core::hub::{OwnerCall, SideCall};
use poco_core::order::{
    AppOrder, DatasetOrder, OrderOperation, RequestOrder, Signed, WorkerpoolOrder,
};
use poco_core::{Amount, AnyOrder, Call, DealId};

/// A call of the hub.
#[must_use]
pub fn hub(call: &Call) -> Bytes {
    match call {
        Call::Deposit { .. }
        | Call::DepositFor { .. }
        | Call::DepositForArray { .. }
        | Call::Withdraw { .. }
        | Call::WithdrawTo { .. }
        | Call::Recover
        | Call::Transfer { .. }
        | Call::TransferFrom { .. }
        | Call::Approve { .. } => stake(call),
        Call::ManageOrder { order, operation, sign } => manage(order, *operation, sign),
        Call::MatchOrders(terms) => match_orders(terms),
        Call::SponsorMatchOrders(terms) => sponsor_match_orders(terms),
        Call::Contribute(contribution) => contribute(contribution),
        Call::ContributeAndFinalize(whole) => contribute_and_finalize(whole),
        Call::Initialize { .. }
        | Call::InitializeArray { .. }
        | Call::InitializeAndClaimArray { .. }
        | Call::Reveal { .. }
        | Call::Reopen { .. }
        | Call::Finalize { .. }
        | Call::Claim { .. }
        | Call::ClaimArray { .. } => task(call),
        Call::CreateCategory { name, description, work_clock_time_ref_seconds } => {
            Hub::createCategoryCall {
                name: name.clone(),
                description: description.clone(),
                workClockTimeRef: U256::from(*work_clock_time_ref_seconds),
            }
            .abi_encode()
            .into()
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes calls about stake alone")]
fn stake(call: &Call) -> Bytes {
    match call {
        Call::Deposit { amount } => Hub::depositCall { amount: amount.0 }.abi_encode(),
        Call::DepositFor { amount, target } => {
            Hub::depositForCall { amount: amount.0, target: *target }.abi_encode()
        }
        Call::DepositForArray { deposits } => deposit_for_array(deposits),
        Call::Withdraw { amount } => Hub::withdrawCall { amount: amount.0 }.abi_encode(),
        Call::WithdrawTo { amount, target } => {
            Hub::withdrawToCall { amount: amount.0, target: *target }.abi_encode()
        }
        Call::Recover => Hub::recoverCall {}.abi_encode(),
        Call::Transfer { to, amount } => {
            Hub::transferCall { recipient: *to, amount: amount.0 }.abi_encode()
        }
        Call::TransferFrom { from, to, amount } => {
            let (sender, recipient, amount) = (*from, *to, amount.0);
            Hub::transferFromCall { sender, recipient, amount }.abi_encode()
        }
        Call::Approve { spender, amount } => {
            Hub::approveCall { spender: *spender, amount: amount.0 }.abi_encode()
        }
        _ => unreachable!("no call about stake"),
    }
    .into()
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes calls about tasks alone")]
fn task(call: &Call) -> Bytes {
    match call {
        Call::Initialize { deal, index } => {
            Hub::initializeCall { dealId: deal.0, index: *index }.abi_encode()
        }
        Call::InitializeArray { tasks } => {
            let (deal_ids, indexes) = columns(tasks);
            Hub::initializeArrayCall { dealIds: deal_ids, indexes }.abi_encode()
        }
        Call::InitializeAndClaimArray { tasks } => {
            let (deal_ids, indexes) = columns(tasks);
            Hub::initializeAndClaimArrayCall { dealIds: deal_ids, indexes }.abi_encode()
        }
        Call::Reveal { task, digest } => {
            Hub::revealCall { taskId: task.0, resultDigest: digest.0 }.abi_encode()
        }
        Call::Reopen { task } => Hub::reopenCall { taskId: task.0 }.abi_encode(),
        Call::Finalize { task, results, results_callback } => Hub::finalizeCall {
            taskId: task.0,
            results: results.clone(),
            resultsCallback: results_callback.clone(),
        }
        .abi_encode(),
        Call::Claim { task } => Hub::claimCall { taskId: task.0 }.abi_encode(),
        Call::ClaimArray { tasks } => {
            let ids = tasks.iter().map(|task| task.0).collect();
            Hub::claimArrayCall { taskIds: ids }.abi_encode()
        }
        _ => unreachable!("no call about a task"),
    }
    .into()
}

/// A call of the hub beside those.
#[must_use]
pub fn side(call: &SideCall, places: &Places) -> Bytes {
    match call {
        SideCall::IncreaseAllowance { spender, added } => {
            Hub::increaseAllowanceCall { spender: *spender, added: added.0 }.abi_encode()
        }
        SideCall::DecreaseAllowance { spender, subtracted } => {
            let (spender, subtracted) = (*spender, subtracted.0);
            Hub::decreaseAllowanceCall { spender, subtracted }.abi_encode()
        }
        SideCall::ApproveAndCall { spender, amount } => {
            Hub::approveAndCallCall { spender: *spender, amount: amount.0, data: Bytes::new() }
                .abi_encode()
        }
        SideCall::ReceiveApproval { owner, amount, is_token, terms } => Hub::receiveApprovalCall {
            sender: *owner,
            amount: amount.0,
            token: if *is_token { places.token } else { places.hub },
            data: terms.as_ref().map_or_else(Bytes::new, |terms| match_orders(terms)),
        }
        .abi_encode(),
        SideCall::Broadcast(order) => broadcast(order),
        SideCall::ImportScore { worker } => Hub::importScoreCall { worker: *worker }.abi_encode(),
        SideCall::RaiseEpoch => Hub::raiseEpochCall {}.abi_encode(),
        SideCall::UpdateDomainSeparator => Hub::updateDomainSeparatorCall {}.abi_encode(),
    }
    .into()
}

/// A configuration of the hub.
#[must_use]
pub fn owner(call: &OwnerCall, places: &Places) -> Bytes {
    match *call {
        OwnerCall::SetTeeBroker { broker } => {
            Hub::setTeeBrokerCall { teebroker: broker }.abi_encode()
        }
        OwnerCall::TransferOwnership { to } => {
            Hub::transferOwnershipCall { newOwner: to }.abi_encode()
        }
        OwnerCall::RenounceOwnership => Hub::renounceOwnershipCall {}.abi_encode(),
        OwnerCall::SetCallbackGas { gas } => {
            Hub::setCallbackGasCall { callbackgas: gas }.abi_encode()
        }
        OwnerCall::Configure => places.configuration(Address::ZERO).abi_encode(),
        OwnerCall::ChangeRegistries => {
            let [appregistry, datasetregistry, workerpoolregistry] = places.registries;
            Hub::changeRegistriesCall { appregistry, datasetregistry, workerpoolregistry }
                .abi_encode()
        }
    }
    .into()
}

fn deposit_for_array(deposits: &[(Amount, Address)]) -> Vec<u8> {
    let (amounts, targets) = deposits.iter().map(|(amount, target)| (amount.0, *target)).unzip();
    Hub::depositForArrayCall { amounts, targets }.abi_encode()
}

fn manage(order: &AnyOrder, operation: OrderOperation, sign: &Bytes) -> Bytes {
    let (operation, sign) = (operation as u8, sign.clone());
    match order {
        AnyOrder::App(order) => Hub::manageAppOrderCall {
            operation: Hub::AppOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
        AnyOrder::Dataset(order) => Hub::manageDatasetOrderCall {
            operation: Hub::DatasetOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
        AnyOrder::Workerpool(order) => Hub::manageWorkerpoolOrderCall {
            operation: Hub::WorkerpoolOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
        AnyOrder::Request(order) => Hub::manageRequestOrderCall {
            operation: Hub::RequestOrderOperation { order: order.into(), operation, sign },
        }
        .abi_encode(),
    }
    .into()
}

fn broadcast(order: &AnyOrder) -> Vec<u8> {
    match order {
        AnyOrder::App(order) => Hub::broadcastAppOrderCall { order: order.into() }.abi_encode(),
        AnyOrder::Dataset(order) => {
            Hub::broadcastDatasetOrderCall { order: order.into() }.abi_encode()
        }
        AnyOrder::Workerpool(order) => {
            Hub::broadcastWorkerpoolOrderCall { order: order.into() }.abi_encode()
        }
        AnyOrder::Request(order) => {
            Hub::broadcastRequestOrderCall { order: order.into() }.abi_encode()
        }
    }
}

/// The call that makes a deal.
#[must_use]
pub fn match_orders(terms: &SignedTerms) -> Bytes {
    Hub::matchOrdersCall {
        appOrder: (&terms.app).into(),
        datasetOrder: (&terms.dataset).into(),
        workerpoolOrder: (&terms.workerpool).into(),
        requestOrder: (&terms.request).into(),
    }
    .abi_encode()
    .into()
}

fn sponsor_match_orders(terms: &SignedTerms) -> Bytes {
    Hub::sponsorMatchOrdersCall {
        appOrder: (&terms.app).into(),
        datasetOrder: (&terms.dataset).into(),
        workerpoolOrder: (&terms.workerpool).into(),
        requestOrder: (&terms.request).into(),
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

impl From<&Signed<AppOrder>> for Hub::AppOrder {
    fn from(signed: &Signed<AppOrder>) -> Self {
        let order = &signed.order;
        Self {
            app: order.app,
            appprice: order.price.0,
            volume: order.volume,
            tag: order.tag.0,
            datasetrestrict: order.dataset_restrict,
            workerpoolrestrict: order.workerpool_restrict,
            requesterrestrict: order.requester_restrict,
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}

impl From<&Signed<DatasetOrder>> for Hub::DatasetOrder {
    fn from(signed: &Signed<DatasetOrder>) -> Self {
        let order = &signed.order;
        Self {
            dataset: order.dataset,
            datasetprice: order.price.0,
            volume: order.volume,
            tag: order.tag.0,
            apprestrict: order.app_restrict,
            workerpoolrestrict: order.workerpool_restrict,
            requesterrestrict: order.requester_restrict,
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}

impl From<&Signed<WorkerpoolOrder>> for Hub::WorkerpoolOrder {
    fn from(signed: &Signed<WorkerpoolOrder>) -> Self {
        let order = &signed.order;
        Self {
            workerpool: order.workerpool,
            workerpoolprice: order.price.0,
            volume: order.volume,
            tag: order.tag.0,
            category: order.category,
            trust: order.trust,
            apprestrict: order.app_restrict,
            datasetrestrict: order.dataset_restrict,
            requesterrestrict: order.requester_restrict,
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}

impl From<&Signed<RequestOrder>> for Hub::RequestOrder {
    fn from(signed: &Signed<RequestOrder>) -> Self {
        let order = &signed.order;
        Self {
            app: order.app,
            appmaxprice: order.app_price_max.0,
            dataset: order.dataset,
            datasetmaxprice: order.dataset_price_max.0,
            workerpool: order.workerpool,
            workerpoolmaxprice: order.workerpool_price_max.0,
            requester: order.requester,
            volume: order.volume,
            tag: order.tag.0,
            category: order.category,
            trust: order.trust,
            beneficiary: order.beneficiary,
            callback: order.callback,
            params: order.params.clone(),
            salt: order.salt,
            sign: signed.sign.clone(),
        }
    }
}
