//! Sees every event of the chain at the moment its block is there, by this process's monotonic
//! clock. Block times are whole seconds and would say nothing about a task that takes one.

use crate::anvil::Anvil;
use crate::process::wait_for;
use anyhow::{Context, Result, bail, ensure};
use poco_chain::{Chain, Interest, LocatedEvent};
use poco_core::{DealId, Event};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Deals that nobody has looked at yet; the bench makes one at a time.
const DEALS_LEN: usize = 16;

/// An event and when its block was told.
#[derive(Clone, Debug)]
pub struct Sighting {
    /// What happened, and where in the chain.
    pub located: LocatedEvent,
    /// When.
    pub at: Instant,
}

/// Listens to a chain until it is dropped.
#[derive(Debug)]
pub struct Blocks {
    seen: Arc<Mutex<Vec<Sighting>>>,
    listening: JoinHandle<Result<()>>,
}

impl Drop for Blocks {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Blocks {
    /// Subscribes to the chain's blocks. New deals are also sent to the receiver at once.
    ///
    /// # Errors
    /// Where anvil does not let us subscribe.
    pub async fn listen(anvil: &Anvil, chain: Chain) -> Result<(Self, mpsc::Receiver<DealId>)> {
        let socket = anvil.socket();
        let mut stream = UnixStream::connect(socket)
            .await
            .with_context(|| format!("cannot connect to anvil at {}", socket.display()))?;
        let subscribe = json!({
            "jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": ["newHeads"],
        });
        stream.write_all(subscribe.to_string().as_bytes()).await?;
        let mut lines = BufReader::new(stream).lines();
        let answer = lines.next_line().await?.context("anvil closed its socket")?;
        let answer: Value = serde_json::from_str(&answer)?;
        ensure!(answer["result"].is_string(), "anvil does not subscribe us: {answer}");
        let (deals, new_deals) = mpsc::channel(DEALS_LEN);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = seen.clone();
        let listening = tokio::spawn(async move {
            while let Some(line) = lines.next_line().await? {
                let at = Instant::now();
                let sightings = events_of(&chain, &line, at).await?;
                for sighting in &sightings {
                    if let Event::OrdersMatched { deal, .. } = sighting.located.event {
                        // Nobody listens any more: the bench ends.
                        let _ = deals.send(deal).await;
                    }
                }
                sink.lock().expect("no code panics while it holds this lock").extend(sightings);
            }
            bail!("anvil closed its socket")
        });
        Ok((Self { seen, listening }, new_deals))
    }

    /// Everything seen so far for which `is_meant`, in the order of the chain.
    pub fn all(&self, is_meant: impl Fn(&Event) -> bool) -> Vec<Sighting> {
        let seen = self.seen.lock().expect("no code panics while it holds this lock");
        seen.iter().filter(|sighting| is_meant(&sighting.located.event)).cloned().collect()
    }

    /// Waits for an event.
    ///
    /// # Errors
    /// Where it does not come within `limit`, or the chain is lost.
    pub async fn wait(
        &self,
        what: &str,
        limit: Duration,
        is_meant: impl Fn(&Event) -> bool,
    ) -> Result<Sighting> {
        wait_for(what, limit, async || {
            ensure!(!self.listening.is_finished(), "the chain is no longer heard of");
            Ok(self.all(&is_meant).into_iter().next())
        })
        .await
    }
}

async fn events_of(chain: &Chain, line: &str, at: Instant) -> Result<Vec<Sighting>> {
    let told: Value = serde_json::from_str(line)?;
    let number = told["params"]["result"]["number"].as_str().context("a header has a number")?;
    let number = u64::from_str_radix(number.trim_start_matches("0x"), 16)?;
    let events = chain.events(&Interest::everything(), number, number).await?;
    Ok(events.into_iter().map(|located| Sighting { located, at }).collect())
}
