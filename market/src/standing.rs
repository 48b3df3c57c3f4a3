//! Asking the chain what an order stands on, all at one block.

use crate::record;
use crate::rules::Standing;
use futures::try_join;
use poco_chain::{BlockRef, Chain, RpcError};
use poco_core::signature::recover;
use poco_core::{Address, AnyOrder, B256, Bytes, OrderHash, OrderKind, OrderMark, U256};

/// What the chain says about an order at block `at`.
///
/// # Errors
/// The node did not answer; that says nothing about the order.
pub(crate) async fn read(
    chain: &Chain,
    hash: OrderHash,
    order: &AnyOrder,
    at: BlockRef,
) -> Result<Standing, RpcError> {
    let chain = &chain.at(at.number);
    let time = at.timestamp;
    let owner = owner(chain, order).await?;
    let Some(signer) = owner else {
        let (is_signed, consumed, free_stake) = (false, U256::ZERO, U256::ZERO);
        return Ok(Standing { owner, is_signed, consumed, free_stake, epoch: None, time });
    };
    let (is_signed, consumed, free_stake, epoch) = try_join!(
        is_signed(chain, signer, hash, sign(order)),
        chain.consumed(hash),
        free_stake(chain, record::kind(order), signer),
        epoch(chain, record::salt(order), signer),
    )?;
    Ok(Standing { owner, is_signed, consumed, free_stake, epoch, time })
}

/// Whose signature the order needs; `None` where the resource is in no registry.
async fn owner(chain: &Chain, order: &AnyOrder) -> Result<Option<Address>, RpcError> {
    Ok(match order {
        AnyOrder::App(signed) => chain.app(signed.order.app).await?.map(|app| app.owner),
        AnyOrder::Dataset(signed) => {
            chain.dataset(signed.order.dataset).await?.map(|dataset| dataset.owner)
        }
        AnyOrder::Workerpool(signed) => {
            chain.workerpool(signed.order.workerpool).await?.map(|pool| pool.owner)
        }
        AnyOrder::Request(signed) => Some(signed.order.requester),
    })
}

/// A wallet's signature is checked here; contracts and pre-signatures are asked for on chain.
async fn is_signed(
    chain: &Chain,
    signer: Address,
    hash: OrderHash,
    sign: &Bytes,
) -> Result<bool, RpcError> {
    if recover(hash.0, sign) == Some(signer) {
        return Ok(true);
    }
    chain.is_signed(signer, hash, sign).await
}

async fn free_stake(chain: &Chain, kind: OrderKind, account: Address) -> Result<U256, RpcError> {
    match kind {
        OrderKind::App | OrderKind::Dataset => Ok(U256::ZERO),
        OrderKind::Workerpool | OrderKind::Request => Ok(chain.account(account).await?.free.0),
    }
}

/// An order without a mark is of every epoch: the node is not asked.
async fn epoch(chain: &Chain, salt: B256, account: Address) -> Result<Option<u16>, RpcError> {
    if OrderMark::of_salt(salt).is_none() {
        return Ok(None);
    }
    chain.epoch(account).await
}

fn sign(order: &AnyOrder) -> &Bytes {
    match order {
        AnyOrder::App(signed) => &signed.sign,
        AnyOrder::Dataset(signed) => &signed.sign,
        AnyOrder::Workerpool(signed) => &signed.sign,
        AnyOrder::Request(signed) => &signed.sign,
    }
}
