//! What became of a mined transaction.

use super::actor::{Actor, Found};
use super::broadcast::FILL;
use super::{Receipt, SendError};
use crate::abi::{events, refusal::Refusal};
use crate::chain::Chain;
use crate::rpc::{RpcCall, RpcError, RpcHeader, RpcReceipt, block_of};
use crate::stream::Trouble;
use alloy_rpc_types_eth::Log;
use poco_chain_core::BlockRef;
use poco_chain_core::ledger::{Entry, MinedAt};
use poco_core::{Address, Bytes, U256};
use std::time::Duration;

/// How often a transaction that failed when mined is sent again, with twice the gas each time, as
/// long as its dry run succeeds: others' transactions came in between.
const REPEATS_MAX: u8 = 2;

/// What became of a mined transaction.
pub(super) enum Conclusion {
    Done(Receipt),
    Failed(Refusal),
}

/// Finds out what became of a transaction, waiting out node trouble.
pub(super) async fn conclude(chain: &Chain, wallet: Address, entry: Entry, at: MinedAt) -> Found {
    let mut trouble = Trouble::default();
    loop {
        match ask(chain, at).await {
            Ok(Some((receipt, block))) => {
                let conclusion = judge(chain, wallet, &entry, receipt, block).await;
                return Found::Concluded(entry, at, Box::new(conclusion));
            }
            Ok(None) => return Found::Gone(entry.nonce),
            Err(error) => {
                let wait_millis = trouble.on_failed(&error);
                tokio::time::sleep(Duration::from_millis(wait_millis)).await;
            }
        }
    }
}

/// The receipt and its block, while both are the chain's.
async fn ask(chain: &Chain, at: MinedAt) -> Result<Option<(RpcReceipt, BlockRef)>, RpcError> {
    let calls = [RpcCall::receipt(at.transaction), RpcCall::header(at.block)];
    let [receipt, header] = chain.views(calls).await?;
    let receipt: Option<RpcReceipt> = receipt.parse()?;
    let header: Option<RpcHeader> = header.parse()?;
    let both = receipt.zip(header.as_ref().map(block_of));
    Ok(both.filter(|(receipt, block)| receipt.block_hash == Some(block.hash)))
}

async fn judge(
    chain: &Chain,
    wallet: Address,
    entry: &Entry,
    receipt: RpcReceipt,
    block: BlockRef,
) -> Conclusion {
    if receipt.inner.status() {
        let event = |log: &Log| events::decode(chain.contracts(), &log.inner);
        return Conclusion::Done(Receipt {
            transaction: receipt.transaction_hash,
            block,
            gas_used: receipt.gas_used,
            fee_wei: U256::from(receipt.gas_used)
                .saturating_mul(U256::from(receipt.effective_gas_price)),
            contract: receipt.contract_address,
            events: receipt.inner.logs().iter().filter_map(event).collect(),
        });
    }
    if receipt.gas_used >= entry.gas_limit {
        let reason = format!("it ran out of gas when mined (limit {})", entry.gas_limit);
        return Conclusion::Failed(Refusal { reason, data: Bytes::new() });
    }
    // The state of its own block says best why; many nodes have it for recent blocks.
    let replay = chain.at(block.number).dry_run(wallet, &entry.payload.clone().into()).await;
    match replay {
        Err(crate::DryRunError::Refused(refusal)) => Conclusion::Failed(refusal),
        Ok(_) | Err(crate::DryRunError::Rpc(_)) => {
            let reason = "it was reverted when mined".into();
            Conclusion::Failed(Refusal { reason, data: Bytes::new() })
        }
    }
}

impl Actor {
    pub(super) fn on_concluded(&mut self, entry: Entry, at: MinedAt, conclusion: Conclusion) {
        self.ledger.conclude(entry.nonce, at);
        match conclusion {
            Conclusion::Done(receipt) => {
                tracing::info!(intent = entry.intent, nonce = entry.nonce, transaction = %receipt.transaction, block = receipt.block.number, gas = receipt.gas_used, "mined");
                self.finish(&entry.intent, &Ok(receipt));
            }
            Conclusion::Failed(refusal) if entry.repeats >= REPEATS_MAX => {
                tracing::warn!(
                    intent = entry.intent,
                    nonce = entry.nonce,
                    reason = refusal.reason,
                    "refused when mined"
                );
                self.finish(&entry.intent, &Err(SendError::Refused(refusal)));
            }
            Conclusion::Failed(refusal) => {
                tracing::info!(
                    intent = entry.intent,
                    nonce = entry.nonce,
                    reason = refusal.reason,
                    "refused when mined; trying again"
                );
                if entry.intent != FILL {
                    let repeats = entry.repeats.saturating_add(1);
                    self.prepare_again(entry, repeats);
                }
            }
        }
    }
}
