//! Marked orders: epochs of signers, conditions of deals, and the groups that guard them.
//!
//! iExec's own hub knows nothing of them: there nobody has an epoch and no deal has conditions.

use super::Chain;
use super::read::{decode, yes_or_no};
use crate::abi::{Conditions, Group, Hub, Registry, views};
use crate::rpc::{Answer, RpcCall, RpcError};
use crate::transaction::GroupPurpose;
use alloy_sol_types::SolCall;
use poco_core::call::SignedTerms;
use poco_core::mark::agreement::{Marked, Parties};
use poco_core::{Address, B256, Bytes, Deal, DealConditions, DealId, OrderKind, U256};

impl Chain {
    /// The epoch of an account; `None` where the hub heeds no marks.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn epoch(&self, account: Address) -> Result<Option<u16>, RpcError> {
        let call = self.view_of(self.hub(), &Conditions::viewEpochCall { account });
        let [answer] = self.views([call]).await?;
        epoch(answer)
    }

    /// What a deal keeps beyond what every deal does; nothing where the hub heeds no marks.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn deal_conditions(&self, deal: DealId) -> Result<DealConditions, RpcError> {
        let call = Conditions::viewDealConditionsCall { dealid: deal.0 };
        let [answer] = self.views([self.view_of(self.hub(), &call)]).await?;
        conditions_of(answer)
    }

    /// A deal and what it keeps, in one batch; `None` where there is no such deal.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn deal_terms(&self, id: DealId) -> Result<Option<(Deal, DealConditions)>, RpcError> {
        let conditions = Conditions::viewDealConditionsCall { dealid: id.0 };
        let calls = [
            self.view_of(self.hub(), &Hub::viewDealCall { id: id.0 }),
            self.view_of(self.hub(), &conditions),
        ];
        let [deal, kept] = self.views(calls).await?;
        let view = decode::<Hub::viewDealCall>(deal)?
            .map_err(|refusal| RpcError::unexpected("viewDeal", refusal))?;
        let deal = views::deal(view).map_err(|error| RpcError::unexpected("viewDeal", error))?;
        Ok(deal.zip(Some(conditions_of(kept)?)))
    }

    /// What `poco_core::mark::agreement::agree` needs to know about four orders that `payer` would
    /// match; `None` where the hub heeds no marks. A resource that is in no registry has no owner.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn parties(
        &self,
        terms: &SignedTerms,
        payer: Address,
    ) -> Result<Option<Parties>, RpcError> {
        let SignedTerms { app, dataset, workerpool, request } = terms;
        let resources = [
            (OrderKind::App, app.order.app),
            (OrderKind::Dataset, dataset.order.dataset),
            (OrderKind::Workerpool, workerpool.order.workerpool),
        ];
        let calls = resources.map(|(kind, resource)| self.owner_of(kind, resource));
        let mut signers = Vec::with_capacity(4);
        for answer in self.views(calls).await? {
            let owner = known::<Registry::ownerOfCall>(answer)?;
            signers.push(owner.unwrap_or_default());
        }
        signers.push(request.order.requester);
        let salts = [app.order.salt, dataset.order.salt, workerpool.order.salt, request.order.salt];
        let Some(marked) = self.marked(&signers, salts).await? else { return Ok(None) };
        let [app, of_dataset, workerpool, request] = marked;
        let dataset = (!dataset.order.dataset.is_zero()).then_some(of_dataset);
        Ok(Some(Parties { app, dataset, workerpool, request, payer }))
    }

    fn owner_of(&self, kind: OrderKind, resource: Address) -> RpcCall {
        let token_id = U256::from_be_slice(resource.as_slice());
        self.view_of(self.registry(kind), &Registry::ownerOfCall { tokenId: token_id })
    }

    async fn marked(
        &self,
        signers: &[Address],
        salts: [B256; 4],
    ) -> Result<Option<[Marked; 4]>, RpcError> {
        let epoch_of = |account: &Address| {
            self.view_of(self.hub(), &Conditions::viewEpochCall { account: *account })
        };
        let answers = self.read(signers.iter().map(epoch_of).collect()).await?;
        let mut marked = salts.map(|salt| Marked { salt, signer: Address::ZERO, epoch: 0 });
        for ((marked, signer), answer) in marked.iter_mut().zip(signers).zip(answers) {
            let Some(epoch) = epoch(answer)? else { return Ok(None) };
            marked.signer = *signer;
            marked.epoch = epoch;
        }
        Ok(Some(marked))
    }

    /// Whether the contract `group` knows `key` for a purpose; false for what is no group.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn is_known_to(
        &self,
        group: Address,
        key: Address,
        purpose: GroupPurpose,
    ) -> Result<bool, RpcError> {
        let call = Group::keyHasPurposeCall { key: key.into_word(), purpose: purpose.number() };
        let [answer] = self.views([self.view_of(group, &call)]).await?;
        yes_or_no(answer)
    }

    /// Whether a contract answers as a group does, whomever it knows.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn is_group(&self, group: Address) -> Result<bool, RpcError> {
        let key = Address::ZERO.into_word();
        let purpose = GroupPurpose::Member.number();
        let call = Group::keyHasPurposeCall { key, purpose };
        let [answer] = self.views([self.view_of(group, &call)]).await?;
        let said = answer.parse_or_refusal::<Bytes>()?.unwrap_or_default();
        Ok(Group::keyHasPurposeCall::abi_decode_returns(&said).is_ok())
    }

    /// Who says who belongs to a group; `None` where the contract names no owner.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn group_owner(&self, group: Address) -> Result<Option<Address>, RpcError> {
        let [answer] = self.views([self.view_of(group, &Group::ownerCall {})]).await?;
        known::<Group::ownerCall>(answer)
    }
}

/// What a contract answered that need not know the question: it refuses then, or says nothing.
fn known<C: SolCall>(answer: Answer) -> Result<Option<C::Return>, RpcError> {
    let is_silent = matches!(
        answer.clone().parse_or_refusal::<Bytes>()?,
        Ok(bytes) if bytes.is_empty()
    );
    if is_silent {
        return Ok(None);
    }
    Ok(decode::<C>(answer)?.ok())
}

fn conditions_of(answer: Answer) -> Result<DealConditions, RpcError> {
    let Some(view) = known::<Conditions::viewDealConditionsCall>(answer)? else {
        return Ok(DealConditions::NONE);
    };
    views::deal_conditions(view.conditions, view.guard)
        .map_err(|error| RpcError::unexpected("viewDealConditions", error))
}

fn epoch(answer: Answer) -> Result<Option<u16>, RpcError> {
    let Some(value) = known::<Conditions::viewEpochCall>(answer)? else { return Ok(None) };
    views::epoch(value).map(Some).map_err(|error| RpcError::unexpected("viewEpoch", error))
}
