//! The nonce ledger of one key: every transaction from before it is sent until it cannot be undone.
//!
//! The adapter stores an [`Entry`] and syncs it before the transaction leaves, so that after a crash
//! the same transaction, with the same nonce, is sent again rather than a second one. The node's
//! word on nonces is a hint: entries decide which nonce comes next, and only receipts and block
//! hashes decide what became of a transaction. Signing and sending are the adapter's.

mod entry;
mod observe;
#[cfg(test)]
mod tests;

pub use entry::{Attempt, Entry, Payload, State};
pub use observe::{Action, MinedAt, Observation};

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use poco_core::B256;

/// The most transactions in flight: nodes keep about 64 of one account before they drop some.
pub const IN_FLIGHT_MAX: usize = 48;
/// The most attempts of one transaction: from the first to the last the fee grows sixfold.
pub const ATTEMPTS_MAX: usize = 16;
/// After this many plain rejections a transaction that no node ever took in is given up.
const REJECTIONS_MAX: u32 = 5;

/// When to act. Times in milliseconds of the `now` that the ledger is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The highest fee per gas.
    pub fee_wei_cap: u128,
    /// A transaction that is not mined is sent again after this long: nodes lose some.
    pub resend_millis: u64,
    /// The lowest one gets a higher fee after this long and two blocks that left it out.
    pub bump_millis: u64,
    /// A nonce that is used without a receipt of ours is believed lost after this long.
    pub lost_millis: u64,
    /// Blocks on top of a transaction before its sender is told.
    pub confirmations: u64,
    /// Blocks on top of a transaction before it is no longer watched for reorgs.
    pub watch_blocks: u64,
}

/// What a node said when it was given a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It took it in, or had it already.
    Accepted,
    /// The nonce is used.
    NonceTooLow,
    /// The account cannot pay for it.
    NoFunds,
    /// It wants a higher fee, to replace another attempt or at all.
    Underpriced,
    /// It does not want it, for another reason.
    Rejected,
    /// No answer: it may have it or not.
    Unknown,
}

/// What follows from [`Sent`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays in flight.
    Kept,
    /// No node ever had it and its nonce is free again: the entry is gone, its record must go too.
    Withdrawn(Box<Entry>),
}

/// What to ask the node before [`Ledger::observe`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Questions {
    /// Receipts of these transactions, in this order and after the account's nonce.
    pub receipts: Vec<B256>,
    /// Hashes of the blocks at these heights.
    pub blocks: BTreeSet<u64>,
}

/// The nonce ledger of one key.
#[derive(Debug)]
pub struct Ledger {
    policy: Policy,
    entries: BTreeMap<u64, Live>,
    /// Since when the lowest transaction waits for a nonce that nobody uses.
    gap_since_millis: Option<u64>,
}

/// An entry and what is known about it in this life of the process only.
#[derive(Debug)]
struct Live {
    entry: Entry,
    /// Certainly in no node's hands: never sent, or rejected by all.
    is_fresh: bool,
    rejections: u32,
    wants_bump: bool,
    /// When the newest attempt was sent first: since then blocks leave it out.
    first_sent: Option<Sending>,
    /// When it was sent last, by which it is sent again.
    last_sent: Option<Sending>,
    /// Since when the nonce is used without a receipt, and how often that was seen.
    missing: Option<(u64, u32)>,
    /// The block it was mined in is not the chain's any more: ask for receipts again.
    is_doubted: bool,
    is_reported: bool,
    /// Whoever waits was told what became of it in the block where it is now.
    is_concluded: bool,
}

#[derive(Clone, Copy, Debug)]
struct Sending {
    at_millis: u64,
    head: u64,
}

impl Ledger {
    /// A ledger that goes on from stored entries.
    #[must_use]
    pub fn recover(entries: Vec<Entry>, policy: Policy) -> Self {
        let live = |entry: Entry| Live {
            is_reported: entry.state != State::Pending,
            // Nobody of an earlier life waits any more.
            is_concluded: entry.state != State::Pending,
            is_fresh: false,
            ..Live::new(entry)
        };
        let entries = entries.into_iter().map(|entry| (entry.nonce, live(entry))).collect();
        Self { policy, entries, gap_since_millis: None }
    }

