//! A market's API as those use it who buy and sell there, and whether orders found there can be
//! matched: a market is never believed about that, the chain and the contract's rules are asked.

mod fit;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod orders;

pub use fit::{Unfit, unfit};
pub use orders::{Listed, Published, any, open_to, path};

use poco_chain::{Wallet, read_json};
use poco_core::{Address, Bytes, OrderHash, OrderKind, Signed};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// Longest wait for an answer; the market answers from memory.
const ANSWER_MAX: Duration = Duration::from_secs(20);
/// The largest answer that is read: a page of a thousand requests with long params takes a tenth.
const ANSWER_BYTES_MAX: usize = 32 << 20;
/// What is told of a refusal.
const REASON_CHARACTERS_MAX: usize = 400;
/// How many orders a page of the market holds.
const PAGE: std::ops::RangeInclusive<usize> = 10..=1000;

/// Why the market did not do what it was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MarketError {
    /// Nobody answers; ask again.
    #[error("the market at {0} does not answer")]
    Silent(Url),
    /// Somebody answers who is no market.
    #[error("{0} does not speak like a market")]
    Foreign(Url),
    /// A market answers what cannot be read: it is of another version, or none.
    #[error("the market's answer cannot be read: {0}")]
    Unreadable(String),
    /// There is no such thing.
    #[error("the market says: {0}")]
    NotFound(String),
    /// It says no, and will again.
    #[error("the market refuses: {0}")]
    Refused(String),
    /// It is busy or broken; ask again later.
    #[error("the market answers {status}: {reason}")]
    Failed {
        /// Its HTTP status.
        status: u16,
        /// What it says.
        reason: String,
    },
}

/// What a pool's owner has signed about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolProfile {
    /// Where the pool's own API is, as it was signed.
    pub api_url: String,
    /// When it was signed, in seconds since 1970.
    pub timestamp: u64,
    /// The signature.
    pub sign: Bytes,
    /// What the pool promises, as it was signed.
    #[serde(default)]
    pub terms: Option<String>,
}

/// A market, asked about one chain. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Market {
    url: Url,
    chain_id: u64,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Orders<O> {
    orders: Vec<O>,
}

impl Market {
    /// The market at `url`; nothing is asked yet.
    ///
    /// # Errors
    /// Where this machine cannot ask anybody.
    pub fn new(url: Url, chain_id: u64) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder().timeout(ANSWER_MAX).build()?;
        Ok(Self { url, chain_id, http })
    }

    /// The open orders of a kind that fit `filters`, best first, at most `limit` and at most a page.
    ///
    /// # Errors
    /// [`MarketError`].
    pub async fn orders<O: Listed>(
        &self,
        filters: &[(&str, String)],
        limit: usize,
    ) -> Result<Vec<Published<O>>, MarketError> {
        let mut query = filters.to_vec();
        query.push(("pageSize", limit.clamp(*PAGE.start(), *PAGE.end()).to_string()));
        let page: Orders<Published<O>> = self.get(O::PATH, &query).await?;
        Ok(page.orders.into_iter().take(limit).collect())
    }

    /// One order, whatever its status, as the market tells it.
    ///
    /// # Errors
    /// [`MarketError`].
    pub async fn order(&self, kind: OrderKind, hash: OrderHash) -> Result<Value, MarketError> {
        self.get(&format!("{}/{hash}", path(kind)), &[]).await
    }

    /// The last deals that fit `filters`, newest first.
    ///
    /// # Errors
    /// [`MarketError`].
    pub async fn deals(&self, filters: &[(&str, String)]) -> Result<Value, MarketError> {
        self.get("deals", filters).await
    }

    /// Publishes a signed order; answers the market's record.
    ///
    /// # Errors
    /// [`MarketError`].
    pub async fn publish<O: Listed>(
        &self,
        wallet: &Wallet,
        order: &Signed<O>,
    ) -> Result<Value, MarketError> {
        let authorization = self.authorization(wallet).await?;
        let request = self.http.post(self.route(O::PATH)).json(&json!({ "order": order }));
        let answer: Value = self.answer(request.header("authorization", authorization)).await?;
        Ok(answer.get("published").cloned().unwrap_or(Value::Null))
    }

    /// Withdraws an order from the market; it stays valid on chain.
    ///
    /// # Errors
    /// [`MarketError`].
    pub async fn unpublish(
        &self,
        wallet: &Wallet,
        kind: OrderKind,
        hash: OrderHash,
    ) -> Result<Value, MarketError> {
        let authorization = self.authorization(wallet).await?;
        let body = json!({ "target": "unpublish_orderHash", "orderHash": hash });
        let request = self.http.put(self.route(path(kind))).json(&body);
        self.answer(request.header("authorization", authorization)).await
    }

    /// What a pool's owner has published about it; `None` where nothing is.
    ///
    /// # Errors
    /// [`MarketError`].
    pub async fn profile(&self, workerpool: Address) -> Result<Option<PoolProfile>, MarketError> {
        let path = format!("{}/workerpools/{}", self.chain_id, workerpool.to_checksum(None));
        match self.get::<PoolProfile>(&path, &[]).await {
            Ok(profile) => Ok(Some(profile)),
            Err(MarketError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Proves to the market who asks: signs the challenge that it gives this wallet.
    async fn authorization(&self, wallet: &Wallet) -> Result<String, MarketError> {
        let address = wallet.address().to_checksum(None);
        let challenge: Value = self.get("challenge", &[("address", address)]).await?;
        let answer = wallet.answer_challenge(self.chain_id, &challenge);
        answer.ok_or_else(|| MarketError::Unreadable("it gives no challenge to sign".to_owned()))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, MarketError> {
        self.answer(self.http.get(self.route(path)).query(query)).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, MarketError> {
        let request = request.query(&[("chainId", self.chain_id)]);
        let response = request.send().await.map_err(|_| MarketError::Silent(self.url.clone()))?;
        let status = response.status();
        let body: Value = read_json(response, ANSWER_BYTES_MAX)
            .await
            .map_err(|_| MarketError::Foreign(self.url.clone()))?;
        if status.is_success() {
            return serde_json::from_value(body)
                .map_err(|error| MarketError::Unreadable(error.to_string()));
        }
        let reason = body.get("error").and_then(Value::as_str).unwrap_or("no reason given");
        let reason: String = reason.chars().take(REASON_CHARACTERS_MAX).collect();
        Err(match status {
            StatusCode::NOT_FOUND => MarketError::NotFound(reason),
            StatusCode::BAD_REQUEST | StatusCode::FORBIDDEN => MarketError::Refused(reason),
            _ => MarketError::Failed { status: status.as_u16(), reason },
        })
    }

    /// The market may lie below a path of its own.
    fn route(&self, path: &str) -> String {
        format!("{}/{path}", self.url.as_str().trim_end_matches('/'))
    }
}
