//! Another chain, market or pool than the one meant, or none at all.

use crate::scripted::{Reply, Scripted};
use crate::stage::{NO_NODE, NOBODY, NOBODY_SHOWN, NOWHERE, Turn, refused};
use anyhow::Result;
use poco_integration_tests::world::{Answer, Party, answer};

const WRONG_END: &str = "is wanted; correct --rpc-url, --addresses or --chain-id";

/// `poco account show` of an address, with flags.
fn show(turn: &Turn, flags: &[&str]) -> Result<Answer> {
    let mut command = turn.command()?;
    Ok(answer(command.args(flags).args(["account", "show", NOBODY]).output()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn another_chain_than_the_one_meant_is_refused() -> Result<()> {
    let turn = Turn::take().await?;
    let url = turn.world.anvil.url().origin().ascii_serialization();
    let wrong = |id: u64| format!("{url} serves chain 31337, but chain {id} {WRONG_END}");
    refused(&show(&turn, &["--chain-id", "1"])?, 5, &wrong(1));
    let mut addresses = turn.world.addresses.clone();
    addresses.chain_id = 5;
    let other = turn.world.path("papers").join("other.toml");
    addresses.write(&other)?;
    refused(&show(&turn, &["--addresses", &other.display().to_string()])?, 5, &wrong(5));
    let no_hub = format!(
        "there is no contract at {NOBODY_SHOWN} on chain 31337; correct --hub or --addresses"
    );
    refused(&show(&turn, &["--hub", NOBODY])?, 5, &no_hub);
    let token = turn.world.addresses.token.to_string();
    let not_a_hub = format!(
        "the contract at {token} is no hub (token() gives: execution reverted); correct --hub or --addresses"
    );
    refused(&show(&turn, &["--hub", &token])?, 5, &not_a_hub);
    // Contracts on the wrong chain would be paid for and lost.
    let written = turn.desk().join("written.toml").display().to_string();
    let mut command = turn.command()?;
    let flags = ["--chain-id", "1", "--rpc-url", turn.world.anvil.url().as_str()];
    let owner = turn.world.keystore(Party::Owner)?;
    command.args(flags).arg("--wallet").arg(owner).args(["admin", "deploy", "--write", &written]);
    refused(&answer(command.output()?), 5, &wrong(1));
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_addresses_that_cannot_be_used_are_named() -> Result<()> {
    let turn = Turn::take().await?;
    let whole = std::fs::read_to_string(turn.world.addresses_file())?;
    let half = turn.paper("half.toml", &whole[..120])?;
    let unknown = turn.paper("unknown.toml", format!("colour = 1\n{whole}"))?;
    let keys = "`hub`, `token`, `app_registry`, `dataset_registry`, `workerpool_registry`, `rpc_url`, `chain_id`";
    for (file, line) in [
        (
            "none.toml",
            "cannot read the addresses in none.toml: No such file or directory (os error 2)"
                .to_owned(),
        ),
        (&half, format!("{half} is no file of addresses: invalid basic string, expected `\"`")),
        (
            &unknown,
            format!(
                "{unknown} is no file of addresses: unknown field `colour`, expected one of {keys}"
            ),
        ),
    ] {
        refused(&show(&turn, &["--addresses", file])?, 1, &line);
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_does_not_answer_is_named() -> Result<()> {
    let turn = Turn::take().await?;
    refused(&show(&turn, &["--rpc-url", NOWHERE])?, 5, NO_NODE);
    let end = "is the node running, and is --rpc-url right?";
    let ftp = format!(
        "cannot reach the chain: no node answered (ftp://x: builder error: URL scheme is not allowed); {end}"
    );
    refused(&show(&turn, &["--rpc-url", "ftp://x"])?, 5, &ftp);
    let page = Scripted::start().await?;
    page.reply("/", Reply::Whole(b"<html>".to_vec()));
    let no_json = format!(
        "cannot reach the chain: no node answered ({}: no JSON-RPC, HTTP status 200 OK); {end}",
        page.url
    );
    refused(&show(&turn, &["--rpc-url", &page.url])?, 5, &no_json);
    let owner = turn.world.keystore(Party::Owner)?.display().to_string();
    let mut command = turn.command()?;
    let words = ["--rpc-url", NOWHERE, "--wallet", &owner, "admin", "deploy", "--write", "x.toml"];
    refused(&answer(command.args(words).output()?), 5, NO_NODE);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_market_or_pool_that_does_not_answer_is_named() -> Result<()> {
    let turn = Turn::take().await?;
    let silent = format!("the market at {NOWHERE}/ does not answer: check --market-url");
    let signed = turn.poco(Party::Provider, &["order", "sign", "app", &turn.app])?.json()?;
    let order = turn.paper("order.json", signed.to_string())?;
    for (party, words) in [
        (Party::Requester, &["run", &turn.app][..]),
        (Party::Provider, &["order", "publish", &order]),
        (Party::Provider, &["order", "sign", "app", &turn.app, "--publish"]),
        (Party::Requester, &["orderbook", "workerpool"]),
        (Party::Requester, &["deal", "list"]),
    ] {
        let words = [&["--market-url", NOWHERE], words].concat();
        refused(&turn.poco(party, &words)?, 5, &silent);
    }
    let node = turn.world.anvil.url().as_str();
    let other = format!("{node} does not speak like a market: check --market-url");
    refused(&turn.poco(Party::Requester, &["--market-url", node, "run", &turn.app])?, 5, &other);
    turn.assert_untouched().await
}
