//! Everything a transaction needs before it gets its nonce: a dry run, gas and fees.

use super::SendError;
use super::actor::Wish;
use crate::abi::refusal::Refusal;
use crate::chain::{Chain, header_call, outcome, parse, request};
use crate::rpc::{Answer, HeaderJson, RpcCall, RpcError, quantity, quantity_u256};
use crate::stream::Trouble;
use poco_chain_core::Fees;
use poco_chain_core::fees::Market;
use poco_core::{Address, U256};
use serde_json::{Value, json};
use std::time::Duration;

/// Gas on top of the estimate: another's transaction in between may make this one the costly one of
/// its kind, as the contribution that reaches consensus.
const GAS_MARGIN: u64 = 100_000;
/// Tip where the node suggests none, unless the base fee is smaller: one gwei.
const TIP_WEI_FALLBACK: u128 = 1_000_000_000;

/// A transaction that may be sent.
pub(super) struct Prepared {
    pub(super) gas_limit: u64,
    pub(super) fees: Fees,
    /// How many nonces of the account are used, as the node says.
    pub(super) nonce_used: u64,
    /// Height at which this was found out.
    pub(super) head: u64,
}

/// Prepares a transaction, waiting out node trouble.
pub(super) async fn prepare(
    chain: &Chain,
    from: Address,
    wish: &Wish,
    cap_wei: u128,
) -> Result<Prepared, SendError> {
    let mut trouble = Trouble::default();
    loop {
        match ask(chain, from, wish).await {
            Ok(Ok(facts)) => return facts.prepared(from, wish.repeats, cap_wei),
            Ok(Err(refusal)) => return Err(SendError::Refused(refusal)),
            Err(error) => {
                let wait_millis = trouble.on_failed(&error);
                tokio::time::sleep(Duration::from_millis(wait_millis)).await;
            }
        }
    }
}

/// What the node said.
struct Facts {
    gas: u64,
    balance: U256,
    nonce_used: u64,
    header: HeaderJson,
    market: Market,
}

impl Facts {
    fn prepared(self, from: Address, repeats: u8, cap_wei: u128) -> Result<Prepared, SendError> {
        let fees = Fees::first(self.market, cap_wei).map_err(|above| SendError::FeeAboveCap {
            asked_wei: above.asked_wei,
            cap_wei: above.cap_wei,
        })?;
        // Half more than the estimate and a margin, doubled each time it was not enough.
        let roomy = self.gas.saturating_add(self.gas / 2).saturating_add(GAS_MARGIN);
        let gas_limit = roomy.saturating_mul(1 << repeats.min(8)).min(self.header.gas_limit);
        let needed = U256::from(gas_limit).saturating_mul(U256::from(fees.fee_wei_max));
        if self.balance < needed {
            return Err(SendError::NoGas { wallet: from, balance: self.balance, needed });
        }
        let head = self.header.block().number;
        Ok(Prepared { gas_limit, fees, nonce_used: self.nonce_used, head })
    }
}

async fn ask(
    chain: &Chain,
    from: Address,
    wish: &Wish,
) -> Result<Result<Facts, Refusal>, RpcError> {
    let tx = request(Some(from), wish.tx.to, &wish.tx.data);
    let [dry_run, gas, balance, nonce, header, tip, price] = chain
        .views([
            chain.call_of(Some(from), wish.tx.to, &wish.tx.data),
            RpcCall::new("eth_estimateGas", json!([tx, "latest"])),
            RpcCall::new("eth_getBalance", json!([from, "latest"])),
            RpcCall::new("eth_getTransactionCount", json!([from, "latest"])),
            header_call(json!("latest")),
            RpcCall::new("eth_maxPriorityFeePerGas", json!([])),
            RpcCall::new("eth_gasPrice", json!([])),
        ])
        .await?;
    if let Err(refusal) = outcome(dry_run)? {
        return Ok(Err(refusal));
    }
    let gas = match gas {
        Ok(gas) => number("eth_estimateGas", Ok(gas))?,
        Err(said) => match said.refusal() {
            Some(refusal) => return Ok(Err(refusal)),
            None => return Err(said.into_error("eth_estimateGas")),
        },
    };
    let header: HeaderJson = parse("eth_getBlockByNumber", header)?;
    Ok(Ok(Facts {
        gas,
        balance: wide("eth_getBalance", balance)?,
        nonce_used: number("eth_getTransactionCount", nonce)?,
        market: market(&header, tip, price)?,
        header,
    }))
}

/// What gas costs. A chain from before EIP-1559 has one price, all of which is tip.
pub(super) fn market(header: &HeaderJson, tip: Answer, price: Answer) -> Result<Market, RpcError> {
    let Some(base_fee) = header.base_fee_per_gas else {
        let tip_wei = narrow(wide("eth_gasPrice", price)?);
        return Ok(Market { base_fee_wei: 0, tip_wei });
    };
    let base_fee_wei = narrow(base_fee);
    let suggested = tip.ok().as_ref().and_then(quantity_u256).map(narrow);
    let tip_wei = suggested.unwrap_or(TIP_WEI_FALLBACK.min(base_fee_wei));
    Ok(Market { base_fee_wei, tip_wei })
}

pub(super) fn number(method: &'static str, answer: Answer) -> Result<u64, RpcError> {
    let value: Value = parse(method, answer)?;
    quantity(&value).ok_or_else(|| RpcError::unexpected(method, &value))
}

fn wide(method: &'static str, answer: Answer) -> Result<U256, RpcError> {
    let value: Value = parse(method, answer)?;
    quantity_u256(&value).ok_or_else(|| RpcError::unexpected(method, &value))
}

/// Prices beyond 128 bits are above every cap.
fn narrow(value: U256) -> u128 {
    u128::try_from(value).unwrap_or(u128::MAX)
}
