//! Money that is not there: tokens, stake, coin for gas.

use crate::stage::{NOBODY, Turn, address_of, refused, shown};
use anyhow::{Context, Result};
use poco_core::Amount;
use poco_integration_tests::world::{Party, answer};

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_are_not_there_are_not_moved() -> Result<()> {
    let turn = Turn::take().await?;
    let requester = address_of(Party::Requester)?;
    let send = format!("the wallet {requester} holds 0 RLC, too little to send 1 RLC");
    let deposit = format!("the wallet {requester} holds 0 RLC, too little to deposit 1 RLC");
    let free = free(&turn, Party::Requester)?;
    let locked = match amount_of(&turn, Party::Requester, "locked")? {
        Amount::ZERO => String::new(),
        locked => format!("; {locked} are locked, by tasks that have not ended or in bonds"),
    };
    let withdraw = format!(
        "{free} are free in the escrow of {requester}, too little to withdraw 101 RLC{locked}"
    );
    for (words, line) in [
        (&["account", "send", NOBODY, "1RLC"][..], send),
        (&["account", "deposit", "1RLC"], deposit),
        (&["account", "withdraw", "101RLC"], withdraw),
    ] {
        refused(&turn.poco(Party::Requester, words)?, 3, &line);
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn too_little_stake_is_told_with_what_is_missing() -> Result<()> {
    let turn = Turn::take().await?;
    let (requester, scheduler) = (address_of(Party::Requester)?, address_of(Party::Scheduler)?);
    let end = "with `poco account deposit`, or lower price or volume";
    let lacks = |party, needed: u64| -> Result<(Amount, Amount)> {
        let free = free(&turn, party)?;
        let missing = Amount::from_nano(needed * Amount::NANO_PER_RLC).checked_sub(free);
        Ok((free, missing.context("too little")?))
    };
    let (free, missing) = lacks(Party::Scheduler, 600)?;
    let pool = ["order", "sign", "workerpool", &turn.pool, "--price", "1000RLC", "--volume", "2"];
    let line = format!(
        "the order needs 600 RLC in the escrow of {scheduler}, the pool's stake on its tasks, and {free} are free there: deposit {missing} more {end}"
    );
    refused(&turn.poco(Party::Scheduler, &[&pool[..], &["--publish"]].concat())?, 3, &line);
    // Signed without publishing, it is refused when it is published.
    let signed = turn.poco(Party::Scheduler, &pool)?.json()?;
    let file = turn.paper("dear.json", signed.to_string())?;
    refused(&turn.poco(Party::Scheduler, &["order", "publish", &file])?, 3, &line);
    let (free, missing) = lacks(Party::Requester, 2505)?;
    let request = ["order", "sign", "request", &turn.app, "--app-max-price", "1RLC"];
    let terms = ["--workerpool-max-price", "500RLC", "--volume", "5", "--publish"];
    let line = format!(
        "the order needs 2505 RLC in the escrow of {requester}, the price of its tasks, and {free} are free there: deposit {missing} more {end}"
    );
    refused(&turn.poco(Party::Requester, &[&request[..], &terms].concat())?, 3, &line);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_cannot_be_paid_is_not_bought() -> Result<()> {
    let turn = Turn::take().await?;
    let owner = address_of(Party::Owner)?;
    let app = &turn.app;
    let dear = format!(
        "this costs 3 RLC, 0 RLC are free in the escrow of {owner}: deposit 3 RLC more with `poco account deposit`"
    );
    refused(&turn.poco(Party::Owner, &["run", app])?, 3, &dear);
    let limit = "the cheapest offers cost 3 RLC a task, your limit is 2.5 RLC";
    refused(&turn.poco(Party::Requester, &["run", app, "--max-price", "2.5RLC"])?, 3, limit);
    let none = "no pool offers this category, trust and tag to you within your price: `poco orderbook workerpool` shows what is on offer";
    refused(&turn.poco(Party::Requester, &["run", app, "--trust", "1000"])?, 4, none);
    let few = "no open orders fit together: fewer tasks are left than you ask for (1 combination); `poco orderbook` shows what is on offer";
    refused(&turn.poco(Party::Requester, &["run", app, "--volume", "21"])?, 3, few);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wallet_without_coin_sends_nothing() -> Result<()> {
    let turn = Turn::take().await?;
    let folder = turn.world.path("papers").join("poor").display().to_string();
    let mut command = turn.command()?;
    let created = answer(command.args(["--keystore-dir", &folder, "wallet", "create"]).output()?);
    let poor = created.json()?["address"].as_str().context("an address")?.to_owned();
    turn.poco(Party::Owner, &["account", "send", &poor, "5RLC"])?.json()?;
    turn.begin_anew().await?;
    let checksum = "11".repeat(32);
    for words in [
        &["account", "deposit", "5RLC"][..],
        &["account", "send", NOBODY, "1"],
        &["app", "deploy", "--name", "x", "--image", "a.test/x", "--checksum", &checksum],
    ] {
        let mut command = turn.command()?;
        let answer = answer(command.args(["--keystore-dir", &folder]).args(words).output()?);
        // How much gas costs is the chain's matter.
        let needed = answer.stderr.split("up to ").nth(1).and_then(|rest| rest.split(' ').next());
        let needed = needed.with_context(|| answer.stderr.clone())?;
        let line = format!(
            "{} has 0 wei and needs up to {needed} wei for gas; send it some",
            shown(&poor)
        );
        refused(&answer, 3, &line);
    }
    turn.assert_untouched().await
}

/// What a party has free in the escrow; other tests bought runs.
fn free(turn: &Turn, party: Party) -> Result<Amount> {
    amount_of(turn, party, "free")
}

fn amount_of(turn: &Turn, party: Party, which: &str) -> Result<Amount> {
    let account = turn.poco(party, &["account", "show"])?.json()?;
    Ok(Amount::from_nano(account[which].as_u64().context("an amount")?))
}
