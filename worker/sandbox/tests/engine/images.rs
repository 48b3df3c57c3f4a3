//! Images come from a registry by checksum, or not at all.

use std::time::Duration;

use alloy_primitives::B256;
use bollard::Docker;
use poco_sandbox::{ImageRef, PullError, PullProgress};

use crate::support::{Registry, engine, remove_image};

const LIMIT: Duration = Duration::from_secs(60);

async fn docker() -> Docker {
    Docker::connect_with_defaults().unwrap().negotiate_version().await.unwrap()
}

#[tokio::test]
async fn an_image_is_pulled_by_its_checksum_once() {
    let Some(engine) = engine().await else { return };
    let registry = Registry::start().await;
    let image = registry.push(&docker().await, "apps/hello", &["CMD [\"/bin/true\"]"]).await;
    remove_image(&image).await;
    assert!(!engine.has_image(&image).await.unwrap());
    let mut seen = Vec::new();
    engine.pull(&image, None, LIMIT, &mut |progress| seen.push(progress)).await.unwrap();
    let last: PullProgress = *seen.last().unwrap();
    assert_eq!((last.layers, last.layers_done), (1, 1));
    assert!(engine.has_image(&image).await.unwrap());
    // It is here now, so the registry is not asked again.
    drop(registry);
    let mut calls = 0;
    engine.pull(&image, None, LIMIT, &mut |_| calls += 1).await.unwrap();
    assert_eq!(calls, 0);
    remove_image(&image).await;
}

#[tokio::test]
async fn another_checksum_than_the_registrys_is_refused() {
    let Some(engine) = engine().await else { return };
    let registry = Registry::start().await;
    let image = registry.push(&docker().await, "apps/hello", &["CMD [\"/bin/false\"]"]).await;
    let wrong = B256::repeat_byte(0x11);
    let other = ImageRef::from_multiaddr(image.name().as_bytes(), wrong).unwrap();
    let refused = engine.pull(&other, None, LIMIT, &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, PullError::ChecksumAbsent { .. }), "{refused:?}");
    assert!(!refused.is_transient() && refused.to_string().contains(&"11".repeat(32)));
    remove_image(&image).await;
}

#[tokio::test]
async fn an_unknown_image_and_an_absent_registry_are_told_apart() {
    let Some(engine) = engine().await else { return };
    let registry = Registry::start().await;
    let name = format!("{}/no/such", registry.address);
    let image = ImageRef::from_multiaddr(name.as_bytes(), B256::ZERO).unwrap();
    let refused = engine.pull(&image, None, LIMIT, &mut |_| ()).await.unwrap_err();
    assert!(!refused.is_transient(), "{refused:?}");
    drop(registry);
    let refused = engine.pull(&image, None, LIMIT, &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, PullError::Unreachable { .. }), "{refused:?}");
    assert!(refused.is_transient());
}

#[tokio::test]
async fn a_pull_has_a_clock_of_its_own() {
    let Some(engine) = engine().await else { return };
    // A registry that accepts connections and says nothing.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let name = format!("{}/a/b", listener.local_addr().unwrap());
    let image = ImageRef::from_multiaddr(name.as_bytes(), B256::ZERO).unwrap();
    let limit = Duration::from_millis(300);
    let refused = engine.pull(&image, None, limit, &mut |_| ()).await.unwrap_err();
    assert_eq!(refused, PullError::TooLong { image, limit });
}

#[tokio::test]
async fn an_image_for_another_processor_is_refused() {
    let Some(engine) = engine().await else { return };
    let registry = Registry::start().await;
    let docker = docker().await;
    let image =
        registry.push_for(&docker, "apps/arm", &["CMD [\"/bin/true\"]"], "linux/arm64").await;
    let refused = engine.pull(&image, None, LIMIT, &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, PullError::WrongPlatform { .. }), "{refused:?}");
    remove_image(&image).await;
}

#[tokio::test]
async fn the_engines_facts_are_there() {
    let Some(engine) = engine().await else { return };
    let facts = engine.facts().await.unwrap();
    assert!(!facts.version.is_empty() && facts.api_version.starts_with("1."));
    assert!(facts.cpus > 0 && facts.memory_bytes > 0);
    assert_eq!(facts.platform.0, "linux");
    assert!(matches!(facts.cgroup_version, Some(1 | 2)), "{facts:?}");
    assert!(facts.runtimes.contains("runc") && !facts.storage_driver.is_empty());
}
