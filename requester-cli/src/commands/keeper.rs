//! Keeping a deal in the chain while it is followed.
//!
//! A chain may be rewritten, and then nobody but its sender brings a transaction back. The match is
//! the requester's; what the pool and its workers sent, they send again themselves.

use crate::context::Context;
use crate::failure::Failure;
use poco_chain::{Chain, Wallet};
use poco_core::{Deal, DealId};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Pause between two looks at a deal that is there. A reorg is rare, and its deadlines are minutes.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Pause between two looks at a deal that is on its way back.
const RETURN_EVERY: Duration = Duration::from_millis(200);
/// Looks in a row that the chain does not answer: half a minute, as for its tasks.
const UNREAD_MAX: u32 = 150;
/// Looks at a deal on its way back, a minute in all, before the ledger is let go for a moment: other
/// commands of the wallet wait for it.
const RETURN_LOOKS_MAX: usize = 300;

/// A deal that was matched with a wallet's transaction.
#[derive(Clone, Copy)]
pub(crate) struct Keeper<'a> {
    pub(crate) context: &'a Context,
    pub(crate) chain: &'a Chain,
    pub(crate) wallet: &'a Arc<Wallet>,
    pub(crate) deal: DealId,
}

impl Keeper<'_> {
    /// The deal, which the chain has shown before.
    pub(crate) async fn find(&self) -> Result<Deal, Failure> {
        self.keep_while(async {
            let mut unread = 0;
            loop {
                match self.chain.deal(self.deal).await {
                    Ok(Some(deal)) => return Ok(deal),
                    Ok(None) => unread = 0,
                    Err(_) if unread < UNREAD_MAX => unread += 1,
                    Err(error) => return Err(error.into()),
                }
                tokio::time::sleep(RETURN_EVERY).await;
            }
        })
        .await
    }

    /// Runs `following` and brings the deal back whenever the chain has lost it.
    pub(crate) async fn keep_while<T>(&self, following: impl Future<Output = T>) -> T {
        tokio::select! {
            done = following => done,
            never = self.keep() => match never {},
        }
    }

    async fn keep(&self) -> Infallible {
        loop {
            // A node that does not answer says nothing about the deal.
            if let Ok(None) = self.chain.deal(self.deal).await {
                self.bring_back().await;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Holds a sender until the deal is back: it finds the match in its ledger and sends it again.
    /// Where another command of the wallet holds the ledger, that one does.
    async fn bring_back(&self) {
        self.context.output.note(&format!(
            "the chain was rewritten and has lost deal {}; sending its match again",
            self.deal
        ));
        let Ok(_sender) = self.context.sender(self.chain, self.wallet).await else { return };
        for _ in 0..RETURN_LOOKS_MAX {
            if let Ok(Some(_)) = self.chain.deal(self.deal).await {
                return;
            }
            tokio::time::sleep(RETURN_EVERY).await;
        }
    }
}
