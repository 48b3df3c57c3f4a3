//! Giving a transaction its nonce, and giving it to the node.

use super::SendError;
use super::actor::{Actor, Ended, Wish};
use super::prepare::Prepared;
use super::signing::Unsigned;
use crate::abi::refusal::Refusal;
use crate::failpoint;
use crate::rpc::{RpcCall, RpcError};
use poco_chain_core::Fees;
use poco_chain_core::ledger::{Attempt, Entry, Sent, State, Verdict};
use poco_core::{Bytes, U256};
use serde::de::IgnoredAny;

/// Gas of a transaction that does nothing.
const GAS_OF_NOTHING: u64 = 21_000;
/// What fills a nonce that nobody uses; it is nobody's intent.
pub(super) const FILL: &str = "fill a gap in the nonces";

/// How nodes say that they have a transaction already.
const KNOWN: [&str; 4] = ["already known", "already imported", "alreadyknown", "known transaction"];
/// How nodes say that a nonce is used.
const NONCE_USED: [&str; 4] =
    ["nonce too low", "nonce is too low", "old nonce", "nonce has already"];
/// How nodes say that an account cannot pay.
const NO_FUNDS: [&str; 4] =
    ["insufficient funds", "insufficient balance", "enough funds", "upfront cost"];
/// How nodes say that a fee is too low.
const UNDERPRICED: [&str; 5] =
    ["underpriced", "less than block base fee", "fee too low", "feetoolow", "price too low"];

impl Actor {
    /// Gives a prepared transaction the next nonce, stores it, and sends it.
    pub(super) async fn dispatch(&mut self, wish: Wish, prepared: Prepared) -> Result<(), Ended> {
        self.head = self.head.max(prepared.head);
        let nonce = self.ledger.next_nonce(prepared.nonce_used);
        let entry = Entry {
            nonce,
            intent: wish.intent,
            payload: wish.tx.into(),
            gas_limit: prepared.gas_limit,
            repeats: wish.repeats,
            attempts: Vec::new(),
            state: State::Pending,
        };
        self.open(entry, prepared.fees).await
    }

    /// Uses up a nonce that nobody uses, and that others wait for.
    pub(super) async fn fill(&mut self, nonce: u64, fees: Fees) -> Result<(), Ended> {
        tracing::warn!(nonce, "filling a gap in the nonces");
        let payload = poco_chain_core::ledger::Payload {
            to: Some(self.wallet.address()),
            data: Bytes::new(),
        };
        let entry = Entry {
            nonce,
            intent: FILL.into(),
            payload,
            gas_limit: GAS_OF_NOTHING,
            repeats: 0,
            attempts: Vec::new(),
            state: State::Pending,
        };
        self.open(entry, fees).await
    }

    async fn open(&mut self, mut entry: Entry, fees: Fees) -> Result<(), Ended> {
        let nonce = entry.nonce;
        let signed = Unsigned::of(self.chain.chain_id(), &entry).sign(&self.wallet, fees);
        tracing::info!(intent = entry.intent, nonce, transaction = %signed.hash, "sending");
        entry.attempts.push(Attempt { fees, transaction: signed.hash });
        self.ledger.open(entry);
        self.save(nonce)?;
        self.broadcast(nonce).await
    }

    /// Sends an attempt with other fees.
    pub(super) async fn replace(&mut self, nonce: u64, fees: Fees) -> Result<(), Ended> {
        let Some(entry) = self.ledger.find(nonce) else { return Ok(()) };
        let signed = Unsigned::of(self.chain.chain_id(), entry).sign(&self.wallet, fees);
        tracing::info!(intent = entry.intent, nonce, transaction = %signed.hash, fee_wei = fees.fee_wei_max, "raising the fee");
        self.ledger.add_attempt(nonce, Attempt { fees, transaction: signed.hash });
        self.save(nonce)?;
        self.broadcast(nonce).await
    }

    /// Gives the newest attempt to the node.
    pub(super) async fn broadcast(&mut self, nonce: u64) -> Result<(), Ended> {
        let Some(entry) = self.ledger.find(nonce) else { return Ok(()) };
        let Some(attempt) = entry.attempts.last() else { return Ok(()) };
        let signed = Unsigned::of(self.chain.chain_id(), entry).sign(&self.wallet, attempt.fees);
        let call = RpcCall::send(&signed.bytes);
        failpoint::hit("sender.broadcast.before");
        let answered = self.chain.rpc().call::<IgnoredAny>(call).await;
        failpoint::hit("sender.broadcast.after");
        let (sent, message) = match answered {
            Ok(IgnoredAny) => (Sent::Accepted, String::new()),
            Err(RpcError::Node { message, .. }) => (classify(&message), message),
            Err(
                error @ (RpcError::Unreachable { .. }
                | RpcError::Behind { .. }
                | RpcError::Unexpected { .. }),
            ) => (Sent::Unknown, error.to_string()),
        };
        if sent != Sent::Accepted {
            tracing::debug!(nonce, message, "the node did not take the transaction");
        }
        let verdict = self.ledger.on_sent(nonce, self.now_millis(), self.head, &sent);
        self.look_soon();
        match verdict {
            Verdict::Kept => Ok(()),
            Verdict::Withdrawn(entry) => {
                self.forget(nonce)?;
                self.on_withdrawn(*entry, &sent, message).await;
                Ok(())
            }
        }
    }

    /// A transaction that no node ever took in.
    async fn on_withdrawn(&mut self, entry: Entry, sent: &Sent, message: String) {
        if entry.intent == FILL {
            return;
        }
        match sent {
            Sent::NoFunds => {
                let fee = entry.attempts.last().map_or(0, |attempt| attempt.fees.fee_wei_max);
                let needed = U256::from(entry.gas_limit).saturating_mul(U256::from(fee));
                let wallet = self.wallet.address();
                // Only for the message: without an answer it shows nothing at all.
                let balance = self.chain.gas_balance(wallet).await.unwrap_or_default();
                self.finish(&entry.intent, &Err(SendError::NoGas { wallet, balance, needed }));
            }
            Sent::Rejected => {
                let refusal = Refusal { reason: message, data: Bytes::new() };
                self.finish(&entry.intent, &Err(SendError::Refused(refusal)));
            }
            Sent::NonceTooLow | Sent::Accepted | Sent::Underpriced | Sent::Unknown => {
                let repeats = entry.repeats;
                self.prepare_again(entry, repeats);
            }
        }
    }
}

/// What a node meant. Nodes have no codes for it, only words.
fn classify(message: &str) -> Sent {
    let lower = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if says(&KNOWN) {
        Sent::Accepted
    } else if says(&NONCE_USED) {
        Sent::NonceTooLow
    } else if says(&NO_FUNDS) {
        Sent::NoFunds
    } else if says(&UNDERPRICED) {
        Sent::Underpriced
    } else {
        Sent::Rejected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_nodes_are_understood() {
        for (message, sent) in [
            ("already known", Sent::Accepted),
            ("transaction already imported", Sent::Accepted),
            ("AlreadyKnown", Sent::Accepted),
            ("nonce too low: next nonce 5, tx nonce 4", Sent::NonceTooLow),
            ("insufficient funds for gas * price + value", Sent::NoFunds),
            ("Insufficient funds for gas * price + value", Sent::NoFunds),
            ("replacement transaction underpriced", Sent::Underpriced),
            ("max fee per gas less than block base fee", Sent::Underpriced),
            ("FeeTooLow", Sent::Underpriced),
            ("exceeds block gas limit", Sent::Rejected),
        ] {
            assert_eq!(classify(message), sent, "{message}");
        }
    }
}
