//! The market's API as a pool's seller uses it: its orders published and withdrawn.

use anyhow::{Context as _, bail};
use poco_chain::Wallet;
use poco_core::{OrderHash, Signed, WorkerpoolOrder};
use reqwest::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// Longest wait for an answer; the market answers from memory.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// What is shown of a refusal.
const REASON_CHARACTERS_MAX: usize = 200;

/// A market, asked about one chain by one wallet.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    base: String,
    chain_id: u64,
    wallet: Arc<Wallet>,
    http: reqwest::Client,
}

impl Market {
    pub(crate) fn new(url: &Url, chain_id: u64, wallet: Arc<Wallet>) -> anyhow::Result<Self> {
        let http = reqwest::Client::builder().timeout(ANSWER_TIME).build()?;
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { base, chain_id, wallet, http })
    }

    /// Publishes a signed order.
    ///
    /// # Errors
    /// Where the market refuses or does not answer.
    pub(crate) async fn publish(&self, order: &Signed<WorkerpoolOrder>) -> anyhow::Result<()> {
        let authorization = self.authorization().await?;
        let request = self.http.post(self.orders()).json(&json!({ "order": order }));
        let (status, answer) = self.answer(request.header("authorization", authorization)).await?;
        if !status.is_success() {
            bail!("the market refuses the order: {}", reason(&answer));
        }
        Ok(())
    }

    /// Withdraws an order; one that is not listed is withdrawn already.
    ///
    /// # Errors
    /// Where the market does not answer.
    pub(crate) async fn withdraw(&self, order: OrderHash) -> anyhow::Result<()> {
        let authorization = self.authorization().await?;
        let body = json!({ "target": "unpublish_orderHash", "orderHash": order });
        let request = self.http.put(self.orders()).json(&body);
        let (status, answer) = self.answer(request.header("authorization", authorization)).await?;
        match status {
            status if status.is_success() => Ok(()),
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                tracing::debug!(%order, reason = reason(&answer), "not listed any more");
                Ok(())
            }
            status => bail!("the market answers {status}: {}", reason(&answer)),
        }
    }

    fn orders(&self) -> String {
        format!("{}/workerpoolorders", self.base)
    }

    /// Proves to the market who asks: signs the challenge that it gives this wallet.
    async fn authorization(&self) -> anyhow::Result<String> {
        let address = self.wallet.address().to_checksum(None);
        let request = self.http.get(format!("{}/challenge", self.base));
        let (_, answer) = self.answer(request.query(&[("address", &address)])).await?;
        let signed = self.wallet.answer_challenge(self.chain_id, &answer);
        signed.context("the market gives no challenge to sign")
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let response = request.query(&[("chainId", self.chain_id)]).send().await;
        let response =
            response.with_context(|| format!("the market at {} does not answer", self.base))?;
        let status = response.status();
        let answer = response.json().await.unwrap_or(Value::Null);
        Ok((status, answer))
    }
}

fn reason(answer: &Value) -> String {
    let text = answer["error"].as_str().unwrap_or("no reason given");
    text.chars().take(REASON_CHARACTERS_MAX).collect()
}
