//! Who asks, where a result or what runs print is for one wallet alone: proof by a signed challenge.
//!
//! Open challenges are kept in memory alone; after a restart a client asks for a new one.

use poco_core::message::challenge_hash;
use poco_core::signature::recover;
use poco_core::{Address, B256};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The domain under which a pool asks.
const SERVICE: &str = "iExec Core";
/// Random bytes of a challenge, shown as twice as many characters.
const RANDOM_BYTES: usize = 16;
/// Open challenges at a time: bounds the memory that strangers can claim.
const OPEN_MAX: usize = 10_000;
/// How long a challenge can be answered, and a download begun with it.
const OPEN_TIME: Duration = Duration::from_secs(15 * 60);

/// Open challenges, one per wallet. Clones share them.
#[derive(Clone, Debug)]
pub(crate) struct Challenges {
    chain_id: u64,
    open: Arc<Mutex<Open>>,
}

type Open = BTreeMap<Address, (String, Instant)>;

impl Challenges {
    pub(crate) fn new(chain_id: u64) -> Self {
        Self { chain_id, open: Arc::default() }
    }

    /// The typed data that `address` has to sign. An open challenge is given again, so that
    /// nobody can void somebody else's by asking for another.
    pub(crate) fn issue(&self, address: Address) -> Value {
        let now = Instant::now();
        let mut open = self.lock();
        open.retain(|_, (_, until)| *until > now);
        if open.len() >= OPEN_MAX {
            // Some stranger asks for many: the oldest give way.
            let oldest = open.iter().min_by_key(|(_, (_, until))| *until).map(|(who, _)| *who);
            oldest.map(|oldest| open.remove(&oldest));
        }
        let (text, _) = open.entry(address).or_insert_with(|| {
            let random = hex::encode(rand::random::<[u8; RANDOM_BYTES]>());
            (format!("Sign this message to log into {SERVICE}: {random}"), now + OPEN_TIME)
        });
        json!({
            "types": {
                "EIP712Domain": [
                    { "name": "name", "type": "string" },
                    { "name": "version", "type": "string" },
                    { "name": "chainId", "type": "uint256" },
                ],
                "Challenge": [{ "name": "challenge", "type": "string" }],
            },
            "domain": { "name": SERVICE, "version": "1", "chainId": self.chain_id },
            "primaryType": "Challenge",
            "message": { "challenge": text },
        })
    }

    /// Who answered a challenge with the header `<hash>_<signature>_<address>`; closes it.
    pub(crate) fn close(&self, header: &str) -> Option<Address> {
        let mut parts = header.split('_');
        let (hash, signature, address) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let hash: B256 = hash.parse().ok()?;
        let signature = hex::decode(signature.strip_prefix("0x")?).ok()?;
        let address: Address = address.parse().ok()?;
        let mut open = self.lock();
        let (text, until) = open.get(&address)?;
        let expected = challenge_hash(SERVICE, self.chain_id, text);
        let is_answer = *until > Instant::now()
            && hash == expected
            && recover(expected, &signature) == Some(address);
        if !is_answer {
            return None;
        }
        open.remove(&address);
        Some(address)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        // Every change of it is complete by itself.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_chain::Wallet;

    #[tokio::test]
    async fn only_the_wallet_itself_answers_and_only_once() {
        let challenges = Challenges::new(31337);
        let (wallet, other) = (Wallet::random(), Wallet::random());
        let address = wallet.address();
        let asked = challenges.issue(address);
        assert_eq!(asked, challenges.issue(address));
        let text = asked["message"]["challenge"].as_str().unwrap();
        let hash = challenge_hash(SERVICE, 31337, text);
        let header = |by: &Wallet| format!("{hash}_{}_{address}", by.sign_hash(hash));
        assert_eq!(challenges.close(&header(&other)), None);
        assert_eq!(challenges.close(&header(&wallet)), Some(address));
        assert_eq!(challenges.close(&header(&wallet)), None);
        for garbage in ["", "_", "__", "0x_0x_0x", "a_b_c_d"] {
            assert_eq!(challenges.close(garbage), None);
        }
    }
}
