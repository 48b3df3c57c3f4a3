//! What a node may do to the connection: take no batches, answer without end or never, lose answers;
//! and what of its url is shown.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "the helpers of a test are part of it"
)]

mod common;

use common::proxy::{Fault, Proxy};
use common::{World, wallet};
use poco_chain::{Addresses, Chain, ChainSettings, ConnectError, RpcError};
use poco_core::Address;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;
use url::Url;

fn settings_for(addresses: &Addresses, urls: &[&Url]) -> ChainSettings {
    let rpc_urls = urls.iter().map(|url| (*url).clone()).collect();
    ChainSettings { rpc_urls, call_timeout_seconds: 2, ..ChainSettings::from(addresses) }
}

/// The error of one read; it is a batch, as every read is.
async fn failure(chain: &Chain) -> String {
    let error = chain.account(wallet(0).address()).await.unwrap_err();
    assert!(matches!(error, RpcError::Unreachable { .. }), "{error}");
    assert!(!error.to_string().contains('\n'));
    error.to_string()
}

#[tokio::test]
async fn a_node_that_takes_no_batches_is_asked_one_by_one() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    proxy.set(Fault::NoBatches);
    let owner = wallet(0).address();
    assert_eq!(chain.token_balance(owner).await, world.chain.token_balance(owner).await);
    assert!(chain.latest().await.is_ok());
    assert!(proxy.faults() > 0, "no batch was refused");
}

#[tokio::test]
async fn a_node_that_asks_for_fewer_questions_is_not_asked_more() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    proxy.set(Fault::Overload);
    let error = failure(&chain).await;
    assert!(error.contains("no time for a batch"), "{error}");
    assert_eq!(proxy.faults(), 1);
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let settings =
        ChainSettings { call_timeout_seconds: 60, ..settings_for(&world.addresses, &[&proxy.url]) };
    let chain = Chain::connect(&settings).await.unwrap();
    proxy.set(Fault::Endless);
    let error = failure(&chain).await;
    assert!(error.contains("longer than 67108864 bytes"), "{error}");
}

#[tokio::test]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let settings = settings_for(&world.addresses, &[&proxy.url]);
    let chain = Chain::connect(&settings).await.unwrap();
    proxy.set(Fault::Silence);
    let started = Instant::now();
    let error = failure(&chain).await;
    assert!(error.contains("timed out"), "{error}");
    assert!(started.elapsed() >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_batch_that_lacks_an_answer_is_none_and_the_next_node_is_asked() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    proxy.set(Fault::LosesAnAnswer);
    let error = failure(&chain).await;
    assert!(error.contains("some calls were not answered"), "{error}");
    proxy.set(Fault::None);
    let settings = settings_for(&world.addresses, &[&proxy.url, &world.anvil.url]);
    let chain = Chain::connect(&settings).await.unwrap();
    proxy.set(Fault::LosesAnAnswer);
    assert!(chain.account(wallet(0).address()).await.is_ok());
}

/// Everything that was logged, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn a_key_in_a_url_is_shown_nowhere() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE);
    tracing::subscriber::set_global_default(subscriber.with_writer(log.clone()).finish()).unwrap();

    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let keyed = |url: &Url| {
        let mut url = url.clone();
        url.set_path("/v2/pathsecret");
        url.set_query(Some("apikey=querysecret"));
        url.set_username("user").unwrap();
        url.set_password(Some("passwordsecret")).unwrap();
        url
    };
    let url = keyed(&proxy.url);
    let chain = Chain::connect(&settings_for(&world.addresses, &[&url])).await.unwrap();
    let mut said = Vec::new();
    for fault in [Fault::Garbage, Fault::Hangup, Fault::TooManyRequests, Fault::Silence] {
        proxy.set(fault);
        said.push(failure(&chain).await);
    }
    let nobody = keyed(&"http://127.0.0.1:1".parse().unwrap());
    let settings = ChainSettings::new(nobody, Address::repeat_byte(1));
    let error = Chain::connect(&settings).await.unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable(_)), "{error}");
    said.push(error.to_string());

    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("alloy_rpc_client"), "the client's own log is looked at too");
    for text in said.iter().map(String::as_str).chain([logged.as_str()]) {
        for secret in ["pathsecret", "querysecret", "passwordsecret"] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None);
        }
    }
    assert!(said.iter().all(|text| text.contains("http://127.0.0.1:")), "{said:?}");
}
