//! The price feed on the chain: deployed, read, and pulled into by a stranger.

use alloy_sol_types::{SolCall, SolInterface, SolValue, sol};
use anyhow::{Context, Result, bail, ensure};
use poco_core::{Address, B256, Bytes, TaskId, U256};
use poco_integration_tests::anvil::Anvil;
use poco_integration_tests::pool::Pool;
use poco_integration_tests::world::{Party, World, wallet};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// The pair, as the feed knows it.
const PAIR: &[u8] = b"RLC/USD";
/// The least trust that the feed accepts.
const TRUST: u64 = 5;

sol! {
    function latest() returns (uint256 price, uint256 at);
    function pullResult(bytes32 taskid);

    interface Refusals {
        error NotNewer(uint256 startTime, uint256 index);
        error ParamsNotAccepted(bytes32 paramsHash);
        error ResultNotAgreedOn(bytes32 resultHash, bytes32 digest);
    }
}

/// A deployed feed.
pub(crate) struct Feed<'a> {
    pub(crate) address: Address,
    anvil: &'a Anvil,
}

impl<'a> Feed<'a> {
    /// Deploys a feed that takes results of the pool's app with these params.
    pub(crate) async fn deploy(world: &'a World, pool: &Pool, params: B256) -> Result<Self> {
        #[derive(Deserialize)]
        struct Artifact {
            bytecode: Bytes,
        }
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../contracts/artifacts/PriceFeed.json");
        let artifact: Artifact = serde_json::from_str(&std::fs::read_to_string(path)?)?;
        let app: Address = pool.app.parse()?;
        let workerpool: Address = pool.workerpool.parse()?;
        let arguments = (
            world.addresses.hub,
            B256::right_padding_from(PAIR),
            app,
            workerpool,
            U256::from(TRUST),
            params,
        );
        let data =
            Bytes::from([artifact.bytecode.as_ref(), &arguments.abi_encode_params()].concat());
        let from = wallet(Party::Owner)?.address();
        let receipt = world.anvil.transact(json!({ "from": from, "data": data })).await?;
        ensure!(receipt["status"] == "0x1", "the feed was not deployed: {receipt}");
        let address = receipt["contractAddress"].as_str().context("a created contract")?;
        Ok(Self { address: address.parse()?, anvil: &world.anvil })
    }

    /// The price and its time.
    pub(crate) async fn latest(&self) -> Result<(u128, u64)> {
        let request =
            json!({ "to": self.address, "data": Bytes::from(latestCall {}.abi_encode()) });
        let answer: Bytes =
            serde_json::from_value(self.anvil.call("eth_call", json!([request, "latest"])).await?)?;
        let latest = latestCall::abi_decode_returns(&answer)?;
        Ok((latest.price.try_into()?, latest.at.try_into()?))
    }

    /// Lets a party that has nothing to do with the task bring its result.
    pub(crate) async fn pull(&self, task: TaskId) -> Result<()> {
        let receipt = self.anvil.transact(self.pull_request(task)?).await?;
        ensure!(receipt["status"] == "0x1", "the result was not taken: {receipt}");
        Ok(())
    }

    /// Why the feed does not take a task's result, by the error's name.
    pub(crate) async fn refusal(&self, task: TaskId) -> Result<String> {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "eth_call",
            "params": [self.pull_request(task)?, "latest"],
        });
        let answer =
            reqwest::Client::new().post(self.anvil.url().clone()).json(&call).send().await?;
        let answer: Value = answer.json().await?;
        let Some(data) = answer["error"]["data"].as_str() else {
            bail!("the result would be taken: {answer}");
        };
        let data: Bytes = data.parse()?;
        Ok(match Refusals::RefusalsErrors::abi_decode(&data)? {
            Refusals::RefusalsErrors::NotNewer(error) => {
                format!("NotNewer({}, {})", error.startTime, error.index)
            }
            Refusals::RefusalsErrors::ParamsNotAccepted(error) => {
                format!("ParamsNotAccepted({})", error.paramsHash)
            }
            Refusals::RefusalsErrors::ResultNotAgreedOn(error) => {
                format!("ResultNotAgreedOn({}, {})", error.resultHash, error.digest)
            }
        })
    }

    fn pull_request(&self, task: TaskId) -> Result<Value> {
        let data = Bytes::from(pullResultCall { taskid: task.0 }.abi_encode());
        let from = wallet(Party::Worker(5))?.address();
        Ok(json!({ "from": from, "to": self.address, "data": data }))
    }
}
