//! The task that owns a key's nonces.

use super::conclude::Conclusion;
use super::prepare::{Prepared, prepare};
use super::{LedgerStore, Receipt, SendError, SenderSettings};
use crate::chain::Chain;
use crate::stream::Trouble;
use crate::transaction::Transaction;
use crate::wallet::Wallet;
use anyhow::Context;
use poco_chain_core::ledger::{Entry, Ledger, MinedAt};
use poco_chain_core::pace::Pace;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

/// Intents that are prepared or in flight; further ones wait in the inbox.
const INTENTS_MAX: usize = 256;
/// Pause before a transaction whose nonce was taken is prepared anew: the node may lag.
const AGAIN_PAUSE: Duration = Duration::from_millis(200);
/// The first look after a transaction was sent: a development chain has mined it already.
const FIRST_LOOK: Duration = Duration::from_millis(10);
/// The longest pause between two looks at mined transactions that are watched for reorgs.
const WATCH_MILLIS: u64 = 2_000;

/// A transaction that somebody wants.
pub(super) struct Wanted {
    pub(super) intent: String,
    pub(super) tx: Transaction,
    pub(super) reply: Reply,
}

type Reply = oneshot::Sender<Result<Receipt, SendError>>;

/// What a task of the actor's own found out.
pub(super) enum Found {
    Prepared(Wish, Box<Result<Prepared, SendError>>),
    Concluded(Entry, MinedAt, Box<Conclusion>),
    /// The block in which this nonce was mined is not the chain's, for the moment or for good.
    Gone(u64),
}

/// A transaction to be prepared.
#[derive(Clone)]
pub(super) struct Wish {
    pub(super) intent: String,
    pub(super) tx: Transaction,
    /// How often it failed when mined.
    pub(super) repeats: u8,
}

/// Why the actor ends.
pub(super) struct Ended;

pub(super) struct Actor {
    pub(super) chain: Chain,
    pub(super) wallet: Arc<Wallet>,
    pub(super) store: Box<dyn LedgerStore>,
    pub(super) settings: SenderSettings,
    pub(super) ledger: Ledger,
    /// Who waits for each intent that is prepared or in flight.
    pub(super) waiting: BTreeMap<String, Vec<Reply>>,
    pub(super) tasks: JoinSet<Found>,
    /// Prepared, while the ledger is full.
    backlog: VecDeque<(Wish, Prepared)>,
    /// The latest height seen, for the ledger.
    pub(super) head: u64,
    pub(super) trouble: Trouble,
    pace: Pace,
    next_look: Instant,
    started: Instant,
}

impl Actor {
    pub(super) fn recover(
        chain: Chain,
        wallet: Arc<Wallet>,
        mut store: Box<dyn LedgerStore>,
        settings: SenderSettings,
    ) -> anyhow::Result<Self> {
        let records = store.load().context("cannot read the nonce ledger")?;
        let mut entries: Vec<Entry> = Vec::with_capacity(records.len());
        for (nonce, record) in records {
            let entry = serde_json::from_slice(&record);
            entries.push(entry.with_context(|| format!("nonce {nonce} in the ledger is damaged"))?);
        }
        let poll_millis = u64::try_from(chain.poll().as_millis()).unwrap_or(u64::MAX);
        Ok(Self {
            ledger: Ledger::recover(entries, settings.policy()),
            chain,
            wallet,
            store,
            settings,
            waiting: BTreeMap::new(),
            tasks: JoinSet::new(),
            backlog: VecDeque::new(),
            head: 0,
            trouble: Trouble::default(),
            pace: Pace::new(poll_millis),
            next_look: Instant::now(),
            started: Instant::now(),
        })
    }

    pub(super) async fn run(mut self, mut inbox: mpsc::Receiver<Wanted>) {
        loop {
            let may_take = self.waiting.len() < INTENTS_MAX;
            let look_at = tokio::time::Instant::from_std(self.next_look);
            let step = tokio::select! {
                wanted = inbox.recv(), if may_take => match wanted {
                    Some(wanted) => {
                        self.take(wanted);
                        Ok(())
                    }
                    None => Err(Ended),
                },
                Some(found) = self.tasks.join_next() => match found {
                    Ok(found) => self.on_found(found).await,
                    // A bug in a task is a bug here: the callers must not wait for ever.
                    Err(error) => std::panic::resume_unwind(error.into_panic()),
                },
                () = tokio::time::sleep_until(look_at), if !self.ledger.is_idle() => {
                    self.look().await
                }
            };
            if let Err(Ended) = step {
                return;
            }
        }
    }

