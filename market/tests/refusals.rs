//! Every reason not to publish, with the text that clients show; and who may ask at all.

#![allow(clippy::unwrap_used, reason = "a test that fails shows where")]

mod common;

use common::chain::{
    POOL_OWNER, PROVIDER, REQUESTER, STRANGER, app_order, dataset_order, request_order, wallet,
    workerpool_order,
};
use common::{World, text};
use poco_core::order::OrderOperation;
use poco_core::{Address, Amount, AnyOrder, B256, Call, RequestOrder, Signed, Tag, U256};
use reqwest::{Method, StatusCode};
use serde::Serialize;
use serde_json::json;

async fn refused(world: &World, path: &str, order: &impl Serialize, by: usize) -> String {
    let (status, body) = world.market.publish(path, order, by).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    body["error"].as_str().unwrap().to_owned()
}

async fn invalid(world: &World, path: &str, order: &impl Serialize) -> String {
    let (status, body) = world.market.publish(path, order, PROVIDER).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    body["error"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn offers_are_refused_with_the_texts_that_clients_know() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let app = chain.app("stats").await;
    let path = "/apporders";
    let nowhere = chain.sign(app_order(Address::repeat_byte(0x77)), PROVIDER);
    assert_eq!(refused(&world, path, &nowhere, PROVIDER).await, "Resource not deployed");

    let good = chain.sign(app_order(app), PROVIDER);
    let owner = text(wallet(PROVIDER).address());
    let expected = format!("only order signer {owner} can publish an order");
    assert_eq!(refused(&world, path, &good, STRANGER).await, expected);
    let forged = chain.sign(app_order(app), STRANGER);
    assert_eq!(refused(&world, path, &forged, PROVIDER).await, "invalid sign");
    let cut = Signed { sign: good.sign.slice(..10), ..good.clone() };
    assert_eq!(refused(&world, path, &cut, PROVIDER).await, "invalid sign");

    let order = Box::new(AnyOrder::App(good.clone()));
    let sign = poco_core::Bytes::new();
    let operation = OrderOperation::Close;
    chain.call(PROVIDER, Call::ManageOrder { order, operation, sign }).await;
    assert_eq!(refused(&world, path, &good, PROVIDER).await, "order already consumed");

    for number in 2_u8..52 {
        let order = poco_core::AppOrder { salt: B256::repeat_byte(number), ..app_order(app) };
        market.published(path, &chain.sign(order, PROVIDER), PROVIDER).await;
    }
    let order = poco_core::AppOrder { salt: B256::repeat_byte(2), ..app_order(app) };
    let again = chain.sign(order, PROVIDER);
    assert_eq!(refused(&world, path, &again, PROVIDER).await, "order already published");
    let order = poco_core::AppOrder { salt: B256::repeat_byte(200), ..app_order(app) };
    let expected =
        format!("maximum of 50 published open apporder has been reached for wallet {owner}");
    let one_more = chain.sign(order, PROVIDER);
    assert_eq!(refused(&world, path, &one_more, PROVIDER).await, expected);
    // Other kinds are counted on their own.
    let dataset = chain.dataset("text").await;
    market
        .published("/datasetorders", &chain.sign(dataset_order(dataset), PROVIDER), PROVIDER)
        .await;
}

#[tokio::test]
async fn stakes_must_cover_what_would_be_locked() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let pool = chain.sign(workerpool_order(chain.workerpool("pool").await), POOL_OWNER);
    chain.fund(POOL_OWNER, 299).await;
    assert_eq!(
        refused(&world, "/workerpoolorders", &pool, POOL_OWNER).await,
        "workerpool owner's stake is too low to cover required workerpool lock"
    );
    chain.fund(POOL_OWNER, 1).await;
    market.published("/workerpoolorders", &pool, POOL_OWNER).await;

    let app = chain.app("stats").await;
    market.published("/apporders", &chain.sign(app_order(app), PROVIDER), PROVIDER).await;
    let request = chain.sign(request_order(app), REQUESTER);
    chain.fund(REQUESTER, 419).await;
    assert_eq!(
        refused(&world, "/requestorders", &request, REQUESTER).await,
        "requester stake is too low to cover requestorder payment, minimum stake required is 420 nRLC"
    );
    chain.fund(REQUESTER, 1).await;
    market.published("/requestorders", &request, REQUESTER).await;
}

