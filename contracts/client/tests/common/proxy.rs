//! A node that fails on demand: it forwards JSON-RPC to anvil and spoils what it is told to spoil.

use super::World;
use poco_chain::{Chain, ChainSettings};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// It closes the connection without an answer.
    Hangup,
    /// It answers with a web page.
    Garbage,
    /// It never answers.
    Silence,
    /// Its answer does not end.
    Endless,
    /// A batch gets one error object.
    NoBatches,
    /// A batch gets one error object, which asks for fewer questions.
    Overload,
    /// A batch gets all answers but one.
    LosesAnAnswer,
    /// Every call gets an error object.
    ErrorObjects,
    /// It answers with HTTP 429 and no body.
    TooManyRequests,
    /// `eth_getLogs` over more blocks than this is refused.
    RefuseRangesAbove(u64),
    /// It has no block above this height but shows the head; asked for their logs it gives none.
    LacksBlocksAbove(u64),
    /// Every block up to this height exists and is empty.
    EmptyBlocksUpTo(u64),
    /// Its head stands still at this height.
    ShowsHead(u64),
    /// `eth_sendRawTransaction` is answered with an error after the transaction was passed on.
    LosesSendAnswers,
    /// `eth_getTransactionCount` says this many more than it should.
    NonceTooHigh(u64),
}

#[derive(Clone)]
pub(crate) struct Proxy {
    pub(crate) url: Url,
    shared: Arc<Shared>,
}

struct Shared {
    fault: Mutex<Fault>,
    faults: AtomicUsize,
    upstream: Url,
    http: reqwest::Client,
}

impl Proxy {
    pub(crate) async fn start(upstream: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            fault: Mutex::new(Fault::None),
            faults: AtomicUsize::new(0),
            upstream: upstream.clone(),
            http: reqwest::Client::new(),
        });
        let serving = shared.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(serve(socket, serving.clone()));
            }
        });
        Self { url: format!("http://127.0.0.1:{port}").parse().unwrap(), shared }
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.shared.fault.lock().unwrap() = fault;
    }

    /// How often something was spoiled.
    pub(crate) fn faults(&self) -> usize {
        self.shared.faults.load(Ordering::Relaxed)
    }

    pub(crate) async fn connect(&self, world: &World) -> Chain {
        let mut settings = ChainSettings::from(&world.addresses);
        settings.rpc_urls = vec![self.url.clone()];
        Chain::connect(&settings).await.unwrap()
    }
}

/// One request to a connection, which is closed afterwards.
async fn serve(mut socket: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let body = read_body(&mut socket).await?;
    let request: Value = serde_json::from_slice(&body).ok()?;
    let fault = *shared.fault.lock().unwrap();
    let spoiled = || shared.faults.fetch_add(1, Ordering::Relaxed);
    let refused = |code: i64, message: &str| {
        spoiled();
        let error = json!({"code": code, "message": message});
        ("200 OK", json!({"jsonrpc": "2.0", "id": null, "error": error}).to_string())
    };
    let (status, text) = match fault {
        Fault::Hangup => {
            spoiled();
            return None;
        }
        Fault::Silence => std::future::pending().await,
        Fault::Endless => {
            spoiled();
            socket.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").await.ok()?;
            let chunk = vec![b' '; 1 << 20];
            // Until the other side has had enough.
            while socket.write_all(&chunk).await.is_ok() {}
            return None;
        }
        Fault::NoBatches if request.is_array() => refused(-32600, "batches are not supported"),
        Fault::Overload if request.is_array() => refused(-32005, "too many requests"),
        Fault::Garbage => ("200 OK", "<html>busy</html>".into()),
        Fault::TooManyRequests => ("429 Too Many Requests", String::new()),
        _ => {
            let answer = match &request {
                Value::Array(calls) => {
                    let mut answers = Vec::new();
                    for call in calls {
                        answers.push(answer(&shared, fault, call).await?);
                    }
                    // In reverse, as the order of a batch's answers is free.
                    answers.reverse();
                    if fault == Fault::LosesAnAnswer {
                        spoiled();
                        answers.pop();
                    }
                    Value::Array(answers)
                }
                call => answer(&shared, fault, call).await?,
            };
            ("200 OK", answer.to_string())
        }
    };
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        text.len()
    );
    socket.write_all(head.as_bytes()).await.ok()?;
    socket.write_all(text.as_bytes()).await.ok()
}

