//! Prices by order of the operator's, over the socket and over loopback with the token.

use crate::chain::{Chainside, eventually};
use crate::scheduler::{Process, configured, free_address};
use serde_json::{Value, json};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// A configuration that sells category 0, in a market that is not there.
fn config(folder: &Path) -> String {
    let path = folder.join("config.toml");
    let text = "market_url = \"http://127.0.0.1:1\"\n\
                [[sales.categories]]\ncategory = 0\nprice_nano = 5\nprice_full_nano = 8\n";
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn prices(process: &Process) -> Value {
    serde_json::from_str(&process.told(&["prices", "--json"])).unwrap()
}

fn sold(category: u64, (idle, full): (u64, u64), by_order: bool) -> Value {
    json!({ "category": category, "sale": "on", "priceNano": idle, "priceFullNano": full,
            "byOrder": by_order })
}

#[tokio::test(flavor = "multi_thread")]
async fn prices_by_order_hold_over_a_restart() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let more = ["--config", config.as_str()];
    let mut process = Process::start(&chain, &more).await;
    let configured = json!({ "prices": [sold(0, (5, 8), false)] });
    assert_eq!(prices(&process), configured);
    assert_eq!(process.told(&["price", "1", "7"]), "category 1 is sold at that price\n");
    assert_eq!(process.told(&["price", "1", "7"]), "category 1 is sold at that price, as before\n");
    process.told(&["price", "2", "10", "--full", "30"]);
    process.told(&["unsell", "0"]);
    let ordered = json!({ "prices": [
        { "category": 0, "sale": "off", "byOrder": true },
        sold(1, (7, 7), true),
        sold(2, (10, 30), true),
    ] });
    assert_eq!(prices(&process), ordered);
    process.kill_and_restart_with(&chain, &more);
    process.until_healthy().await;
    assert_eq!(prices(&process), ordered, "stored before it was answered");
    let table = process.told(&["prices"]);
    for part in ["not sold", "0.00000003 RLC", "order"] {
        assert!(table.contains(part), "{part:?} is missing in\n{table}");
    }
    let wrong = process.command(&["price", "1", "7", "--full", "6"]);
    let error = String::from_utf8_lossy(&wrong.stderr);
    assert!(!wrong.status.success() && error.contains("must be at least"), "{error}");
    for category in ["0", "1", "2"] {
        process.told(&["unprice", category]);
    }
    assert_eq!(prices(&process), configured);
    drop(process);
    // Without a market there is nobody to sell to.
    let process = Process::start(&chain, &[]).await;
    let refused = process.command(&["price", "1", "7"]);
    let error = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && error.contains("set market_url"), "{error}");
    assert_eq!(process.told(&["prices"]), "nothing is sold by itself\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_give_orders_over_loopback_with_the_token_alone() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (config, token) = (config(folder.path()), folder.path().join("token"));
    let secret = "0123456789abcdef".repeat(4);
    std::fs::write(&token, format!("{secret}\n")).unwrap();
    std::fs::set_permissions(&token, Permissions::from_mode(0o600)).unwrap();
    let listen = free_address();
    let more = ["--config", config.as_str(), "--admin-listen", listen.as_str()];
    let more = [&more[..], &["--admin-token-file", token.to_str().unwrap()]].concat();
    let process = Process::start(&chain, &more).await;
    let (client, base) = (reqwest::Client::new(), format!("http://{listen}"));
    let send = async |method: &str, path: &str, body: &str, with: &str| {
        let method = method.parse().unwrap();
        let request = client.request(method, format!("{base}{path}")).body(body.to_owned());
        let answer = request.header("authorization", with).send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    let bearer = format!("Bearer {secret}");
    for wrong in ["", "Bearer ", "Bearer 0123", &secret, &format!("{bearer}0"), &bearer[..70]] {
        let (status, answer) = send("POST", "/pause", "", wrong).await;
        assert_eq!((status, &answer["ok"]), (401, &false.into()), "{wrong:?}");
        assert_eq!(send("GET", "/nowhere", "", wrong).await.0, 401, "nor what there is");
    }
    assert_eq!(process.health().await.1["state"], "ok", "nothing has changed");
    let metrics = process.get("/metrics").await.text().await.unwrap();
    assert!(metrics.contains("refused_total{reason=\"admin-token\"} 12"), "{metrics}");

    let good = r#"{"priceNano": 3, "priceFullNano": 4}"#;
    let changed = json!({ "ok": true, "changed": true });
    assert_eq!(send("PUT", "/prices/1", good, &bearer).await, (200, changed.clone()));
    let (_, shown) = send("GET", "/prices", "", &bearer).await;
    assert_eq!(shown["prices"][1], sold(1, (3, 4), true));
    assert_eq!(send("POST", "/prices/1/stop", "", &bearer).await, (200, changed.clone()));
    assert_eq!(send("DELETE", "/prices/1", "", &bearer).await, (200, changed.clone()));
    let huge = format!(r#"{{"priceNano": 1{}}}"#, "0".repeat(30));
    let long = format!(r#"{{"priceNano": 1, "x": "{}"}}"#, "x".repeat(10_000));
    for (path, body, status) in [
        ("/prices/1", "", 400),
        ("/prices/1", "{}", 400),
        ("/prices/1", r#"{"priceNano": -1}"#, 400),
        ("/prices/1", r#"{"priceNano": "1"}"#, 400),
        ("/prices/1", r#"{"priceNano": 2, "priceFullNano": 1}"#, 400),
        ("/prices/1", r#"{"priceNano": 2, "more": 1}"#, 400),
        ("/prices/1", huge.as_str(), 400),
        ("/prices/-1", good, 400),
        ("/prices/18446744073709551616", good, 400),
        ("/prices/", good, 404),
    ] {
        let (answered, text) = send("PUT", path, body, &bearer).await;
        assert_eq!(answered, status, "{path} {body}: {text}");
        assert!(!text["error"].as_str().unwrap().is_empty(), "{path} {body}");
    }
    let request = client.put(format!("{base}/prices/1")).bearer_auth(&secret).body(long);
    assert_eq!(request.send().await.unwrap().status(), 413);
    assert_eq!(send("POST", "/pause", "", &bearer).await, (200, changed));
    eventually("it is paused", async || {
        (process.health().await.1["state"] == "degraded").then_some(())
    })
    .await;
    // What only an operator may do, the public port does not know.
    let public = client.put(format!("{}/prices/1", process.url())).body(good);
    assert_eq!(public.bearer_auth(&secret).send().await.unwrap().status(), 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_are_taken_from_this_machine_and_with_a_token_that_is_one() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key");
    let refused = |more: &[&str]| {
        let mut command = configured(&chain, &free_address(), folder.path(), &key);
        let output = command.args(more).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let far = refused(&["--admin-listen", "0.0.0.0:3101", "--admin-token-file", "x"]);
    assert!(far.contains("must be an address on loopback"), "{far}");
    let none = refused(&["--admin-listen", "127.0.0.1:0"]);
    assert!(none.contains("needs a token"), "{none}");
}
