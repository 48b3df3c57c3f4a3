//! Encrypted connections: who knows the pool's key, and who does not.

use crate::chain::{Chainside, eventually};
use crate::floods::connect;
use crate::scheduler::Process;
use crate::worker::{Output, Worker};
use poco_core::task::TaskStatus;
use poco_core::{Address, TaskId, U256};
use poco_proto::pool_url::{Pin, PoolUrl};
use poco_proto::v1::GetPoolRequest;
use poco_proto::v1::observer_client::ObserverClient;
use rcgen::{CertificateParams, KeyPair};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Where the scheduler says that it is reached.
async fn url(process: &Process) -> String {
    eventually("it says where it is reached", async || {
        let output = process.command(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        Some(status["pool"]["url"].as_str()?.to_owned())
    })
    .await
}

/// Asks over gRPC; what went wrong, down to its first cause.
async fn ask(url: &str) -> Result<(), String> {
    let url = PoolUrl::try_from(url.parse::<url::Url>().unwrap()).unwrap();
    let mut client = ObserverClient::new(url.endpoint().unwrap().connect_lazy());
    let asked = client.get_pool(GetPoolRequest {}).await;
    asked.map(drop).map_err(|status| {
        let first: &(dyn std::error::Error + 'static) = &status;
        let causes = std::iter::successors(Some(first), |error| error.source());
        causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_done_over_tls_by_workers_that_know_the_pin() {
    let chain = Chainside::start().await;
    let mut process = Process::begin(&chain, &["--tls", "on"]);
    let pinned = url(&process).await;
    assert!(pinned.starts_with("https://127.0.0.1:") && pinned.contains("#sha256="), "{pinned}");
    assert!(process.log().contains(&pinned), "it is printed at the start");
    let output = Arc::new(Output::make("a result"));
    Worker::spawn(&chain, pinned.clone(), output.clone()).await;
    let id = TaskId::of_deal(chain.order(1, 1, Address::ZERO).await, U256::ZERO);
    eventually("the task is completed", async || {
        let view = chain.chain.task(id).await.ok()?;
        (view.status == TaskStatus::Completed).then_some(())
    })
    .await;
    // Over HTTP as well, held against the same pin.
    let pool = PoolUrl::try_from(pinned.parse::<url::Url>().unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(pool.pinned().unwrap());
    let result = client.build().unwrap().get(format!("{pool}ipfs/{}", output.cid));
    assert_eq!(result.send().await.unwrap().bytes().await.unwrap(), output.bytes);

    let foreign = format!("{}#sha256={}", pinned.split('#').next().unwrap(), "ab".repeat(32));
    let refused = ask(&foreign).await.unwrap_err();
    assert!(refused.contains("not the pinned sha256=abab"), "{refused}");
    let unpinned = ask(pinned.split('#').next().unwrap()).await.unwrap_err();
    assert!(unpinned.contains("invalid peer certificate"), "{unpinned}");
    let plain = pinned.split('#').next().unwrap().replace("https", "http");
    let told = reqwest::get(&plain).await.unwrap();
    assert_eq!(told.status(), 400);
    assert!(told.text().await.unwrap().contains("must begin with https://"));
    // Where the answer comes before the request has left, a client's library tells no more than that
    // the connection was closed; whoever asks again is told.
    eventually("a reason", async || {
        let refused = ask(&plain).await.unwrap_err();
        let is_told = refused.contains("speaks TLS") || refused.contains("security");
        assert!(is_told || refused.contains("connection closed"), "{refused}");
        is_told.then_some(())
    })
    .await;

    process.kill_and_restart_with(&chain, &["--tls", "on"]);
    assert_eq!(url(&process).await, pinned, "the pin stays");
    assert_eq!(ask(&pinned).await, Ok(()));
}

/// A certificate of the operator's, valid in these years, and the pin of its key.
fn write(folder: &Path, (from, until): (i32, i32)) -> Pin {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(until, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(folder.join("certificate.pem"), certificate.pem()).unwrap();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    Pin::of_certificate(certificate.der()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_is_refused_and_the_operator_is_told() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let (certificate, key) = (folder.path().join("certificate.pem"), folder.path().join("key.pem"));
    let more =
        ["--tls-certificate", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    let pin = write(folder.path(), (2020, 2021));
    let process = Process::begin(&chain, &more);
    let own = url(&process).await;
    assert!(!own.contains('#'), "an authority vouches for the operator's: {own}");
    let refused = ask(&format!("{own}#{}", pin.fragment())).await.unwrap_err();
    assert!(refused.contains("the server's certificate has expired"), "{refused}");
    assert!(process.log().contains("has expired: nobody takes it; renew it"), "{}", process.log());
    drop(process);
    let pin = write(folder.path(), (2020, 2090));
    let process = Process::begin(&chain, &more);
    let own = url(&process).await;
    assert_eq!(ask(&format!("{own}#{}", pin.fragment())).await, Ok(()));
    let unknown = ask(&own).await.unwrap_err();
    assert!(unknown.contains("invalid peer certificate"), "{unknown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_others_reach_the_port_it_is_encrypted_unless_told_otherwise() {
    let chain = Chainside::start().await;
    let process = Process::begin_on(&chain, "0.0.0.0:0", &["--public-url", "https://pool.example"]);
    let told = url(&process).await;
    assert!(told.starts_with("https://pool.example/#sha256="), "{told}");
    drop(process);
    let process = Process::begin_on(&chain, "0.0.0.0:0", &["--tls", "off"]);
    assert!(url(&process).await.starts_with("http://0.0.0.0:"));
}

#[tokio::test(flavor = "multi_thread")]
async fn handshakes_that_never_end_harm_nobody_and_are_cut() {
    let chain = Chainside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.toml");
    std::fs::write(&config, "[limits]\nunlimited = []\n").unwrap();
    let process = Process::begin(&chain, &["--tls", "on", "--config", config.to_str().unwrap()]);
    let pinned = url(&process).await;
    let pool = PoolUrl::try_from(pinned.parse::<url::Url>().unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_backend_preconfigured(pool.pinned().unwrap());
    let client = client.build().unwrap();
    let refused = async || {
        let text = client.get(format!("{pool}metrics")).send().await.unwrap().text().await.unwrap();
        let name = "poco_scheduler_refused_total{reason=\"handshake\"} ";
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.map_or(0, |count| count.parse::<u64>().unwrap())
    };
    let address = process.url().strip_prefix("http://").unwrap().parse().unwrap();
    let before = process.memory();
    // Nothing at all, the first byte of a handshake, its beginning, and a record that is never whole.
    let begun: [&[u8]; 4] = [&[], &[22], &[22, 3, 1, 2, 0, 1], &[22, 3, 1, 0x40, 0, 1, 0, 0x3f]];
    let mut stalled = Vec::new();
    for bytes in begun.iter().cycle().take(200) {
        if let Ok(mut stream) = connect(address).await {
            let _ = stream.write_all(bytes).await;
            stalled.push(stream);
        }
    }
    // What begins as a handshake and goes on as nonsense is over at once.
    for _ in 0..50 {
        if let Ok(mut stream) = connect(address).await {
            let _ = stream.write_all(&[22, 3, 1, 0, 5, 9, 9, 9, 9, 9]).await;
        }
    }
    let output = Arc::new(Output::make("a result"));
    Worker::spawn(&chain, pinned.clone(), output).await;
    let id = TaskId::of_deal(chain.order(1, 1, Address::ZERO).await, U256::ZERO);
    eventually("a task is completed all the same", async || {
        let view = chain.chain.task(id).await.ok()?;
        (view.status == TaskStatus::Completed).then_some(())
    })
    .await;
    for mut stream in stalled {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(30), stream.read_to_end(&mut rest));
        assert!(ended.await.is_ok(), "a handshake that never ends is cut");
    }
    assert!(refused().await >= 10, "{}", refused().await);
    let growth = process.memory().saturating_sub(before);
    assert!(growth < 64 << 20, "it grew by {} MiB", growth >> 20);
}