async fn read_body(socket: &mut TcpStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let mut chunk = vec![0; 16384];
        let read = socket.read(&mut chunk).await.ok()?;
        if read == 0 {
            return None;
        }
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).to_lowercase();
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
        let length: usize = length.trim().parse().ok()?;
        if bytes.len() >= end + 4 + length {
            return Some(bytes.split_off(end + 4));
        }
    }
}

async fn answer(shared: &Shared, fault: Fault, call: &Value) -> Option<Value> {
    let spoiled = |answer: Value| {
        shared.faults.fetch_add(1, Ordering::Relaxed);
        let mut object = json!({"jsonrpc": "2.0", "id": call["id"]});
        object.as_object_mut().unwrap().extend(answer.as_object().unwrap().clone());
        Some(object)
    };
    let method = call["method"].as_str()?;
    let number = |value: &Value| {
        u64::from_str_radix(value.as_str().unwrap_or_default().trim_start_matches("0x"), 16).ok()
    };
    let first = &call["params"][0];
    match (fault, method) {
        (Fault::ErrorObjects, _) => {
            return spoiled(json!({"error": {"code": -32603, "message": "internal error"}}));
        }
        (Fault::RefuseRangesAbove(most), "eth_getLogs") => {
            if let (Some(from), Some(to)) = (number(&first["fromBlock"]), number(&first["toBlock"]))
                && to - from >= most
            {
                return spoiled(json!({"error": {"code": -32005, "message": "too many blocks"}}));
            }
        }
        (Fault::LacksBlocksAbove(most), "eth_getBlockByNumber")
            if number(first).is_some_and(|number| number > most) =>
        {
            return spoiled(json!({"result": null}));
        }
        (Fault::LacksBlocksAbove(_), "eth_getLogs") => return spoiled(json!({"result": []})),
        (Fault::EmptyBlocksUpTo(head), "eth_getBlockByNumber") => {
            return spoiled(json!({"result": empty_block(number(first).unwrap_or(head))}));
        }
        (Fault::EmptyBlocksUpTo(_), "eth_getLogs") => return spoiled(json!({"result": []})),
        (Fault::EmptyBlocksUpTo(head), "eth_blockNumber")
        | (Fault::ShowsHead(head), "eth_blockNumber") => {
            return spoiled(json!({"result": format!("0x{head:x}")}));
        }
        _ => {}
    }
    let sent = shared.http.post(shared.upstream.clone()).json(call).send().await.ok()?;
    let answer: Value = sent.json().await.ok()?;
    match (fault, method) {
        (Fault::LosesSendAnswers, "eth_sendRawTransaction") => {
            spoiled(json!({"error": {"code": -32000, "message": "upstream timed out"}}))
        }
        (Fault::NonceTooHigh(more), "eth_getTransactionCount") => {
            let nonce = number(&answer["result"])? + more;
            spoiled(json!({"result": format!("0x{nonce:x}")}))
        }
        _ => Some(answer),
    }
}

fn empty_block(number: u64) -> Value {
    let word = |number: u64| format!("0x{number:064x}");
    let hash = |number: u64| word(number.wrapping_add(1));
    json!({
        "number": format!("0x{number:x}"),
        "hash": hash(number),
        "parentHash": hash(number.wrapping_sub(1)),
        "sha3Uncles": word(0),
        "miner": format!("0x{:040x}", 0),
        "stateRoot": word(0),
        "transactionsRoot": word(0),
        "receiptsRoot": word(0),
        "logsBloom": format!("0x{:0512x}", 0),
        "difficulty": "0x0",
        "timestamp": format!("0x{number:x}"),
        "extraData": "0x",
        "baseFeePerGas": "0x1",
        "gasLimit": "0x1c9c380",
        "gasUsed": "0x0",
    })
}
