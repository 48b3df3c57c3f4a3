//! Whether the contract would match four orders.

use poco_chain::{Chain, RpcError};
use poco_core::call::SignedTerms;
use poco_core::mark::agreement::{Disagreement, agree};
use poco_core::matching::{self, Mismatch, Terms};
use poco_core::payout::pool_stake;
use poco_core::{Amount, OrderKind, U256};

/// Why four orders cannot be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Unfit {
    /// A rule of the contract.
    #[error(transparent)]
    Rule(Mismatch),
    /// Some order is good for fewer tasks than are wanted.
    #[error("fewer tasks are left than you ask for")]
    TooFewLeft,
    /// The pool's stake for the tasks is not there.
    #[error("the pool's owner has too little stake for your tasks")]
    PoolStake,
    /// The orders' conditions.
    #[error(transparent)]
    Conditions(Disagreement),
}

/// Why the contract would refuse these orders for `volume` tasks paid by the requester; `None` where it
/// would take them. An order of the kind `unsigned` counts as signed: its owner signs once the choice is
/// made. Whether the requester can pay is not looked at.
///
/// # Errors
/// [`RpcError`] where no node answered.
pub async fn unfit(
    chain: &Chain,
    terms: &SignedTerms,
    unsigned: Option<OrderKind>,
    volume: U256,
) -> Result<Option<Unfit>, RpcError> {
    let mut facts = chain.match_facts(terms).await?;
    if let Some(kind) = unsigned {
        let unsigned = match kind {
            OrderKind::App => &mut facts.app,
            OrderKind::Dataset => &mut facts.dataset,
            OrderKind::Workerpool => &mut facts.workerpool,
            OrderKind::Request => &mut facts.request,
        };
        unsigned.is_signed = true;
    }
    let orders = Terms {
        app: &terms.app.order,
        dataset: &terms.dataset.order,
        workerpool: &terms.workerpool.order,
        request: &terms.request.order,
    };
    match matching::check(&orders, &facts) {
        Err(mismatch) => return Ok(Some(Unfit::Rule(mismatch))),
        Ok(left) if left < volume => return Ok(Some(Unfit::TooFewLeft)),
        Ok(_) => {}
    }
    if let Some(parties) = chain.parties(terms, terms.request.order.requester).await? {
        let now = chain.latest().await?.timestamp;
        if let Err(disagreement) = agree(&parties, now) {
            return Ok(Some(Unfit::Conditions(disagreement)));
        }
    }
    let pool = &terms.workerpool.order;
    let Some(entry) = chain.workerpool(pool.workerpool).await? else {
        return Ok(Some(Unfit::Rule(Mismatch::WorkerpoolUnknown)));
    };
    let free = chain.account(entry.owner).await?.free;
    Ok(stake_for(pool.price, volume).is_none_or(|stake| stake > free).then_some(Unfit::PoolStake))
}

fn stake_for(price: Amount, volume: U256) -> Option<Amount> {
    pool_stake(price).ok()?.checked_mul(volume)
}
