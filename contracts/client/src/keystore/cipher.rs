//! The cryptography of a keystore: key derivation, cipher and check sum.

use aes::Aes128;
use aes::cipher::{KeyIvInit, StreamCipher};
use ctr::Ctr128BE;
use poco_core::keccak256;
use sha2::Sha256;

/// The most memory that one key derivation may take: four times geth's standard.
const KDF_BYTES_MAX: u64 = 1 << 30;
/// The most rounds of PBKDF2: forty times geth's standard, seconds of work.
const PBKDF2_ROUNDS_MAX: u32 = 10_000_000;
/// The most lanes of scrypt, each of which takes its time after the other.
const SCRYPT_P_MAX: u32 = 16;

/// How hard it is to try passwords.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KdfCost {
    log_n: u8,
}

impl KdfCost {
    /// What geth uses: 256 MB and about a second for each try.
    pub const STANDARD: Self = Self { log_n: 18 };
    /// For tests: no protection at all.
    pub const CHEAP: Self = Self { log_n: 4 };
}

/// How the key comes from the password.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kdf {
    Scrypt { log_n: u8, r: u32, p: u32, salt: Vec<u8> },
    Pbkdf2 { rounds: u32, salt: Vec<u8> },
}

impl Kdf {
    /// Whether the numbers are possible, and affordable.
    pub(super) fn check(&self) -> Result<(), String> {
        match self {
            Self::Scrypt { log_n, r, p, .. } => {
                let bytes = 128u64.saturating_mul(u64::from(*r)).checked_shl(u32::from(*log_n));
                let affordable = bytes.is_some_and(|bytes| bytes <= KDF_BYTES_MAX);
                let possible = scrypt::Params::new(*log_n, *r, *p, 32).is_ok();
                if *log_n >= 40 || !affordable || !possible || *p > SCRYPT_P_MAX {
                    return Err(format!("scrypt with n = 2^{log_n}, r = {r}, p = {p}"));
                }
                Ok(())
            }
            Self::Pbkdf2 { rounds, .. } => {
                if *rounds == 0 || *rounds > PBKDF2_ROUNDS_MAX {
                    return Err(format!("pbkdf2 with {rounds} rounds"));
                }
                Ok(())
            }
        }
    }

    fn derive(&self, password: &str) -> [u8; 32] {
        let mut key = [0; 32];
        match self {
            Self::Scrypt { log_n, r, p, salt } => {
                let params = scrypt::Params::new(*log_n, *r, *p, key.len());
                let params = params.expect("checked before a keystore is made");
                scrypt::scrypt(password.as_bytes(), salt, &params, &mut key)
                    .expect("32 bytes are a length that scrypt gives");
            }
            Self::Pbkdf2 { rounds, salt } => {
                pbkdf2::pbkdf2::<hmac::Hmac<Sha256>>(password.as_bytes(), salt, *rounds, &mut key)
                    .expect("HMAC takes keys of every length");
            }
        }
        key
    }
}

/// An encrypted private key.
#[derive(Debug)]
pub(super) struct Sealed {
    pub(super) kdf: Kdf,
    pub(super) iv: [u8; 16],
    pub(super) ciphertext: [u8; 32],
    pub(super) mac: [u8; 32],
}

impl Sealed {
    pub(super) fn seal(secret: [u8; 32], password: &str, cost: KdfCost) -> Self {
        let salt = rand::random::<[u8; 32]>().to_vec();
        let kdf = Kdf::Scrypt { log_n: cost.log_n, r: 8, p: 1, salt };
        let iv = rand::random();
        let key = kdf.derive(password);
        let ciphertext = apply(&key, iv, secret);
        let mac = mac(&key, &ciphertext);
        Self { kdf, iv, ciphertext, mac }
    }

    /// The private key; `None` for another password.
    pub(super) fn open(&self, password: &str) -> Option<[u8; 32]> {
        let key = self.kdf.derive(password);
        (mac(&key, &self.ciphertext) == self.mac).then(|| apply(&key, self.iv, self.ciphertext))
    }
}

/// Encrypts or decrypts, which is the same: AES-128-CTR under the first half of the derived key.
fn apply(key: &[u8; 32], iv: [u8; 16], mut text: [u8; 32]) -> [u8; 32] {
    let (cipher_key, _) = key.split_at(16);
    let mut cipher = Ctr128BE::<Aes128>::new_from_slices(cipher_key, &iv)
        .expect("key and initial value have 16 bytes each");
    cipher.apply_keystream(&mut text);
    text
}

fn mac(key: &[u8; 32], ciphertext: &[u8; 32]) -> [u8; 32] {
    let (_, mac_key) = key.split_at(16);
    keccak256([mac_key, ciphertext].concat()).0
}
