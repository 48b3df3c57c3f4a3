//! A pool played by the test, so that the chain holds the results that it wants.

use crate::stage::Turn;
use anyhow::Result;
use poco_chain::{Chain, FileLedger, Sender, SenderSettings, Transaction};
use poco_core::call::WholeContribution;
use poco_core::message::authorization_hash;
use poco_core::{Address, Bytes, Call, ResultDigest, TaskId, U256};
use poco_integration_tests::world::{Party, wallet};
use serde_json::json;
use std::sync::Arc;

/// A result as workers make it: `computed.json` and the file that it names.
pub(crate) const ZIP: &[u8] = include_bytes!("result.zip");
/// Its address, as any IPFS node gives it.
pub(crate) const ZIP_CID: &str = "QmTsz8FYN1QVZYL5AxzrGy3R7xCCTfTwVMkhvM4BPdY2RL";
/// Its digest.
pub(crate) const ZIP_DIGEST: &str =
    "0x55c97802b397ef4da0d8e2ecf4a8fa33c1f4755da0eacec54c62cacbbcfd9713";
/// Bytes that are no result, and their address.
pub(crate) const OTHER: &[u8] = b"something else";
pub(crate) const OTHER_CID: &str = "QmQL2c7NzU4j3FovNHnky1A4vX97RYW8WoA8VGDcBfypkd";
/// Completes tasks on chain, for the pool and with the first worker.
pub(crate) struct Completer {
    pool: Sender,
    worker: Sender,
    chain: Chain,
}

impl Completer {
    pub(crate) async fn start(turn: &Turn) -> Result<Self> {
        let chain = turn.world.chain().await?;
        let sender = async |party, name: &str| -> Result<Sender> {
            let ledger = FileLedger::open(&turn.world.path("papers").join(name))?;
            let wallet = Arc::new(wallet(party)?);
            Sender::start(chain.clone(), wallet, ledger, SenderSettings::default()).await
        };
        let pool = sender(Party::Scheduler, "pool.ledger").await?;
        let worker = sender(Party::Worker(0), "worker.ledger").await?;
        Ok(Self { pool, worker, chain: chain.clone() })
    }

    /// Opens a task.
    pub(crate) async fn open(&self, deal: &str, index: u64) -> Result<TaskId> {
        let deal = deal.parse()?;
        let task = TaskId::of_deal(deal, U256::from(index));
        let call = Call::Initialize { deal, index: U256::from(index) };
        self.pool.send(&format!("open {task}"), Transaction::hub(&self.chain, &call)).await?;
        Ok(task)
    }

    /// Lets the contract take `digest` and `cid` for the result of a task.
    pub(crate) async fn complete(
        &self,
        deal: &str,
        index: u64,
        digest: &str,
        cid: &str,
    ) -> Result<TaskId> {
        let task = self.open(deal, index).await?;
        let worker = self.worker.address();
        let leave = authorization_hash(worker, task, Address::ZERO);
        let results = json!({ "storage": "ipfs", "location": format!("/ipfs/{cid}") }).to_string();
        let call = Call::ContributeAndFinalize(WholeContribution {
            task,
            digest: ResultDigest(digest.parse()?),
            results: results.into_bytes().into(),
            results_callback: Bytes::new(),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: wallet(Party::Scheduler)?.sign_hash(leave),
        });
        self.worker.send(&format!("end {task}"), Transaction::hub(&self.chain, &call)).await?;
        Ok(task)
    }
}
