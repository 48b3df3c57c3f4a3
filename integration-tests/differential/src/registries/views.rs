//! What both sides answer, with names for entries.

use super::act::{Act, Kind, Step};
use super::stage::{KEEPER, Side, Stage};
use crate::abi::{Fields, Hub, Registry};
use crate::cast::Cast;
use crate::chain::Answer;
use alloy_primitives::{Address, Bytes, FixedBytes, U256};
use alloy_sol_types::SolCall;
use anyhow::{Result, bail};

/// Asks both sides and remembers the first answer that differs.
struct Inquiry<'a> {
    stage: &'a mut Stage,
    difference: Option<String>,
}

/// What a step that was taken may have changed.
///
/// # Errors
/// Where the machine itself fails.
pub(super) fn touched(stage: &mut Stage, step: &Step) -> Result<Option<String>> {
    let mut inquiry = Inquiry { stage, difference: None };
    match &step.act {
        Act::Create { kind, owner, .. } => {
            let last = inquiry.stage.count().saturating_sub(1);
            inquiry.entry(*kind, last)?;
            inquiry.holdings(*kind, *owner)?;
            inquiry.fields(*kind, last)?;
        }
        Act::Approve { kind, entry, .. } => inquiry.entry(*kind, *entry)?,
        Act::ApproveAll { kind, operator, .. } => {
            inquiry.operator(*kind, step.sender, *operator)?;
        }
        Act::Transfer { kind, parties: (from, to), entry, .. } => {
            inquiry.entry(*kind, *entry)?;
            inquiry.holdings(*kind, *from)?;
            inquiry.holdings(*kind, *to)?;
        }
        Act::ChangePolicy { entry, .. } => inquiry.fields(Kind::Pool, *entry)?,
        Act::SetBaseUri { kind, .. } | Act::Own { kind, .. } | Act::Initialize { kind, .. } => {
            inquiry.registry(*kind)?;
        }
        Act::SetName { .. } | Act::InitializeEntry { .. } | Act::Match { .. } => {}
    }
    Ok(inquiry.difference)
}

/// Everything there is to ask.
///
/// # Errors
/// Where the machine itself fails.
pub(super) fn everything(stage: &mut Stage, cast: &Cast) -> Result<Option<String>> {
    let mut accounts = vec![cast.app_owner, cast.dataset_owner, cast.requesters[0], KEEPER];
    accounts.extend(cast.pool_owners);
    let mut inquiry = Inquiry { stage, difference: None };
    for kind in Kind::ALL {
        inquiry.registry(kind)?;
        for account in accounts.iter().chain([&Address::ZERO]) {
            inquiry.holdings(kind, *account)?;
            for operator in &accounts {
                inquiry.operator(kind, *account, *operator)?;
            }
        }
        for number in inquiry.stage.numbers(kind) {
            inquiry.entry(kind, number)?;
            inquiry.fields(kind, number)?;
        }
        // One that no registry has.
        let none = inquiry.stage.count() + 7;
        inquiry.entry(kind, none)?;
    }
    Ok(inquiry.difference)
}

/// The deals that a match made.
///
/// # Errors
/// Where the machine itself fails.
pub(super) fn deal(stage: &mut Stage, ours: &Answer, reference: &Answer) -> Result<Option<String>> {
    let ids = [ours, reference].map(|answer| match answer {
        Answer::Done { output, .. } => FixedBytes::<32>::try_from(output.as_ref()).ok(),
        Answer::Refused(_) => None,
    });
    let [Some(id), Some(same)] = ids else { bail!("a match answers with the deal's id") };
    let mut inquiry = Inquiry { stage, difference: None };
    let to = |side: &Side| side.places.hub;
    let call = |id| Bytes::from(Hub::viewDealCall { id }.abi_encode());
    inquiry.ask("viewDeal", to, [call(id), call(same)])?;
    Ok(inquiry.difference)
}

