//! One node over HTTP: the transport under alloy's client.
//!
//! alloy's own HTTP transport reads answers of any length into memory, and puts the whole url, which
//! often holds a key, into its errors and its log. This one reads to a limit, shows no more of a url
//! than its origin, and asks calls one by one where a node takes no batches.

use super::failure::one_line;
use crate::body::read_body;
use alloy_json_rpc::{RequestPacket, Response, ResponsePacket};
use alloy_transport::{TransportError, TransportErrorKind, TransportFut, TransportResult};
use reqwest::Client;
use std::task::{Context, Poll};
use std::time::Duration;
use tower::Service;
use url::Url;

/// The largest answer that is read: 10 000 logs, the most that public nodes give, take a tenth.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// A connection pool whose requests take at most `timeout`.
pub(super) fn client(timeout: Duration) -> reqwest::Result<Client> {
    crate::install_crypto();
    Client::builder().timeout(timeout).connect_timeout(timeout).build()
}

/// A url without what may be a secret in it: user, password, path and query.
pub(super) fn shown(url: &Url) -> String {
    url.origin().ascii_serialization()
}

/// One node.
#[derive(Clone, Debug)]
pub(super) struct Http {
    client: Client,
    url: Url,
}

impl Service<RequestPacket> for Http {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        Box::pin(self.clone().answer(packet))
    }
}

impl Http {
    pub(super) const fn new(client: Client, url: Url) -> Self {
        Self { client, url }
    }

    async fn answer(self, packet: RequestPacket) -> TransportResult<ResponsePacket> {
        let answer = self.exchange(&packet).await?;
        match (packet, answer) {
            (RequestPacket::Batch(_), ResponsePacket::Single(error)) if is_overload(&error) => {
                Err(TransportErrorKind::custom_str("it has no time for a batch"))
            }
            // A node that takes no batches says so in one object: its calls go one by one.
            (RequestPacket::Batch(calls), ResponsePacket::Single(_)) => {
                let mut answers = Vec::with_capacity(calls.len());
                for call in calls {
                    match self.exchange(&RequestPacket::Single(call)).await? {
                        ResponsePacket::Single(answer) => answers.push(answer),
                        ResponsePacket::Batch(several) => answers.extend(several),
                    }
                }
                Ok(ResponsePacket::Batch(answers))
            }
            (RequestPacket::Single(_) | RequestPacket::Batch(_), answer) => Ok(answer),
        }
    }

    async fn exchange(&self, packet: &RequestPacket) -> TransportResult<ResponsePacket> {
        let failed =
            |error: reqwest::Error| TransportErrorKind::custom_str(&one_line(&error.without_url()));
        let sent = self.client.post(self.url.clone()).json(packet).send().await;
        let response = sent.map_err(failed)?;
        // Nodes explain a bad status in JSON-RPC, too.
        let status = response.status();
        let bytes = read_body(response, ANSWER_BYTES_MAX).await;
        let bytes = bytes.map_err(|error| TransportErrorKind::custom_str(&one_line(&error)))?;
        serde_json::from_slice(&bytes).map_err(|_| {
            TransportErrorKind::custom_str(&format!("no JSON-RPC, HTTP status {status}"))
        })
    }
}

/// Whether a node asks for fewer questions, so that more of them would do harm.
fn is_overload(answer: &Response) -> bool {
    answer.payload.as_error().is_some_and(|error| error.is_retry_err())
}
