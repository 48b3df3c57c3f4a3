//! A web server that answers what a test wants: a market that lies, a store that cheats.

use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Requests whose paths may wait for the test to look at them.
const SEEN_MAX: usize = 64;
/// The longest head of a request that is read.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// What is answered to a path.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// All of it.
    Whole(Vec<u8>),
    /// What is left when the connection breaks half way.
    Half(Vec<u8>),
    /// A beginning, and then nothing for ever.
    Stalled,
}

/// A running server; paths without a reply are not found.
#[derive(Debug)]
pub(crate) struct Scripted {
    pub(crate) url: String,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    seen: mpsc::Receiver<String>,
    serving: JoinHandle<()>,
}

impl Scripted {
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let replies: Arc<Mutex<BTreeMap<String, Reply>>> = Arc::default();
        let (tell, seen) = mpsc::channel(SEEN_MAX);
        let known = replies.clone();
        let serving = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, known.clone(), tell.clone()));
            }
        });
        Ok(Self { url, replies, seen, serving })
    }

    /// From now on, requests for `path` get `reply`.
    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        let mut replies = self.replies.lock().expect("nobody panics with the lock");
        replies.insert(path.to_owned(), reply);
    }

    /// The path of the next request.
    pub(crate) async fn next_request(&mut self) -> Option<String> {
        self.seen.recv().await
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Answers one request and closes. A client that goes away early is all the same to the test.
async fn answer(
    mut stream: TcpStream,
    replies: Arc<Mutex<BTreeMap<String, Reply>>>,
    tell: mpsc::Sender<String>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < HEAD_BYTES_MAX {
        let mut part = [0; 1024];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        head.extend_from_slice(&part[..count]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split_whitespace().nth(1)?;
    let path = target.split('?').next()?.to_owned();
    let reply = replies.lock().expect("nobody panics with the lock").get(&path).cloned();
    // A test that does not look may miss some.
    let _ = tell.try_send(path);
    let (status, length, body) = match reply {
        None => ("404 Not Found", 2, b"{}".to_vec()),
        Some(Reply::Whole(body)) => ("200 OK", body.len(), body),
        Some(Reply::Half(body)) => ("200 OK", body.len(), body[..body.len() / 2].to_vec()),
        Some(Reply::Stalled) => ("200 OK", 1000, b"PK".to_vec()),
    };
    let head =
        format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(&body).await.ok()?;
    if matches!((length, body.len()), (1000, 2)) {
        // Until the client gives up.
        let _ = stream.read(&mut [0; 1]).await;
    }
    stream.shutdown().await.ok()
}
