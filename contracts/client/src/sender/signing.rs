//! Signed transactions as bytes.

use crate::wallet::Wallet;
use alloy_consensus::{SignableTransaction, TxEip1559};
use alloy_primitives::TxKind;
use poco_chain_core::Fees;
use poco_chain_core::ledger::{Entry, Payload};
use poco_core::{B256, Bytes, U256};

/// A signed transaction.
pub(super) struct SignedTransaction {
    pub(super) hash: B256,
    pub(super) bytes: Bytes,
}

/// What does not change between two attempts of one transaction.
pub(super) struct Unsigned<'a> {
    pub(super) chain_id: u64,
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    pub(super) payload: &'a Payload,
}

impl<'a> Unsigned<'a> {
    pub(super) fn of(chain_id: u64, entry: &'a Entry) -> Self {
        let Entry { nonce, gas_limit, payload, .. } = entry;
        Self { chain_id, nonce: *nonce, gas_limit: *gas_limit, payload }
    }

    /// Signs with these fees. The same input gives the same bytes, before and after a restart.
    pub(super) fn sign(&self, wallet: &Wallet, fees: Fees) -> SignedTransaction {
        let mut tx = TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: self.gas_limit,
            max_fee_per_gas: fees.fee_wei_max,
            max_priority_fee_per_gas: fees.tip_wei_max,
            to: self.payload.to.map_or(TxKind::Create, TxKind::Call),
            value: U256::ZERO,
            access_list: Vec::new().into(),
            input: self.payload.data.clone(),
        };
        let signature = wallet.sign_transaction(&mut tx);
        let signed = tx.into_signed(signature);
        let mut bytes = Vec::new();
        signed.eip2718_encode(&mut bytes);
        SignedTransaction { hash: *signed.hash(), bytes: bytes.into() }
    }
}
