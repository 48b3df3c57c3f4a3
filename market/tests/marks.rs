//! Marked orders in the book: refused when they cannot be matched, gone when their time or their
//! epoch is over, back when the block that ended them is.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

mod common;

use common::chain::{PROVIDER, REQUESTER, app_order, request_order, wallet};
use common::{World, text};
use poco_chain::Transaction;
use poco_core::{AppOrder, B256, Conditions, OrderMark, RequestOrder, Timestamp};
use reqwest::StatusCode;
use serde_json::json;

fn salt(conditions: Conditions, expiry: Option<Timestamp>, epoch: u16, tail: u8) -> B256 {
    let tail = poco_core::Address::repeat_byte(tail);
    OrderMark::new(conditions, expiry, epoch, tail).unwrap().to_salt()
}

async fn refused(world: &World, order: &AppOrder) -> String {
    let signed = world.chain.sign(order.clone(), PROVIDER);
    let (status, body) = world.market.publish("/apporders", &signed, PROVIDER).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    body["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn orders_that_nobody_could_match_are_refused_by_name() {
    let world = World::start().await;
    let app = app_order(world.chain.app("stats").await);
    let owner = wallet(PROVIDER).address();
    let now = world.chain.chain.latest().await.unwrap().timestamp;
    let salted = |salt| AppOrder { salt, ..app.clone() };
    let expired = salted(salt(Conditions::NONE, Some(now), 0, 1));
    let told = format!("the order of {owner} expired at second {}", now.0);
    assert_eq!(refused(&world, &expired).await, told);
    let ahead = salted(salt(Conditions::NONE, None, 1, 1));
    let told = format!(
        "the order of {owner} is one of epoch 1, and {owner} is in epoch 0: it was cancelled"
    );
    assert_eq!(refused(&world, &ahead).await, told);
    let odd = salted(salt(Conditions::SPONSOR_ONLY, None, 0, 1));
    let told = format!("the order of {owner} says what no order of its kind can: sponsor-only");
    assert_eq!(refused(&world, &odd).await, told);
}

#[tokio::test]
async fn an_order_leaves_the_book_with_the_block_of_its_last_second() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let app = chain.app("stats").await;
    let now = chain.chain.latest().await.unwrap().timestamp;
    let salt = salt(Conditions::NONE, Some(now.after(1000)), 0, 1);
    let marked = AppOrder { salt, ..app_order(app) };
    let hash = market.published("/apporders", &chain.sign(marked, PROVIDER), PROVIDER).await;
    let mine_at = async |time: Timestamp| {
        chain.ask("evm_setNextBlockTimestamp", json!([time.0])).await;
        chain.ask("evm_mine", json!([])).await;
    };
    mine_at(now.after(999)).await;
    world.caught_up().await;
    assert_eq!(
        market.hashes("/apporders", &[("app", &text(app))]).await,
        std::slice::from_ref(&hash)
    );
    let before = chain.ask("evm_snapshot", json!([])).await;
    mine_at(now.after(1000)).await;
    market.until("/apporders", &hash, "dead").await;
    // The block is lost, and with it the time.
    chain.ask("evm_revert", json!([before])).await;
    mine_at(now.after(999)).await;
    market.until("/apporders", &hash, "open").await;
}

#[tokio::test]
async fn raising_an_epoch_cancels_marked_orders_and_what_stands_on_them() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let app = app_order(chain.app("stats").await);
    chain.fund(REQUESTER, 1_000_000).await;
    let marked = AppOrder { salt: salt(Conditions::NONE, None, 0, 1), ..app.clone() };
    let marked = market.published("/apporders", &chain.sign(marked, PROVIDER), PROVIDER).await;
    let request = chain.sign(request_order(app.app), REQUESTER);
    let request = market.published("/requestorders", &request, REQUESTER).await;
    let before = chain.ask("evm_snapshot", json!([])).await;
    chain.send(PROVIDER, Transaction::raise_epoch(&chain.chain)).await;
    let cancelled = market.until("/apporders", &marked, "canceled").await;
    assert_eq!(cancelled["remaining"], 0);
    market.until("/requestorders", &request, "dead").await;
    chain.ask("evm_revert", json!([before])).await;
    chain.ask("anvil_mine", json!(["0x2"])).await;
    let back = market.until("/apporders", &marked, "open").await;
    assert_eq!(back["remaining"], 10);
    market.until("/requestorders", &request, "open").await;

    // What has no mark has no epoch.
    let plain = market.published("/apporders", &chain.sign(app, PROVIDER), PROVIDER).await;
    chain.send(PROVIDER, Transaction::raise_epoch(&chain.chain)).await;
    market.until("/apporders", &marked, "canceled").await;
    world.caught_up().await;
    market.until("/apporders", &plain, "open").await;
    market.until("/requestorders", &request, "open").await;
}

#[tokio::test]
async fn a_request_under_another_guard_than_the_apps_is_not_published() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let app = app_order(chain.app("stats").await);
    chain.fund(REQUESTER, 1_000_000).await;
    let offer = AppOrder { salt: salt(Conditions::KNOWN_WORKERS, None, 0, 1), ..app.clone() };
    market.published("/apporders", &chain.sign(offer, PROVIDER), PROVIDER).await;
    let asking = |guard| RequestOrder {
        salt: salt(Conditions::KNOWN_WORKERS | Conditions::STRICT_REVEALS, None, 0, guard),
        ..request_order(app.app)
    };
    let other = chain.sign(asking(2), REQUESTER);
    let (status, body) = market.publish("/requestorders", &other, REQUESTER).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    assert_eq!(body["error"], json!(format!("No apporder published for app {}", text(app.app))));
    market.published("/requestorders", &chain.sign(asking(1), REQUESTER), REQUESTER).await;
}
