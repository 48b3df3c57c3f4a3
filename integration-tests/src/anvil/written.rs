//! What anvil wrote down of itself.

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;
use std::collections::HashMap;

/// The parts of the file that are looked at; all the rest is skipped, but must be there.
#[derive(Deserialize)]
struct Written {
    block: Block,
    best_block_number: u64,
    accounts: HashMap<String, Account>,
    transactions: Vec<Transaction>,
}

#[derive(Deserialize)]
struct Block {
    number: Value,
}

#[derive(Deserialize)]
struct Account {
    nonce: u64,
}

#[derive(Deserialize)]
struct Transaction {
    info: Sent,
    block_number: u64,
}

#[derive(Deserialize)]
struct Sent {
    from: String,
    nonce: u64,
}

/// The last block of a whole file; `None` while it is being written, and where it is of two moments.
///
/// Anvil reads its blocks first and its accounts later, so that a block mined between the two has left its
/// traces without being there. A chain raised from that has deals of which no block tells, for ever: no
/// chain does this, and what serves chains need not stand it.
///
/// # Errors
/// Where the number of the block is none.
pub(super) fn last_block(file: &[u8]) -> Result<Option<u64>> {
    let Ok(written) = serde_json::from_slice::<Written>(file) else { return Ok(None) };
    let last = quantity(&written.block.number)?;
    let is_of_one_moment = last == written.best_block_number && written.has_its_nonces(last);
    Ok(is_of_one_moment.then_some(last))
}

impl Written {
    /// Whether everybody whose transactions are kept has sent just those.
    fn has_its_nonces(&self, last: u64) -> bool {
        let mut sent = HashMap::new();
        for transaction in self.transactions.iter().filter(|sent| sent.block_number <= last) {
            let Sent { from, nonce } = &transaction.info;
            let next = sent.entry(from).or_insert(0);
            *next = (*next).max(nonce + 1);
        }
        let nonce = |from: &str| self.accounts.get(from).map(|account| account.nonce);
        sent.iter().all(|(from, next)| nonce(from) == Some(*next))
    }
}

/// A number as JSON-RPC tells it.
///
/// # Errors
/// Where it is none.
pub(super) fn quantity(value: &Value) -> Result<u64> {
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let digits = digits.with_context(|| format!("{value} is no quantity"))?;
    Ok(u64::from_str_radix(digits, 16)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A wallet that sent two transactions, in the blocks 6 and 7.
    fn file(nonce: u64) -> Value {
        json!({
            "block": { "number": "0x7", "timestamp": "0x65" },
            "best_block_number": 7,
            "accounts": { "0xaa": { "nonce": nonce, "balance": "0x1" }, "0xcc": { "nonce": 1 } },
            "transactions": [
                { "info": { "from": "0xaa", "nonce": 3 }, "block_number": 6 },
                { "info": { "from": "0xaa", "nonce": 4 }, "block_number": 7 },
            ],
        })
    }

    fn block(file: &Value) -> Option<u64> {
        last_block(file.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn a_whole_file_tells_its_last_block() {
        assert_eq!(block(&file(5)), Some(7));
        let text = file(5).to_string();
        assert_eq!(last_block(&text.as_bytes()[..text.len() - 1]).unwrap(), None);
    }

    #[test]
    fn accounts_of_a_later_block_are_noticed() {
        assert_eq!(block(&file(6)), None);
        // Its transactions may be there while it is not.
        let mut later = file(6);
        let transactions = later["transactions"].as_array_mut().unwrap();
        transactions.push(json!({ "info": { "from": "0xaa", "nonce": 5 }, "block_number": 8 }));
        assert_eq!(block(&later), None);
        let mut ahead = file(5);
        ahead["best_block_number"] = json!(8);
        assert_eq!(block(&ahead), None);
    }
}
