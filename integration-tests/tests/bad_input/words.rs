//! Words that make no sense: addresses, amounts, arguments.

use crate::stage::{NOBODY, NOBODY_SHOWN, Turn, refused};
use anyhow::Result;
use poco_integration_tests::world::Party;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::process::Command;

const UNKNOWN_END: &str = "in the registry of this hub: check the address, and --addresses";

#[tokio::test(flavor = "multi_thread")]
async fn unknown_things_are_named() -> Result<()> {
    let turn = Turn::take().await?;
    let of_app = format!("no app {NOBODY_SHOWN} {UNKNOWN_END}");
    let of_dataset = format!("no dataset {NOBODY_SHOWN} {UNKNOWN_END}");
    let of_pool = format!("no pool {NOBODY_SHOWN} {UNKNOWN_END}");
    let id = format!("0x{}", "ab".repeat(32));
    let no_deal = format!("no deal {id} on this hub");
    let no_task = format!("no opened task {id} on this hub");
    let ask_pool = format!("{no_task}; pass --pool-url to ask its pool");
    let neither = format!("no deal and no opened task {id}");
    for (words, line) in [
        (&["run", NOBODY][..], &of_app),
        (&["run", &turn.app, "--dataset", NOBODY], &of_dataset),
        (&["app", "show", NOBODY], &of_app),
        (&["orderbook", "app", NOBODY], &of_app),
        (&["orderbook", "dataset", NOBODY], &of_dataset),
        (&["order", "sign", "app", NOBODY, "--price", "1RLC"], &of_app),
        (&["order", "sign", "workerpool", NOBODY, "--price", "1RLC"], &of_pool),
        (
            &["workerpool", "policy", NOBODY, "--worker-stake", "1", "--scheduler-reward", "1"],
            &of_pool,
        ),
        (&["dataset", "show", NOBODY], &of_dataset),
        (&["workerpool", "show", NOBODY], &of_pool),
        (&["deal", "show", &id], &no_deal),
        (&["result", "download", &id], &no_task),
        (&["task", "show", &id], &ask_pool),
        (&["task", "follow", &id], &ask_pool),
        (&["claim", &id], &neither),
        (&["order", "show", "app", &id], &"the market says: apporder not found".to_owned()),
        (
            &["run", &turn.app, "--category", "9"],
            &"no category 9: there are XS, S, M, L, XL".to_owned(),
        ),
    ] {
        refused(&turn.poco(Party::Requester, words)?, 4, line);
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slip_of_the_finger_moves_no_money() -> Result<()> {
    let turn = Turn::take().await?;
    let slip = "0x5aAeb9053F3E94C9b9A09f33669435E7Ef1BeAed";
    let hub = turn.world.addresses.hub.to_string();
    let token = turn.world.addresses.token.to_string();
    let registry = turn.world.addresses.app_registry.to_string();
    let zero = "0x0000000000000000000000000000000000000000";
    let lost = "tokens sent there would be lost";
    for (words, code, line) in [
        (
            ["account", "send", slip, "1RLC"],
            2,
            format!("invalid value '{slip}' for '<TO>': upper and lower case do not fit the digits, one of which may be wrong: copy it again; --help says more"),
        ),
        (
            ["account", "send", "0x12", "1RLC"],
            2,
            "invalid value '0x12' for '<TO>': an address is 0x and 40 hexadecimal digits; --help says more".to_owned(),
        ),
        (
            ["account", "send", NOBODY, "0"],
            2,
            "invalid value '0' for '<AMOUNT>': nothing would be moved; --help says more".to_owned(),
        ),
        (
            ["account", "send", NOBODY, "1.0000000001RLC"],
            2,
            "invalid value '1.0000000001RLC' for '<AMOUNT>': 1.0000000001RLC: an RLC has nine decimals; --help says more".to_owned(),
        ),
        (["account", "send", zero, "1"], 3, format!("the address {zero} is nobody's: {lost}")),
        (
            ["account", "send", &hub, "1"],
            3,
            format!("the address {hub} is the hub's, for which there is `poco account deposit`: {lost}"),
        ),
        (["account", "send", &token, "1"], 3, format!("the address {token} is the token's own: {lost}")),
        (["account", "send", &registry, "1"], 3, format!("the address {registry} is a registry's: {lost}")),
    ] {
        refused(&turn.poco(Party::Owner, &words)?, code, &line);
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_no_worker_could_read_are_refused_before_they_are_paid() -> Result<()> {
    let turn = Turn::take().await?;
    for (flag, value, line) in [
        (
            "--args",
            "'open",
            "the arguments cannot be read: missing closing quote; write them as for a shell",
        ),
        (
            "--params",
            "a \"b",
            "the arguments cannot be read: missing closing quote; write them as for a shell",
        ),
        (
            "--params",
            "{\"iexec_args\": \"a",
            "--params begins like a JSON object: EOF while parsing a string at line 1 column 17",
        ),
        ("--params", "{\"iexec_args\": 5}", "--params: iexec_args is no text"),
        (
            "--params",
            "{\"iexec_args\": \"a\\u0000b\"}",
            "the arguments cannot be read: a zero byte in it; write them as for a shell",
        ),
        ("--params", "{\"iexec_input_files\": 5}", "--params: iexec_input_files is no list"),
        (
            "--input-file",
            "ftp://x/y",
            "input file: \"ftp://x/y\" is no input address: ftp is not fetched; use http(s)://… or /ipfs/<cid>",
        ),
    ] {
        refused(&turn.poco(Party::Requester, &["run", &turn.app, flag, value])?, 2, line);
    }
    let odd = OsString::from_vec(b"a\xff\xfeb".to_vec());
    let words = [OsStr::new("run"), OsStr::new(&turn.app), OsStr::new("--args"), &odd];
    let line = "invalid UTF-8 was detected in one or more arguments; --help says more";
    refused(&turn.poco(Party::Requester, &words)?, 2, line);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn people_read_the_same_line_without_json() -> Result<()> {
    let turn = Turn::take().await?;
    let with_json = turn.command()?;
    let plain = with_json.get_args().filter(|word| *word != "--json");
    let mut command = Command::new(with_json.get_program());
    command.env_clear().args(plain).args(["app", "show", NOBODY]);
    let output = command.current_dir(turn.desk()).output()?;
    let line = format!("error: no app {NOBODY_SHOWN} {UNKNOWN_END}\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), line);
    assert_eq!(output.status.code(), Some(4));
    turn.assert_untouched().await
}
