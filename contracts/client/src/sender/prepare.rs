//! Everything a transaction needs before it gets its nonce: a dry run, gas and fees.

use super::SendError;
use super::actor::Wish;
use crate::abi::refusal::Refusal;
use crate::chain::Chain;
use crate::rpc::{Answer, RpcCall, RpcError, RpcHeader, request};
use crate::stream::Trouble;
use alloy_primitives::U64;
use alloy_rpc_types_eth::BlockNumberOrTag::Latest;
use poco_chain_core::Fees;
use poco_chain_core::fees::Market;
use poco_core::{Address, Bytes, U256};
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
    header: RpcHeader,
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
        Ok(Prepared { gas_limit, fees, nonce_used: self.nonce_used, head: self.header.number })
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
            RpcCall::gas(&tx),
            RpcCall::balance(from, Latest),
            RpcCall::nonce(from, Latest),
            RpcCall::header(Latest),
            RpcCall::tip(),
            RpcCall::gas_price(),
        ])
        .await?;
    if let Err(refusal) = dry_run.parse_or_refusal::<Bytes>()? {
        return Ok(Err(refusal));
    }
    let gas = match gas.parse_or_refusal::<U64>()? {
        Ok(gas) => gas.to(),
        Err(refusal) => return Ok(Err(refusal)),
    };
    let header: RpcHeader = header.parse()?;
    Ok(Ok(Facts {
        gas,
        balance: balance.parse()?,
        nonce_used: nonce.parse::<U64>()?.to(),
        market: market(&header, tip, price)?,
        header,
    }))
}

/// What gas costs. A chain from before EIP-1559 has one price, all of which is tip. Prices beyond 128
/// bits are above every cap.
pub(super) fn market(header: &RpcHeader, tip: Answer, price: Answer) -> Result<Market, RpcError> {
    let Some(base_fee) = header.base_fee_per_gas else {
        let tip_wei = price.parse::<U256>()?.saturating_to();
        return Ok(Market { base_fee_wei: 0, tip_wei });
    };
    let base_fee_wei = u128::from(base_fee);
    let suggested = tip.parse::<U256>().ok().map(|tip| tip.saturating_to());
    let tip_wei = suggested.unwrap_or(TIP_WEI_FALLBACK.min(base_fee_wei));
    Ok(Market { base_fee_wei, tip_wei })
}
