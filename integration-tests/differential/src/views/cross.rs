//! Questions that the model leaves out, asked of both hubs.

use crate::abi::Hub;
use crate::chain::Answer;
use crate::play::is_garbled;
use crate::stage::Stage;
use alloy_primitives::Bytes;
use alloy_sol_types::SolCall;
use anyhow::Result;
use poco_core::call::SignedTerms;
use poco_core::order::Order;
use poco_core::{DealId, OrderKind, Tag};

/// What both hubs answer to questions that the model leaves out, where they are in one state:
/// volumes, signatures, entries, and whether a dataset may be used with a deal.
///
/// # Errors
/// Where the machine itself fails.
pub fn cross(stage: &mut Stage, shown: &[SignedTerms]) -> Result<Option<String>> {
    let Some(terms) = shown.last() else { return Ok(None) };
    let separator = stage.ours.model.domain_separator();
    let hash = terms.request.order.hash(separator).0;
    let (identity, signature) = (terms.request.order.requester, terms.request.sign.clone());
    let deal = stage.ours.model.deals().next().map_or(DealId::ZERO, |(id, _)| id);
    let (app, dataset) = (terms.app.order.app, terms.dataset.order.dataset);
    let workerpool = terms.workerpool.order.workerpool;
    let mut questions: Vec<Vec<u8>> = vec![
        Hub::computeDealVolumeCall {
            appOrder: (&terms.app).into(),
            datasetOrder: (&terms.dataset).into(),
            workerpoolOrder: (&terms.workerpool).into(),
            requestOrder: (&terms.request).into(),
        }
        .abi_encode(),
        Hub::verifyPresignatureCall { identity, hash }.abi_encode(),
        Hub::domainCall {}.abi_encode(),
    ];
    let is_plain = !identity.is_zero();
    if is_plain {
        let signature = signature.clone();
        questions.push(Hub::verifySignatureCall { identity, hash, signature }.abi_encode());
        let signature = terms.request.sign.clone();
        questions.push(
            Hub::verifyPresignatureOrSignatureCall { identity, hash, signature }.abi_encode(),
        );
    }
    let model = &stage.ours.model;
    if model.resource_owner(OrderKind::App, app).is_some() {
        questions.push(Hub::viewAppCall { app }.abi_encode());
    }
    if model.resource_owner(OrderKind::Workerpool, workerpool).is_some() {
        questions.push(Hub::viewWorkerpoolCall { workerpool }.abi_encode());
    }
    // The two releases of the reference read the enclave kinds of a dataset differently.
    let is_the_same = terms.dataset.order.tag.without(Tag::TEE_KINDS) == terms.dataset.order.tag;
    if model.resource_owner(OrderKind::Dataset, dataset).is_some() && is_the_same {
        questions.push(Hub::viewDatasetCall { dataset }.abi_encode());
        let order = (&terms.dataset).into();
        let call = Hub::assertDatasetDealCompatibilityCall { datasetOrder: order, dealId: deal.0 };
        questions.push(call.abi_encode());
    }
    for question in questions {
        let data = Bytes::from(question);
        let to = stage.places.hub;
        let ours = stage.ours.chain.ask(to, data.clone())?;
        let reference = stage.reference.chain.ask(to, data.clone())?;
        let is_silent = matches!(&reference, Answer::Refused(data) if data.is_empty());
        let is_known = is_silent && (matches!(ours, Answer::Refused(_)) || is_garbled(&data));
        if ours != reference && !is_known {
            let text = format!("{data} answers {ours:?} by ours, {reference:?} by the reference");
            return Ok(Some(text));
        }
    }
    Ok(None)
}
