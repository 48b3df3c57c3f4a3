//! Which wallet a command uses, and its password.

use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use poco_chain::Wallet;
use poco_chain::keystore::{self, KeystoreError, KeystoreFile};
use poco_core::Address;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The variable that holds the keystore's password.
const PASSWORD_VARIABLE: &str = "POCO_KEYSTORE_PASSWORD";
/// Longest password file read; a wrong file given as one is not read whole.
const PASSWORD_BYTES_MAX: u64 = 4096;
/// How geth's names of keystores begin: a file of such a name is one, or the remains of one.
const KEYSTORE_PREFIX: &str = "UTC--";

impl Context {
    /// Where keystores are.
    pub(crate) fn keystore_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = &self.global.keystore_dir {
            return Ok(dir.clone());
        }
        let home = directories::BaseDirs::new()
            .ok_or_else(|| Failure::Wallet("no home folder: pass --keystore-dir".to_owned()))?;
        Ok(home.home_dir().join(".ethereum").join("keystore"))
    }

    /// The keystore that `--wallet` means, with its address where the file tells it.
    pub(crate) fn keystore(&self) -> Result<KeystoreFile, Failure> {
        let Some(choice) = &self.global.wallet else {
            return self.only_keystore();
        };
        let path = PathBuf::from(choice);
        if choice.starts_with("0x") && !path.exists() {
            let address = address::parse(choice)
                .map_err(|why| Failure::Usage(format!("--wallet {choice}: {why}")))?;
            return self.keystore_of(address);
        }
        // A file that does not tell its address is opened for it later.
        let address = path
            .parent()
            .and_then(|dir| keystore::list_keystores(dir).ok())
            .and_then(|files| files.into_iter().find(|file| file.path == path))
            .and_then(|file| file.address);
        Ok(KeystoreFile { path, address })
    }

    fn keystore_of(&self, address: Address) -> Result<KeystoreFile, Failure> {
        let dir = self.keystore_dir()?;
        let files = keystore::list_keystores(&dir).map_err(of_keystore)?;
        if let Some(found) = files.iter().find(|file| file.address == Some(address)) {
            return Ok(found.clone());
        }
        let name = format!("{address:x}");
        match remains(&dir, &files).into_iter().find(|(path, _)| is_named(path, &name)) {
            Some((_, error)) => Err(of_keystore(error)),
            None => Err(Failure::Wallet(format!(
                "no keystore of {address} in {}: pass the right --keystore-dir or --wallet",
                dir.display()
            ))),
        }
    }

    /// The only keystore of the folder. One that cannot be read counts: what is signed by another
    /// wallet than the one meant cannot be taken back.
    fn only_keystore(&self) -> Result<KeystoreFile, Failure> {
        let dir = self.keystore_dir()?;
        let mut files = keystore::list_keystores(&dir).map_err(of_keystore)?;
        let mut broken = remains(&dir, &files);
        match (files.len() + broken.len(), files.pop(), broken.pop()) {
            (1, Some(only), _) => Ok(only),
            (1, None, Some((_, error))) => Err(of_keystore(error)),
            (0, _, _) => Err(Failure::Wallet(format!(
                "no wallet in {}: make one with `poco wallet create`",
                dir.display()
            ))),
            (several, _, _) => Err(Failure::Wallet(format!(
                "{several} wallets in {}: say which with --wallet ADDRESS",
                dir.display()
            ))),
        }
    }

    /// Opens the wallet, asking for the password where nothing else tells it.
    pub(crate) fn wallet(&self) -> Result<Arc<Wallet>, Failure> {
        let KeystoreFile { path, address } = self.keystore()?;
        let password = self.password("Password: ")?;
        let wallet = Wallet::open(&path, &password).map_err(|error| match error {
            KeystoreError::WrongPassword { .. } => {
                of_keystore(error).and(&format!("it was taken from {}", self.password_source()))
            }
            KeystoreError::Read { .. }
            | KeystoreError::Broken { .. }
            | KeystoreError::Unsupported { .. }
            | KeystoreError::NotAKey
            | KeystoreError::Write { .. } => of_keystore(error),
        })?;
        match address.filter(|address| *address != wallet.address()) {
            None => Ok(Arc::new(wallet)),
            Some(address) => Err(Failure::Wallet(format!(
                "the keystore {} holds {}, not {address}",
                path.display(),
                wallet.address()
            ))),
        }
    }

    /// The wallet's address: read from its file without the password where possible.
    pub(crate) fn wallet_address(&self) -> Result<Address, Failure> {
        if let Some(text) = self.global.wallet.as_deref()
            && let Ok(address) = address::parse(text)
        {
            return Ok(address);
        }
        match self.keystore()?.address {
            Some(address) => Ok(address),
            None => Ok(self.wallet()?.address()),
        }
    }

    /// The password from `--password-file`, the environment or a prompt.
    pub(crate) fn password(&self, prompt: &str) -> Result<String, Failure> {
        if let Some(path) = &self.global.password_file {
            return read_password(path);
        }
        if let Ok(password) = std::env::var(PASSWORD_VARIABLE) {
            return Ok(password);
        }
        if !std::io::stdin().is_terminal() {
            return Err(Failure::Wallet(format!(
                "no password: pass --password-file or set {PASSWORD_VARIABLE}"
            )));
        }
        rpassword::prompt_password(prompt)
            .map_err(|error| Failure::Wallet(format!("no password read: {error}")))
    }

    /// Whether a person types the password.
    pub(crate) fn is_password_typed(&self) -> bool {
        self.global.password_file.is_none() && std::env::var_os(PASSWORD_VARIABLE).is_none()
    }

    fn password_source(&self) -> String {
        match &self.global.password_file {
            Some(path) => format!("the first line of {}", path.display()),
            None if self.is_password_typed() => "the prompt".to_owned(),
            None => PASSWORD_VARIABLE.to_owned(),
        }
    }
}

/// A keystore's trouble, as the command's.
pub(crate) fn of_keystore(error: KeystoreError) -> Failure {
    Failure::Wallet(error.to_string())
}

/// Files that have a keystore's name and cannot be read as one, with why.
fn remains(dir: &Path, readable: &[KeystoreFile]) -> Vec<(PathBuf, KeystoreError)> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path()).filter(|path| is_named(path, KEYSTORE_PREFIX));
    let unread = paths.filter(|path| readable.iter().all(|file| file.path != *path));
    // Without a readable file there is nothing to try a password on: this tells why at once.
    unread.filter_map(|path| Some((path.clone(), Wallet::open(&path, "").err()?))).collect()
}

fn is_named(path: &Path, part: &str) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().contains(part))
}

/// The first line, without its end, as the scheduler and the worker read it.
fn read_password(path: &Path) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::Wallet(format!("cannot read the password file {}: {error}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = String::new();
    file.take(PASSWORD_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}
