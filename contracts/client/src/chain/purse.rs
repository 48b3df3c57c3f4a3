//! What an account has and has done, all of it as one node sees one moment.

use super::{Account, Chain};
use crate::abi::{Hub, Lane};
use crate::rpc::{RpcCall, RpcError, RpcHeader, block_of};
use alloy_primitives::U64;
use alloy_rpc_types_eth::BlockNumberOrTag::{Latest, Pending};
use alloy_sol_types::SolCall;
use poco_chain_core::BlockRef;
use poco_core::{Address, Amount, B256, Bytes, U256};
use serde::Deserialize;

/// Calls of the hub that only a pool's scheduler makes with its owner's key. Claims are not among them:
/// anybody who wants a refund sends those, the owner as a requester too.
const SCHEDULING: [[u8; 4]; 8] = [
    Hub::initializeCall::SELECTOR,
    Hub::initializeArrayCall::SELECTOR,
    Hub::reopenCall::SELECTOR,
    Hub::finalizeCall::SELECTOR,
    Lane::commitCall::SELECTOR,
    Lane::settleCall::SELECTOR,
    Lane::discloseCall::SELECTOR,
    Lane::closeCall::SELECTOR,
];

/// What an account has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Purse {
    /// The latest block.
    pub block: BlockRef,
    /// Coin for gas.
    pub gas_wei: U256,
    /// What a unit of gas costs.
    pub gas_price_wei: U256,
    /// Its account in the hub.
    pub account: Account,
    /// Nonces that are used.
    pub nonce: u64,
    /// The same, with transactions that wait at the node.
    pub nonce_pending: u64,
}

/// A mined transaction, as far as it says who does what.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SentTransaction {
    /// Its hash.
    pub hash: B256,
    /// Who sent it.
    pub from: Address,
    /// Whom it calls; `None` where it creates a contract.
    pub to: Option<Address>,
    /// Its calldata.
    pub input: Bytes,
}

#[derive(Deserialize)]
struct FullBlock {
    transactions: Vec<SentTransaction>,
}

impl Chain {
    /// What `owner` has.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn purse(&self, owner: Address) -> Result<Purse, RpcError> {
        let view = Hub::viewAccountCall { account: owner };
        let [header, balance, price, account, nonce, pending] = self
            .views([
                RpcCall::header(Latest),
                RpcCall::balance(owner, Latest),
                RpcCall::gas_price(),
                self.view_of(self.hub(), &view),
                RpcCall::nonce(owner, Latest),
                RpcCall::nonce(owner, Pending),
            ])
            .await?;
        let account = super::read::decode::<Hub::viewAccountCall>(account)?
            .map_err(|refusal| RpcError::unexpected("viewAccount", refusal))?;
        let nonce = nonce.parse::<U64>()?.to();
        Ok(Purse {
            block: block_of(&header.parse::<RpcHeader>()?),
            gas_wei: balance.parse()?,
            gas_price_wei: price.parse()?,
            account: Account { free: Amount(account.stake), locked: Amount(account.locked) },
            nonce,
            // Some nodes do not know what waits.
            nonce_pending: pending.parse::<U64>().map_or(nonce, |pending| pending.to::<u64>()),
        })
    }

    /// The transactions that `from` sent in the blocks `first..=last`.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn sent_by(
        &self,
        from: Address,
        first: u64,
        last: u64,
    ) -> Result<Vec<SentTransaction>, RpcError> {
        let mut sent = Vec::new();
        for number in first..=last {
            // One at a time: a full block may be large.
            let [answer] = self.views([RpcCall::full_block(number)]).await?;
            let block: Option<FullBlock> = answer.parse()?;
            let block = block.into_iter().flat_map(|block| block.transactions);
            sent.extend(block.filter(|sent| sent.from == from));
        }
        Ok(sent)
    }

    /// Whether a transaction of a pool's owner is one that a scheduler makes.
    #[must_use]
    pub fn is_scheduling(&self, sent: &SentTransaction) -> bool {
        let selector = sent.input.get(..4).unwrap_or_default();
        sent.to == Some(self.hub()) && SCHEDULING.iter().any(|known| known.as_slice() == selector)
    }
}
