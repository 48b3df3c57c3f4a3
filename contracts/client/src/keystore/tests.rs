//! Keystores of others, broken ones, and our own.

use super::*;
use poco_core::B256;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// As foundry's `cast wallet import` writes it.
const SCRYPT: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"220391999e8f5c0d50b7a23c97e7f5a8"},"ciphertext":"fb998906f22871d9f95e538b8c2d60c8a1fe62ae570c1e35ba383750351c34f6","kdf":"scrypt","kdfparams":{"dklen":32,"n":8192,"p":1,"r":8,"salt":"e2a182da9fccaf8ebe8a0d0b4dd939789f84e605657a381ac5ca6f564dba5269"},"mac":"b4c72faa0e4d6cfd38107bf886a11f333917132fc5b429716d758f4f67f1d42f"},"id":"2818f256-8812-4e16-9485-801db3961dbc","version":3}"#;
/// The test vector of the Web3 Secret Storage Definition.
const PBKDF2: &str = r#"{"crypto":{"cipher":"aes-128-ctr","cipherparams":{"iv":"6087dab2f9fdbbfaddc31a909735c1e6"},"ciphertext":"5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46","kdf":"pbkdf2","kdfparams":{"c":262144,"dklen":32,"prf":"hmac-sha256","salt":"ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"},"mac":"517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"},"id":"3198bc9c-6672-5ab3-d995-4942343ae5b6","version":3}"#;
const PASSWORD: &str = "testpassword";

fn folder_with(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    fs::write(&path, text).unwrap();
    (folder, path)
}

#[test]
fn files_of_the_standard_open_with_their_password() {
    let key: B256 =
        "7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d".parse().unwrap();
    for text in [SCRYPT, PBKDF2] {
        let (_folder, path) = folder_with(text);
        let wallet = Wallet::open(&path, PASSWORD).unwrap();
        assert_eq!(wallet.address(), Wallet::from_key(key).unwrap().address());
    }
}

#[test]
fn our_files_are_named_as_geth_names_them_private_and_open_again() {
    let folder = tempfile::tempdir().unwrap();
    let wallet = Wallet::random();
    let path = store(&folder.path().join("keys"), &wallet, "pass", KdfCost::CHEAP).unwrap();
    let name = path.file_name().unwrap().to_str().unwrap();
    let address = hex::encode(wallet.address());
    assert!(name.starts_with("UTC--2") && name.ends_with(&format!("Z--{address}")), "{name}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!is_open_to_others(&path));
    assert_eq!(Wallet::open(&path, "pass").unwrap().address(), wallet.address());
    let listed = list_keystores(&folder.path().join("keys")).unwrap();
    assert_eq!(listed, [KeystoreFile { path: path.clone(), address: Some(wallet.address()) }]);
    assert_eq!(find_keystore(path.parent().unwrap(), wallet.address()).unwrap(), Some(path));
    assert!(list_keystores(Path::new("/nowhere")).unwrap().is_empty());
}

#[test]
fn a_wrong_password_is_told_from_a_broken_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = store(folder.path(), &Wallet::random(), "pass", KdfCost::CHEAP).unwrap();
    let error = Wallet::open(&path, "pasS").unwrap_err();
    assert!(matches!(error, KeystoreError::WrongPassword { .. }), "{error}");
    let whole = fs::read(&path).unwrap();
    for length in [0, 1, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let error = Wallet::open(&path, "pass").unwrap_err();
        assert!(matches!(error, KeystoreError::Broken { .. }), "{length}: {error}");
    }
    let error = Wallet::open(&folder.path().join("none"), "pass").unwrap_err();
    assert!(matches!(error, KeystoreError::Read { .. }), "{error}");
    let error = Wallet::open(folder.path(), "pass").unwrap_err();
    assert!(matches!(error, KeystoreError::Read { .. }), "{error}");
}

#[test]
fn a_file_cannot_ask_for_the_whole_machine_or_break_the_program() {
    for (from, to) in [
        ("\"n\":8192", "\"n\":1099511627776"),
        ("\"n\":8192", "\"n\":3"),
        ("\"r\":8", "\"r\":4294967295"),
        ("\"r\":8", "\"r\":0"),
        ("\"p\":1", "\"p\":100000"),
        ("\"dklen\":32", "\"dklen\":4"),
        ("220391999e8f5c0d50b7a23c97e7f5a8", "2203"),
        ("fb998906", "zz"),
        ("\"version\":3", "\"version\":1"),
        ("aes-128-ctr", "aes-256-gcm"),
        ("\"kdf\":\"scrypt\"", "\"kdf\":\"argon2\""),
    ] {
        let text = SCRYPT.replace(from, to);
        assert_ne!(text, SCRYPT);
        let (_folder, path) = folder_with(&text);
        let error = Wallet::open(&path, PASSWORD).unwrap_err();
        let is_told =
            matches!(error, KeystoreError::Broken { .. } | KeystoreError::Unsupported { .. });
        assert!(is_told, "{to}: {error}");
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn a_file_that_names_another_address_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = store(folder.path(), &Wallet::random(), "pass", KdfCost::CHEAP).unwrap();
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    json["address"] = serde_json::json!("00".repeat(20));
    fs::write(&path, json.to_string()).unwrap();
    let error = Wallet::open(&path, "pass").unwrap_err();
    assert!(error.to_string().contains("another address"), "{error}");
}

#[test]
fn keys_are_imported_with_and_without_prefix() {
    let folder = tempfile::tempdir().unwrap();
    let error = Wallet::import(folder.path(), "0x12", "pass").unwrap_err();
    assert!(matches!(error, KeystoreError::NotAKey));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let (_folder, path) = folder_with("a file");
    let error = store(&path, &Wallet::random(), "pass", KdfCost::CHEAP).unwrap_err();
    assert!(matches!(&error, KeystoreError::Write { .. }), "{error}");
}
