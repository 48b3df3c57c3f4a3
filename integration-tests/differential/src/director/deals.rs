//! Orders signed, published, closed and matched.

use super::drafts::Draft;
use super::{Director, Steps};
use crate::step::{Act, Change};
use crate::strangers::{GROUPS, WALLET};
use alloy_primitives::{Address, Bytes, U256};
use poco_core::call::SignedTerms;
use poco_core::hub::{Hub as Model, SideCall};
use poco_core::order::{Order, OrderOperation, Signed};
use poco_core::{AnyOrder, Call, OrderKind};

impl Director<'_> {
    /// A match, sensible or not, with what must come before it.
    pub(super) fn deal(&mut self, model: &Model) -> Steps {
        let mut steps = Steps::new();
        let is_spoiled = self.is_spoiled();
        let Some(mut draft) = self.draft(model) else { return steps };
        if self.dice.chance(18) {
            let (restriction, member) = self.restrict(&mut draft);
            if GROUPS.contains(&restriction) {
                let change =
                    Change::Member { group: restriction, member, is_in: self.dice.chance(70) };
                steps.push(self.step(restriction, Act::World(change)));
            }
        }
        if self.dice.chance(20) {
            steps.extend(self.mark(model, &mut draft));
        }
        if is_spoiled && self.dice.chance(65) {
            self.spoil_draft(&mut draft);
        }
        let mut terms = self.signed(model, draft, &mut steps);
        self.reuse(&mut terms);
        if is_spoiled && self.dice.chance(50) {
            self.spoil_signature(&mut terms);
        }
        self.shown.push(terms.clone());
        let terms = Box::new(terms);
        if self.dice.chance(25) {
            let sponsors =
                [self.cast.sponsor, self.cast.sponsor, self.cast.thief, self.cast.pool_owners[0]];
            let sender = *self.dice.pick(&sponsors);
            steps.push(self.step(sender, Act::Hub(Call::SponsorMatchOrders(terms))));
        } else {
            let sender = self.anybody();
            steps.push(self.step(sender, Act::Hub(Call::MatchOrders(terms))));
        }
        steps
    }

    /// Signs each order as its owner does: by key, by contract or on chain.
    pub(super) fn signed(&mut self, model: &Model, draft: Draft, steps: &mut Steps) -> SignedTerms {
        let owner = |kind, entry| model.resource_owner(kind, entry).unwrap_or_default();
        let app_owner = owner(OrderKind::App, draft.app.app);
        let dataset_owner = owner(OrderKind::Dataset, draft.dataset.dataset);
        let pool_owner = owner(OrderKind::Workerpool, draft.workerpool.workerpool);
        let requester = draft.request.requester;
        SignedTerms {
            app: self.sign_order(model, draft.app, app_owner, steps),
            dataset: if draft.dataset.dataset.is_zero() {
                Signed { order: draft.dataset, sign: Bytes::new() }
            } else {
                self.sign_order(model, draft.dataset, dataset_owner, steps)
            },
            workerpool: self.sign_order(model, draft.workerpool, pool_owner, steps),
            request: self.sign_order(model, draft.request, requester, steps),
        }
    }

    fn sign_order<O: Order + Clone>(
        &mut self,
        model: &Model,
        order: O,
        owner: Address,
        steps: &mut Steps,
    ) -> Signed<O>
    where
        Signed<O>: IntoAny,
    {
        if self.dice.chance(20) && !self.is_never_a_sender(owner) {
            let signed = Signed { order, sign: Bytes::new() };
            let call = Call::ManageOrder {
                order: Box::new(signed.clone().into_any()),
                operation: OrderOperation::Sign,
                sign: Bytes::new(),
            };
            steps.push(self.step(owner, Act::Hub(call)));
            return signed;
        }
        let hash = order.hash(model.domain_separator()).0;
        let sign = self.sign(owner, hash, steps);
        Signed { order, sign }
    }

    /// Takes some of the offers from earlier terms, which may be used up, closed or of other terms.
    pub(super) fn reuse(&mut self, terms: &mut SignedTerms) {
        if !self.dice.chance(12) {
            return;
        }
        let Some(earlier) = self.dice.find(&self.shown).cloned() else { return };
        match self.dice.below(4) {
            0 => *terms = earlier,
            1 => terms.request = earlier.request,
            2 => {
                // The same offers once more, for another request.
                let mut request = terms.request.clone();
                request.order.salt = terms.request.order.salt;
                *terms = SignedTerms { request, ..earlier };
            }
            _ => (terms.app, terms.dataset) = (earlier.app, earlier.dataset),
        }
    }

    pub(super) fn spoil_signature(&mut self, terms: &mut SignedTerms) {
        let place = self.dice.below(4);
        let sign = match place {
            0 => &terms.app.sign,
            1 => &terms.dataset.sign,
            2 => &terms.workerpool.sign,
            _ => &terms.request.sign,
        };
        let mangled = self.mangle(&sign.clone());
        match place {
            0 => terms.app.sign = mangled,
            1 => terms.dataset.sign = mangled,
            2 => terms.workerpool.sign = mangled,
            _ => terms.request.sign = mangled,
        }
    }

    /// Signs, closes or publishes an order on chain.
    pub(super) fn order(&mut self, model: &Model) -> Steps {
        let mut steps = Steps::new();
        let Some(terms) = self.dice.find(&self.shown).cloned() else { return steps };
        let separator = model.domain_separator();
        let operation =
            if self.dice.chance(60) { OrderOperation::Sign } else { OrderOperation::Close };
        let owner = |kind, entry| model.resource_owner(kind, entry).unwrap_or_default();
        let (order, owner, hash) = match self.dice.below(4) {
            0 => {
                let order = &terms.app.order;
                let hash = order.operation_hash(operation, separator);
                (AnyOrder::App(terms.app.clone()), owner(OrderKind::App, order.app), hash)
            }
            1 => {
                let order = &terms.dataset.order;
                let hash = order.operation_hash(operation, separator);
                let owner = owner(OrderKind::Dataset, order.dataset);
                (AnyOrder::Dataset(terms.dataset.clone()), owner, hash)
            }
            2 => {
                let order = &terms.workerpool.order;
                let hash = order.operation_hash(operation, separator);
                let owner = owner(OrderKind::Workerpool, order.workerpool);
                (AnyOrder::Workerpool(terms.workerpool.clone()), owner, hash)
            }
            _ => {
                let order = &terms.request.order;
                let hash = order.operation_hash(operation, separator);
                (AnyOrder::Request(terms.request.clone()), order.requester, hash)
            }
        };
        let order = Box::new(order);
        if self.dice.chance(20) {
            let sender = self.anybody();
            steps.push(self.step(sender, Act::Side(SideCall::Broadcast(order))));
            return steps;
        }
        let (sender, sign) = if self.dice.chance(50) && !self.is_never_a_sender(owner) {
            (owner, Bytes::new())
        } else {
            let sign = self.sign(owner, hash, &mut steps);
            let sign = if self.is_spoiled() { self.mangle(&sign) } else { sign };
            (self.anybody(), sign)
        };
        steps.push(self.step(sender, Act::Hub(Call::ManageOrder { order, operation, sign })));
        steps
    }

    /// A deposit of the token's, with a match of new or known orders or without one.
    pub(super) fn received(&mut self, model: &Model) -> Steps {
        let mut steps = Steps::new();
        let terms = match self.dice.below(3) {
            0 => None,
            1 => self.dice.find(&self.shown).cloned(),
            _ => self.draft(model).map(|draft| self.signed(model, draft, &mut steps)),
        };
        let owner = match &terms {
            Some(terms) if self.dice.chance(80) => terms.request.order.requester,
            None if self.dice.chance(60) => self.cast.hub_owner,
            Some(_) | None => self.anybody(),
        };
        let call = SideCall::ReceiveApproval {
            owner,
            amount: self.amount(),
            is_token: !self.dice.chance(15),
            terms: terms.map(Box::new),
        };
        let sender = self.anybody();
        steps.push(self.step(sender, Act::Side(call)));
        steps
    }

    /// A deal that any number of workers may contribute to without a consensus.
    pub(super) fn crowded_deal(&mut self, model: &Model) -> Steps {
        let mut steps = Steps::new();
        let Some(mut draft) = self.draft(model) else { return steps };
        let trust = U256::from(1) << 70;
        (draft.workerpool.trust, draft.request.trust) = (trust, trust);
        draft.request.requester = self.cast.requesters[0];
        let terms = self.signed(model, draft, &mut steps);
        self.shown.push(terms.clone());
        steps.push(self.step(WALLET, Act::Hub(Call::MatchOrders(Box::new(terms)))));
        steps
    }
}

/// An order of one kind as one of any.
pub(super) trait IntoAny {
    fn into_any(self) -> AnyOrder;
}

impl IntoAny for Signed<poco_core::AppOrder> {
    fn into_any(self) -> AnyOrder {
        AnyOrder::App(self)
    }
}

impl IntoAny for Signed<poco_core::DatasetOrder> {
    fn into_any(self) -> AnyOrder {
        AnyOrder::Dataset(self)
    }
}

impl IntoAny for Signed<poco_core::WorkerpoolOrder> {
    fn into_any(self) -> AnyOrder {
        AnyOrder::Workerpool(self)
    }
}

impl IntoAny for Signed<poco_core::RequestOrder> {
    fn into_any(self) -> AnyOrder {
        AnyOrder::Request(self)
    }
}
