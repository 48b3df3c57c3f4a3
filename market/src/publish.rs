//! Publishing and withdrawing, by those who may.

use crate::market::{Desk, Market, now_milliseconds};
use crate::profile::{Profile, ProfileRefusal};
use crate::record::{self, PublicationTime, Record, Status, kind_name};
use crate::rules::{self, Refusal, Standing};
use crate::standing;
use poco_chain::RpcError;
use poco_core::{Address, AnyOrder, OrderHash, OrderKind};

/// Why something was not published or withdrawn.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Profile(#[from] ProfileRefusal),
    /// Somebody may not withdraw, or there is nothing to withdraw.
    #[error("{0}")]
    NotWithdrawn(String),
    /// The node did not answer; asking again may help.
    #[error(transparent)]
    Node(#[from] RpcError),
    /// The node knows less than it did before; asking again may help.
    #[error("the node is at block {at}, the book at {position}")]
    NodeBehind { at: u64, position: u64 },
    /// The disk failed.
    #[error(transparent)]
    Store(#[from] anyhow::Error),
}

/// What to withdraw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// One order.
    Order(OrderHash),
    /// The newest open order of the caller for a resource (or the caller's own requests).
    Last(Address),
    /// All of them.
    All(Address),
}

/// Publishes a signed order for the wallet that asked, if every rule holds.
pub(crate) async fn publish(
    market: &Market,
    order: AnyOrder,
    wallet: Address,
) -> Result<Record, PublishError> {
    let hash = record::hash(&order, market.chain.domain_separator());
    // Spares the node the questions; asked again below, when nobody else can publish.
    if market.order(hash)?.is_some_and(|earlier| earlier.status != Status::Dead) {
        return Err(Refusal::AlreadyPublished.into());
    }
    let (mut at, mut facts) = ask(market, hash, &order).await?;
    let desk = market.desk().await;
    if desk.position > at {
        // The follower was faster: what it took in since is in no fact, nor was the order there
        // for it to change. While the desk is held it waits.
        (at, facts) = ask(market, hash, &order).await?;
        if desk.position > at {
            return Err(PublishError::NodeBehind { at, position: desk.position });
        }
    }
    publish_from(market, &desk, order, wallet, At { block: at, hash, facts })
}

/// Facts about an order and the block they are from.
struct At {
    block: u64,
    hash: OrderHash,
    facts: Standing,
}

async fn ask(
    market: &Market,
    hash: OrderHash,
    order: &AnyOrder,
) -> Result<(u64, Standing), RpcError> {
    let latest = market.chain.latest().await?;
    Ok((latest.number, standing::read(&market.chain, hash, order, latest).await?))
}

fn publish_from(
    market: &Market,
    desk: &Desk,
    order: AnyOrder,
    wallet: Address,
    at: At,
) -> Result<Record, PublishError> {
    let At { block, hash, facts } = at;
    let earlier = market.order(hash)?;
    let status = earlier.as_ref().map(|record| record.status);
    let publishable = rules::check_publication(&order, wallet, status, &facts, &market.book())?;
    let published = earlier.map_or(PublicationTime(now_milliseconds()), |record| record.published);
    let record = Record {
        hash,
        order,
        remaining: publishable.remaining,
        status: Status::Open,
        published,
        signer: publishable.signer,
        known_at: block,
    };
    market.change(desk, block, |draft| {
        draft.publish(record.clone());
        Ok(())
    })?;
    tracing::info!(order = %hash, kind = kind_name(record::kind(&record.order)), "order published");
    Ok(record)
}

/// Withdraws open orders of the wallet that asked; answers which.
pub(crate) async fn unpublish(
    market: &Market,
    kind: OrderKind,
    target: Target,
    wallet: Address,
) -> Result<Vec<OrderHash>, PublishError> {
    let desk = market.desk().await;
    let hashes = match target {
        Target::Order(hash) => vec![own_order(market, kind, hash, wallet)?],
        Target::Last(resource) => {
            own_orders(market, kind, resource, wallet)?.into_iter().take(1).collect()
        }
        Target::All(resource) => own_orders(market, kind, resource, wallet)?,
    };
    market.change(&desk, desk.position, |draft| {
        hashes.iter().try_for_each(|hash| draft.unpublish(*hash))
    })?;
    for hash in &hashes {
        tracing::info!(order = %hash, kind = kind_name(kind), "order unpublished");
    }
    Ok(hashes)
}

fn own_order(
    market: &Market,
    kind: OrderKind,
    hash: OrderHash,
    wallet: Address,
) -> Result<OrderHash, PublishError> {
    let name = kind_name(kind);
    let record = market
        .order(hash)?
        .filter(|found| found.status == Status::Open && record::kind(&found.order) == kind)
        .ok_or_else(|| {
            PublishError::NotWithdrawn(format!("{name} with orderHash {hash} is not published"))
        })?;
    if record.signer != wallet {
        let signer = record.signer;
        return Err(PublishError::NotWithdrawn(format!(
            "only order signer {signer} can unpublish an order"
        )));
    }
    Ok(hash)
}

fn own_orders(
    market: &Market,
    kind: OrderKind,
    resource: Address,
    wallet: Address,
) -> Result<Vec<OrderHash>, PublishError> {
    let hashes = market.book().published_by(kind, wallet, resource);
    if hashes.is_empty() {
        let name = kind_name(kind);
        let field = resource_name(kind);
        return Err(PublishError::NotWithdrawn(format!(
            "no open {name} published by signer {wallet} for {field} {resource}"
        )));
    }
    Ok(hashes)
}

/// The field of an order that names what it is about.
pub(crate) fn resource_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => "app",
        OrderKind::Dataset => "dataset",
        OrderKind::Workerpool => "workerpool",
        OrderKind::Request => "requester",
    }
}

/// Takes in what a pool's owner says about the pool, if the owner signed it and it is new.
pub(crate) async fn publish_profile(
    market: &Market,
    workerpool: Address,
    profile: Profile,
) -> Result<(), PublishError> {
    let owner = market.chain.workerpool(workerpool).await?.map(|pool| pool.owner);
    let desk = market.desk().await;
    let current = market.store.profile(workerpool)?;
    profile.check(market.chain.chain_id(), workerpool, owner, current.as_ref())?;
    market.change(&desk, desk.position, |draft| {
        draft.batch.profile = Some((workerpool, profile));
        Ok(())
    })?;
    tracing::info!(%workerpool, "profile of a pool published");
    Ok(())
}