#[tokio::test]
async fn requests_are_refused_while_nobody_offers_what_they_ask_for() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let (app, dataset) = (chain.app("stats").await, chain.dataset("text").await);
    chain.fund(REQUESTER, 1_000_000).await;
    let path = "/requestorders";
    let ask = async |request: RequestOrder| {
        refused(&world, path, &chain.sign(request, REQUESTER), REQUESTER).await
    };
    let plain = request_order(app);
    let app_text = text(app);
    let expected = format!("No apporder published for app {app_text}");
    assert_eq!(ask(plain.clone()).await, expected);
    market.published("/apporders", &chain.sign(app_order(app), PROVIDER), PROVIDER).await;
    let poor = RequestOrder { app_price_max: Amount::from_nano(4), ..plain.clone() };
    let expected =
        format!("appmaxprice for app {app_text} is too low, actual best price is 5 nRLC");
    assert_eq!(ask(poor).await, expected);
    let enclave = RequestOrder { tag: Tag::TEE, ..plain.clone() };
    let expected = format!("No tee enabled apporder published for app {app_text}");
    assert_eq!(ask(enclave).await, expected);

    let with_dataset = RequestOrder { dataset, ..plain.clone() };
    let expected = format!("No datasetorder published for dataset {}", text(dataset));
    assert_eq!(ask(with_dataset.clone()).await, expected);
    let signed = chain.sign(dataset_order(dataset), PROVIDER);
    market.published("/datasetorders", &signed, PROVIDER).await;
    let expected = format!(
        "datasetmaxprice for dataset {} is too low, actual best price is 3 nRLC",
        text(dataset)
    );
    assert_eq!(ask(with_dataset).await, expected);
    let expected =
        format!("only order signer {} can publish an order", text(wallet(REQUESTER).address()));
    let signed = chain.sign(plain, REQUESTER);
    assert_eq!(refused(&world, path, &signed, STRANGER).await, expected);
    market.published(path, &signed, REQUESTER).await;
}

#[tokio::test]
async fn malformed_orders_and_bodies_are_named() {
    let world = World::start().await;
    let app = world.chain.app("stats").await;
    let path = "/apporders";
    let signed = world.chain.sign(app_order(app), PROVIDER);
    let good = serde_json::to_value(&signed).unwrap();
    let mut unknown = good.clone();
    unknown["color"] = json!("red");
    assert!(invalid(&world, path, &unknown).await.contains("color"));
    let mut missing = good.clone();
    missing.as_object_mut().unwrap().remove("salt");
    assert!(invalid(&world, path, &missing).await.contains("salt"));
    let mut wrong = good.clone();
    wrong["app"] = json!("0x12");
    assert!(
        invalid(&world, path, &wrong).await.starts_with("order is not a valid signed apporder")
    );
    let mut huge = good.clone();
    huge["appprice"] = json!("9007199254740992");
    assert_eq!(
        invalid(&world, path, &huge).await,
        "order.appprice must be less than or equal to 9007199254740991"
    );
    let mut nothing = good.clone();
    nothing["volume"] = json!(0);
    assert_eq!(
        invalid(&world, path, &nothing).await,
        "order.volume must be greater than or equal to 1"
    );
    assert_eq!(invalid(&world, path, &json!(null)).await, "order is a required field");

    let post = async |body: String| {
        let authorization = world.market.authorization(&wallet(PROVIDER)).await;
        let request = world.market.request(Method::POST, path);
        world.market.ask(request.header("authorization", authorization).body(body)).await
    };
    let (status, body) = post("{".into()).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["error"].as_str().unwrap().starts_with("the body is not JSON"));
    let (status, body) = post(" ".repeat(70_000)).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(body["error"].as_str().unwrap().contains("at most 65536 bytes"));
}

