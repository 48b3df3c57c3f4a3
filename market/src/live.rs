//! Live news over Socket.IO at `/ws`: topics `orders` and `deals` of this market's chain.
//!
//! A client that reads too slowly loses news, never slows the market; the API tells it the state.

use crate::draft::Notice;
use crate::http::shape;
use crate::market::Market;
use crate::record::{self, kind_name};
use poco_core::OrderKind;
use serde::Deserialize;
use serde_json::Value;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use socketioxide::layer::SocketIoLayer;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// Where clients connect.
const PATH: &str = "/ws";

/// Watchers at a time; further ones are sent away. Each holds a connection and a queue.
const WATCHERS_MAX: usize = 1000;

/// Messages waiting for one watcher.
const QUEUED_MAX: usize = 128;

/// The longest message from a watcher: they only join and leave.
const MESSAGE_BYTES_MAX: u64 = 4096;

const ORDERS: &str = "orders";
const DEALS: &str = "deals";

/// What a watcher asks to hear of.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    /// A number or its text.
    chain_id: Value,
    topic: String,
}

/// The service at [`PATH`], and the handle to speak through it.
pub(crate) fn service(chain_id: u64) -> (SocketIoLayer, SocketIo) {
    let (layer, io) = SocketIo::builder()
        .req_path(PATH)
        .max_payload(MESSAGE_BYTES_MAX)
        .max_buffer_size(QUEUED_MAX)
        .build_layer();
    io.ns("/", async move |socket: SocketRef, io: SocketIo| {
        if io.sockets().len() > WATCHERS_MAX {
            drop(socket.disconnect());
            return;
        }
        socket.on("join", async move |socket: SocketRef, Data::<Topic>(topic), ack: AckSender| {
            let known = topic.room(chain_id);
            if let Some(room) = known.clone() {
                socket.join(room);
            }
            // Fails only if the watcher is gone.
            drop(ack.send(&known.is_some()));
        });
        socket.on("leave", async move |socket: SocketRef, Data::<Topic>(topic), ack: AckSender| {
            let known = topic.room(chain_id);
            if let Some(room) = known.clone() {
                socket.leave(room);
            }
            drop(ack.send(&known.is_some()));
        });
        socket.on("leaveAll", async move |socket: SocketRef, ack: AckSender| {
            socket.leave_all();
            drop(ack.send(&true));
        });
    });
    (layer, io)
}

impl Topic {
    fn room(&self, chain_id: u64) -> Option<String> {
        let asked = match &self.chain_id {
            Value::Number(number) => number.to_string(),
            Value::String(text) => text.clone(),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => return None,
        };
        let is_known =
            asked == chain_id.to_string() && [ORDERS, DEALS].contains(&self.topic.as_str());
        is_known.then(|| room(chain_id, &self.topic))
    }
}

fn room(chain_id: u64, topic: &str) -> String {
    format!("{chain_id}:{topic}")
}

/// Tells the watchers what happens in the market, until told to stop.
pub(crate) async fn tell(market: Arc<Market>, io: SocketIo, stop: CancellationToken) {
    let chain_id = market.chain.chain_id();
    let mut notices = market.watch();
    loop {
        let notice = tokio::select! {
            () = stop.cancelled() => break,
            notice = notices.recv() => notice,
        };
        let notice = match notice {
            Ok(notice) => notice,
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!(missed, "watchers missed news");
                continue;
            }
            Err(RecvError::Closed) => break,
        };
        match message(&notice, chain_id) {
            Ok((topic, event, message)) => {
                // Fails for single watchers whose queue is full; they missed this one.
                drop(io.to(room(chain_id, topic)).emit(event, &message).await);
            }
            Err(error) => tracing::error!(%error, "news cannot be written"),
        }
    }
    io.close().await;
}

/// Topic, event and content of a message. Orders come without their chain, as clients expect.
fn message(notice: &Notice, chain_id: u64) -> anyhow::Result<(&'static str, String, Value)> {
    let order = |record: &record::Record, verb: &str| {
        let mut content = shape::order(record, chain_id)?;
        if let Some(fields) = content.as_object_mut() {
            fields.remove("chainId");
        }
        Ok((ORDERS, event(record::kind(&record.order), verb), content))
    };
    match notice {
        Notice::Published(record) => order(record, "published"),
        Notice::Updated(record) => order(record, "updated"),
        Notice::Unpublished(kind, hash) => {
            Ok((ORDERS, event(*kind, "unpublished"), serde_json::to_value(hash)?))
        }
        Notice::DealCreated(deal) => {
            Ok((DEALS, "deal_created".into(), shape::deal(deal, chain_id)?))
        }
    }
}

fn event(kind: OrderKind, verb: &str) -> String {
    format!("{}_{verb}", kind_name(kind))
}
