//! Orders that say more than their terms: what is no condition, what nobody offers, what expired or
//! was cancelled; and the one run for which all agrees.

use crate::stage::{NOBODY, NOBODY_SHOWN, Turn, address_of, refused};
use anyhow::{Context, Result};
use poco_integration_tests::process::wait_for;
use poco_integration_tests::world::{Answer, Party};
use serde_json::{Value, json};
use std::time::Duration;

/// For the market to see a block.
const PATIENCE: Duration = Duration::from_secs(20);

const PAYER: &str = "sponsor-only: only a request says who pays";
const SELF: &str = "sponsor-only: poco run pays itself; `poco order sign request` makes a request that a sponsor matches";

fn sign_pool(turn: &Turn, words: &[&str]) -> Result<Answer> {
    let order = ["order", "sign", "workerpool", &turn.pool, "--price", "1RLC"];
    turn.poco(Party::Scheduler, &[&order[..], words].concat())
}

fn sign_app(turn: &Turn, words: &[&str]) -> Result<Answer> {
    let order = ["order", "sign", "app", &turn.app, "--price", "1RLC"];
    turn.poco(Party::Provider, &[&order[..], words].concat())
}

fn run(turn: &Turn, words: &[&str]) -> Result<Answer> {
    turn.poco(Party::Requester, &[&["run", &turn.app, "--detach"], words].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_make_no_sense_are_refused_by_name() -> Result<()> {
    let turn = Turn::take().await?;
    refused(&sign_pool(&turn, &["--offer", "sponsor-only"])?, 2, PAYER);
    refused(&sign_app(&turn, &["--require", "sponsor-only"])?, 2, PAYER);
    refused(&run(&turn, &["--require", "sponsor-only"])?, 2, SELF);
    let (one, other) = (format!("known-workers={NOBODY}"), format!("known-enclaves={}", turn.app));
    let guards = "an order has one guard: known-workers and known-enclaves name the same group";
    refused(&run(&turn, &["--require", &one, "--require", &other])?, 2, guards);
    let none = format!(
        "{NOBODY_SHOWN} is no group: nobody would be known to it; make one with `poco group create`"
    );
    refused(&sign_pool(&turn, &["--offer", &one])?, 3, &none);
    let none = format!("there is no group at {NOBODY_SHOWN}");
    refused(&turn.poco(Party::Provider, &["group", "show", NOBODY])?, 4, &none);
    let past = sign_app(&turn, &["--expires", "2020-01-01T00:00:00Z"])?;
    assert_eq!(past.code, 2, "{past:?}");
    assert!(
        past.stderr.contains("--expires names 2020-01-01T00:00:00Z, and the latest block is of")
    );
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_pool_offers_is_not_bought() -> Result<()> {
    let turn = Turn::take().await?;
    let answer = run(&turn, &["--require", "known-enclaves", "--trust", "1"])?;
    assert_eq!(answer.code, 2, "{answer:?}");
    let answer = run(&turn, &["--require", "bound-results"])?;
    let error: Value = serde_json::from_str(&answer.stderr)?;
    let told = error["error"].as_str().context("a failure")?;
    assert_eq!(answer.code, 4, "{answer:?}");
    assert!(told.starts_with("no pool offers bound-results as you require it: "), "{told}");
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_expired_or_was_cancelled_with_all_others_is_not_published() -> Result<()> {
    let turn = Turn::take().await?;
    let provider = address_of(Party::Provider)?;
    let soon = sign_app(&turn, &["--expires", "1h"])?.json()?;
    let marked = sign_app(&turn, &["--expires", "never"])?.json()?;
    let plain = sign_app(&turn, &[])?.json()?;
    assert!(!plain["salt"].as_str().context("a salt")?.starts_with("0x706f636f"));
    assert!(marked["salt"].as_str().context("a salt")?.starts_with("0x706f636f00000000000000"));
    let publish = |name: &str, order: &Value| -> Result<Answer> {
        let file = turn.paper(name, order.to_string())?;
        turn.poco(Party::Provider, &["order", "publish", &file])
    };
    turn.ask("evm_increaseTime", json!([3600])).await?;
    turn.ask("anvil_mine", json!(["0x1"])).await?;
    let told = |answer: &Answer| -> Result<String> {
        assert_eq!(answer.code, 3, "{answer:?}");
        let error: Value = serde_json::from_str(&answer.stderr)?;
        Ok(error["error"].as_str().context("a failure")?.to_owned())
    };
    let expired = told(&publish("expired.json", &soon)?)?;
    let start = format!("the market refuses: the order of {provider} expired at second ");
    assert!(expired.starts_with(&start), "{expired}");

    let open = publish("marked.json", &marked)?.json()?;
    assert_eq!(open["mark"], Value::Null, "what is published is told as the market tells it");
    let hash = open["orderHash"].as_str().context("a hash")?.to_owned();
    let shown = turn.poco(Party::Provider, &["order", "show", "app", &hash])?.json()?;
    let epoch = shown["mark"]["epoch"].as_u64().context("an epoch")?;
    assert_eq!(shown["mark"], json!({ "conditions": [], "epoch": epoch }));
    let raised = turn.poco(Party::Provider, &["order", "cancel-all"])?.json()?;
    let account = json!(provider.to_lowercase());
    assert_eq!((&raised["account"], &raised["epoch"]), (&account, &json!(epoch + 1)));
    let again = sign_app(&turn, &["--expires", "never"])?.json()?;
    publish("again.json", &again)?.json()?;
    until(&turn, "app", &hash, "canceled").await?;
    publish("plain.json", &plain)?.json()?;
    // Nothing stays for the other tests.
    for order in ["again.json", "plain.json"] {
        let file = turn.world.path("papers").join(order).display().to_string();
        let cancelled = turn.poco(Party::Provider, &["order", "cancel", &file])?.json()?;
        let hash = cancelled["orderHash"].as_str().context("a hash")?.to_owned();
        until(&turn, "app", &hash, "canceled").await?;
    }
    Ok(())
}

/// Waits until the market has seen on chain what became of an order.
async fn until(turn: &Turn, kind: &str, hash: &str, status: &str) -> Result<()> {
    wait_for(&format!("order {hash} to be {status}"), PATIENCE, async || {
        let shown = turn.poco(Party::Requester, &["order", "show", kind, hash])?.json()?;
        Ok((shown["status"] == status).then_some(()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deal_keeps_what_was_required_and_offered() -> Result<()> {
    let turn = Turn::take().await?;
    let created = turn.poco(Party::Requester, &["group", "create"])?.json()?;
    let group = created["address"].as_str().context("an address")?.to_owned();
    let workers = format!("known-workers={group}");
    let offer = ["--offer", &workers, "--offer", "strict-reveals", "--expires", "1d", "--publish"];
    let published = sign_pool(&turn, &offer)?.json()?;
    let hash = published["orderHash"].as_str().context("a hash")?;
    let book = turn.poco(Party::Requester, &["orderbook", "workerpool"])?.json()?;
    let line = book.as_array().context("a list")?.iter().find(|line| line["orderHash"] == *hash);
    let details = line.context("the order is listed")?["details"].as_str().context("terms")?;
    assert!(details.contains(", offers strict-reveals,known-workers, until 20"), "{details}");

    let bought = run(&turn, &["--require", &workers, "--expires", "1h"])?.json()?;
    let deal = bought["deal"].as_str().context("a deal")?;
    until(&turn, "workerpool", hash, "filled").await?;
    let shown = turn.poco(Party::Requester, &["deal", "show", deal])?.json()?;
    assert_eq!(shown["conditions"], json!({ "names": ["known-workers"], "guard": group }));
    let bought = run(&turn, &[])?.json()?;
    let deal = bought["deal"].as_str().context("a deal")?;
    let shown = turn.poco(Party::Requester, &["deal", "show", deal])?.json()?;
    assert_eq!(shown.get("conditions"), None);
    Ok(())
}
