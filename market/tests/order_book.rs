//! Publishing, listing, withdrawing, and what becomes of orders on chain: the whole process over
//! HTTP against real contracts.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

mod common;

use common::chain::{
    POOL_OWNER, PROVIDER, REQUESTER, STRANGER, app_order, dataset_order, request_order, wallet,
    workerpool_order,
};
use common::{World, text};
use poco_chain::Transaction;
use poco_core::call::SignedTerms;
use poco_core::order::OrderOperation;
use poco_core::{Address, Amount, AnyOrder, B256, Call, OrderKind, RequestOrder, Signed, U256};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

/// Everything a match needs, published: the orders as signed, with their hashes.
struct Published {
    terms: SignedTerms,
    app: String,
    dataset: String,
    workerpool: String,
    request: String,
}

async fn publish_all(world: &World) -> Published {
    let (chain, market) = (&world.chain, &world.market);
    let app = chain.app("stats").await;
    let dataset = chain.dataset("text").await;
    let workerpool = chain.workerpool("pool").await;
    chain.fund(POOL_OWNER, 1_000_000).await;
    chain.fund(REQUESTER, 1_000_000).await;
    let request =
        RequestOrder { dataset, dataset_price_max: Amount::from_nano(3), ..request_order(app) };
    let terms = SignedTerms {
        app: chain.sign(app_order(app), PROVIDER),
        dataset: chain.sign(dataset_order(dataset), PROVIDER),
        workerpool: chain.sign(workerpool_order(workerpool), POOL_OWNER),
        request: chain.sign(request, REQUESTER),
    };
    Published {
        app: market.published("/apporders", &terms.app, PROVIDER).await,
        dataset: market.published("/datasetorders", &terms.dataset, PROVIDER).await,
        workerpool: market.published("/workerpoolorders", &terms.workerpool, POOL_OWNER).await,
        request: market.published("/requestorders", &terms.request, REQUESTER).await,
        terms,
    }
}

#[tokio::test]
async fn a_record_has_the_shape_that_clients_read() {
    let world = World::start().await;
    let app = world.chain.app("stats").await;
    let signed = world.chain.sign(app_order(app), PROVIDER);
    // Clients send integers as text and addresses in any case.
    let mut sent = serde_json::to_value(&signed).unwrap();
    sent["volume"] = json!("10");
    sent["appprice"] = json!("5");
    sent["app"] = json!(text(app).to_lowercase());
    let (status, body) = world.market.publish("/apporders", &sent, PROVIDER).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let record = body["published"].clone();
    let zero = text(Address::ZERO);
    let expected = json!({
        "orderHash": world.chain.hash(&signed),
        "order": {
            "app": text(app),
            "appprice": 5,
            "volume": 10,
            "tag": B256::ZERO,
            "datasetrestrict": zero,
            "workerpoolrestrict": zero,
            "requesterrestrict": zero,
            "salt": B256::repeat_byte(1),
            "sign": signed.sign,
        },
        "chainId": 31337,
        "remaining": 10,
        "status": "open",
        "publicationTimestamp": record["publicationTimestamp"],
        "signer": text(wallet(PROVIDER).address()),
    });
    assert_eq!(record, expected);
    let time = record["publicationTimestamp"].as_str().unwrap();
    assert!(time.len() == 24 && time.ends_with('Z'), "{time}");
    let listed = world.market.get("/apporders", &[("app", &text(app))]).await;
    assert_eq!(listed, json!({ "ok": true, "orders": [record], "count": 1 }));
    let shown = world.market.get(&format!("/apporders/{}", world.chain.hash(&signed)), &[]).await;
    assert_eq!(shown["order"], expected["order"]);
    assert_eq!((&shown["ok"], &shown["chainId"]), (&json!(true), &json!(31337)));
}

