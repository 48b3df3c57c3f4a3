//! A private key and what it signs. The key never leaves this type but into an encrypted file.
//!
//! Hashes are signed by libsecp256k1, in a third of the time that k256 takes: a scheduler signs for
//! every replica of every task. Both sign the same bytes (RFC 6979, low s); transactions, which are
//! few, are signed by alloy's k256.

use crate::keystore::{self, KdfCost, KeystoreError};
use alloy_consensus::SignableTransaction;
use alloy_network::TxSignerSync;
use alloy_primitives::Signature;
use alloy_signer_local::PrivateKeySigner;
use poco_core::message::challenge_hash;
use poco_core::{Address, B256, Bytes};
use secp256k1::ecdsa::RecoveryId;
use secp256k1::{Message, Secp256k1, SecretKey, SignOnly};
use serde_json::Value;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// A private key.
#[derive(Clone)]
pub struct Wallet {
    signer: PrivateKeySigner,
    key: SecretKey,
}

/// Holds tables that are the same for every key.
static SIGNING: LazyLock<Secp256k1<SignOnly>> = LazyLock::new(Secp256k1::signing_only);

impl fmt::Debug for Wallet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Wallet({})", self.address())
    }
}

impl Wallet {
    /// Opens an encrypted file. It takes about a second, by design of the file.
    ///
    /// # Errors
    /// [`KeystoreError`], which says whether the file or the password is wrong.
    pub fn open(path: &Path, password: &str) -> Result<Self, KeystoreError> {
        keystore::open(path, password)
    }

    /// Makes a new key and stores it in the folder `dir`, encrypted. Returns the file's path too.
    ///
    /// # Errors
    /// [`KeystoreError::Write`].
    pub fn create(dir: &Path, password: &str) -> Result<(Self, PathBuf), KeystoreError> {
        let wallet = Self::random();
        let path = keystore::store(dir, &wallet, password, KdfCost::STANDARD)?;
        Ok((wallet, path))
    }

    /// Stores a key given in hex in the folder `dir`, encrypted. Returns the file's path too.
    ///
    /// # Errors
    /// [`KeystoreError::NotAKey`] or [`KeystoreError::Write`].
    pub fn import(dir: &Path, key: &str, password: &str) -> Result<(Self, PathBuf), KeystoreError> {
        let key: B256 = key.trim().parse().map_err(|_| KeystoreError::NotAKey)?;
        let wallet = Self::from_key(key)?;
        let path = keystore::store(dir, &wallet, password, KdfCost::STANDARD)?;
        Ok((wallet, path))
    }

    /// The wallet of a private key.
    ///
    /// # Errors
    /// [`KeystoreError::NotAKey`] for zero and for what is above the curve's order.
    pub fn from_key(key: B256) -> Result<Self, KeystoreError> {
        let signer = PrivateKeySigner::from_bytes(&key).map_err(|_| KeystoreError::NotAKey)?;
        Ok(Self::of(signer))
    }

    /// A new key, at random.
    #[must_use]
    pub fn random() -> Self {
        Self::of(PrivateKeySigner::random())
    }

    fn of(signer: PrivateKeySigner) -> Self {
        let key = SecretKey::from_byte_array(signer.to_bytes().into());
        Self { key: key.expect("both take the numbers below the curve's order"), signer }
    }