#[tokio::test]
async fn an_authorization_is_used_once_and_only_by_its_wallet() {
    let world = World::start().await;
    let (chain, market) = (&world.chain, &world.market);
    let signed = chain.sign(app_order(chain.app("stats").await), PROVIDER);
    let post = async |authorization: Option<&str>| {
        let mut request =
            market.request(Method::POST, "/apporders").json(&json!({ "order": signed }));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        market.ask(request).await
    };
    let unauthorized = |(status, body): (StatusCode, serde_json::Value)| {
        assert_eq!(
            (status, &body["error"]),
            (StatusCode::FORBIDDEN, &json!("invalid authorization"))
        );
    };
    unauthorized(post(None).await);
    unauthorized(post(Some("nonsense")).await);
    let header = market.authorization(&wallet(PROVIDER)).await;
    let stranger = text(wallet(STRANGER).address());
    let (proof, _) = header.rsplit_once('_').unwrap();
    unauthorized(post(Some(&format!("{proof}_{stranger}"))).await);
    assert_eq!(post(Some(&header)).await.0, StatusCode::OK);
    unauthorized(post(Some(&header)).await);
}

#[tokio::test]
async fn other_chains_routes_and_methods_are_refused_in_json() {
    let world = World::start().await;
    let market = &world.market;
    let ask = async |method: Method, path: &str| {
        let response = market.request(method, path).send().await.unwrap();
        let status = response.status().as_u16();
        assert_eq!(response.headers()["content-type"], "application/json");
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        let body: serde_json::Value = response.json().await.unwrap();
        assert_eq!(body["ok"], json!(status == 200));
        (status, body["error"].as_str().unwrap_or_default().to_owned())
    };
    let unsupported = (400, "chainId 1 is not supported".to_owned());
    for path in [
        "/metrics",
        "/challenge",
        "/categories",
        "/categories/0",
        "/deals",
        "/deals/0x",
        "/ohlc",
        "/apporders",
        "/datasetorders",
        "/workerpoolorders",
        "/requestorders",
        "/apporders/0x",
    ] {
        assert_eq!(ask(Method::GET, &format!("{path}?chainId=1")).await, unsupported, "{path}");
        let missing = (400, "chainId is a required field".to_owned());
        assert_eq!(ask(Method::GET, path).await, missing, "{path}");
    }
    assert_eq!(ask(Method::POST, "/apporders?chainId=1").await, unsupported);
    assert_eq!(ask(Method::GET, "/version").await.0, 200);
    assert_eq!(ask(Method::GET, "/healthz").await.0, 200);
    assert_eq!(ask(Method::GET, "/nowhere").await.0, 404);
    assert_eq!(ask(Method::DELETE, "/apporders").await.0, 405);
    let long = (400, "deal".to_owned());
    let (status, error) = ask(Method::GET, "/deals/0x12?chainId=31337").await;
    assert_eq!((status, &error[..4]), (long.0, long.1.as_str()));

    let preflight = market
        .request(Method::OPTIONS, "/apporders")
        .header("origin", "https://explorer.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .send()
        .await
        .unwrap();
    let allowed = preflight.headers()["access-control-allow-headers"].to_str().unwrap();
    assert!(allowed.contains("authorization"), "{allowed}");
}

#[tokio::test]
async fn categories_are_listed_shortest_first() {
    let world = World::start().await;
    let market = &world.market;
    world.caught_up().await;
    let all = market.get("/categories", &[]).await;
    assert_eq!(all["count"], 5);
    let seconds: Vec<u64> = all["categories"]
        .as_array()
        .unwrap()
        .iter()
        .map(|category| category["workClockTimeRef"].as_u64().unwrap())
        .collect();
    assert_eq!(seconds, [300, 1200, 3600, 10800, 36000]);
    let some = [("minWorkClockTimeRef", "1000"), ("maxWorkClockTimeRef", "4000")];
    let some = market.get("/categories", &some).await;
    assert_eq!(some["count"], 2);
    let one = market.get("/categories/2", &[]).await;
    assert_eq!(
        (&one["catid"], &one["name"], &one["chainId"]),
        (&json!(2), &json!("M"), &json!(31337))
    );
    for field in ["description", "transactionHash", "blockTimestamp"] {
        assert!(one[field].is_string(), "{field}");
    }
    assert!(one["blockNumber"].as_u64().unwrap() > 0);
    let (status, body) = market.try_get("/categories/9", &[]).await;
    assert_eq!((status, &body["error"]), (StatusCode::NOT_FOUND, &json!("category not found")));
    assert_eq!(U256::from(5), U256::from(all["count"].as_u64().unwrap()));
}
