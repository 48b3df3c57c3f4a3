//! Keystores that cannot be opened, and those that must not be harmed.

use crate::stage::{NOBODY, NOBODY_SHOWN, Turn, address_of, files, refused};
use anyhow::{Context, Result};
use poco_integration_tests::world::{Answer, Party, answer};
use std::os::unix::fs::PermissionsExt;

/// A command that opens the wallet and would then send.
const SEND: [&str; 4] = ["account", "send", NOBODY, "1"];

fn with(turn: &Turn, flags: &[&str]) -> Result<Answer> {
    let mut command = turn.command()?;
    // What is said last counts: the world names its own folders before.
    Ok(answer(command.args(flags).args(SEND).output()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn keystores_that_cannot_be_opened_are_explained() -> Result<()> {
    let turn = Turn::take().await?;
    let owner = turn.world.keystore(Party::Owner)?;
    let own = owner.display().to_string();
    let whole = std::fs::read(&owner)?;
    let half = turn.paper("half.json", &whole[..whole.len() / 2])?;
    let other = turn.paper("other.json", "not a keystore")?;
    let absent = turn.world.path("absent.json").display().to_string();
    let backup = "restore it from a backup";
    for (file, line) in [
        (
            &half,
            format!(
                "{half} is no complete Ethereum V3 keystore: EOF while parsing a string at line 1 column 243; {backup}"
            ),
        ),
        (
            &other,
            format!(
                "{other} is no complete Ethereum V3 keystore: expected ident at line 1 column 2; {backup}"
            ),
        ),
        (
            &absent,
            format!("cannot read the keystore {absent}: No such file or directory (os error 2)"),
        ),
    ] {
        refused(&with(&turn, &["--wallet", file])?, 6, &line);
    }
    let wrong = turn.paper("wrong", "wrong\nsecond line\n")?;
    let line = format!(
        "wrong password for the keystore {own}; it was taken from the first line of {wrong}"
    );
    refused(&with(&turn, &["--wallet", &own, "--password-file", &wrong])?, 6, &line);
    let line =
        format!("cannot read the password file {absent}: No such file or directory (os error 2)");
    refused(&with(&turn, &["--wallet", &own, "--password-file", &absent])?, 6, &line);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_keystore_is_not_taken_for_an_absent_one() -> Result<()> {
    let turn = Turn::take().await?;
    let owner = turn.world.keystore(Party::Owner)?;
    let folder = turn.world.path("papers").join("truncated");
    std::fs::create_dir_all(&folder)?;
    let half = folder.join(owner.file_name().context("a name")?);
    std::fs::write(&half, &std::fs::read(&owner)?[..100])?;
    let line = format!(
        "{} is no complete Ethereum V3 keystore: EOF while parsing a string at line 1 column 100; restore it from a backup",
        half.display()
    );
    let folder = folder.display().to_string();
    let address = address_of(Party::Owner)?;
    refused(&with(&turn, &["--keystore-dir", &folder, "--wallet", &address])?, 6, &line);
    refused(&with(&turn, &["--keystore-dir", &folder])?, 6, &line);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_is_none_is_explained() -> Result<()> {
    let turn = Turn::take().await?;
    let folder = turn.world.path("keystore").display().to_string();
    let none = format!(
        "no keystore of {NOBODY_SHOWN} in {folder}: pass the right --keystore-dir or --wallet"
    );
    let several = format!("10 wallets in {folder}: say which with --wallet ADDRESS");
    let order = ["order", "sign", "app", &turn.app];
    let mut command = turn.command()?;
    refused(&answer(command.args(["--wallet", NOBODY]).args(order).output()?), 6, &none);
    let mut command = turn.command()?;
    refused(&answer(command.args(order).output()?), 6, &several);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_keystore_is_its_owner_s_alone_and_never_replaces_another() -> Result<()> {
    let turn = Turn::take().await?;
    let folder = turn.world.path("papers").join("new");
    let key =
        turn.paper("key", "0x4646464646464646464646464646464646464646464646464646464646464646\n")?;
    let wallet = |words: &[&str]| -> Result<Answer> {
        let mut command = std::process::Command::new(turn.world.command()?.get_program());
        command.env_clear().env("HOME", turn.desk()).current_dir(turn.desk()).arg("--json");
        command.env("POCO_KEYSTORE_DIR", &folder).env("POCO_KEYSTORE_PASSWORD", "integration");
        Ok(answer(command.arg("wallet").args(words).output()?))
    };
    let imported = wallet(&["import", &key])?.json()?;
    assert_eq!(imported["address"], "0x9d8a62f656a8d1615c1294fd71e9cfb3e4855a4f");
    let file = imported["keystore"].as_str().context("a file")?.to_owned();
    assert_eq!(std::fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let content = std::fs::read(&file)?;
    let again = format!(
        "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F has a keystore already, {file}: nothing was written"
    );
    refused(&wallet(&["import", &key])?, 6, &again);
    let created = wallet(&["create"])?.json()?;
    assert_ne!(created["keystore"], imported["keystore"]);
    assert_eq!(std::fs::read(&file)?, content);
    assert_eq!(files(&folder)?.len(), 2);
    let bad = turn.paper("bad-key", "46")?;
    let line = "a private key is 64 hexadecimal digits, not zero and below the curve's order";
    refused(&wallet(&["import", &bad])?, 6, line);
    turn.assert_untouched().await
}
