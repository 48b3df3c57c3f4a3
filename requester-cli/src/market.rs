//! The market's API as the command line uses it.

use crate::failure::Failure;
use poco_chain::Wallet;
use poco_core::order::{AppOrder, DatasetOrder, Order, RequestOrder, WorkerpoolOrder};
use poco_core::{Address, Bytes, OrderHash, OrderKind, Signed};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;
use url::Url;

/// Longest wait for an answer; the market answers from memory.
const TIMEOUT: Duration = Duration::from_secs(20);

/// An order as the market lists it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "Signed<O>: DeserializeOwned", serialize = "Signed<O>: Serialize")
)]
pub(crate) struct Published<O> {
    pub(crate) order_hash: OrderHash,
    pub(crate) order: Signed<O>,
    pub(crate) remaining: u64,
    pub(crate) status: String,
    pub(crate) publication_timestamp: String,
    pub(crate) signer: Address,
}

/// An order that the market keeps a book of.
pub(crate) trait Listed: Order + Clone + Serialize + DeserializeOwned {
    /// First part of the market's path: `apporders`.
    const PATH: &'static str;
}

impl Listed for AppOrder {
    const PATH: &'static str = "apporders";
}
impl Listed for DatasetOrder {
    const PATH: &'static str = "datasetorders";
}
impl Listed for WorkerpoolOrder {
    const PATH: &'static str = "workerpoolorders";
}
impl Listed for RequestOrder {
    const PATH: &'static str = "requestorders";
}

/// The path of an order kind.
pub(crate) fn path(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::App => AppOrder::PATH,
        OrderKind::Dataset => DatasetOrder::PATH,
        OrderKind::Workerpool => WorkerpoolOrder::PATH,
        OrderKind::Request => RequestOrder::PATH,
    }
}

/// What a pool's owner has signed about it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolProfile {
    pub(crate) api_url: String,
    pub(crate) timestamp: u64,
    pub(crate) sign: Bytes,
    #[serde(default)]
    pub(crate) terms: Option<String>,
}

/// A market, asked about one chain.
#[derive(Clone, Debug)]
pub(crate) struct Market {
    url: Url,
    chain_id: u64,
    http: reqwest::Client,
}

#[derive(Deserialize)]
struct Orders<O> {
    orders: Vec<O>,
}

impl Market {
    pub(crate) fn new(url: Url, chain_id: u64) -> Result<Self, Failure> {
        let http = reqwest::Client::builder().timeout(TIMEOUT).build();
        Ok(Self { url, chain_id, http: http.map_err(anyhow::Error::from)? })
    }

    /// The open orders of a kind that fit `filters`, best first, at most `limit`.
    pub(crate) async fn orders<O: Listed>(
        &self,
        filters: &[(&str, String)],
        limit: usize,
    ) -> Result<Vec<Published<O>>, Failure> {
        let mut query = filters.to_vec();
        // The market's pages hold between 10 and 1000 orders.
        query.push(("pageSize", limit.clamp(10, 1000).to_string()));
        let page: Orders<Published<O>> = self.get(O::PATH, &query).await?;
        Ok(page.orders.into_iter().take(limit).collect())
    }

    /// One order, whatever its status, as the market tells it.
    pub(crate) async fn order(&self, kind: OrderKind, hash: OrderHash) -> Result<Value, Failure> {
        self.get(&format!("{}/{hash}", path(kind)), &[]).await
    }

    /// The last deals that fit `filters`, newest first.
    pub(crate) async fn deals(&self, filters: &[(&str, String)]) -> Result<Value, Failure> {
        self.get("deals", filters).await
    }

    /// Publishes a signed order; answers the market's record.
    pub(crate) async fn publish<O: Listed>(
        &self,
        wallet: &Wallet,
        order: &Signed<O>,
    ) -> Result<Value, Failure> {
        let authorization = self.authorization(wallet).await?;
        let request = self.http.post(self.route(O::PATH)?).json(&json!({ "order": order }));
        let answer: Value = self.answer(request.header("authorization", authorization)).await?;
        Ok(answer.get("published").cloned().unwrap_or(Value::Null))
    }

    /// Withdraws an order from the market; it stays valid on chain.
    pub(crate) async fn unpublish(
        &self,
        wallet: &Wallet,
        kind: OrderKind,
        hash: OrderHash,
    ) -> Result<Value, Failure> {
        let authorization = self.authorization(wallet).await?;
        let body = json!({ "target": "unpublish_orderHash", "orderHash": hash });
        let request = self.http.put(self.route(path(kind))?).json(&body);
        self.answer(request.header("authorization", authorization)).await
    }

    /// Where the pool's own API is, where the market knows it.
    pub(crate) async fn pool_url(&self, workerpool: Address) -> Result<Option<Url>, Failure> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Pool {
            api_url: Url,
        }
        let path = format!("{}/workerpools/{}", self.chain_id, workerpool.to_checksum(None));
        match self.get::<Pool>(&path, &[]).await {
            Ok(pool) => Ok(Some(pool.api_url)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// What a pool's owner has published about it; `None` where nothing is.
    pub(crate) async fn profile(
        &self,
        workerpool: Address,
    ) -> Result<Option<PoolProfile>, Failure> {
        let path = format!("{}/workerpools/{}", self.chain_id, workerpool.to_checksum(None));
        match self.get::<PoolProfile>(&path, &[]).await {
            Ok(profile) => Ok(Some(profile)),
            Err(Failure::NotFound(_)) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// Proves to the market who asks: signs the challenge that it gives this wallet.
    async fn authorization(&self, wallet: &Wallet) -> Result<String, Failure> {
        let address = wallet.address().to_checksum(None);
        let challenge: Value = self.get("challenge", &[("address", address)]).await?;
        let answer = wallet.answer_challenge(self.chain_id, &challenge);
        answer
            .ok_or_else(|| Failure::Unreachable(format!("{} gives no challenge to sign", self.url)))
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> Result<T, Failure> {
        self.answer(self.http.get(self.route(path)?).query(query)).await
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<T, Failure> {
        let chain_id = [("chainId", self.chain_id)];
        let response = request.query(&chain_id).send().await.map_err(|_| {
            Failure::Unreachable(format!(
                "the market at {} does not answer: check --market-url",
                self.url
            ))
        })?;
        let status = response.status();
        let body: Value = response.json().await.map_err(|_| {
            Failure::Unreachable(format!(
                "{} does not speak like a market: check --market-url",
                self.url
            ))
        })?;
        if status.is_success() {
            return serde_json::from_value(body).map_err(|error| {
                Failure::Unreachable(format!("the market's answer cannot be read: {error}"))
            });
        }
        let text = body.get("error").and_then(Value::as_str).unwrap_or("no reason given");
        Err(match status.as_u16() {
            404 => Failure::NotFound(format!("the market says: {text}")),
            400 | 403 => Failure::Refused(format!("the market refuses: {text}")),
            _ => Failure::Unreachable(format!("the market answers {status}: {text}")),
        })
    }

    fn route(&self, path: &str) -> Result<Url, Failure> {
        let base = self.url.as_str().trim_end_matches('/');
        let url = format!("{base}/{path}");
        url.parse().map_err(|_| Failure::Usage(format!("{url} is not a url")))
    }
}

/// The filter that lists what `who` may use: unrestricted offers and those made for it.
pub(crate) fn open_to(name: &'static str, who: Address) -> (&'static str, String) {
    (name, who.to_checksum(None))
}
