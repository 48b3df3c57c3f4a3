//! Results that are not what the chain says, and pools that do not hand them over.

use crate::pool::{Completer, OTHER, OTHER_CID, ZIP, ZIP_CID, ZIP_DIGEST};
use crate::scripted::{Reply, Scripted};
use crate::stage::{NOWHERE, Turn, address_of, refused};
use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use poco_core::{B256, TaskId, U256};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::world::{Answer, Party, answer};
use serde_json::Value;
use std::process::Stdio;
use std::time::Duration;

/// What a requester is told to do about a pool that cheats.
const CHEATED: &str = "nothing was unpacked. The pool serves something else than it was paid for: try again, or another server with --pool-url";

fn download(turn: &Turn, pool: &str, task: TaskId, output: &str) -> Result<Answer> {
    let mut command = turn.command()?;
    command.args(["--wallet", &address_of(Party::Requester)?, "--pool-url", pool]);
    command.args(["result", "download", &task.to_string(), "--output", output]);
    Ok(answer(command.output()?))
}

fn run_detached(turn: &Turn, volume: &str) -> Result<String> {
    let words = ["run", &turn.app, "--volume", volume, "--detach"];
    let deal = turn.poco(Party::Requester, &words)?.json()?;
    Ok(deal["deal"].as_str().context("a deal")?.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_is_not_the_chain_s_is_refused_and_leaves_no_file() -> Result<()> {
    let turn = Turn::take().await?;
    let completer = Completer::start(&turn).await?;
    let deal = run_detached(&turn, "5")?;
    let lie = B256::repeat_byte(0x11).to_string();
    let right = completer.complete(&deal, 0, ZIP_DIGEST, ZIP_CID).await?;
    let wrong_digest = completer.complete(&deal, 1, &lie, ZIP_CID).await?;
    let no_zip = completer.complete(&deal, 2, &lie, OTHER_CID).await?;
    let nowhere = completer.complete(&deal, 3, &lie, "../elsewhere").await?;
    let open = TaskId::of_deal(deal.parse()?, U256::from(4));
    turn.begin_anew().await?;

    let store = Scripted::start().await?;
    let path = format!("/ipfs/{ZIP_CID}");
    store.reply(&format!("/ipfs/{OTHER_CID}"), Reply::Whole(OTHER.to_vec()));
    let pool = &store.url;
    let get = |task| download(&turn, pool, task, "deep/down/result");
    let gone = format!(
        "the pool does not have {pool}{path} (any more): another server of it can be given with --pool-url"
    );
    refused(&get(right)?, 4, &gone);
    store.reply(&path, Reply::Whole(OTHER.to_vec()));
    let other = format!("the download is {OTHER_CID}, the chain names {ZIP_CID}; {CHEATED}");
    refused(&get(right)?, 7, &other);
    store.reply(&path, Reply::Half(ZIP.to_vec()));
    let half = format!("the pool at {pool}/: the download broke off; try again");
    refused(&get(right)?, 5, &half);
    store.reply(&path, Reply::Whole(ZIP.to_vec()));
    let digest = format!("the result's digest is {ZIP_DIGEST}, the chain says {lie}; {CHEATED}");
    refused(&get(wrong_digest)?, 7, &digest);
    let no_digest = format!(
        "the result has no digest: the result is not a readable zip: invalid Zip archive: Could not find EOCD; {CHEATED}"
    );
    refused(&get(no_zip)?, 7, &no_digest);
    let no_place = "the chain names \"/ipfs/../elsewhere\" as the place of the result, where none can be: \"../elsewhere\" is not a CID; only the pool's owner knows where it is";
    refused(&get(nowhere)?, 7, no_place);
    let unopened = format!("no opened task {open} on this hub");
    refused(&get(open)?, 4, &unopened);
    let silent =
        format!("the pool at {NOWHERE}/: no answer; is it running, and is --pool-url right?");
    refused(&download(&turn, NOWHERE, right, "result")?, 5, &silent);
    let file = turn.paper("taken", "x")?;
    let taken = format!("{file} exists already: choose another folder with --output");
    refused(&download(&turn, pool, right, &file)?, 2, &taken);
    let below = format!("{file} is no folder: choose another --output");
    refused(&download(&turn, pool, right, &format!("{file}/result"))?, 1, &below);
    turn.assert_untouched().await?;

    // The same download, of what the chain says, is unpacked.
    let fetched = get(right)?.json()?;
    assert_eq!(fetched["digest"], ZIP_DIGEST);
    let text = std::fs::read_to_string(turn.desk().join("deep/down/result/result.txt"))?;
    assert_eq!(text, "right\n");
    std::fs::remove_dir_all(turn.desk().join("deep"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_interrupted_leaves_no_file() -> Result<()> {
    let turn = Turn::take().await?;
    let completer = Completer::start(&turn).await?;
    let deal = run_detached(&turn, "1")?;
    let task = completer.complete(&deal, 0, ZIP_DIGEST, ZIP_CID).await?;
    turn.begin_anew().await?;
    let mut store = Scripted::start().await?;
    store.reply(&format!("/ipfs/{ZIP_CID}"), Reply::Stalled);
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut command = turn.command()?;
        command.args(["--wallet", &address_of(Party::Requester)?, "--pool-url", &store.url]);
        command.args(["result", "download", &task.to_string(), "--output", "deep/result"]);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let asked = tokio::time::timeout(Duration::from_secs(30), store.next_request()).await?;
        ensure!(asked.is_some_and(|path| path.starts_with("/ipfs/")), "the download began");
        kill(Pid::from_raw(child.id().try_into()?), signal)?;
        let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await??;
        ensure!(output.status.code().is_some(), "{signal}: {}", output.status);
        let line = format!("nothing was unpacked; fetch it with `poco result download {task}`");
        refused(&answer(output), 9, &line);
        turn.assert_untouched().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_result_is_refused_names_its_deal() -> Result<()> {
    let turn = Turn::take().await?;
    let completer = Completer::start(&turn).await?;
    let store = Scripted::start().await?;
    store.reply(&format!("/ipfs/{ZIP_CID}"), Reply::Whole(OTHER.to_vec()));
    let known = deals(&turn).await?;
    let mut command = turn.command()?;
    command.args(["--wallet", &address_of(Party::Requester)?, "--pool-url", &store.url]);
    command.args(["run", &turn.app, "--output", "result"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let deal = wait_for("the deal", Duration::from_secs(30), async || {
        Ok(deals(&turn).await?.into_iter().find(|deal| !known.contains(deal)))
    })
    .await?;
    completer.complete(&deal, 0, ZIP_DIGEST, ZIP_CID).await?;
    let output = tokio::task::spawn_blocking(|| child.wait_with_output()).await??;
    let line = format!(
        "the download is {OTHER_CID}, the chain names {ZIP_CID}; {CHEATED}; the deal is made and stays: `poco deal show {deal}`"
    );
    refused(&answer(output), 7, &line);
    assert!(crate::stage::files(&turn.desk())?.is_empty(), "nothing is left behind");
    Ok(())
}

/// The requester's deals, as the market lists them.
async fn deals(turn: &Turn) -> Result<Vec<String>> {
    let requester = address_of(Party::Requester)?;
    let url = format!("{}deals?chainId=31337&requester={requester}", turn.market_url);
    let page: Value = reqwest::Client::new().get(url).send().await?.json().await?;
    let deals = page["deals"].as_array().context("deals")?;
    Ok(deals.iter().filter_map(|deal| deal["dealid"].as_str().map(str::to_owned)).collect())
}
