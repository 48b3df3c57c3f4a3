//! Where a pool's own API is and what the pool promises, as its owner signed it.

use poco_core::message::{eth_signed_message_hash, pool_profile_hash};
use poco_core::promise::PoolTerms;
use poco_core::signature::recover;
use poco_core::{Address, B256, Bytes};
use serde::{Deserialize, Serialize};

/// Longest address of an API; browsers take no longer ones either.
const API_URL_BYTES_MAX: usize = 2048;
/// Longest terms: a promise for each of some hundred categories.
const TERMS_BYTES_MAX: usize = 16 << 10;

/// What a pool's owner publishes about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Profile {
    /// http or https address of the pool's API.
    pub(crate) api_url: String,
    /// When the owner signed, in seconds since 1970: of two profiles the newer holds.
    pub(crate) timestamp: u64,
    /// The owner's personal signature over [`Profile::message`].
    pub(crate) sign: Bytes,
    /// What the pool promises, as the very text that was signed.
    #[serde(default)]
    pub(crate) terms: Option<String>,
}

/// A profile as it was stored before there were terms.
#[derive(Serialize, Deserialize)]
pub(crate) struct ProfileBefore {
    api_url: String,
    timestamp: u64,
    sign: Bytes,
}

impl From<ProfileBefore> for Profile {
    fn from(before: ProfileBefore) -> Self {
        let ProfileBefore { api_url, timestamp, sign } = before;
        Self { api_url, timestamp, sign, terms: None }
    }
}

/// Why a profile is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProfileRefusal {
    #[error("Resource not deployed")]
    NotDeployed,
    #[error("invalid sign")]
    InvalidSign,
    #[error("a profile with timestamp {0} is already published")]
    NotNewer(u64),
}

impl Profile {
    /// What the owner signs, before the prefix of personal messages.
    pub(crate) fn message(&self, chain_id: u64, workerpool: Address) -> B256 {
        let terms = self.terms.as_deref();
        pool_profile_hash(chain_id, workerpool, &self.api_url, terms, self.timestamp)
    }

    /// Whether the terms say something that can be held against the pool.
    ///
    /// # Errors
    /// A sentence that says what is wrong with them.
    pub(crate) fn check_terms(&self) -> Result<(), String> {
        let Some(terms) = &self.terms else { return Ok(()) };
        if terms.len() > TERMS_BYTES_MAX {
            return Err(format!("terms must be at most {TERMS_BYTES_MAX} bytes"));
        }
        serde_json::from_str::<PoolTerms>(terms)
            .map(drop)
            .map_err(|error| format!("terms cannot be read: {error}"))
    }

    /// Whether the address can be used at all.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub(crate) fn check_url(&self) -> Result<(), String> {
        if self.api_url.len() > API_URL_BYTES_MAX {
            return Err(format!("apiUrl must be at most {API_URL_BYTES_MAX} bytes"));
        }
        match url::Url::parse(&self.api_url) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(()),
            Ok(_) | Err(_) => Err("apiUrl must be an http or https url".into()),
        }
    }

    /// Whether the profile may take the place of the current one.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(
        &self,
        chain_id: u64,
        workerpool: Address,
        owner: Option<Address>,
        current: Option<&Self>,
    ) -> Result<(), ProfileRefusal> {
        let owner = owner.ok_or(ProfileRefusal::NotDeployed)?;
        let hash = eth_signed_message_hash(self.message(chain_id, workerpool));
        if recover(hash, &self.sign) != Some(owner) {
            return Err(ProfileRefusal::InvalidSign);
        }
        match current {
            // Publishing the same profile again does no harm.
            Some(current) if current.timestamp >= self.timestamp && current != self => {
                Err(ProfileRefusal::NotNewer(current.timestamp))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_chain::Wallet;

    const POOL: Address = Address::repeat_byte(7);

    fn wallet() -> Wallet {
        Wallet::from_key(B256::repeat_byte(1)).unwrap()
    }

    fn profile(timestamp: u64, wallet: &Wallet) -> Profile {
        let api_url = "https://pool.example/api".to_owned();
        let mut profile = Profile { api_url, timestamp, sign: Bytes::new(), terms: None };
        let hash = eth_signed_message_hash(profile.message(31337, POOL));
        profile.sign = wallet.sign_hash(hash);
        profile
    }

    #[test]
    fn only_the_owner_s_newer_profile_is_taken() {
        let (wallet, first) = (wallet(), profile(5, &wallet()));
        let owner = Some(wallet.address());
        let check = |profile: &Profile, owner, current| profile.check(31337, POOL, owner, current);
        assert_eq!(check(&first, owner, None), Ok(()));
        assert_eq!(check(&first, None, None), Err(ProfileRefusal::NotDeployed));
        assert_eq!(check(&first, Some(POOL), None), Err(ProfileRefusal::InvalidSign));
        assert_eq!(check(&first, owner, Some(&first)), Ok(()), "again");
        let second = profile(6, &wallet);
        assert_eq!(check(&second, owner, Some(&first)), Ok(()));
        assert_eq!(check(&first, owner, Some(&second)), Err(ProfileRefusal::NotNewer(6)));
    }

    #[test]
    fn a_profile_holds_for_one_pool_on_one_chain() {
        let (wallet, signed) = (wallet(), profile(5, &wallet()));
        let owner = Some(wallet.address());
        let elsewhere = Err(ProfileRefusal::InvalidSign);
        assert_eq!(signed.check(1, POOL, owner, None), elsewhere);
        assert_eq!(signed.check(31337, wallet.address(), owner, None), elsewhere);
        let moved = Profile { api_url: "https://other.example".into(), ..signed };
        assert_eq!(moved.check(31337, POOL, owner, None), elsewhere);
    }

    #[test]
    fn terms_are_signed_with_the_profile_and_must_be_readable() {
        let wallet = wallet();
        let with = |terms: &str| Profile { terms: Some(terms.to_owned()), ..profile(5, &wallet) };
        let owner = Some(wallet.address());
        let mut promised = with(r#"{"workersPercentMin":95}"#);
        assert_eq!(promised.check(31337, POOL, owner, None), Err(ProfileRefusal::InvalidSign));
        promised.sign = wallet.sign_hash(eth_signed_message_hash(promised.message(31337, POOL)));
        assert_eq!(promised.check(31337, POOL, owner, None), Ok(()));
        let other =
            Profile { terms: Some(r#"{"workersPercentMin":5}"#.into()), ..promised.clone() };
        assert_eq!(other.check(31337, POOL, owner, None), Err(ProfileRefusal::InvalidSign));
        let without = Profile { terms: None, ..promised.clone() };
        assert_eq!(without.check(31337, POOL, owner, None), Err(ProfileRefusal::InvalidSign));
        assert_eq!(promised.check_terms(), Ok(()));
        assert!(with("95 %").check_terms().is_err());
        assert!(with(&" ".repeat(TERMS_BYTES_MAX + 1)).check_terms().is_err());
    }

    #[test]
    fn only_web_addresses_of_sane_length_are_taken() {
        let sign = Bytes::new();
        let with =
            |api_url: String| Profile { api_url, timestamp: 0, sign: sign.clone(), terms: None };
        assert_eq!(with("http://127.0.0.1:3001".into()).check_url(), Ok(()));
        assert!(with("ftp://pool.example".into()).check_url().is_err());
        assert!(with("pool".into()).check_url().is_err());
        assert!(with(format!("http://{}", "a".repeat(API_URL_BYTES_MAX))).check_url().is_err());
    }
}