    /// The wallet's address.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.signer.address()
    }

    /// Signs a 32-byte hash: 65 bytes (r, s, v) with v 27 or 28. The same hash gives the same bytes.
    #[must_use]
    pub fn sign_hash(&self, hash: B256) -> Bytes {
        let message = Message::from_digest(hash.0);
        let signed = SIGNING.sign_ecdsa_recoverable(message, &self.key);
        let (recovery, compact) = signed.serialize_compact();
        let mut bytes = compact.to_vec();
        bytes.push(match recovery {
            RecoveryId::Zero | RecoveryId::Two => 27,
            RecoveryId::One | RecoveryId::Three => 28,
        });
        bytes.into()
    }

    /// Signs a service's challenge, given the service's whole answer, the typed data itself or under
    /// `data`: `<hash>_<signature>_<address>`, as the header `authorization` wants it.
    ///
    /// Only a challenge for this chain is signed, and only typed data whose type is known here: a
    /// service cannot make the wallet sign anything else. `None` where it is something else.
    #[must_use]
    pub fn answer_challenge(&self, chain_id: u64, answer: &Value) -> Option<String> {
        let data = answer.get("data").unwrap_or(answer);
        let domain = data.get("domain")?;
        let service = domain.get("name")?.as_str()?;
        let text = data.get("message")?.get("challenge")?.as_str()?;
        let named = domain.get("chainId")?;
        let named = named.as_u64().or_else(|| named.as_str()?.parse().ok());
        if named != Some(chain_id) || data.get("primaryType")?.as_str() != Some("Challenge") {
            return None;
        }
        let hash = challenge_hash(service, chain_id, text);
        Some(format!("{hash}_{}_{}", self.sign_hash(hash), self.address().to_checksum(None)))
    }

    pub(crate) fn sign_transaction(
        &self,
        tx: &mut dyn SignableTransaction<Signature>,
    ) -> Signature {
        let signed = self.signer.sign_transaction_sync(tx);
        signed.expect("a valid key that is bound to no chain signs every transaction")
    }

    pub(crate) fn secret(&self) -> [u8; 32] {
        self.signer.to_bytes().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_signer::SignerSync;

    #[test]
    fn signatures_recover_to_the_wallet_and_never_show_the_key() {
        let key = B256::repeat_byte(0x46);
        let wallet = Wallet::from_key(key).unwrap();
        let expected: Address = "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F".parse().unwrap();
        assert_eq!(wallet.address(), expected);
        let hash = B256::repeat_byte(7);
        let sign = wallet.sign_hash(hash);
        assert!(sign.len() == 65 && matches!(sign.last(), Some(27 | 28)));
        assert_eq!(poco_core::signature::recover(hash, &sign), Some(expected));
        assert!(!format!("{wallet:?}").contains("4646"));
    }

    #[test]
    fn both_libraries_sign_the_same() {
        for number in 1..=64u8 {
            let key = poco_core::keccak256([number]);
            let (wallet, hash) = (Wallet::from_key(key).unwrap(), poco_core::keccak256(key));
            let other = PrivateKeySigner::from_bytes(&key).unwrap();
            let expected = other.sign_hash_sync(&hash).unwrap().as_bytes();
            assert_eq!(wallet.sign_hash(hash).as_ref(), expected);
        }
    }

    #[test]
    fn only_a_challenge_for_this_chain_is_signed() {
        let wallet = Wallet::from_key(B256::repeat_byte(0x46)).unwrap();
        let asked = |chain: Value, kind: &str| {
            let domain = serde_json::json!({ "name": "Market", "version": "1", "chainId": chain });
            let message = serde_json::json!({ "challenge": "who?" });
            serde_json::json!({ "data": {
                "domain": domain, "primaryType": kind, "message": message
            } })
        };
        let hash = challenge_hash("Market", 7, "who?");
        let address = wallet.address().to_checksum(None);
        let expected = format!("{hash}_{}_{address}", wallet.sign_hash(hash));
        for chain in [7.into(), "7".into()] {
            let answer = wallet.answer_challenge(7, &asked(chain, "Challenge"));
            assert_eq!(answer, Some(expected.clone()));
            let bare = wallet.answer_challenge(7, &asked("7".into(), "Challenge")["data"]);
            assert_eq!(bare, Some(expected.clone()));
        }
        assert_eq!(wallet.answer_challenge(7, &asked(8.into(), "Challenge")), None);
        assert_eq!(wallet.answer_challenge(7, &asked(7.into(), "AppOrder")), None);
        assert_eq!(wallet.answer_challenge(7, &Value::Null), None);
    }

    #[test]
    fn zero_and_numbers_above_the_order_are_no_keys() {
        for key in [B256::ZERO, B256::repeat_byte(0xff)] {
            assert!(matches!(Wallet::from_key(key), Err(KeystoreError::NotAKey)));
        }
    }
}