#[tokio::test]
async fn a_match_lowers_what_remains_and_makes_a_deal() {
    let world = World::start().await;
    let published = publish_all(&world).await;
    let (market, terms) = (&world.market, published.terms.clone());
    let id = world.chain.make_deal(terms.clone()).await;
    let filled = market.until("/requestorders", &published.request, "filled").await;
    assert_eq!(filled["remaining"], 0);
    for (path, hash) in [
        ("/apporders", &published.app),
        ("/datasetorders", &published.dataset),
        ("/workerpoolorders", &published.workerpool),
    ] {
        let order = market.get(&format!("{path}/{hash}"), &[]).await;
        assert_eq!((&order["remaining"], &order["status"]), (&json!(6), &json!("open")), "{path}");
    }
    assert_eq!(market.get("/requestorders", &[]).await["count"], 0);

    let deal = market.get(&format!("/deals/{id}"), &[]).await;
    let chain_deal = world.chain.chain.deal(id.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(deal["dealid"], json!(id));
    assert_eq!(
        deal["app"],
        json!({
            "pointer": text(terms.app.order.app), "owner": text(wallet(PROVIDER).address()), "price": 5,
        })
    );
    assert_eq!(deal["workerpool"]["price"], 100);
    assert_eq!(deal["dataset"]["price"], 3);
    assert_eq!(deal["requester"], json!(text(wallet(REQUESTER).address())));
    assert_eq!(
        [&deal["appHash"], &deal["datasetHash"], &deal["workerpoolHash"], &deal["requestHash"]],
        [&published.app, &published.dataset, &published.workerpool, &published.request]
    );
    let numbers = ["volume", "botFirst", "botSize", "category", "trust", "workerStake"];
    assert_eq!(numbers.map(|name| deal[name].as_u64().unwrap()), [4, 0, 4, 0, 5, 30]);
    assert_eq!(deal["startTime"], json!(chain_deal.start_time));
    assert_eq!(deal["params"], "--fast");
    assert_eq!(deal["schedulerRewardRatio"], 1);
    assert_eq!(deal["blockNumber"], json!(world.chain.height().await));
    assert!(deal["blockTimestamp"].as_str().unwrap().ends_with(".000Z"));
    assert_eq!(deal["transactionHash"].as_str().unwrap().len(), 66);

    check_deal_filters(&world, &deal, &published).await;
    let prices = market.get("/ohlc", &[("category", "0")]).await;
    assert_eq!(prices["ohlc"], json!([[deal["blockTimestamp"], 100, 4]]));
}

async fn check_deal_filters(world: &World, deal: &Value, published: &Published) {
    let owner = text(wallet(POOL_OWNER).address());
    let stranger = text(wallet(STRANGER).address());
    let pool = text(published.terms.workerpool.order.workerpool);
    for (filter, count) in [
        (vec![], 1),
        (vec![("workerpool", pool.as_str())], 1),
        (vec![("workerpoolOwner", owner.as_str()), ("category", "0")], 1),
        (vec![("requestorderHash", published.request.as_str())], 1),
        (vec![("apporderHash", published.request.as_str())], 0),
        (vec![("requester", stranger.as_str())], 0),
        (vec![("workerpool", pool.as_str()), ("category", "1")], 0),
        (vec![("beneficiary", "0x0000000000000000000000000000000000000000")], 1),
    ] {
        let found = world.market.get("/deals", &filter).await;
        assert_eq!(found["count"], count, "{filter:?}");
        let deals = found["deals"].as_array().unwrap();
        assert_eq!(deals.len(), count as usize);
        if let [only] = deals.as_slice() {
            assert_eq!(only["dealid"], deal["dealid"]);
            assert!(only.get("ok").is_none());
        }
    }
    let unknown = format!("/deals/{}", B256::repeat_byte(9));
    let (status, body) = world.market.try_get(&unknown, &[]).await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("deal not found")));
}

