//! Another scheduler on the same key. On this machine a lock keeps it out. From another machine it shows
//! in the chain: a transaction of the key that a scheduler makes, and that this one did not send. Two of
//! them would give tasks away twice and take each other's nonces, so this one stops.
//!
//! The owner's own transactions with the key, as deposits and cancelled orders, do no harm and are let
//! be.

use anyhow::{Context as _, bail};
use poco_chain::{Chain, Purse, RpcError, read_ledger_record};
use poco_core::{Address, B256};
use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// Nonces remembered: more than a scheduler sends between two looks at the chain.
const NONCES_MAX: usize = 10_000;
/// Blocks that are searched for foreign transactions at a time: what a chain of ten blocks a second
/// makes in the longest pause between two looks.
const BLOCKS_MAX: u64 = 200;
/// Bytes of a lock file that are read: it says who holds it in one line.
const HOLDER_BYTES_MAX: u64 = 4096;

/// A key that no other scheduler of this user can take while this lives.
#[derive(Debug)]
pub(crate) struct KeyLock {
    _file: File,
}

impl KeyLock {
    /// Takes the lock of a key on a chain.
    ///
    /// # Errors
    /// One line that says who holds it.
    pub(crate) fn take(
        folder: &Path,
        chain_id: u64,
        owner: Address,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let path = folder.join(format!("{chain_id}-{owner:#x}.lock"));
        let cannot = || format!("cannot lock {}: choose another --lock-dir", path.display());
        std::fs::create_dir_all(folder).with_context(cannot)?;
        let mut options = File::options();
        let mut file = options
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .with_context(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who it is only helps; that there is one is certain.
                let _ = file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
                bail!(
                    "another scheduler ({}) uses the key of {owner} on chain {chain_id}: stop it, as a \
                     key has one scheduler; for another chain of the same id choose another --lock-dir",
                    holder.trim()
                );
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
        }
        file.set_len(0).and_then(|()| file.rewind()).with_context(cannot)?;
        let holder = format!("pid {}, data folder {}", std::process::id(), data_dir.display());
        writeln!(file, "{holder}").with_context(cannot)?;
        Ok(Self { _file: file })
    }
}

/// What was sent with the key from here, as the ledger is told before it is sent. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnTransactions {
    by_nonce: Arc<Mutex<BTreeMap<u64, Own>>>,
}

#[derive(Debug, Default)]
struct Own {
    transactions: Vec<B256>,
    is_mined: bool,
}

impl OwnTransactions {
    /// Takes in a record of the ledger.
    pub(crate) fn enter(&self, nonce: u64, record: &[u8]) {
        let Some(record) = read_ledger_record(record) else { return };
        let mut by_nonce = self.by_nonce.lock().unwrap_or_else(PoisonError::into_inner);
        let own = by_nonce.entry(nonce).or_default();
        own.transactions.extend(record.transactions);
        own.transactions.sort_unstable();
        own.transactions.dedup();
        own.is_mined |= record.is_mined;
        if by_nonce.len() > NONCES_MAX {
            by_nonce.pop_first();
        }
    }

    fn is_mined(&self, nonce: u64) -> bool {
        let by_nonce = self.by_nonce.lock().unwrap_or_else(PoisonError::into_inner);
        by_nonce.get(&nonce).is_some_and(|own| own.is_mined)
    }

    fn has(&self, transaction: B256) -> bool {
        let by_nonce = self.by_nonce.lock().unwrap_or_else(PoisonError::into_inner);
        by_nonce.values().any(|own| own.transactions.contains(&transaction))
    }
}

/// Blocks, both ends included.
type Blocks = (u64, u64);

/// How far every nonce of the key is accounted for.
#[derive(Debug)]
struct Accounts {
    nonce: u64,
    block: u64,
}

impl Accounts {
    /// What was sent before, and what still waits at the node, is nobody's fault.
    fn opened(purse: &Purse) -> Self {
        Self { nonce: purse.nonce.max(purse.nonce_pending), block: purse.block.number }
    }

    /// The blocks in which a nonce was used that is not known to be ours, if there are any.
    fn unexplained(&mut self, purse: &Purse, is_ours: impl Fn(u64) -> bool) -> Option<Blocks> {
        while self.nonce < purse.nonce && is_ours(self.nonce) {
            self.nonce = self.nonce.saturating_add(1);
        }
        if self.nonce >= purse.nonce {
            self.block = purse.block.number;
            return None;
        }
        let last = purse.block.number;
        let first = self.block.saturating_add(1).max(last.saturating_sub(BLOCKS_MAX));
        Some((first, last))
    }

