//! What the wallet holds, told at the start, and a deposit where the operator asked for one.

use poco_chain::{Chain, RpcError, Sender, Transaction, failpoint};
use poco_core::{Address, Amount};

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
}