#[tokio::test]
async fn lists_filter_sort_and_page_as_clients_ask() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let app = chain.app("stats").await;
    let friend = wallet(STRANGER).address();
    let mut hashes = Vec::new();
    for number in 0_u8..12 {
        let mut order = app_order(app);
        order.salt = B256::repeat_byte(number + 1);
        order.price = Amount::from_nano(u64::from(20 - number));
        if number == 11 {
            order.requester_restrict = friend;
        }
        hashes.push(market.published("/apporders", &chain.sign(order, PROVIDER), PROVIDER).await);
    }
    hashes.reverse();
    let (app, friend) = (text(app), text(friend));
    let page = market.get("/apporders", &[("app", &app), ("pageSize", "10")]).await;
    assert_eq!((&page["count"], &page["nextPage"]), (&json!(11), &json!(10)));
    assert_eq!(
        market.hashes("/apporders", &[("app", &app), ("pageSize", "10")]).await,
        hashes[1..11],
        "cheapest first, without the one for a friend"
    );
    let second = [("app", app.as_str()), ("pageSize", "10"), ("pageIndex", "1")];
    assert_eq!(market.hashes("/apporders", &second).await, hashes[11..]);
    let for_friend = [("app", app.as_str()), ("requester", friend.as_str())];
    assert_eq!(market.hashes("/apporders", &for_friend).await, hashes);
    let strict = [("app", "any"), ("requester", &friend), ("isRequesterStrict", "true")];
    assert_eq!(market.hashes("/apporders", &strict).await, hashes[..1]);
    let owner = text(wallet(PROVIDER).address());
    let of_owner = [("appOwner", owner.as_str()), ("requester", "any"), ("minVolume", "11")];
    assert_eq!(market.hashes("/apporders", &of_owner).await, Vec::<String>::new());
    let (status, body) = market.try_get("/apporders", &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(body["error"], "app or appOwner is required");
}

#[tokio::test]
async fn closing_selling_and_spending_take_orders_off_the_book() {
    let world = World::start().await;
    let published = publish_all(&world).await;
    let (chain, market) = (&world.chain, &world.market);
    let terms = &published.terms;

    // The requester keeps 1 nRLC less than four tasks cost.
    let amount = Amount::from_nano(1_000_000 - 4 * 108 + 1);
    chain.call(REQUESTER, Call::Withdraw { amount }).await;
    market.until("/requestorders", &published.request, "dead").await;
    chain.fund(REQUESTER, 1).await;
    let again = market.published("/requestorders", &terms.request, REQUESTER).await;
    assert_eq!(again, published.request, "a dead order may be published again");

    // The last dataset order is closed: it is canceled, and the request dies with it.
    let order = Box::new(AnyOrder::Dataset(terms.dataset.clone()));
    let close = Call::ManageOrder {
        order,
        operation: OrderOperation::Close,
        sign: poco_core::Bytes::new(),
    };
    chain.call(PROVIDER, close).await;
    let canceled = market.until("/datasetorders", &published.dataset, "canceled").await;
    assert_eq!(canceled["remaining"], 0);
    market.until("/requestorders", &published.request, "dead").await;
    let (status, body) = market.publish("/datasetorders", &terms.dataset, PROVIDER).await;
    assert_eq!(
        (status, &body["error"]),
        (StatusCode::FORBIDDEN, &json!("order already published"))
    );

    // The pool's owner keeps 1 nRLC less than 30 % of ten tasks.
    let amount = Amount::from_nano(1_000_000 - 300 + 1);
    chain.call(POOL_OWNER, Call::Withdraw { amount }).await;
    market.until("/workerpoolorders", &published.workerpool, "dead").await;

    // The app is sold.
    let app = terms.app.order.app;
    let to = (wallet(PROVIDER).address(), wallet(STRANGER).address());
    chain
        .send(PROVIDER, Transaction::transfer_resource(&chain.chain, OrderKind::App, app, to))
        .await;
    market.until("/apporders", &published.app, "dead").await;
    let metrics = market.get("/metrics", &[]).await;
    for book in ["apporders", "datasetorders", "workerpoolorders", "requestorders"] {
        assert_eq!(metrics[book], 0, "{book}");
    }
}

