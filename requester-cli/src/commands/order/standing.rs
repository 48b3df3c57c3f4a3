//! An order in a file or about to be published: whether the chain would take it.

use super::super::resource::unknown;
use crate::failure::Failure;
use anyhow::Context as _;
use poco_chain::Chain;
use poco_core::order::Order;
use poco_core::payout::pool_stake;
use poco_core::{Address, Amount, AnyOrder, Bytes, OrderHash, OrderKind, U256};
use serde_json::Value;
use std::io::Read;
use std::path::Path;

/// An order has less than two thousand bytes besides its parameters; what is far larger is another
/// file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// An order that can be matched now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) hash: OrderHash,
    /// Who signed it: the owner of what it offers, or the requester.
    pub(super) owner: Address,
    /// How much of its volume was used.
    pub(super) consumed: U256,
}

/// What the chain says about a signed order.
///
/// # Errors
/// Where the contract would refuse to match it: an unknown resource, a signature that is not the
/// owner's, nothing left.
pub(super) async fn read(chain: &Chain, order: &AnyOrder) -> Result<Standing, Failure> {
    let Facts { hash, volume, sign } = facts(chain, order);
    let owner = owner(chain, order).await?;
    if !chain.is_signed(owner, hash, &sign).await? {
        return Err(Failure::Refused(format!(
            "the order is not signed by {owner}: it was changed after it was signed, or signed for another hub; sign it again with `poco order sign`"
        )));
    }
    let consumed = chain.consumed(hash).await?;
    if consumed >= volume {
        return Err(Failure::Refused(format!(
            "nothing is left of order {hash}: it was used up or cancelled; sign a new one with `poco order sign`"
        )));
    }
    Ok(Standing { hash, owner, consumed })
}

/// Refuses an order whose signer lacks the stake that a match locks: nobody could match it.
pub(super) async fn refuse_unbacked(
    chain: &Chain,
    order: &AnyOrder,
    owner: Address,
    consumed: U256,
) -> Result<(), Failure> {
    let (per_task, what) = match order {
        AnyOrder::App(_) | AnyOrder::Dataset(_) => return Ok(()),
        AnyOrder::Workerpool(signed) => {
            (pool_stake(signed.order.price).ok(), "the pool's stake on its tasks")
        }
        AnyOrder::Request(signed) => {
            let order = &signed.order;
            let sum = order.app_price_max.checked_add(order.dataset_price_max);
            let sum = sum.and_then(|sum| sum.checked_add(order.workerpool_price_max));
            (sum, "the price of its tasks")
        }
    };
    let remaining = facts(chain, order).volume.saturating_sub(consumed);
    let needed = per_task.and_then(|amount| amount.checked_mul(remaining));
    let needed = needed.ok_or_else(|| {
        Failure::Refused("price times volume exceeds any amount of money".to_owned())
    })?;
    let free = chain.account(owner).await?.free;
    match needed.checked_sub(free) {
        None | Some(Amount::ZERO) => Ok(()),
        Some(missing) => Err(Failure::Refused(format!(
            "the order needs {needed} in the escrow of {owner}, {what}, and {free} are free there: deposit {missing} more with `poco account deposit`, or lower price or volume"
        ))),
    }
}

/// Whose signature an order needs.
pub(super) async fn owner(chain: &Chain, order: &AnyOrder) -> Result<Address, Failure> {
    let (kind, subject) = subject(order);
    let owner = match kind {
        OrderKind::App => chain.app(subject).await?.map(|entry| entry.owner),
        OrderKind::Dataset => chain.dataset(subject).await?.map(|entry| entry.owner),
        OrderKind::Workerpool => chain.workerpool(subject).await?.map(|entry| entry.owner),
        OrderKind::Request => Some(subject),
    };
    owner.ok_or_else(|| unknown(kind, subject))
}

/// What an order is about: a resource, or the requester.
pub(super) fn subject(order: &AnyOrder) -> (OrderKind, Address) {
    match order {
        AnyOrder::App(signed) => (OrderKind::App, signed.order.app),
        AnyOrder::Dataset(signed) => (OrderKind::Dataset, signed.order.dataset),
        AnyOrder::Workerpool(signed) => (OrderKind::Workerpool, signed.order.workerpool),
        AnyOrder::Request(signed) => (OrderKind::Request, signed.order.requester),
    }
}

/// What every kind of order has.
struct Facts {
    hash: OrderHash,
    volume: U256,
    sign: Bytes,
}

fn facts(chain: &Chain, order: &AnyOrder) -> Facts {
    fn of(order: &impl Order, sign: &Bytes, separator: poco_core::B256) -> Facts {
        Facts { hash: order.hash(separator), volume: order.volume(), sign: sign.clone() }
    }
    let separator = chain.domain_separator();
    match order {
        AnyOrder::App(signed) => of(&signed.order, &signed.sign, separator),
        AnyOrder::Dataset(signed) => of(&signed.order, &signed.sign, separator),
        AnyOrder::Workerpool(signed) => of(&signed.order, &signed.sign, separator),
        AnyOrder::Request(signed) => of(&signed.order, &signed.sign, separator),
    }
}

/// Reads an order of any kind; its price field tells which.
pub(super) fn read_file(file: &Path) -> Result<AnyOrder, Failure> {
    let name = file.display();
    let is_input = file.as_os_str() == "-";
    let mut text = String::new();
    let read = if is_input {
        std::io::stdin().take(FILE_BYTES_MAX).read_to_string(&mut text)
    } else {
        std::fs::File::open(file)
            .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
    };
    read.with_context(|| format!("cannot read the order file {name}"))?;
    let bad = |error: serde_json::Error| Failure::Usage(format!("{name} is no order: {error}"));
    let value: Value = serde_json::from_str(&text).map_err(bad)?;
    let has = |key: &str| value.get(key).is_some();
    if has("appprice") {
        serde_json::from_value(value).map(AnyOrder::App).map_err(bad)
    } else if has("datasetprice") {
        serde_json::from_value(value).map(AnyOrder::Dataset).map_err(bad)
    } else if has("workerpoolprice") {
        serde_json::from_value(value).map(AnyOrder::Workerpool).map_err(bad)
    } else if has("workerpoolmaxprice") {
        serde_json::from_value(value).map(AnyOrder::Request).map_err(bad)
    } else {
        Err(Failure::Usage(format!(
            "{name} is no order: none of appprice, datasetprice, workerpoolprice and workerpoolmaxprice is in it"
        )))
    }
}