    /// The nonce of the next transaction, when the node says that `used` nonces are used: behind
    /// all of ours, also where a lagging node knows less.
    #[must_use]
    pub fn next_nonce(&self, used: u64) -> u64 {
        let ours = self.entries.keys().next_back().map_or(0, |nonce| nonce.saturating_add(1));
        ours.max(used)
    }

    /// Whether no further transaction should be sent now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.pending().count() >= IN_FLIGHT_MAX
    }

    /// Whether there is nothing to ask the node for.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.entries.values().all(|live| live.entry.state == State::Done)
    }

    /// Every transaction that is not mined, in nonce order.
    pub fn pending(&self) -> impl Iterator<Item = &Entry> {
        self.entries.values().map(|live| &live.entry).filter(|e| e.state == State::Pending)
    }

    /// The pending transaction for `intent`.
    #[must_use]
    pub fn find_pending(&self, intent: &str) -> Option<&Entry> {
        self.pending().find(|entry| entry.intent == intent)
    }

    /// The entry with this nonce.
    #[must_use]
    pub fn find(&self, nonce: u64) -> Option<&Entry> {
        self.entries.get(&nonce).map(|live| &live.entry)
    }

    /// Puts a new transaction in. It must be stored before it is sent.
    pub fn open(&mut self, entry: Entry) {
        self.entries.insert(entry.nonce, Live::new(entry));
    }

    /// Adds an attempt with other fees. The entry must be stored before the attempt is sent.
    pub fn add_attempt(&mut self, nonce: u64, attempt: Attempt) {
        if let Some(live) = self.entries.get_mut(&nonce) {
            live.wants_bump = false;
            live.first_sent = None;
            live.entry.attempts.push(attempt);
        }
    }

    /// Takes in that what was reported could not be looked at: the node had another block there for
    /// a moment. It is reported again as soon as it is known to be in the chain.
    pub fn report_again(&mut self, nonce: u64) {
        if let Some(live) = self.entries.get_mut(&nonce) {
            live.is_reported = false;
        }
    }

    /// Takes in that whoever waits was told of what was reported. Until then it is kept, however deep it
    /// is.
    pub fn conclude(&mut self, nonce: u64, at: MinedAt) {
        if let Some(live) = self.entries.get_mut(&nonce) {
            live.is_concluded |= live.is_reported && live.entry.state == State::Mined(at);
        }
    }

    /// Takes in what a node said when it was sent the newest attempt, with the head at `head`.
    pub fn on_sent(&mut self, nonce: u64, now_millis: u64, head: u64, sent: &Sent) -> Verdict {
        let is_highest = self.entries.keys().next_back() == Some(&nonce);
        let Some(live) = self.entries.get_mut(&nonce) else { return Verdict::Kept };
        let sending = Sending { at_millis: now_millis, head };
        live.first_sent.get_or_insert(sending);
        live.last_sent = Some(sending);
        let gives_up = match sent {
            Sent::Accepted | Sent::Unknown => {
                live.is_fresh = false;
                live.rejections = 0;
                false
            }
            Sent::NonceTooLow | Sent::NoFunds => true,
            Sent::Underpriced => {
                live.wants_bump = true;
                false
            }
            Sent::Rejected => {
                live.rejections = live.rejections.saturating_add(1);
                live.rejections >= REJECTIONS_MAX
            }
        };
        if gives_up && live.is_fresh && is_highest {
            return match self.entries.remove(&nonce) {
                Some(live) => Verdict::Withdrawn(Box::new(live.entry)),
                None => Verdict::Kept,
            };
        }
        Verdict::Kept
    }

    /// What to ask the node now.
    #[must_use]
    pub fn questions(&self) -> Questions {
        let mut questions = Questions::default();
        for live in self.entries.values() {
            match &live.entry.state {
                State::Pending => {
                    questions.receipts.extend(live.entry.attempts.iter().map(|a| a.transaction));
                }
                State::Mined(at) => {
                    questions.blocks.insert(at.block);
                    if live.is_doubted {
                        questions.receipts.push(at.transaction);
                    }
                }
                State::Done => {}
            }
        }
        questions
    }
}

impl Live {
    const fn new(entry: Entry) -> Self {
        Self {
            entry,
            is_fresh: true,
            rejections: 0,
            wants_bump: false,
            first_sent: None,
            last_sent: None,
            missing: None,
            is_doubted: false,
            is_reported: false,
            is_concluded: false,
        }
    }
}