#[tokio::test]
async fn orders_are_withdrawn_one_the_last_or_all_by_their_signer_alone() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let app = chain.app("stats").await;
    let mut hashes = Vec::new();
    for number in 0_u8..4 {
        let mut order = app_order(app);
        order.salt = B256::repeat_byte(number + 1);
        hashes.push(market.published("/apporders", &chain.sign(order, PROVIDER), PROVIDER).await);
    }
    let one = json!({ "target": "unpublish_orderHash", "orderHash": hashes[0] });
    let (status, body) = market.unpublish("/apporders", one.clone(), STRANGER).await;
    let signer = text(wallet(PROVIDER).address());
    let expected = format!("only order signer {signer} can unpublish an order");
    assert_eq!((status, &body["error"]), (StatusCode::FORBIDDEN, &json!(expected)));
    let (status, body) = market.unpublish("/apporders", one.clone(), PROVIDER).await;
    assert_eq!((status, &body["unpublished"]), (StatusCode::OK, &json!([hashes[0]])));
    let (status, body) = market.unpublish("/apporders", one, PROVIDER).await;
    let expected = format!("apporder with orderHash {} is not published", hashes[0]);
    assert_eq!((status, &body["error"]), (StatusCode::FORBIDDEN, &json!(expected)));
    let (status, body) = market.try_get(&format!("/apporders/{}", hashes[0]), &[]).await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("apporder not found")));

    let last = json!({ "target": "unpublish_last", "app": text(app) });
    let (_, body) = market.unpublish("/apporders", last, PROVIDER).await;
    assert_eq!(body["unpublished"], json!([hashes[3]]));
    let all = json!({ "target": "unpublish_all", "app": text(app) });
    let (_, body) = market.unpublish("/apporders", all.clone(), PROVIDER).await;
    assert_eq!(body["unpublished"], json!([hashes[2], hashes[1]]));
    let (status, body) = market.unpublish("/apporders", all, PROVIDER).await;
    let expected = format!("no open apporder published by signer {signer} for app {}", text(app));
    assert_eq!((status, &body["error"]), (StatusCode::FORBIDDEN, &json!(expected)));
    for (body, text) in [
        (
            json!({ "target": "unpublish_some" }),
            "target must be one of the following values: unpublish_orderHash, unpublish_last, unpublish_all",
        ),
        (json!({ "target": "unpublish_all" }), "app is a required field"),
        (json!({}), "orderHash is a required field"),
    ] {
        let (status, answer) = market.unpublish("/apporders", body, PROVIDER).await;
        assert_eq!((status, &answer["error"]), (StatusCode::BAD_REQUEST, &json!(text)));
    }
    // An unpublished order can be published again.
    let mut order = app_order(app);
    order.salt = B256::repeat_byte(1);
    market.published("/apporders", &chain.sign(order, PROVIDER), PROVIDER).await;
}

#[tokio::test]
async fn a_pre_signed_order_needs_no_signature() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let unsigned = Signed { order: app_order(chain.app("stats").await), sign: Default::default() };
    let (status, body) = market.publish("/apporders", &unsigned, PROVIDER).await;
    assert_eq!((status, &body["error"]), (StatusCode::FORBIDDEN, &json!("invalid sign")));
    let order = Box::new(AnyOrder::App(unsigned.clone()));
    let sign = poco_core::Bytes::new();
    let operation = OrderOperation::Sign;
    chain.call(PROVIDER, Call::ManageOrder { order, operation, sign }).await;
    market.published("/apporders", &unsigned, PROVIDER).await;
}

