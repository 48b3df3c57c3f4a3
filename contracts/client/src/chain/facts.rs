//! What matching needs to know from the chain.

use super::Chain;
use super::read::{decode, yes_or_no};
use super::views::GROUP_MEMBER_PURPOSE;
use crate::abi::{Group, Hub, Registry, views};
use crate::rpc::{Answer, RpcCall, RpcError};
use poco_core::call::SignedTerms;
use poco_core::matching::{Facts, OrderFacts};
use poco_core::order::Order;
use poco_core::{Address, Bytes, OrderHash, OrderKind, U256};
use std::collections::BTreeSet;

/// One of the four orders, as far as the chain is asked about it.
struct Subject {
    kind: OrderKind,
    /// The resource, or the requester.
    named: Address,
    hash: OrderHash,
    sign: Bytes,
}

impl Chain {
    /// Everything that `poco_core::matching::check` needs to know about four orders.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn match_facts(&self, terms: &SignedTerms) -> Result<Facts, RpcError> {
        let groups: Vec<(Address, Address)> = restrictions(terms)
            .into_iter()
            .filter(|(restriction, other)| !restriction.is_zero() && restriction != other)
            .collect();
        let subjects = self.subjects(terms);
        let mut calls = vec![self.view_of(self.hub(), &Hub::countCategoryCall {})];
        calls.extend(groups.iter().map(|(group, member)| self.membership(*group, *member)));
        calls.extend(subjects.iter().flat_map(|subject| self.standing(subject)));
        let mut answers = self.read(calls).await?.into_iter();
        let mut next = || answers.next().unwrap_or_else(Answer::missing);

        let count = unrefused(decode::<Hub::countCategoryCall>(next())?)?;
        let category_count = views::small("countCategory", count)
            .map_err(|error| RpcError::unexpected("countCategory", error))?;
        let mut memberships = BTreeSet::new();
        for pair in groups {
            if yes_or_no(next())? {
                memberships.insert(pair);
            }
        }
        let mut standings = Vec::with_capacity(subjects.len());
        for subject in &subjects {
            standings.push(Standing::parse(subject, next(), next(), next())?);
        }
        let [app, dataset, workerpool, request] = self.order_facts(&subjects, &standings).await?;
        Ok(Facts { category_count, memberships, app, dataset, workerpool, request })
    }

    fn subjects(&self, terms: &SignedTerms) -> [Subject; 4] {
        let domain = self.domain_separator();
        let subject =
            |kind, named, hash, sign: &Bytes| Subject { kind, named, hash, sign: sign.clone() };
        let SignedTerms { app, dataset, workerpool, request } = terms;
        [
            subject(OrderKind::App, app.order.app, app.order.hash(domain), &app.sign),
            subject(
                OrderKind::Dataset,
                dataset.order.dataset,
                dataset.order.hash(domain),
                &dataset.sign,
            ),
            subject(
                OrderKind::Workerpool,
                workerpool.order.workerpool,
                workerpool.order.hash(domain),
                &workerpool.sign,
            ),
            subject(
                OrderKind::Request,
                request.order.requester,
                request.order.hash(domain),
                &request.sign,
            ),
        ]
    }

    fn membership(&self, group: Address, member: Address) -> RpcCall {
        let key = member.into_word();
        self.view_of(group, &Group::keyHasPurposeCall { key, purpose: GROUP_MEMBER_PURPOSE })
    }

    /// Whether the resource is registered, who owns it, how much of the order is used.
    fn standing(&self, subject: &Subject) -> [RpcCall; 3] {
        let entry = subject.named;
        let token_id = U256::from_be_slice(entry.as_slice());
        // A request has no registry; what is asked instead is not looked at.
        let registry = self.contracts().registry(subject.kind).unwrap_or(self.hub());
        [
            self.view_of(registry, &Registry::isRegisteredCall { entry }),
            self.view_of(registry, &Registry::ownerOfCall { tokenId: token_id }),
            self.view_of(self.hub(), &Hub::viewConsumedCall { id: subject.hash.0 }),
        ]
    }

    async fn order_facts(
        &self,
        subjects: &[Subject; 4],
        standings: &[Standing],
    ) -> Result<[OrderFacts; 4], RpcError> {
        let signed = |(subject, standing): (&Subject, &Standing)| {
            let call = Hub::verifyPresignatureOrSignatureCall {
                identity: standing.owner,
                hash: subject.hash.0,
                sign: subject.sign.clone(),
            };
            self.view_of(self.hub(), &call)
        };
        let calls = subjects.iter().zip(standings).map(signed).collect();
        let answers = self.read(calls).await?;
        let mut facts = [OrderFacts::FRESH; 4];
        for ((fact, standing), answer) in facts.iter_mut().zip(standings).zip(answers) {
            *fact = OrderFacts {
                is_registered: standing.is_registered,
                is_signed: standing.is_registered && yes_or_no(answer)?,
                consumed: standing.consumed,
            };
        }
        Ok(facts)
    }
}

/// What the chain says about one order before its signature is looked at.
struct Standing {
    is_registered: bool,
    owner: Address,
    consumed: U256,
}

impl Standing {
    fn parse(
        subject: &Subject,
        registered: Answer,
        owner: Answer,
        consumed: Answer,
    ) -> Result<Self, RpcError> {
        let consumed = unrefused(decode::<Hub::viewConsumedCall>(consumed)?)?;
        if subject.kind == OrderKind::Request {
            return Ok(Self { is_registered: true, owner: subject.named, consumed });
        }
        let is_registered = yes_or_no(registered)?;
        // The registry refuses to name the owner of what it does not know.
        let owner = if is_registered {
            unrefused(decode::<Registry::ownerOfCall>(owner)?)?
        } else {
            Address::ZERO
        };
        Ok(Self { is_registered, owner, consumed })
    }
}

fn unrefused<T>(answer: Result<T, crate::Refusal>) -> Result<T, RpcError> {
    answer.map_err(|refusal| RpcError::unexpected("eth_call", refusal))
}

/// Every pair of a restriction and who it is about, as the rules of matching try them.
fn restrictions(terms: &SignedTerms) -> [(Address, Address); 10] {
    let (app, dataset) = (&terms.app.order, &terms.dataset.order);
    let (pool, request) = (&terms.workerpool.order, &terms.request.order);
    [
        (request.workerpool, pool.workerpool),
        (app.dataset_restrict, dataset.dataset),
        (app.workerpool_restrict, pool.workerpool),
        (app.requester_restrict, request.requester),
        (dataset.app_restrict, app.app),
        (dataset.workerpool_restrict, pool.workerpool),
        (dataset.requester_restrict, request.requester),
        (pool.app_restrict, app.app),
        (pool.dataset_restrict, dataset.dataset),
        (pool.requester_restrict, request.requester),
    ]
}
