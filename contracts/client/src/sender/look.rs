//! A look at the chain, and what follows from it.

use super::actor::{Actor, Ended};
use super::broadcast::FILL;
use super::conclude::conclude;
use super::prepare::market;
use crate::chain::Chain;
use crate::rpc::{Answer, RpcCall, RpcError, RpcHeader, RpcReceipt, mined_at};
use alloy_primitives::U64;
use alloy_rpc_types_eth::BlockNumberOrTag::Latest;
use poco_chain_core::Fees;
use poco_chain_core::fees::Market;
use poco_chain_core::ledger::{Action, MinedAt, Observation, Questions};
use poco_core::Address;
use std::collections::BTreeMap;

impl Actor {
    /// Looks after everything in flight.
    pub(super) async fn look(&mut self) -> Result<(), Ended> {
        match observe(&self.chain, self.wallet.address(), self.ledger.questions()).await {
            Ok(seen) => {
                self.trouble.on_answered();
                self.head = self.head.max(seen.head);
                let market = seen.market;
                for action in self.ledger.observe(self.now_millis(), &seen) {
                    self.act(action, market).await?;
                }
                self.work_off_backlog().await?;
                // An action that sends has asked for an early look itself.
                self.look_later_unless_soon();
            }
            Err(error) => {
                let wait_millis = self.trouble.on_failed(&error);
                self.look_after_trouble(wait_millis);
            }
        }
        Ok(())
    }

    async fn act(&mut self, action: Action, market: Market) -> Result<(), Ended> {
        match action {
            Action::Save { nonce } => self.save(nonce),
            Action::Forget { nonce } => self.forget(nonce),
            Action::Resend { nonce } => self.broadcast(nonce).await,
            Action::Replace { nonce, fees } => self.replace(nonce, fees).await,
            Action::Report { nonce, at } => {
                self.report(nonce, at);
                Ok(())
            }
            Action::Redo { entry } => {
                if entry.intent != FILL {
                    tracing::warn!(
                        intent = entry.intent,
                        nonce = entry.nonce,
                        "its nonce was used by another transaction; preparing it anew"
                    );
                    let repeats = entry.repeats;
                    self.prepare_again(*entry, repeats);
                }
                Ok(())
            }
            Action::Fill { nonce } => {
                match Fees::first(market, u128::from(self.settings.fee_wei_max)) {
                    Ok(fees) => self.fill(nonce, fees).await,
                    // The gap is found again, and filled once gas is cheaper.
                    Err(_above_cap) => Ok(()),
                }
            }
        }
    }

    fn report(&mut self, nonce: u64, at: MinedAt) {
        let Some(entry) = self.ledger.find(nonce).cloned() else { return };
        let chain = self.chain.clone();
        let wallet = self.wallet.address();
        self.tasks.spawn(async move { conclude(&chain, wallet, entry, at).await });
    }
}

/// Everything that the ledger asks, answered by one node in one batch.
async fn observe(
    chain: &Chain,
    wallet: Address,
    questions: Questions,
) -> Result<Observation, RpcError> {
    let mut calls = vec![
        RpcCall::header(Latest),
        RpcCall::tip(),
        RpcCall::gas_price(),
        // The nonce before the receipts: what it counts must have a receipt then.
        RpcCall::nonce(wallet, Latest),
    ];
    calls.extend(questions.receipts.iter().copied().map(RpcCall::receipt));
    calls.extend(questions.blocks.iter().copied().map(RpcCall::header));
    let mut answers = chain.rpc().batch(&calls).await?.into_iter();
    let mut next = || answers.next().unwrap_or_else(Answer::missing);

    let header: RpcHeader = next().parse()?;
    let market = market(&header, next(), next())?;
    let nonce = next().parse::<U64>()?.to();
    let mut receipts = BTreeMap::new();
    for hash in &questions.receipts {
        let receipt: Option<RpcReceipt> = next().parse()?;
        if let Some(at) = receipt.as_ref().and_then(mined_at) {
            receipts.insert(*hash, at);
        }
    }
    let mut blocks = BTreeMap::new();
    for number in &questions.blocks {
        let header: Option<RpcHeader> = next().parse()?;
        if let Some(header) = header {
            blocks.insert(*number, header.hash);
        }
    }
    Ok(Observation { head: header.number, nonce, market, receipts, blocks })
}
