//! What the wallet holds, told at the start; a deposit where the operator asked for one, and the
//! bond for the pool's settlement lane.

use crate::config::BondChoice;
use poco_chain::{Chain, RpcError, Sender, Transaction, failpoint};
use poco_core::lane::LaneCall;
use poco_core::{Address, Amount, Timestamp};

/// Shows the wallet's means, warns of what is missing and deposits up to `auto_deposit`. Nothing
/// here stops a worker: results already promised can be revealed without new stake.
pub(crate) async fn prepare(
    chain: &Chain,
    sender: &Sender,
    worker: Address,
    auto_deposit: Option<Amount>,
) {
    let (free, tokens) = match look(chain, worker).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(%error, "cannot read what the wallet holds");
            return;
        }
    };
    let Some(amount) = auto_deposit.and_then(|wanted| to_deposit(wanted, free, tokens)) else {
        if free.is_zero() {
            tracing::warn!(%worker, "no free stake; deposit some to get work");
        }
        return;
    };
    let deposit = Transaction::approve_and_deposit(chain, amount);
    failpoint::hit("worker.deposit.before");
    let sent = sender.send(&format!("deposit {}", amount.0), deposit).await;
    failpoint::hit("worker.deposit.after");
    match sent {
        Ok(receipt) => tracing::info!(%amount, transaction = %receipt.transaction, "deposited"),
        Err(error) => tracing::warn!(%amount, %error, "the deposit failed"),
    }
}

/// Bonds stake for the pool where the hub has a settlement lane, up to what the operator chose.
/// Without a bond the worker serves the classic lane, so nothing here stops it either.
pub(crate) async fn bond(
    chain: &Chain,
    sender: &Sender,
    (worker, workerpool): (Address, Address),
    choice: BondChoice,
) {
    let read = tokio::try_join!(chain.bond(worker, workerpool), chain.account(worker));
    let (bond, account) = match read {
        Ok((Some(bond), account)) => (bond, account),
        Ok((None, _)) => {
            tracing::info!("the hub has no settlement lane; every task is a classic one");
            return;
        }
        Err(error) => {
            tracing::warn!(%error, "cannot read the bond");
            return;
        }
    };
    tracing::info!(total = %bond.total, locked = %bond.locked, "bond for the pool");
    if bond.release != Timestamp::default() {
        // To bond more would make it serve again, against the operator's word.
        tracing::info!(release = bond.release.0, "the bond was ended; tasks are classic ones");
        return;
    }
    let Some(amount) = to_bond(choice, bond.total, account.free) else {
        let is_wanted = choice != BondChoice::Amount(Amount::ZERO);
        if is_wanted && bond.total.is_zero() {
            tracing::warn!(%worker, free = %account.free, "too little free stake to bond; every task is a classic one until some is deposited and this worker started again");
        }
        return;
    };
    let call = Transaction::lane(chain, &LaneCall::Bond { workerpool, amount });
    failpoint::hit("worker.lane.bond.before");
    // The amount bonded before is part of the name: a bond is sent once, and more only after it.
    let name = format!("bond {} on {}", amount.0, bond.total.0);
    let sent = sender.send(&name, call).await;
    failpoint::hit("worker.lane.bond.after");
    match sent {
        Ok(receipt) => tracing::info!(%amount, transaction = %receipt.transaction, "bonded"),
        Err(error) => tracing::warn!(%amount, %error, "bonding failed; tasks are classic ones"),
    }
}

/// What brings the bond up to what was chosen, as far as the free stake reaches.
fn to_bond(choice: BondChoice, bonded: Amount, free: Amount) -> Option<Amount> {
    let wanted = match choice {
        BondChoice::Auto => Amount(bonded.checked_add(free)?.0 >> 1),
        BondChoice::Amount(amount) => amount,
    };
    let missing = wanted.checked_sub(bonded)?;
    Some(missing.min(free)).filter(|amount| !amount.is_zero())
}

async fn look(chain: &Chain, worker: Address) -> Result<(Amount, Amount), RpcError> {
    let (account, tokens, gas) = tokio::try_join!(
        chain.account(worker),
        chain.token_balance(worker),
        chain.gas_balance(worker)
    )?;
    tracing::info!(free = %account.free, locked = %account.locked, %tokens, gas_wei = %gas, "wallet");
    if gas.is_zero() {
        tracing::warn!(%worker, "the wallet has nothing to pay gas with; send it some");
    }
    Ok((account.free, tokens))
}

/// What brings the free stake up to `wanted`, as far as the tokens reach.
fn to_deposit(wanted: Amount, free: Amount, tokens: Amount) -> Option<Amount> {
    let missing = wanted.checked_sub(free)?;
    Some(missing.min(tokens)).filter(|amount| !amount.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deposit_fills_up_and_never_exceeds_the_tokens() {
        let deposit = |wanted, free, tokens| {
            let [wanted, free, tokens] = [wanted, free, tokens].map(Amount::from_nano);
            to_deposit(wanted, free, tokens).map(|amount| amount.0.to::<u64>())
        };
        assert_eq!(deposit(10, 4, 100), Some(6));
        assert_eq!(deposit(10, 4, 5), Some(5));
        assert_eq!(deposit(10, 10, 5), None);
        assert_eq!(deposit(10, 11, 5), None);
        assert_eq!(deposit(10, 0, 0), None);
    }

    #[test]
    fn a_bond_is_half_of_all_stake_or_what_was_chosen_and_never_taken_back() {
        let nano = Amount::from_nano;
        let auto = |bonded, free| to_bond(BondChoice::Auto, nano(bonded), nano(free));
        assert_eq!(auto(0, 101), Some(nano(50)));
        assert_eq!(auto(50, 51), None);
        assert_eq!(auto(50, 151), Some(nano(50)));
        assert_eq!(auto(0, 0), None);
        let fixed = |amount, bonded, free| {
            to_bond(BondChoice::Amount(nano(amount)), nano(bonded), nano(free))
        };
        assert_eq!(fixed(30, 10, 100), Some(nano(20)));
        assert_eq!(fixed(30, 10, 5), Some(nano(5)));
        assert_eq!(fixed(0, 10, 5), None);
    }
}
