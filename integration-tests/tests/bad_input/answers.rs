//! The counterpart of the refusals: what each command answers where nothing is wrong, with the keys
//! that the README of `poco` lists.

use crate::pool::{Completer, OTHER_CID, ZIP, ZIP_CID, ZIP_DIGEST};
use crate::scripted::{Reply, Scripted};
use crate::stage::{Turn, address_of};
use anyhow::{Context, Result, ensure};
use poco_integration_tests::world::{Answer, Party, answer};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const README: &str = include_str!("../../../requester-cli/README.md");
/// Commands that this test runs; the others are in the README by another command's name.
const COMMANDS: usize = 37;

/// What the README lists, and which of its commands were run.
struct Shapes {
    seen: BTreeSet<String>,
}

impl Shapes {
    /// Checks an answer against the line of `command`; gives the answer back.
    fn check(&mut self, command: &str, answer: &Answer) -> Result<Value> {
        let value = answer.json().with_context(|| command.to_owned())?;
        let line = README.lines().find(|line| {
            line.starts_with("| ")
                && line
                    .split(" | ")
                    .next()
                    .is_some_and(|names| names.contains(&format!("`{command}`")))
        });
        let keys = line.and_then(|line| line.split(" | ").nth(1));
        let keys = keys.with_context(|| format!("the README lists no {command}"))?;
        let keys = keys.trim_end_matches(" |");
        let (one, keys) = match keys.strip_prefix("a list of: ") {
            Some(keys) => {
                (value.get(0).with_context(|| format!("{command}: an empty list"))?, keys)
            }
            None => (&value, keys),
        };
        let found: BTreeSet<&str> =
            one.as_object().context("an object")?.keys().map(String::as_str).collect();
        let bare = |key: &'static str| key.trim_matches(['[', ']']);
        let needed: BTreeSet<&str> = keys.split(' ').filter(|key| !key.starts_with('[')).collect();
        let allowed: BTreeSet<&str> = keys.split(' ').map(bare).collect();
        ensure!(
            found.is_superset(&needed) && found.is_subset(&allowed),
            "{command}: {found:?} instead of {keys}"
        );
        self.seen.insert(command.to_owned());
        Ok(value)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_answers_with_the_keys_that_the_readme_lists() -> Result<()> {
    let turn = Turn::take().await?;
    let mut shapes = Shapes { seen: BTreeSet::new() };
    wallets(&turn, &mut shapes)?;
    resources(&turn, &mut shapes)?;
    groups(&turn, &mut shapes)?;
    orders(&turn, &mut shapes)?;
    runs(&turn, &mut shapes).await?;
    assert_eq!(shapes.seen.len(), COMMANDS, "{:?}", shapes.seen);
    Ok(())
}

fn wallets(turn: &Turn, shapes: &mut Shapes) -> Result<()> {
    let folder = turn.world.path("papers").join("answers").display().to_string();
    let key = turn.paper("answers-key", "45".repeat(32))?;
    let wallet = |words: &[&str]| -> Result<Answer> {
        Ok(answer(
            turn.command()?.args(["--keystore-dir", &folder, "wallet"]).args(words).output()?,
        ))
    };
    shapes.check("wallet import", &wallet(&["import", &key])?)?;
    shapes.check("wallet show", &wallet(&["show"])?)?;
    shapes.check("wallet create", &wallet(&["create"])?)?;
    shapes.check("wallet show --all", &wallet(&["show", "--all"])?)?;
    let requester = address_of(Party::Requester)?;
    shapes.check(
        "account send",
        &turn.poco(Party::Owner, &["account", "send", &requester, "2RLC"])?,
    )?;
    shapes
        .check("account deposit", &turn.poco(Party::Requester, &["account", "deposit", "2RLC"])?)?;
    shapes.check(
        "account withdraw",
        &turn.poco(Party::Requester, &["account", "withdraw", "2RLC"])?,
    )?;
    turn.poco(Party::Requester, &["account", "send", &address_of(Party::Owner)?, "2RLC"])?
        .json()?;
    let account =
        shapes.check("account show", &turn.poco(Party::Requester, &["account", "show"])?)?;
    assert_eq!(account["tokens"], 0);
    Ok(())
}

fn resources(turn: &Turn, shapes: &mut Shapes) -> Result<()> {
    let checksum = "33".repeat(32);
    let words = ["app", "deploy", "--name", "y", "--image", "a.test/y", "--checksum", &checksum];
    let deployed = shapes.check("app deploy", &turn.poco(Party::Provider, &words)?)?;
    // The same again is the same entry, and sends nothing.
    let again = turn.poco(Party::Provider, &words)?.json()?;
    assert_eq!((&again["address"], again.get("transaction")), (&deployed["address"], None));
    shapes.check("app show", &turn.poco(Party::Provider, &["app", "show", &turn.app])?)?;
    let words =
        ["dataset", "deploy", "--name", "d", "--url", "http://a.test/d", "--checksum", &checksum];
    let deployed = shapes.check("dataset deploy", &turn.poco(Party::Provider, &words)?)?;
    let dataset = deployed["address"].as_str().context("an address")?;
    shapes.check("dataset show", &turn.poco(Party::Provider, &["dataset", "show", dataset])?)?;
    let sign = ["order", "sign", "dataset", dataset, "--price", "1"];
    shapes.check("order sign dataset", &turn.poco(Party::Provider, &sign)?)?;
    let words = ["workerpool", "deploy", "--description", "another"];
    let deployed = shapes.check("workerpool deploy", &turn.poco(Party::Scheduler, &words)?)?;
    let pool = deployed["address"].as_str().context("an address")?;
    shapes
        .check("workerpool show", &turn.poco(Party::Scheduler, &["workerpool", "show", pool])?)?;
    let words = ["workerpool", "policy", pool, "--worker-stake", "40", "--scheduler-reward", "5"];
    let changed = shapes.check("workerpool policy", &turn.poco(Party::Scheduler, &words)?)?;
    assert_eq!(changed["worker_stake_ratio"], "0x28");
    Ok(())
}

fn groups(turn: &Turn, shapes: &mut Shapes) -> Result<()> {
    // Without check sums, as answers in JSON tell addresses.
    let requester = address_of(Party::Requester)?.to_lowercase();
    let ask = |words: &[&str]| turn.poco(Party::Provider, &[&["group"], words].concat());
    let created = shapes.check("group create", &ask(&["create"])?)?;
    let group = created["address"].as_str().context("an address")?;
    let member = json!({ "account": requester, "is_member": true, "is_enclave": false });
    let added = shapes.check("group add", &ask(&["add", group, &requester])?)?;
    assert_eq!(added["accounts"], json!([member]));
    ask(&["add", group, &requester, "--enclaves"])?.json()?;
    let removed = shapes.check("group remove", &ask(&["remove", group, &requester])?)?;
    let key = json!({ "account": requester, "is_member": false, "is_enclave": true });
    assert_eq!(removed["accounts"], json!([key]));
    let shown = shapes.check("group show", &ask(&["show", group, &requester])?)?;
    assert_eq!(shown["accounts"], json!([key]));
    Ok(())
}

fn orders(turn: &Turn, shapes: &mut Shapes) -> Result<()> {
    let words = ["order", "sign", "app", &turn.app, "--price", "9RLC"];
    let signed = shapes.check("order sign app", &turn.poco(Party::Provider, &words)?)?;
    let file = turn.paper("answers.json", signed.to_string())?;
    let words = ["order", "publish", &file];
    let record = shapes.check("order publish", &turn.poco(Party::Provider, &words)?)?;
    let hash = record["orderHash"].as_str().context("a hash")?;
    shapes.check("order show", &turn.poco(Party::Provider, &["order", "show", "app", hash])?)?;
    let words = ["orderbook", "app", &turn.app];
    shapes.check("orderbook", &turn.poco(Party::Requester, &words)?)?;
    let words = ["order", "unpublish", "app", hash];
    shapes.check("order unpublish", &turn.poco(Party::Provider, &words)?)?;
    shapes.check("order cancel", &turn.poco(Party::Provider, &["order", "cancel", &file])?)?;
    // A worker's wallet has signed nothing that another test needs.
    let words = ["order", "cancel-all"];
    let raised = shapes.check("order cancel-all", &turn.poco(Party::Worker(5), &words)?)?;
    assert_eq!(raised["epoch"], 1);
    let words = ["order", "sign", "workerpool", &turn.pool, "--price", "1"];
    shapes.check("order sign workerpool", &turn.poco(Party::Scheduler, &words)?)?;
    let words = ["order", "sign", "request", &turn.app, "--workerpool-max-price", "1"];
    shapes.check("order sign request", &turn.poco(Party::Requester, &words)?)?;
    Ok(())
}

async fn runs(turn: &Turn, shapes: &mut Shapes) -> Result<()> {
    let run = ["run", &turn.app, "--volume", "2", "--detach"];
    let bought = shapes.check("run", &turn.poco(Party::Requester, &run)?)?;
    let deal = bought["deal"].as_str().context("a deal")?;
    let completer = Completer::start(turn).await?;
    let task = completer.complete(deal, 0, ZIP_DIGEST, ZIP_CID).await?.to_string();
    let late = completer.open(deal, 1).await?.to_string();
    let store = Scripted::start().await?;
    store.reply(&format!("/ipfs/{ZIP_CID}"), Reply::Whole(ZIP.to_vec()));
    assert_ne!(ZIP_CID, OTHER_CID);
    let pool = ["--pool-url", store.url.as_str()];
    let ask = |words: &[&str]| turn.poco(Party::Requester, &[&pool[..], words].concat());
    let shown = shapes.check("deal show", &ask(&["deal", "show", deal])?)?;
    assert_eq!(shown["tasks"].as_array().map(Vec::len), Some(2));
    shapes.check("deal list", &ask(&["deal", "list"])?)?;
    shapes.check("task show", &ask(&["task", "show", &task])?)?;
    shapes.check("task follow", &ask(&["task", "follow", &task])?)?;
    shapes
        .check("result download", &ask(&["result", "download", &task, "--output", "fetched"])?)?;
    std::fs::remove_dir_all(turn.desk().join("fetched"))?;
    let early = ask(&["claim", &late])?;
    assert!(early.code == 3 && early.stderr.contains("seconds away"), "{early:?}");
    turn.ask("evm_increaseTime", serde_json::json!([100_000])).await?;
    turn.ask("anvil_mine", serde_json::json!(["0x1"])).await?;
    shapes.check("claim", &ask(&["claim", &late])?)?;
    let mut command = turn.command()?;
    let owner = turn.world.keystore(Party::Owner)?;
    let file = turn.world.path("papers").join("second.toml");
    command.args(["--rpc-url", turn.world.anvil.url().as_str(), "--wallet"]).arg(owner);
    command.args(["admin", "deploy", "--write"]).arg(&file);
    shapes.check("admin deploy", &answer(command.output()?))?;
    assert!(file.exists());
    Ok(())
}
