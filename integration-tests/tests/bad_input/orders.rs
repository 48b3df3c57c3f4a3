//! Orders that are none, not anymore, or not the wallet's; and a market that offers such.

use crate::scripted::{Reply, Scripted};
use crate::stage::{Turn, address_of, refused, shown};
use anyhow::{Context, Result};
use poco_integration_tests::world::{Party, answer};
use serde_json::Value;

const SIGN_AGAIN: &str = "it was changed after it was signed, or signed for another hub; sign it again with `poco order sign`";

#[tokio::test(flavor = "multi_thread")]
async fn files_that_hold_no_order_are_refused_by_name() -> Result<()> {
    let turn = Turn::take().await?;
    let signed = sign(&turn, "1RLC")?;
    let mut unknown = signed.clone();
    unknown["colour"] = "blue".into();
    let mut unsigned = signed.clone();
    unsigned.as_object_mut().context("an order")?.remove("sign");
    let mut typo = signed.clone();
    typo["app"] = "0x5aAeb9053F3E94C9b9A09f33669435E7Ef1BeAed".into();
    let text = signed.to_string();
    let keys = "`app`, `appprice`, `volume`, `tag`, `datasetrestrict`, `workerpoolrestrict`, `requesterrestrict`, `salt`";
    for (content, why) in [
        (unknown.to_string(), format!("unknown field `colour`, expected one of {keys}")),
        (unsigned.to_string(), "missing field `sign`".to_owned()),
        (
            typo.to_string(),
            "0x5aAeb9053F3E94C9b9A09f33669435E7Ef1BeAed is not a checksummed address".to_owned(),
        ),
        (text[..30].to_owned(), "EOF while parsing a string at line 1 column 30".to_owned()),
        (
            "{}".to_owned(),
            "none of appprice, datasetprice, workerpoolprice and workerpoolmaxprice is in it"
                .to_owned(),
        ),
    ] {
        let file = turn.paper("none.json", content)?;
        for verb in ["publish", "cancel"] {
            let answer = turn.poco(Party::Provider, &["order", verb, &file])?;
            refused(&answer, 2, &format!("{file} is no order: {why}"));
        }
    }
    let absent = "cannot read the order file absent.json: No such file or directory (os error 2)";
    refused(&turn.poco(Party::Provider, &["order", "publish", "absent.json"])?, 1, absent);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_changed_after_signing_is_neither_published_nor_cancelled() -> Result<()> {
    let turn = Turn::take().await?;
    let provider = address_of(Party::Provider)?;
    let mut forged = sign(&turn, "1RLC")?;
    forged["appprice"] = 2.into();
    let file = turn.paper("forged.json", forged.to_string())?;
    let line = format!("the order is not signed by {provider}: {SIGN_AGAIN}");
    for verb in ["publish", "cancel"] {
        refused(&turn.poco(Party::Provider, &["order", verb, &file])?, 3, &line);
    }
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_of_others_are_left_alone() -> Result<()> {
    let turn = Turn::take().await?;
    let (provider, requester) = (address_of(Party::Provider)?, address_of(Party::Requester)?);
    let file = turn.paper("foreign.json", sign(&turn, "1RLC")?.to_string())?;
    for verb in ["publish", "cancel"] {
        let line = format!(
            "the order is one of {provider}, the wallet is {requester}: only its signer can {verb} it"
        );
        refused(&turn.poco(Party::Requester, &["order", verb, &file])?, 3, &line);
    }
    let app = shown(&turn.app);
    let line = format!(
        "{app} belongs to {provider}: an order signed by {requester} would be worth nothing"
    );
    refused(&turn.poco(Party::Requester, &["order", "sign", "app", &turn.app])?, 3, &line);
    let pool = shown(&turn.pool);
    let policy =
        ["workerpool", "policy", &turn.pool, "--worker-stake", "1", "--scheduler-reward", "1"];
    let line = format!(
        "the pool {pool} belongs to {}, the wallet is {requester}",
        address_of(Party::Scheduler)?
    );
    refused(&turn.poco(Party::Requester, &policy)?, 3, &line);
    turn.assert_untouched().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_order_is_refused_and_a_published_one_stays() -> Result<()> {
    let turn = Turn::take().await?;
    let file = turn.paper("spent.json", sign(&turn, "7RLC")?.to_string())?;
    let published = turn.poco(Party::Provider, &["order", "publish", &file])?.json()?;
    let again = "the market refuses: order already published";
    refused(&turn.poco(Party::Provider, &["order", "publish", &file])?, 3, again);
    turn.poco(Party::Provider, &["order", "cancel", &file])?.json()?;
    turn.begin_anew().await?;
    let hash = published["orderHash"].as_str().context("a hash")?;
    let line = format!(
        "nothing is left of order {hash}: it was used up or cancelled; sign a new one with `poco order sign`"
    );
    for verb in ["publish", "cancel"] {
        refused(&turn.poco(Party::Provider, &["order", verb, &file])?, 3, &line);
    }
    turn.assert_untouched().await
}

/// What the real market lists is told by one that lies, or has not heard the news yet.
#[tokio::test(flavor = "multi_thread")]
async fn a_market_that_lists_forged_or_spent_orders_sells_nothing() -> Result<()> {
    let turn = Turn::take().await?;
    let market = Scripted::start().await?;
    let apps = listing(&turn, &format!("apporders?chainId=31337&app={}", turn.app)).await?;
    let pools = listing(&turn, "workerpoolorders?chainId=31337").await?;
    market.reply("/workerpoolorders", Reply::Whole(pools.to_string().into()));
    let run = || -> Result<_> {
        let mut command = turn.command()?;
        let requester = address_of(Party::Requester)?;
        command.args(["--wallet", &requester, "--market-url", &market.url, "run", &turn.app]);
        Ok(answer(command.output()?))
    };
    let refusal = |why: &str| {
        format!(
            "no open orders fit together: {why} (1 combination); `poco orderbook` shows what is on offer"
        )
    };

    let mut forged = apps.clone();
    forged["orders"][0]["order"]["appprice"] = 1.into();
    market.reply("/apporders", Reply::Whole(forged.to_string().into()));
    refused(&run()?, 3, &refusal("the app order is not signed by the app's owner"));
    turn.assert_untouched().await?;

    let spent = sign(&turn, "1RLC")?;
    let file = turn.paper("stale.json", spent.to_string())?;
    turn.poco(Party::Provider, &["order", "cancel", &file])?.json()?;
    turn.begin_anew().await?;
    let mut stale = apps;
    stale["orders"][0]["order"] = spent;
    market.reply("/apporders", Reply::Whole(stale.to_string().into()));
    refused(&run()?, 3, &refusal("one of the orders is used up or cancelled"));
    turn.assert_untouched().await
}

fn sign(turn: &Turn, price: &str) -> Result<Value> {
    turn.poco(Party::Provider, &["order", "sign", "app", &turn.app, "--price", price])?.json()
}

async fn listing(turn: &Turn, path: &str) -> Result<Value> {
    let url = format!("{}{path}", turn.market_url);
    Ok(reqwest::Client::new().get(url).send().await?.json().await?)
}