#[tokio::test]
async fn what_is_published_survives_a_kill_and_what_happened_meanwhile_is_learned() {
    let mut world = World::start().await;
    let published = publish_all(&world).await;
    world.kill_and_restart().await;
    for (path, hash) in [
        ("/apporders", &published.app),
        ("/datasetorders", &published.dataset),
        ("/workerpoolorders", &published.workerpool),
        ("/requestorders", &published.request),
    ] {
        assert_eq!(world.market.get(&format!("{path}/{hash}"), &[]).await["status"], "open");
    }
    world.market.child.kill().unwrap();
    world.market.child.wait().unwrap();
    let id = world.chain.make_deal(published.terms.clone()).await;
    world.kill_and_restart().await;
    world.market.until("/requestorders", &published.request, "filled").await;
    world.market.get(&format!("/deals/{id}"), &[]).await;
    world.kill_and_restart().await;
    assert_eq!(world.market.get("/deals", &[]).await["count"], 1);
}

#[tokio::test]
async fn a_market_that_was_away_for_long_learns_what_became_of_its_orders() {
    let mut world = World::start().await;
    let published = publish_all(&world).await;
    world.market.child.kill().unwrap();
    world.market.child.wait().unwrap();
    let id = world.chain.make_deal(published.terms.clone()).await;
    // More blocks than nodes keep the state of: the market has to ask at the head.
    world.chain.ask("anvil_mine", json!(["0x12c"])).await;
    world.kill_and_restart().await;
    world.caught_up().await;
    let (market, chain) = (&world.market, &world.chain);
    market.until("/requestorders", &published.request, "filled").await;
    let offer = market.get(&format!("/apporders/{}", published.app), &[]).await;
    assert_eq!((&offer["remaining"], &offer["status"]), (&json!(6), &json!("open")));
    let deal = market.get(&format!("/deals/{id}"), &[]).await;
    assert!(deal["blockNumber"].as_u64().unwrap() + 300 <= chain.height().await);
}

#[tokio::test]
async fn a_reorganisation_gives_back_what_the_lost_blocks_took() {
    let world = World::start().await;
    let published = publish_all(&world).await;
    let (chain, market) = (&world.chain, &world.market);
    let id = chain.make_deal(published.terms.clone()).await;
    market.until("/requestorders", &published.request, "filled").await;
    market.get(&format!("/deals/{id}"), &[]).await;
    chain.ask("anvil_reorg", json!([1, []])).await;
    let open = market.until("/requestorders", &published.request, "open").await;
    assert_eq!(open["remaining"], 4);
    let offer = market.get(&format!("/workerpoolorders/{}", published.workerpool), &[]).await;
    assert_eq!(offer["remaining"], 10);
    let (status, _) = market.try_get(&format!("/deals/{id}"), &[]).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(market.get("/deals", &[]).await["count"], 0);
    let open = market.hashes("/requestorders", &[]).await;
    assert_eq!(open, std::slice::from_ref(&published.request));
    let prometheus = market.request(Method::GET, "/prometheus").send().await.unwrap();
    let text = prometheus.text().await.unwrap();
    assert!(text.contains("poco_market_rollbacks_total 1"), "{text}");
    assert!(text.contains("poco_market_open_orders{kind=\"requestorder\"} 1"), "{text}");
}

#[tokio::test]
async fn an_order_partly_used_before_is_published_with_what_is_left() {
    let world = World::start().await;
    let published = publish_all(&world).await;
    let market = &world.market;
    let body = json!({ "orderHash": published.app });
    market.unpublish("/apporders", body, PROVIDER).await;
    let dead = market.get(&format!("/requestorders/{}", published.request), &[]).await;
    assert_eq!(dead["status"], "dead", "it needs the app order");
    world.chain.make_deal(published.terms.clone()).await;
    let (_, body) = market.publish("/apporders", &published.terms.app, PROVIDER).await;
    assert_eq!(body["published"]["remaining"], 6);
    let used = market.until("/requestorders", &published.request, "filled").await;
    assert_eq!(used["remaining"], json!(U256::ZERO.to::<u64>()));
}
