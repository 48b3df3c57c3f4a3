//! `poco account bond`, `unbond` and `withdraw-bond`: stake that a worker puts aside for a pool's
//! settlement lane. `poco-worker` bonds by itself; these are for more of it, and for the end.

use super::fresh_intent;
use crate::commands::resource::unknown;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs};
use poco_chain::{Chain, Transaction};
use poco_core::lane::{Bond, LaneCall};
use poco_core::{Address, Amount, B256, OrderKind, Timestamp};
use serde::Serialize;

#[derive(Serialize)]
struct BondAnswer {
    address: Address,
    workerpool: Address,
    /// All that is put aside, and what of it answers for committed votes, in nRLC.
    total: Amount,
    locked: Amount,
    /// When it may be taken back, in seconds since 1970; zero while it serves.
    release: Timestamp,
    transaction: B256,
}

impl Show for BondAnswer {
    fn show(&self) -> String {
        pairs(&[
            ("address", self.address.to_string()),
            ("pool", self.workerpool.to_string()),
            ("bonded", self.total.to_string()),
            ("locked by votes", self.locked.to_string()),
            ("taken back from", self.release.0.to_string()),
        ])
    }
}

pub(super) async fn bond(
    context: &Context,
    chain: &Chain,
    workerpool: Address,
    amount: Amount,
) -> Result<(), Failure> {
    read(chain, context.wallet_address()?, workerpool).await?;
    if chain.workerpool(workerpool).await?.is_none() {
        return Err(unknown(OrderKind::Workerpool, workerpool));
    }
    let free = chain.account(context.wallet_address()?).await?.free;
    if free < amount {
        return Err(Failure::Refused(format!(
            "{free} are free in the escrow, too little to bond {amount}"
        )));
    }
    send(context, chain, workerpool, LaneCall::Bond { workerpool, amount }).await
}

pub(super) async fn unbond(
    context: &Context,
    chain: &Chain,
    workerpool: Address,
) -> Result<(), Failure> {
    let bond = read_some(chain, context.wallet_address()?, workerpool).await?;
    if bond.release != Timestamp::default() {
        return Err(Failure::Refused(format!(
            "the bond was ended already and may be taken back from {} on; to end it once more would put that off",
            bond.release.0
        )));
    }
    send(context, chain, workerpool, LaneCall::Unbond { workerpool }).await
}

pub(super) async fn withdraw(
    context: &Context,
    chain: &Chain,
    workerpool: Address,
) -> Result<(), Failure> {
    let bond = read_some(chain, context.wallet_address()?, workerpool).await?;
    let now = chain.latest().await?.timestamp;
    let is_over = bond.release != Timestamp::default() && bond.release.has_passed(now);
    if !is_over || !bond.locked.is_zero() {
        let Bond { total, locked, release } = bond;
        let wait = match release.0 {
            0 => "it still serves; `poco account unbond` ends it".to_owned(),
            release => format!("it may be taken back from {release} on"),
        };
        return Err(Failure::Refused(format!("of {total} bonded {locked} are locked, and {wait}")));
    }
    send(context, chain, workerpool, LaneCall::WithdrawBond { workerpool }).await
}

/// The bond; a hub without the lane has none.
async fn read(chain: &Chain, worker: Address, workerpool: Address) -> Result<Bond, Failure> {
    let bond = chain.bond(worker, workerpool).await?;
    bond.ok_or_else(|| Failure::Refused("the hub has no settlement lane, so no bonds".to_owned()))
}

/// The bond, where there is one.
async fn read_some(chain: &Chain, worker: Address, workerpool: Address) -> Result<Bond, Failure> {
    let bond = read(chain, worker, workerpool).await?;
    if bond.total.is_zero() {
        return Err(Failure::Refused(format!("nothing is bonded for pool {workerpool}")));
    }
    Ok(bond)
}

async fn send(
    context: &Context,
    chain: &Chain,
    workerpool: Address,
    call: LaneCall,
) -> Result<(), Failure> {
    let address = context.wallet_address()?;
    let wallet = context.wallet()?;
    let transaction = Transaction::lane(chain, &call);
    let receipt = context.send(chain, &wallet, &fresh_intent("bond"), transaction).await?;
    let Bond { total, locked, release } = read(chain, address, workerpool).await?;
    let transaction = receipt.transaction;
    let answer = BondAnswer { address, workerpool, total, locked, release, transaction };
    context.output.answer(&answer)
}