    /// Nothing is wrong up to here.
    fn settle(&mut self, purse: &Purse) {
        (self.nonce, self.block) = (self.nonce.max(purse.nonce), purse.block.number);
    }
}

/// Looks for another scheduler on the key.
#[derive(Debug)]
pub(crate) struct Watchman {
    chain: Chain,
    owner: Address,
    own: OwnTransactions,
    accounts: Accounts,
}

impl Watchman {
    pub(crate) fn new(chain: Chain, owner: Address, own: OwnTransactions, purse: &Purse) -> Self {
        Self { chain, owner, own, accounts: Accounts::opened(purse) }
    }

    /// What the key's account has now.
    ///
    /// # Errors
    /// [`RpcError`].
    pub(crate) async fn purse(&self) -> Result<Purse, RpcError> {
        self.chain.purse(self.owner).await
    }

    /// What the operator is told of another scheduler's transaction.
    pub(crate) fn told(&self, transaction: B256) -> String {
        format!(
            "another scheduler uses the key of {}: it sent transaction {transaction}; stop one of the \
             two before this one is started again",
            self.owner
        )
    }

    /// The transaction of another scheduler, where there was one since the last look.
    ///
    /// # Errors
    /// [`RpcError`]: the next look covers the same blocks.
    pub(crate) async fn look(&mut self, purse: &Purse) -> Result<Option<B256>, RpcError> {
        let own = &self.own;
        let unexplained = self.accounts.unexplained(purse, |nonce| own.is_mined(nonce));
        let Some((first, last)) = unexplained else { return Ok(None) };
        let sent = self.chain.sent_by(self.owner, first, last).await?;
        let mut foreign = sent.iter().filter(|sent| !self.own.has(sent.hash));
        let rival = foreign.find(|sent| self.chain.is_scheduling(sent));
        if rival.is_none() {
            self.accounts.settle(purse);
        }
        Ok(rival.map(|sent| sent.hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_chain::{Account, BlockRef};
    use poco_core::U256;

    fn purse(block: u64, nonce: u64) -> Purse {
        Purse {
            block: BlockRef { number: block, ..BlockRef::default() },
            gas_wei: U256::ZERO,
            gas_price_wei: U256::ZERO,
            account: Account::default(),
            nonce,
            nonce_pending: nonce,
        }
    }

    #[test]
    fn a_nonce_that_is_not_ours_is_looked_for_where_it_was_used() {
        let mut accounts = Accounts::opened(&purse(10, 3));
        let ours = |nonce: u64| nonce < 6;
        assert_eq!(accounts.unexplained(&purse(12, 3), ours), None);
        assert_eq!(accounts.unexplained(&purse(14, 6), ours), None);
        assert_eq!(accounts.unexplained(&purse(17, 7), ours), Some((15, 17)));
        // Until it is explained, from the same block on.
        assert_eq!(accounts.unexplained(&purse(19, 7), ours), Some((15, 19)));
        accounts.settle(&purse(19, 7));
        assert_eq!(accounts.unexplained(&purse(20, 7), ours), None);
        assert_eq!(accounts.unexplained(&purse(999, 8), |_| false), Some((799, 999)));
    }

    #[test]
    fn what_waits_at_the_node_at_the_start_is_no_surprise() {
        let waiting = Purse { nonce_pending: 5, ..purse(10, 3) };
        let mut accounts = Accounts::opened(&waiting);
        assert_eq!(accounts.unexplained(&purse(12, 5), |_| false), None);
        assert_eq!(accounts.unexplained(&purse(13, 6), |_| false), Some((13, 13)));
    }

    #[test]
    fn a_key_is_locked_once_per_chain() {
        let folder = tempfile::tempdir().unwrap();
        let (owner, data) = (Address::repeat_byte(1), Path::new("/data"));
        let first = KeyLock::take(folder.path(), 1, owner, data).unwrap();
        KeyLock::take(folder.path(), 2, owner, data).unwrap();
        KeyLock::take(folder.path(), 1, Address::ZERO, data).unwrap();
        let refused = KeyLock::take(folder.path(), 1, owner, data).unwrap_err().to_string();
        let holder = format!("pid {}, data folder /data", std::process::id());
        assert!(refused.contains(&holder), "{refused}");
        drop(first);
        KeyLock::take(folder.path(), 1, owner, data).unwrap();
    }
}
