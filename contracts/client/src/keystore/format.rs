//! The JSON of a keystore, checked.

use super::KeystoreError;
use super::cipher::{Kdf, KdfCost, Sealed};
use crate::wallet::Wallet;
use poco_core::{Address, B256};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;

/// What is wrong with a keystore, whichever file it came from.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Broken(String),
    Unsupported(String),
    WrongPassword,
}

impl Fault {
    pub(super) fn at(self, path: &Path) -> KeystoreError {
        let path = path.to_owned();
        match self {
            Self::Broken(detail) => KeystoreError::Broken { path, detail },
            Self::Unsupported(detail) => KeystoreError::Unsupported { path, detail },
            Self::WrongPassword => KeystoreError::WrongPassword { path },
        }
    }
}

/// A keystore whose numbers were checked.
#[derive(Debug)]
pub(super) struct Keystore {
    address: Option<Address>,
    sealed: Sealed,
}

#[derive(Deserialize)]
struct Json {
    version: u64,
    address: Option<String>,
    // Some old writers spell it with a capital.
    #[serde(alias = "Crypto")]
    crypto: CryptoJson,
}

#[derive(Deserialize)]
struct CryptoJson {
    cipher: String,
    cipherparams: CipherParamsJson,
    ciphertext: String,
    kdf: String,
    kdfparams: Value,
    mac: String,
}

#[derive(Deserialize)]
struct CipherParamsJson {
    iv: String,
}

#[derive(Deserialize)]
struct ScryptJson {
    dklen: u32,
    n: u64,
    r: u32,
    p: u32,
    salt: String,
}

#[derive(Deserialize)]
struct Pbkdf2Json {
    dklen: u32,
    c: u32,
    prf: String,
    salt: String,
}

impl Keystore {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        let json: Json = serde_json::from_slice(bytes).map_err(|e| Fault::Broken(e.to_string()))?;
        if json.version != 3 {
            return Err(Fault::Unsupported(format!("it has version {}, not 3", json.version)));
        }
        let address = json.address.map(|text| address(&text)).transpose()?;
        let crypto = json.crypto;
        if crypto.cipher != "aes-128-ctr" {
            return Err(Fault::Unsupported(format!("its cipher is {}", crypto.cipher)));
        }
        let sealed = Sealed {
            kdf: kdf(&crypto.kdf, crypto.kdfparams)?,
            iv: fixed("iv", &crypto.cipherparams.iv)?,
            ciphertext: fixed("ciphertext", &crypto.ciphertext)?,
            mac: fixed("mac", &crypto.mac)?,
        };
        Ok(Self { address, sealed })
    }

    pub(super) fn encrypt(wallet: &Wallet, password: &str, cost: KdfCost) -> Self {
        let sealed = Sealed::seal(wallet.secret(), password, cost);
        Self { address: Some(wallet.address()), sealed }
    }

    pub(super) const fn address(&self) -> Option<Address> {
        self.address
    }

    pub(super) fn decrypt(&self, password: &str) -> Result<B256, Fault> {
        self.sealed.open(password).map(B256::from).ok_or(Fault::WrongPassword)
    }

    pub(super) fn to_json(&self) -> String {
        let Sealed { kdf, iv, ciphertext, mac } = &self.sealed;
        let (kdf, kdfparams) = match kdf {
            Kdf::Scrypt { log_n, r, p, salt } => (
                "scrypt",
                json!({"dklen": 32, "n": 1u64 << log_n, "r": r, "p": p, "salt": hex::encode(salt)}),
            ),
            Kdf::Pbkdf2 { rounds, salt } => (
                "pbkdf2",
                json!({"dklen": 32, "c": rounds, "prf": "hmac-sha256", "salt": hex::encode(salt)}),
            ),
        };
        let keystore = json!({
            "address": self.address.map(hex::encode),
            "crypto": {
                "cipher": "aes-128-ctr",
                "cipherparams": {"iv": hex::encode(iv)},
                "ciphertext": hex::encode(ciphertext),
                "kdf": kdf,
                "kdfparams": kdfparams,
                "mac": hex::encode(mac),
            },
            "id": uuid(),
            "version": 3,
        });
        keystore.to_string()
    }
}

fn kdf(name: &str, params: Value) -> Result<Kdf, Fault> {
    let broken = |error: serde_json::Error| Fault::Broken(format!("kdfparams: {error}"));
    match name {
        "scrypt" => {
            let json: ScryptJson = serde_json::from_value(params).map_err(broken)?;
            check_length(json.dklen)?;
            if !json.n.is_power_of_two() || json.n < 2 {
                return Err(Fault::Broken(format!("scrypt with n = {}", json.n)));
            }
            let log_n = u8::try_from(json.n.ilog2()).expect("the logarithm of 64 bits is below 64");
            let kdf = Kdf::Scrypt { log_n, r: json.r, p: json.p, salt: salt(&json.salt)? };
            kdf.check().map_err(Fault::Unsupported)?;
            Ok(kdf)
        }
        "pbkdf2" => {
            let json: Pbkdf2Json = serde_json::from_value(params).map_err(broken)?;
            check_length(json.dklen)?;
            if json.prf != "hmac-sha256" {
                return Err(Fault::Unsupported(format!("its prf is {}", json.prf)));
            }
            let kdf = Kdf::Pbkdf2 { rounds: json.c, salt: salt(&json.salt)? };
            kdf.check().map_err(Fault::Unsupported)?;
            Ok(kdf)
        }
        other => Err(Fault::Unsupported(format!("its key derivation is {other}"))),
    }
}

fn check_length(dklen: u32) -> Result<(), Fault> {
    if dklen == 32 { Ok(()) } else { Err(Fault::Unsupported(format!("dklen is {dklen}, not 32"))) }
}

fn salt(text: &str) -> Result<Vec<u8>, Fault> {
    hex::decode(bare(text)).map_err(|error| Fault::Broken(format!("salt: {error}")))
}

fn fixed<const N: usize>(name: &str, text: &str) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    hex::decode_to_slice(bare(text), &mut bytes)
        .map_err(|_| Fault::Broken(format!("{name} is not {N} bytes in hex")))?;
    Ok(bytes)
}

fn address(text: &str) -> Result<Address, Fault> {
    fixed::<20>("address", text).map(Address::from)
}

fn bare(text: &str) -> &str {
    text.strip_prefix("0x").unwrap_or(text)
}

/// A random UUID (version 4), which readers want to see and nothing uses.
fn uuid() -> String {
    let mut bytes: [u8; 16] = rand::random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let parts = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]];
    parts.join("-")
}
