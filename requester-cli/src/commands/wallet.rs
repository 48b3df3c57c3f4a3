//! `poco wallet`: Ethereum V3 keystores, the same files as other wallets use.

use crate::context::Context;
use crate::failure::Failure;
use crate::keys::of_keystore;
use crate::output::{Show, pairs, table};
use clap::Subcommand;
use poco_chain::Wallet;
use poco_chain::keystore::{self, KeystoreError, KeystoreFile};
use poco_core::{Address, B256};
use serde::Serialize;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum WalletCommand {
    /// Make a new key and store it under a password
    Create,
    /// Store an existing private key under a password
    Import {
        /// File that holds the key as hexadecimal digits; `-` reads the standard input
        key_file: PathBuf,
    },
    /// Show the wallet that commands use, or all there are
    Show {
        /// Show every keystore in the folder
        #[arg(long)]
        all: bool,
    },
}

#[derive(Serialize)]
struct WalletAnswer {
    address: Option<Address>,
    keystore: PathBuf,
}

impl Show for WalletAnswer {
    fn show(&self) -> String {
        let address = self.address.map_or("unknown".to_owned(), |address| address.to_string());
        pairs(&[("address", address), ("keystore", self.keystore.display().to_string())])
    }
}

impl Show for Vec<WalletAnswer> {
    fn show(&self) -> String {
        let row = |wallet: &WalletAnswer| {
            let address = wallet.address.map_or("unknown".to_owned(), |found| found.to_string());
            [address, wallet.keystore.display().to_string()]
        };
        table(["ADDRESS", "KEYSTORE"], self.iter().map(row).collect())
    }
}

pub(crate) fn run(context: &Context, command: WalletCommand) -> Result<(), Failure> {
    match command {
        WalletCommand::Create => {
            let password = new_password(context)?;
            let (wallet, keystore) =
                Wallet::create(&context.keystore_dir()?, &password).map_err(of_keystore)?;
            context.output.answer(&WalletAnswer { address: Some(wallet.address()), keystore })
        }
        WalletCommand::Import { key_file } => {
            let key = read_key(&key_file)?;
            let dir = context.keystore_dir()?;
            refuse_known(&dir, &key)?;
            let password = new_password(context)?;
            let (wallet, keystore) = Wallet::import(&dir, &key, &password).map_err(of_keystore)?;
            context.output.answer(&WalletAnswer { address: Some(wallet.address()), keystore })
        }
        WalletCommand::Show { all: true } => {
            let dir = context.keystore_dir()?;
            let stores = keystore::list_keystores(&dir).map_err(of_keystore)?;
            let wallets = stores
                .into_iter()
                .map(|store| WalletAnswer { address: store.address, keystore: store.path });
            context.output.answer(&wallets.collect::<Vec<_>>())
        }
        WalletCommand::Show { all: false } => {
            let KeystoreFile { path, address } = context.keystore()?;
            context.output.answer(&WalletAnswer { address, keystore: path })
        }
    }
}

/// A second keystore of the same key would make every later choice of a wallet ambiguous.
fn refuse_known(dir: &Path, key: &str) -> Result<(), Failure> {
    let key: B256 = key.parse().map_err(|_| of_keystore(KeystoreError::NotAKey))?;
    let address = Wallet::from_key(key).map_err(of_keystore)?.address();
    match keystore::find_keystore(dir, address).map_err(of_keystore)? {
        None => Ok(()),
        Some(path) => Err(Failure::Wallet(format!(
            "{address} has a keystore already, {}: nothing was written",
            path.display()
        ))),
    }
}

/// A new password: typed twice on a terminal, so that a slip does not lock the key away.
fn new_password(context: &Context) -> Result<String, Failure> {
    let password = context.password("New password: ")?;
    if password.is_empty() {
        return Err(Failure::Wallet("the password is empty".to_owned()));
    }
    if context.is_password_typed() && context.password("Again: ")? != password {
        return Err(Failure::Wallet("the two passwords differ".to_owned()));
    }
    Ok(password)
}

fn read_key(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if path.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(path).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| {
        Failure::Wallet(format!("cannot read the key file {}: {error}", path.display()))
    })?;
    Ok(text.trim().to_owned())
}
