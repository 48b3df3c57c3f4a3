//! Publishes in the market where this pool is reached and what it promises, as the owner signs it.

use poco_chain::{Wallet, read_body, read_json};
use poco_core::message::{eth_signed_message_hash, pool_profile_hash};
use poco_core::signature::recover;
use poco_core::{Address, Bytes};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Longest wait for the market.
const REQUEST_TIME: Duration = Duration::from_secs(10);
/// The largest answer that is read: a profile takes some kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// First pause after a failed try; doubled each time.
const PAUSE_MIN: Duration = Duration::from_secs(2);
/// Longest pause between tries.
const PAUSE_MAX: Duration = Duration::from_secs(300);

/// What is published, and where.
pub(crate) struct Profile {
    pub(crate) market_url: Url,
    pub(crate) api_url: String,
    pub(crate) chain_id: u64,
    pub(crate) workerpool: Address,
    pub(crate) wallet: Arc<Wallet>,
    /// The text of its terms, where it promises anything.
    pub(crate) terms: Option<String>,
}

impl Profile {
    /// Tries until the market has taken it. The pool works without, so nothing here is fatal.
    pub(crate) async fn publish(self, stop: CancellationToken) {
        let mut pause = PAUSE_MIN;
        loop {
            match self.put().await {
                Ok(()) => {
                    tracing::info!(market = %self.market_url, api = %self.api_url, "profile published");
                    return;
                }
                Err(error) => tracing::warn!(
                    market = %self.market_url, error = format!("{error:#}"),
                    "the profile cannot be published; trying again"
                ),
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(PAUSE_MAX),
                () = stop.cancelled() => return,
            }
        }
    }

    async fn put(&self) -> anyhow::Result<()> {
        let timestamp = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
        let Self { chain_id, workerpool, api_url, terms, .. } = self;
        let hash = pool_profile_hash(*chain_id, *workerpool, api_url, terms.as_deref(), timestamp);
        let sign: Bytes = self.wallet.sign_hash(eth_signed_message_hash(hash));
        let base = self.market_url.as_str().trim_end_matches('/');
        let pool = self.workerpool.to_checksum(None);
        let url = format!("{base}/{}/workerpools/{pool}", self.chain_id);
        let mut body = json!({ "apiUrl": self.api_url, "timestamp": timestamp, "sign": sign });
        if let Some(terms) = terms {
            body["terms"] = terms.as_str().into();
        }
        let client = reqwest::Client::builder().timeout(REQUEST_TIME).build()?;
        if self.stands(&client, &url).await? {
            return Ok(());
        }
        let response = client.put(url).json(&body).send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let text = read_body(response, ANSWER_BYTES_MAX).await.unwrap_or_default();
        let text: String = String::from_utf8_lossy(&text).chars().take(200).collect();
        anyhow::bail!("the market answers {status}: {text}")
    }

    /// Whether the market shows just this, signed by this owner. Then it keeps its date: promises
    /// hold from then on, whatever restarts there are.
    async fn stands(&self, client: &reqwest::Client, url: &str) -> anyhow::Result<bool> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Standing {
            api_url: String,
            timestamp: u64,
            sign: Bytes,
            #[serde(default)]
            terms: Option<String>,
        }
        let response = client.get(url).send().await?;
        // One that does not show so much is an older market, and takes the profile anew.
        let standing = read_json::<Standing>(response, ANSWER_BYTES_MAX).await;
        let Ok(Standing { api_url, timestamp, sign, terms }) = standing else { return Ok(false) };
        let ours = terms.as_deref();
        let hash = pool_profile_hash(self.chain_id, self.workerpool, &api_url, ours, timestamp);
        let signer = recover(eth_signed_message_hash(hash), &sign);
        let is_same = api_url == self.api_url && terms == self.terms;
        Ok(is_same && signer == Some(self.wallet.address()))
    }
}
