//! Proof that a wallet speaks: one open challenge per address, gone once answered.
//!
//! Pure: random text and the time are given. Open challenges are kept in memory alone; after a
//! restart a client asks for a new one.

use poco_core::signature::recover;
use poco_core::{Address, B256, message};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Random characters of a challenge.
pub(crate) const RANDOM_CHARACTERS: usize = 32;

/// Open challenges at a time: bounds the memory that strangers can claim, some 200 bytes each.
const OPEN_MAX: usize = 20_000;

/// How long a challenge can be answered: long enough for a person with a hardware wallet.
const OPEN_MILLISECONDS: u64 = 15 * 60 * 1000;

const DOMAIN_NAME: &str = "iExec Gateway";
const DOMAIN_VERSION: &str = "1";

/// The open challenges of one chain.
#[derive(Debug)]
pub(crate) struct Challenges {
    chain_id: u64,
    open: BTreeMap<Address, Open>,
}

#[derive(Debug)]
struct Open {
    text: String,
    until: u64,
}

impl Challenges {
    pub(crate) fn new(chain_id: u64) -> Self {
        Self { chain_id, open: BTreeMap::new() }
    }

    /// The typed data that `address` has to sign.
    ///
    /// An open challenge is given again, so that nobody can void a challenge of somebody else by
    /// asking for another; `random` is used only for a new one.
    pub(crate) fn issue(&mut self, address: Address, random: &str, now: u64) -> Value {
        let is_open = self.open.get(&address).is_some_and(|open| open.until > now);
        if !is_open {
            self.make_room(now);
            let text = format!("Sign this message to log into iExec Gateway: {random}");
            let until = now.saturating_add(OPEN_MILLISECONDS);
            self.open.insert(address, Open { text, until });
        }
        let text = self.open.get(&address).map_or("", |open| open.text.as_str());
        typed_data(self.chain_id, text)
    }

    /// Who answered a challenge with the header `<hash>_<signature>_<address>`; closes it.
    ///
    /// `None` for any header that answers no open challenge: the challenge then stays open.
    pub(crate) fn close(&mut self, header: &str, now: u64) -> Option<Address> {
        let mut parts = header.split('_');
        let (hash, signature, address) = (parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        let hash: B256 = hash.parse().ok()?;
        let signature = hex::decode(signature.strip_prefix("0x")?).ok()?;
        let address: Address = address.parse().ok()?;
        let open = self.open.get(&address).filter(|open| open.until > now)?;
        let expected = message::challenge_hash(DOMAIN_NAME, self.chain_id, &open.text);
        if hash != expected || recover(expected, &signature) != Some(address) {
            return None;
        }
        self.open.remove(&address);
        Some(address)
    }

    /// Drops what has expired, and the challenge that would expire first if that is not enough.
    fn make_room(&mut self, now: u64) {
        if self.open.len() < OPEN_MAX {
            return;
        }
        self.open.retain(|_, open| open.until > now);
        if self.open.len() < OPEN_MAX {
            return;
        }
        let oldest = self.open.iter().min_by_key(|(_, open)| open.until).map(|(who, _)| *who);
        if let Some(oldest) = oldest {
            self.open.remove(&oldest);
        }
    }
}

fn typed_data(chain_id: u64, text: &str) -> Value {
    json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" },
                { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" },
            ],
            "Challenge": [{ "name": "challenge", "type": "string" }],
        },
        "domain": { "name": DOMAIN_NAME, "version": DOMAIN_VERSION, "chainId": chain_id },
        "primaryType": "Challenge",
        "message": { "challenge": text },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_chain::Wallet;

    const ALICE: Address = Address::repeat_byte(0xa1);

    fn text(typed_data: &Value) -> &str {
        typed_data["message"]["challenge"].as_str().unwrap()
    }

    #[test]
    fn an_open_challenge_is_given_again_until_it_expires() {
        let mut challenges = Challenges::new(1);
        let first = challenges.issue(ALICE, "one", 0);
        assert_eq!(text(&first), "Sign this message to log into iExec Gateway: one");
        assert_eq!(challenges.issue(ALICE, "two", OPEN_MILLISECONDS - 1), first);
        let later = challenges.issue(ALICE, "two", OPEN_MILLISECONDS);
        assert_eq!(text(&later), "Sign this message to log into iExec Gateway: two");
    }

    #[test]
    fn a_challenge_is_answered_once_and_only_by_its_wallet() {
        let wallet = Wallet::from_key(B256::repeat_byte(1)).unwrap();
        let other = Wallet::from_key(B256::repeat_byte(2)).unwrap();
        let address = wallet.address();
        let mut challenges = Challenges::new(1);
        challenges.issue(address, "one", 0);
        let hash = message::challenge_hash(
            DOMAIN_NAME,
            1,
            "Sign this message to log into iExec Gateway: one",
        );
        let header = |signer: &Wallet| format!("{hash}_{}_{address}", signer.sign_hash(hash));
        assert_eq!(challenges.close(&header(&other), 1), None);
        assert_eq!(challenges.close(&header(&wallet), OPEN_MILLISECONDS), None, "too late");
        assert_eq!(challenges.close(&header(&wallet), 1), Some(address));
        assert_eq!(challenges.close(&header(&wallet), 1), None, "used");
    }

    #[test]
    fn the_number_of_open_challenges_is_bounded() {
        let mut challenges = Challenges::new(1);
        for number in 0..OPEN_MAX + 5 {
            let address = Address::left_padding_from(&(number + 1).to_be_bytes());
            challenges.issue(address, "text", number as u64);
        }
        assert_eq!(challenges.open.len(), OPEN_MAX);
        assert!(!challenges.open.contains_key(&Address::left_padding_from(&1_u64.to_be_bytes())));
    }

    #[test]
    fn headers_that_answer_nothing_are_refused() {
        let mut challenges = Challenges::new(1);
        challenges.issue(ALICE, "one", 0);
        let hash = message::challenge_hash(
            DOMAIN_NAME,
            1,
            "Sign this message to log into iExec Gateway: one",
        );
        let zeros = "00".repeat(65);
        for header in [
            String::new(),
            "_".into(),
            "__".into(),
            "___".into(),
            format!("{hash}_0x{zeros}_{ALICE}"),
            format!("{hash}_{zeros}_{ALICE}"),
            format!("{hash}_0x_{ALICE}"),
            format!("{hash}_0x{zeros}_{ALICE}_more"),
            format!("{hash}_0x{zeros}_{}", Address::ZERO),
        ] {
            assert_eq!(challenges.close(&header, 1), None, "{header}");
        }
        assert_eq!(challenges.open.len(), 1);
    }
}