impl Inquiry<'_> {
    /// Asks each side its own question.
    fn ask(
        &mut self,
        view: &str,
        to: impl Fn(&Side) -> Address,
        [ours, reference]: [Bytes; 2],
    ) -> Result<()> {
        if self.difference.is_some() {
            return Ok(());
        }
        let ours = answered(&mut self.stage.ours, &to, ours)?;
        let reference = answered(&mut self.stage.reference, &to, reference)?;
        if ours != reference {
            self.difference =
                Some(format!("{view} answers {ours:?} by ours, {reference:?} by the reference"));
        }
        Ok(())
    }

    /// Asks the registry of a kind.
    fn ask_registry<C: SolCall>(&mut self, kind: Kind, call: impl Fn(&Side) -> C) -> Result<()> {
        let [ours, reference] = [&self.stage.ours, &self.stage.reference]
            .map(|side| Bytes::from(call(side).abi_encode()));
        self.ask(C::SIGNATURE, |side| side.registry(kind), [ours, reference])
    }

    fn registry(&mut self, kind: Kind) -> Result<()> {
        self.ask_registry(kind, |_| Registry::ownerCall {})?;
        self.ask_registry(kind, |_| Registry::previousCall {})?;
        self.ask_registry(kind, |_| Registry::initializedCall {})?;
        self.ask_registry(kind, |_| Registry::nameCall {})?;
        self.ask_registry(kind, |_| Registry::symbolCall {})?;
        self.ask_registry(kind, |_| Registry::baseURICall {})?;
        self.ask_registry(kind, |_| Registry::totalSupplyCall {})?;
        self.ask_registry(kind, |side| {
            let (_, entry) = side.old[kind.place()];
            Registry::isRegisteredCall { entry }
        })?;
        for id in [0x01ff_c9a7_u32, 0x80ac_58cd, 0x5b5e_139f, 0x780e_9d63, 0xffff_ffff] {
            let id = FixedBytes::from(id.to_be_bytes());
            self.ask_registry(kind, |_| Registry::supportsInterfaceCall { interfaceId: id })?;
        }
        let all = self.stage.numbers(kind).len();
        for index in 0..=all {
            let index = U256::from(index);
            self.ask_registry(kind, |_| Registry::tokenByIndexCall { index })?;
        }
        Ok(())
    }

    /// What a registry says of an entry, which may be none of its own.
    fn entry(&mut self, kind: Kind, number: usize) -> Result<()> {
        self.ask_registry(kind, |side| Registry::ownerOfCall { tokenId: side.token(number) })?;
        self.ask_registry(kind, |side| Registry::getApprovedCall { tokenId: side.token(number) })?;
        self.ask_registry(kind, |side| Registry::isRegisteredCall { entry: side.entry(number) })?;
        self.place(kind, number)
    }

    /// Where an entry is described: the number of its address differs, what stands before it does not.
    fn place(&mut self, kind: Kind, number: usize) -> Result<()> {
        let mut before = Vec::new();
        for side in [&mut self.stage.ours, &mut self.stage.reference] {
            let (to, id) = (side.registry(kind), side.token(number));
            let call = Registry::tokenURICall { tokenId: id };
            before.push(match side.chain.ask(to, call.abi_encode().into())? {
                Answer::Done { output, .. } => {
                    let text = Registry::tokenURICall::abi_decode_returns(&output)?;
                    let is_whole = text.is_empty() || text.ends_with(&id.to_string());
                    Some(if is_whole { text.replace(&id.to_string(), "") } else { text })
                }
                Answer::Refused(_) => None,
            });
        }
        if self.difference.is_none() && before.first() != before.last() {
            self.difference = Some(format!("tokenURI answers {before:?}"));
        }
        Ok(())
    }

    fn holdings(&mut self, kind: Kind, account: Address) -> Result<()> {
        self.ask_registry(kind, |_| Registry::balanceOfCall { account })?;
        // Those that it has, and one more, which is refused.
        for index in 0..=self.balance(kind, account)? {
            let index = U256::from(index);
            self.ask_registry(kind, |_| Registry::tokenOfOwnerByIndexCall { account, index })?;
        }
        Ok(())
    }

    fn balance(&mut self, kind: Kind, account: Address) -> Result<u64> {
        let side = &mut self.stage.reference;
        let call = Registry::balanceOfCall { account };
        Ok(match side.chain.ask(side.registry(kind), call.abi_encode().into())? {
            Answer::Done { output, .. } => {
                Registry::balanceOfCall::abi_decode_returns(&output)?.to()
            }
            Answer::Refused(_) => 0,
        })
    }

    fn operator(&mut self, kind: Kind, account: Address, operator: Address) -> Result<()> {
        self.ask_registry(kind, |_| Registry::isApprovedForAllCall { account, operator })
    }

    /// What an entry says of itself, and what the hub says of it.
    fn fields(&mut self, kind: Kind, number: usize) -> Result<()> {
        let of_all = [Fields::ownerCall::SELECTOR, Fields::registryCall::SELECTOR];
        let own: &[[u8; 4]] = match kind {
            Kind::App => &[
                Fields::m_appNameCall::SELECTOR,
                Fields::m_appTypeCall::SELECTOR,
                Fields::m_appMultiaddrCall::SELECTOR,
                Fields::m_appChecksumCall::SELECTOR,
                Fields::m_appMREnclaveCall::SELECTOR,
            ],
            Kind::Dataset => &[
                Fields::m_datasetNameCall::SELECTOR,
                Fields::m_datasetMultiaddrCall::SELECTOR,
                Fields::m_datasetChecksumCall::SELECTOR,
            ],
            Kind::Pool => &[
                Fields::m_workerpoolDescriptionCall::SELECTOR,
                Fields::m_workerStakeRatioPolicyCall::SELECTOR,
                Fields::m_schedulerRewardRatioPolicyCall::SELECTOR,
            ],
        };
        for selector in of_all.iter().chain(own) {
            let data = Bytes::from(selector.to_vec());
            self.ask("a field", |side| side.entry(number), [data.clone(), data])?;
        }
        let asked = [&self.stage.ours, &self.stage.reference].map(|side| {
            let entry = side.entry(number);
            Bytes::from(match kind {
                Kind::App => Hub::viewAppCall { app: entry }.abi_encode(),
                Kind::Dataset => Hub::viewDatasetCall { dataset: entry }.abi_encode(),
                Kind::Pool => Hub::viewWorkerpoolCall { workerpool: entry }.abi_encode(),
            })
        });
        self.ask("the hub's view", |side| side.places.hub, asked)
    }
}

/// What a side answers, with names; nothing where it refuses.
fn answered(side: &mut Side, to: impl Fn(&Side) -> Address, data: Bytes) -> Result<Option<Bytes>> {
    let to = to(side);
    Ok(match side.chain.ask(to, data)? {
        Answer::Done { output, .. } => Some(side.named(&output)),
        Answer::Refused(_) => None,
    })
}
