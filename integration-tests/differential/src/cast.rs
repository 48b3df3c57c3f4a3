//! The fixed cast: accounts with keys, made of their names.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use k256::ecdsa::{RecoveryId, Signature, SigningKey};
use std::collections::BTreeMap;

/// Workers that contribute in any sequence.
pub const WORKERS: usize = 8;
/// Workers in all: one more than a task of ours takes.
pub const CROWD: usize = 66;

/// Who plays.
#[derive(Clone, Debug)]
pub struct Cast {
    keys: BTreeMap<Address, SigningKey>,
    names: BTreeMap<Address, String>,
    /// Owns the hub, the registries and most of the token.
    pub hub_owner: Address,
    /// Sign requests.
    pub requesters: [Address; 3],
    /// Pays for others.
    pub sponsor: Address,
    /// Owns apps.
    pub app_owner: Address,
    /// Owns datasets.
    pub dataset_owner: Address,
    /// Own pools. The second has code as well, at times.
    pub pool_owners: [Address; 2],
    /// The first [`WORKERS`] of them work in any sequence.
    pub workers: Vec<Address>,
    /// Owns nothing and tries everything.
    pub thief: Address,
    /// Authorizes enclaves, at times.
    pub broker: Address,
    /// Sign results.
    pub enclaves: [Address; 2],
}

impl Cast {
    /// Makes the keys.
    #[must_use]
    pub fn new() -> Self {
        let mut keys = BTreeMap::new();
        let mut names = BTreeMap::new();
        let mut party = |name: String| {
            let secret = keccak256(name.as_bytes());
            let key = SigningKey::from_slice(secret.as_slice()).expect("a hash is below the order");
            let point = key.verifying_key().to_encoded_point(false);
            let address = Address::from_raw_public_key(
                point.as_bytes().get(1..).expect("65 bytes, of which the first is a mark"),
            );
            keys.insert(address, key);
            names.insert(address, name);
            address
        };
        let hub_owner = party("hub owner".into());
        let requesters = [1, 2, 3].map(|number| party(format!("requester {number}")));
        let sponsor = party("sponsor".into());
        let app_owner = party("app owner".into());
        let dataset_owner = party("dataset owner".into());
        let pool_owners = [1, 2].map(|number| party(format!("pool owner {number}")));
        let workers = (1..=CROWD).map(|number| party(format!("worker {number}"))).collect();
        let thief = party("thief".into());
        let broker = party("broker".into());
        let enclaves = [1, 2].map(|number| party(format!("enclave {number}")));
        Self {
            keys,
            names,
            hub_owner,
            requesters,
            sponsor,
            app_owner,
            dataset_owner,
            pool_owners,
            workers,
            thief,
            broker,
            enclaves,
        }
    }

    /// Who has raised its epoch before the play begins, and how far: one can raise it once more, one
    /// cannot.
    #[must_use]
    pub fn epochs(&self) -> [(Address, u16); 2] {
        [(self.requesters[2], u16::MAX - 1), (self.app_owner, u16::MAX)]
    }

    /// The name of an account.
    #[must_use]
    pub fn name(&self, account: Address) -> Option<&str> {
        self.names.get(&account).map(String::as_str)
    }

    /// Gives an account a name, for the story.
    pub fn call(&mut self, account: Address, name: &str) {
        self.names.insert(account, name.to_owned());
    }

    /// Every named account.
    pub fn names(&self) -> impl Iterator<Item = (Address, &str)> {
        self.names.iter().map(|(account, name)| (*account, name.as_str()))
    }

    /// The accounts that every comparison looks at.
    #[must_use]
    pub fn principals(&self) -> Vec<Address> {
        let mut accounts = vec![self.sponsor, self.thief, self.hub_owner, self.app_owner];
        accounts.extend([self.dataset_owner, self.broker]);
        accounts.extend(self.requesters);
        accounts.extend(self.pool_owners);
        accounts.extend(self.workers.iter().take(WORKERS));
        accounts
    }

    /// The signature of `account` over `hash`, 65 bytes; `None` for an account without a key here.
    #[must_use]
    pub fn sign(&self, account: Address, hash: B256) -> Option<Bytes> {
        let key = self.keys.get(&account)?;
        let (signature, recovery): (Signature, RecoveryId) =
            key.sign_prehash_recoverable(hash.as_slice()).expect("a hash of 32 bytes");
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + recovery.to_byte());
        Some(bytes.into())
    }
}

impl Default for Cast {
    fn default() -> Self {
        Self::new()
    }
}
