//! Publishes in the market where this pool is reached.

use poco_chain::Wallet;
use poco_core::message::eth_signed_message_hash;
use poco_core::{Address, B256, Bytes, U256, keccak256};
use serde_json::json;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Longest wait for the market.
const REQUEST_TIME: Duration = Duration::from_secs(10);
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
        let hash = message(self.chain_id, self.workerpool, &self.api_url, timestamp);
        let sign: Bytes = self.wallet.sign_hash(eth_signed_message_hash(hash));
        let base = self.market_url.as_str().trim_end_matches('/');
        let pool = self.workerpool.to_checksum(None);
        let url = format!("{base}/{}/workerpools/{pool}", self.chain_id);
        let body = json!({ "apiUrl": self.api_url, "timestamp": timestamp, "sign": sign });
        let client = reqwest::Client::builder().timeout(REQUEST_TIME).build()?;
        let response = client.put(url).json(&body).send().await?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let text = response.text().await.unwrap_or_default();
        anyhow::bail!("the market answers {status}: {}", text.chars().take(200).collect::<String>())
    }
}

/// `keccak256("PoCo pool profile" ‖ chain id ‖ pool ‖ url ‖ timestamp)`.
fn message(chain_id: u64, workerpool: Address, api_url: &str, timestamp: u64) -> B256 {
    let mut bytes = b"PoCo pool profile".to_vec();
    bytes.extend_from_slice(&U256::from(chain_id).to_be_bytes::<32>());
    bytes.extend_from_slice(workerpool.as_slice());
    bytes.extend_from_slice(api_url.as_bytes());
    bytes.extend_from_slice(&U256::from(timestamp).to_be_bytes::<32>());
    keccak256(bytes)
}
