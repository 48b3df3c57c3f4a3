//! Opens the worker's wallet. Nothing here is logged, shown or kept.

use crate::config::KeystoreConfig;
use anyhow::{Context as _, anyhow, bail};
use poco_chain::Wallet;
use poco_chain::keystore::KeystoreError;
use std::io::Read as _;

/// The variable that holds the keystore's password.
pub(crate) const PASSWORD_VARIABLE: &str = "POCO_KEYSTORE_PASSWORD";

/// Longest password read; a wrong file given as one is noticed instead of being read whole.
const PASSWORD_BYTES_MAX: u64 = 4096;

/// Opens the keystore with the password from, in this order: the open file descriptor, the
/// variable, the password file.
///
/// # Errors
/// One line that says which file or password is wrong.
pub(crate) fn open(config: &KeystoreConfig, password_fd: Option<u32>) -> anyhow::Result<Wallet> {
    let Some(path) = &config.path else {
        bail!("no keystore is set: keystore.path, --keystore or POCO_KEYSTORE");
    };
    let (password, source) = password(config, password_fd)?;
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
fn password(config: &KeystoreConfig, password_fd: Option<u32>) -> anyhow::Result<(String, String)> {
    if let Some(fd) = password_fd {
        let path = format!("/dev/fd/{fd}");
        let password =
            read(path.as_ref()).with_context(|| format!("cannot read the password from {path}"))?;
        return Ok((password, path));
    }
    if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
        return Ok((password, PASSWORD_VARIABLE.to_owned()));
    }
    let Some(path) = &config.password_file else {
        bail!(
            "no password for the keystore: set {PASSWORD_VARIABLE}, keystore.password_file or --password-fd"
        );
    };
    let shown = path.display();
    let password = read(path).with_context(|| format!("cannot read the password file {shown}"))?;
    Ok((password, format!("the first line of {shown}")))
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
    use poco_chain::keystore::{KdfCost, store};

    #[test]
    fn a_missing_keystore_wrong_password_and_missing_file_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let nothing = open(&KeystoreConfig::default(), None).unwrap_err();
        assert!(nothing.to_string().contains("--keystore"), "{nothing}");

        let wallet = Wallet::from_key(poco_core::B256::repeat_byte(0x11)).unwrap();
        let path = store(folder.path(), &wallet, "right", KdfCost::CHEAP).unwrap();
        let password_file = folder.path().join("password");
        std::fs::write(&password_file, "right\n").unwrap();
        let mut config =
            KeystoreConfig { path: Some(path), password_file: Some(password_file.clone()) };
        assert_eq!(open(&config, None).unwrap().address(), wallet.address());

        std::fs::write(&password_file, "wrong").unwrap();
        assert!(open(&config, None).is_err());
        config.password_file = Some(folder.path().join("nowhere"));
        let missing = format!("{:#}", open(&config, None).unwrap_err());
        assert!(missing.contains("nowhere"), "{missing}");
    }
}
