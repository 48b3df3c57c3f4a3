//! The node, the hub, the pool's entry, the wallet's means and the clock.

use super::Check;
use crate::config::Checked;
use crate::worker;
use poco_chain::{Chain, RpcError};
use poco_core::{Address, Timestamp, U256};
use std::time::{SystemTime, UNIX_EPOCH};

/// A block this far in the future means that one of the clocks is wrong.
const AHEAD_SECONDS: u64 = 60;

/// Gas of one contribution and one reveal on contracts that spend the most.
const TASK_GAS: u64 = 500_000;

pub(super) async fn checks(
    checked: &Checked,
    wallet: Option<Address>,
) -> (Vec<Check>, Option<Chain>) {
    let chain = match worker::connect(checked).await {
        Ok(chain) => chain,
        Err(error) => {
            let advice = "without the chain no task can be checked, voted for or revealed";
            return (vec![Check::blocks("chain", format!("{error:#}"), advice)], None);
        }
    };
    let (id, hub) = (chain.chain_id(), chain.hub());
    let mut checks = vec![Check::ok("chain", format!("chain {id}, hub {hub}"))];
    let found = [clock(&chain).await, pool(&chain, checked.workerpool).await];
    checks.extend(found.into_iter().map(answered));
    if let Some(wallet) = wallet {
        checks.extend(means(&chain, wallet).await.unwrap_or_else(|error| vec![silent(&error)]));
    }
    (checks, Some(chain))
}

fn answered(check: Result<Check, RpcError>) -> Check {
    check.unwrap_or_else(|error| silent(&error))
}

fn silent(error: &RpcError) -> Check {
    Check::blocks("node", error.to_string(), "try again, or add another node to chain.rpc_urls")
}

async fn clock(chain: &Chain) -> Result<Check, RpcError> {
    let head = chain.latest().await?;
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(compare(head.timestamp, Timestamp(since.as_secs()), head.number))
}

/// A quiet chain may be old; only one from the future is wrong.
fn compare(head: Timestamp, here: Timestamp, number: u64) -> Check {
    let ahead = head.seconds_from(here);
    if ahead > AHEAD_SECONDS {
        let found = format!("block {number} is {ahead} s ahead of this machine's clock");
        return Check::warning(
            "clock",
            found,
            "set the clock by NTP, unless this chain travels in time",
        );
    }
    Check::ok("clock", format!("block {number} is {} s old", here.seconds_from(head)))
}

async fn pool(chain: &Chain, workerpool: Address) -> Result<Check, RpcError> {
    Ok(match chain.workerpool(workerpool).await? {
        Some(entry) => {
            Check::ok("pool", format!("{workerpool} {:?} of {}", entry.description, entry.owner))
        }
        None => {
            let found = format!("{workerpool} is not registered");
            Check::blocks("pool", found, "correct workerpool, or the hub")
        }
    })
}

async fn means(chain: &Chain, wallet: Address) -> Result<Vec<Check>, RpcError> {
    let (account, tokens, gas) = tokio::try_join!(
        chain.account(wallet),
        chain.token_balance(wallet),
        chain.gas_balance(wallet)
    )?;
    let found = format!("{} free, {} locked, {tokens} in the wallet", account.free, account.locked);
    let stake = match account.free.is_zero() {
        true => Check::warning("stake", found, "`poco account deposit` some: a vote locks stake"),
        false => Check::ok("stake", found),
    };
    let found = format!("{gas} wei");
    let gas = match gas {
        gas if gas.is_zero() => {
            Check::blocks("gas", found, format!("send {wallet} some to pay for transactions"))
        }
        // At one gwei, a low price, this would not pay for one task.
        gas if gas < U256::from(TASK_GAS) * U256::from(1_000_000_000u64) => {
            Check::warning("gas", found, format!("send {wallet} some more"))
        }
        _ => Check::ok("gas", found),
    };
    Ok(vec![stake, gas])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn only_a_chain_from_the_future_is_a_wrong_clock() {
        assert_eq!(compare(Timestamp(100), Timestamp(5000), 1).verdict, Verdict::Ok);
        assert_eq!(compare(Timestamp(5000), Timestamp(4990), 1).verdict, Verdict::Ok);
        assert_eq!(compare(Timestamp(5000), Timestamp(100), 1).verdict, Verdict::Warning);
    }
}
