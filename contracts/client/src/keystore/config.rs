//! The wallet of a server: which file it is in, and where its password is. Nothing here is logged,
//! shown or kept.

use super::KeystoreError;
use crate::wallet::Wallet;
use anyhow::{Context as _, anyhow, bail};
use serde::{Deserialize, Serialize};
use std::io::Read as _;
use std::path::PathBuf;

/// The variable that holds the keystore's password.
const PASSWORD_VARIABLE: &str = "POCO_KEYSTORE_PASSWORD";

/// Longest password read; a wrong file given as one is noticed instead of being read whole.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// The `[keystore]` section.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeystoreConfig {
    /// An Ethereum V3 file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// A file whose first line is its password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

impl KeystoreConfig {
    /// Opens the keystore with the password from, in this order: the open file descriptor, the
    /// variable, the password file.
    ///
    /// # Errors
    /// One line that says which file or password is wrong.
    pub fn open(&self, password_fd: Option<u32>) -> anyhow::Result<Wallet> {
        let Some(path) = &self.path else {
            bail!("no keystore is set: keystore.path, --keystore or POCO_KEYSTORE");
        };
        let (password, source) = self.password(password_fd)?;
        Wallet::open(path, &password).map_err(|error| match error {
            KeystoreError::WrongPassword { .. } => anyhow!("{error}; it was taken from {source}"),
            KeystoreError::Read { .. }
            | KeystoreError::Broken { .. }
            | KeystoreError::Unsupported { .. }
            | KeystoreError::NotAKey
            | KeystoreError::Write { .. } => error.into(),
        })
    }

    /// The password, and where it was found.
    fn password(&self, password_fd: Option<u32>) -> anyhow::Result<(String, String)> {
        if let Some(fd) = password_fd {
            let path = format!("/dev/fd/{fd}");
            let password = read(path.as_ref())
                .with_context(|| format!("cannot read the password from {path}"))?;
            return Ok((password, path));
        }
        if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
            return Ok((password, PASSWORD_VARIABLE.to_owned()));
        }
        let Some(path) = &self.password_file else {
            bail!(
                "no password for the keystore: set {PASSWORD_VARIABLE}, keystore.password_file or --password-fd"
            );
        };
        let shown = path.display();
        let password =
            read(path).with_context(|| format!("cannot read the password file {shown}"))?;
        Ok((password, format!("the first line of {shown}")))
    }
}

/// The first line, without its end: editors add one.
fn read(path: &std::path::Path) -> anyhow::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(PASSWORD_BYTES_MAX).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keystore::{KdfCost, store};

    #[test]
    fn a_missing_keystore_wrong_password_and_missing_file_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = KeystoreConfig::default().open(None).unwrap_err();
        assert!(nothing.to_string().contains("--keystore"), "{nothing}");

        let wallet = Wallet::from_key(poco_core::B256::repeat_byte(0x11)).unwrap();
        let path = store(folder.path(), &wallet, "right", KdfCost::CHEAP).unwrap();
        let password_file = folder.path().join("password");
        std::fs::write(&password_file, "right\n").unwrap();
        let mut config =
            KeystoreConfig { path: Some(path), password_file: Some(password_file.clone()) };
        assert_eq!(config.open(None).unwrap().address(), wallet.address());

        std::fs::write(&password_file, "wrong").unwrap();
        assert!(config.open(None).is_err());
        config.password_file = Some(folder.path().join("nowhere"));
        let missing = format!("{:#}", config.open(None).unwrap_err());
        assert!(missing.contains("nowhere"), "{missing}");
    }
}
