//! What the processes of scheduler and workers have in common: when they live, their clock, their
//! node, and the fuse that lets them die between any two steps.

use crate::scenario::Millis;
use crate::sender::Sender;
use crate::stream::Follower;
use k256::ecdsa::SigningKey;
use poco_core::{Address, B256, Bytes, keccak256};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Names a process: the scheduler is the first, then come the workers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Host(pub(crate) usize);

impl Host {
    pub(crate) const SCHEDULER: Self = Self(0);

    pub(crate) fn of_worker(worker: usize) -> Self {
        Self(worker + 1)
    }

    /// Which worker it is; `None` for the scheduler.
    pub(crate) fn worker(self) -> Option<usize> {
        self.0.checked_sub(1)
    }
}

/// The process has died: what it was about to do it did not do.
#[derive(Debug)]
pub(crate) struct Died;

/// One life of a process after the other.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) wallet: Wallet,
    pub(crate) is_up: bool,
    /// Counts lives: what was meant for an earlier one is lost.
    pub(crate) life: u64,
    /// When this life began.
    pub(crate) born: Millis,
    /// How far its clock has jumped ahead.
    pub(crate) ahead: Millis,
    /// Steps until it dies; `None` while it lives on.
    pub(crate) fuse: Option<u32>,
    pub(crate) node: Node,
    pub(crate) sender: Sender,
    pub(crate) follower: Follower,
    /// The earliest tick that is planned.
    pub(crate) tick_at: Option<Millis>,
}

/// How a process's node behaves.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Node {
    /// It answers nothing before.
    pub(crate) down_until: Millis,
    /// It shows no newer blocks than this many behind the head, until `odd_until`.
    pub(crate) lag_blocks: u64,
    /// What it adds to the nonces that are used, until `odd_until`.
    pub(crate) lie: u64,
    pub(crate) odd_until: Millis,
}

impl Process {
    pub(crate) fn new(wallet: Wallet, sender: Sender, follower: Follower) -> Self {
        Self {
            wallet,
            is_up: false,
            life: 0,
            born: 0,
            ahead: 0,
            fuse: None,
            node: Node::default(),
            sender,
            follower,
            tick_at: None,
        }
    }

    /// Its own clock.
    pub(crate) fn clock(&self, now: Millis) -> Millis {
        now.saturating_sub(self.born) + self.ahead
    }

    /// When its own clock will show `at`.
    pub(crate) fn world_time(&self, at: Millis) -> Millis {
        (self.born + at).saturating_sub(self.ahead)
    }

    /// One step that the process may not live to see.
    pub(crate) fn step(&mut self) -> Result<(), Died> {
        match &mut self.fuse {
            None => Ok(()),
            Some(0) => Err(Died),
            Some(steps) => {
                *steps -= 1;
                Ok(())
            }
        }
    }
}

impl Node {
    pub(crate) fn is_odd(&self, now: Millis) -> bool {
        now < self.odd_until
    }
}

/// A key and its address.
#[derive(Clone, Debug)]
pub(crate) struct Wallet {
    key: SigningKey,
    pub(crate) address: Address,
}

thread_local! {
    /// Names are few and the same in all worlds, and the curve is most of the time.
    static WALLETS: RefCell<BTreeMap<String, Wallet>> = const { RefCell::new(BTreeMap::new()) };
}

impl Wallet {
    /// The wallet of this name.
    pub(crate) fn named(name: &str) -> Self {
        WALLETS.with_borrow_mut(|known| match known.get(name) {
            Some(wallet) => wallet.clone(),
            None => known.entry(name.into()).or_insert(Self::made(name)).clone(),
        })
    }

    fn made(name: &str) -> Self {
        let key = SigningKey::from_slice(keccak256(name).as_slice()).expect("no hash is that odd");
        let point = key.verifying_key().to_encoded_point(false);
        let hash = keccak256(&point.as_bytes()[1..]);
        Self { key, address: Address::from_slice(&hash[12..]) }
    }

    pub(crate) fn sign(&self, hash: B256) -> Bytes {
        let signed = self.key.sign_prehash_recoverable(hash.as_slice());
        let (signature, parity) = signed.expect("a hash can be signed");
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + parity.to_byte());
        bytes.into()
    }
}
