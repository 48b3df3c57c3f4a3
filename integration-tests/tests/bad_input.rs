//! What the command line does with what is wrong: one clear line, an exit code that is not 0, and
//! nothing sent.

use anyhow::Result;
use poco_integration_tests::world::{Answer, Party, World, answer};
use serde_json::Value;
use std::path::Path;

/// An address that nobody has.
const NOBODY: &str = "0x00000000000000000000000000000000000000aa";

/// Asserts that a command was refused with `code` and a line that holds each of `words`.
fn refused(answer: &Answer, code: i32, words: &[&str]) {
    assert_eq!(answer.code, code, "{answer:?}");
    assert_eq!(answer.stdout, "", "nothing that looks like an answer");
    let lines: Vec<&str> = answer.stderr.lines().collect();
    assert_eq!(lines.len(), 1, "one line: {answer:?}");
    let error: Value = serde_json::from_str(lines[0]).expect("an error in JSON");
    let text = error["error"].as_str().expect("a text");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text:?}");
    }
}

async fn transactions(world: &World) -> Result<u64> {
    Ok(world.chain().await?.latest().await?.number)
}

/// Deploys an app, and a pool with an offer each of them signs.
fn offer_app(world: &World) -> Result<String> {
    let checksum = format!("sha256:{}", "11".repeat(32));
    let words = ["app", "deploy", "--name", "x", "--image", "example.test/x", "--checksum"];
    let deployed = world.poco(Party::Provider, &[&words[..], &[&checksum]].concat())?.json()?;
    Ok(deployed["address"].as_str().expect("an address").to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_things_are_named_and_nothing_is_sent() -> Result<()> {
    let world = World::start().await?;
    let (_market, url) = world.market().await?;
    let before = transactions(&world).await?;
    let market = ["--market-url", url.as_str()];
    let run = world.poco(Party::Requester, &[&market[..], &["run", NOBODY]].concat())?;
    refused(&run, 4, &["no app", "registry"]);
    let show = world.poco(Party::Requester, &["workerpool", "show", NOBODY])?;
    refused(&show, 4, &["no pool"]);
    let deal = format!("0x{}", "ab".repeat(32));
    refused(&world.poco(Party::Requester, &["deal", "show", &deal])?, 4, &["no deal"]);
    refused(&world.poco(Party::Requester, &["claim", &deal])?, 4, &["no deal and no opened task"]);
    let words = ["order", "sign", "app", NOBODY, "--price", "1RLC"];
    refused(&world.poco(Party::Provider, &words)?, 4, &["no app"]);
    assert_eq!(transactions(&world).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn wallets_that_cannot_be_used_are_explained() -> Result<()> {
    let world = World::start().await?;
    let with = |file: &Path, password: &str| -> Result<Answer> {
        std::fs::write(world.path("password"), password)?;
        let mut command = world.command()?;
        command.args([Path::new("--wallet"), file]).args(["account", "withdraw", "0"]);
        Ok(answer(command.output()?))
    };
    let folder = world.path("keystore");
    let keystore = std::fs::read_dir(&folder)?.next().expect("a keystore")?.path();
    refused(&with(&keystore, "wrong")?, 6, &["password"]);
    let whole = std::fs::read(&keystore)?;
    let truncated = world.path("truncated.json");
    std::fs::write(&truncated, &whole[..whole.len() / 2])?;
    refused(&with(&truncated, "integration")?, 6, &["truncated.json"]);
    refused(&with(&world.path("absent.json"), "integration")?, 6, &["absent.json"]);
    let mut command = world.command()?;
    command.args(["--wallet", NOBODY, "account", "withdraw", "1"]);
    refused(&answer(command.output()?), 3, &["are free in the escrow"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_not_the_one_meant_is_refused() -> Result<()> {
    let world = World::start().await?;
    let wrong = world.poco(Party::Requester, &["--chain-id", "1", "account", "show"])?;
    refused(&wrong, 5, &["31337", "1"]);
    let port = poco_integration_tests::process::free_port()?;
    let nowhere = format!("http://127.0.0.1:{port}");
    let silent = world.poco(Party::Requester, &["--rpc-url", &nowhere, "account", "show"])?;
    refused(&silent, 5, &[&nowhere]);
    let no_hub = world.poco(Party::Requester, &["--hub", NOBODY, "account", "show"])?;
    refused(&no_hub, 5, &["hub"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_that_are_none_are_refused_by_name() -> Result<()> {
    let world = World::start().await?;
    let (_market, url) = world.market().await?;
    let market = ["--market-url", url.as_str()];
    let app = offer_app(&world)?;
    let signed =
        world.poco(Party::Provider, &["order", "sign", "app", &app, "--price", "1RLC"])?.json()?;
    let before = transactions(&world).await?;
    let publish = |name: &str, order: &Value| -> Result<Answer> {
        let file = world.path(name);
        std::fs::write(&file, order.to_string())?;
        let file = file.to_string_lossy().into_owned();
        world.poco(Party::Provider, &[&market[..], &["order", "publish", &file]].concat())
    };
    let mut unknown_key = signed.clone();
    unknown_key["colour"] = "blue".into();
    refused(&publish("unknown.json", &unknown_key)?, 2, &["colour"]);
    let mut forged = signed.clone();
    forged["appprice"] = 2.into();
    refused(&publish("forged.json", &forged)?, 3, &["invalid sign"]);
    let foreign = ["order", "sign", "app", &app, "--price", "1RLC"];
    refused(&world.poco(Party::Requester, &foreign)?, 3, &["belongs to"]);
    assert_eq!(publish("good.json", &signed)?.code, 0);
    refused(&publish("again.json", &signed)?, 3, &["order already published"]);
    assert_eq!(transactions(&world).await?, before, "publishing sends no transaction");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn money_that_is_not_there_is_not_spent() -> Result<()> {
    let world = World::start().await?;
    let before = transactions(&world).await?;
    refused(&world.poco(Party::Requester, &["account", "deposit", "1RLC"])?, 3, &["holds 0 RLC"]);
    refused(
        &world.poco(Party::Requester, &["account", "withdraw", "1RLC"])?,
        3,
        &["0 RLC are free"],
    );
    assert_eq!(transactions(&world).await?, before);
    world.poco(Party::Owner, &["account", "deposit", "5RLC"])?.json()?;
    let shown = world.poco(Party::Owner, &["account", "show"])?.json()?;
    assert_eq!(shown["free"], 5_000_000_000_u64);
    world.poco(Party::Owner, &["account", "withdraw", "2RLC"])?.json()?;
    let shown = world.poco(Party::Owner, &["account", "show"])?.json()?;
    assert_eq!(shown["free"], 3_000_000_000_u64);
    Ok(())
}