    fn take(&mut self, wanted: Wanted) {
        let Wanted { intent, tx, reply } = wanted;
        if let Some(replies) = self.waiting.get_mut(&intent) {
            replies.push(reply);
            return;
        }
        self.waiting.insert(intent.clone(), vec![reply]);
        if self.ledger.find_pending(&intent).is_some() {
            tracing::info!(intent, "waiting for the transaction sent before");
            self.look_soon();
            return;
        }
        self.prepare(Wish { intent, tx, repeats: 0 }, Duration::ZERO);
    }

    fn prepare(&mut self, wish: Wish, pause: Duration) {
        let chain = self.chain.clone();
        let from = self.wallet.address();
        let cap_wei = u128::from(self.settings.fee_wei_max);
        self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            let prepared = prepare(&chain, from, &wish, cap_wei).await;
            Found::Prepared(wish, Box::new(prepared))
        });
    }

    /// Prepares again what lost its nonce.
    pub(super) fn prepare_again(&mut self, entry: Entry, repeats: u8) {
        let Entry { intent, payload, .. } = entry;
        self.waiting.entry(intent.clone()).or_default();
        self.prepare(Wish { intent, tx: payload.into(), repeats }, AGAIN_PAUSE);
    }

    async fn on_found(&mut self, found: Found) -> Result<(), Ended> {
        match found {
            Found::Prepared(wish, prepared) => match *prepared {
                Ok(prepared) if self.ledger.is_full() => {
                    self.backlog.push_back((wish, prepared));
                    Ok(())
                }
                Ok(prepared) => self.dispatch(wish, prepared).await,
                Err(error) => {
                    self.finish(&wish.intent, &Err(error));
                    Ok(())
                }
            },
            Found::Concluded(entry, at, conclusion) => {
                self.on_concluded(entry, at, *conclusion);
                Ok(())
            }
            Found::Gone(nonce) => {
                self.ledger.report_again(nonce);
                Ok(())
            }
        }
    }

    /// Sends what waited for room in the ledger.
    pub(super) async fn work_off_backlog(&mut self) -> Result<(), Ended> {
        while !self.ledger.is_full() {
            let Some((wish, prepared)) = self.backlog.pop_front() else { break };
            self.dispatch(wish, prepared).await?;
        }
        Ok(())
    }

    /// Tells everybody who waits for an intent.
    pub(super) fn finish(&mut self, intent: &str, result: &Result<Receipt, SendError>) {
        if let Err(error) = result {
            tracing::debug!(intent, %error, "not sent");
        }
        for reply in self.waiting.remove(intent).unwrap_or_default() {
            // Whoever gave up waiting is not told.
            let _ = reply.send(result.clone());
        }
    }

    /// Stores an entry of the ledger, as it is.
    pub(super) fn save(&mut self, nonce: u64) -> Result<(), Ended> {
        let Some(entry) = self.ledger.find(nonce) else { return Ok(()) };
        let record = serde_json::to_vec(entry).expect("an entry has nothing that JSON lacks");
        // A few milliseconds of waiting for the disk, which the transaction must wait for anyway.
        self.store.put(nonce, &record).map_err(|error| stopped(&error))
    }

    pub(super) fn forget(&mut self, nonce: u64) -> Result<(), Ended> {
        self.store.remove(nonce).map_err(|error| stopped(&error))
    }

    pub(super) fn now_millis(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn look_soon(&mut self) {
        self.pace.quicken();
        self.next_look = Instant::now() + FIRST_LOOK;
    }

    /// Plans the next look, unless an early one is planned.
    pub(super) fn look_later_unless_soon(&mut self) {
        if self.next_look > Instant::now() {
            return;
        }
        let wait_millis = if self.ledger.pending().next().is_some() {
            self.pace.next_wait_millis()
        } else {
            WATCH_MILLIS
        };
        self.next_look = Instant::now() + Duration::from_millis(wait_millis);
    }

    pub(super) fn look_after_trouble(&mut self, wait_millis: u64) {
        self.next_look = Instant::now() + Duration::from_millis(wait_millis);
    }
}

/// Without its ledger a sender must not send: it stops, and everybody is told.
fn stopped(error: &anyhow::Error) -> Ended {
    tracing::error!(error = format!("{error:#}"), "the nonce ledger cannot be written");
    Ended
}
