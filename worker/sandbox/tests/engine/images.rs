//! Images come from a registry by checksum, or not at all.

use std::time::Duration;

use alloy_primitives::B256;
use bollard::Docker;
use bollard::query_parameters::ImportImageOptionsBuilder;
use futures::StreamExt as _;
use poco_sandbox::{ImageRef, PullError, PullProgress};
use sha2::{Digest as _, Sha256};

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
    // Importing makes images for this machine only; an archive says itself what it is for.
    let archive = bollard::body_full(arm_archive(&registry.repository("apps/arm")).into());
    let options = ImportImageOptionsBuilder::new().build();
    let steps = docker.import_image(options, archive, None).collect::<Vec<_>>().await;
    steps.into_iter().for_each(|step| drop(step.unwrap()));
    let image = registry.push_local(&docker, "apps/arm").await;
    let refused = engine.pull(&image, None, LIMIT, &mut |_| ()).await.unwrap_err();
    assert!(matches!(refused, PullError::WrongPlatform { .. }), "{refused:?}");
    remove_image(&image).await;
}

/// What `docker save` would write for an image of one empty layer, built for arm64.
fn arm_archive(repository: &str) -> Vec<u8> {
    let layer = tar::Builder::new(Vec::new()).into_inner().unwrap();
    let layer_id = hex::encode(Sha256::digest(&layer));
    let config = format!(
        r#"{{"architecture":"arm64","os":"linux","config":{{"Cmd":["/x"],"Labels":
        {{"poco.test":"sandbox"}}}},"rootfs":{{"type":"layers","diff_ids":["sha256:{layer_id}"]}}}}"#
    );
    let manifest = format!(
        r#"[{{"Config":"config.json","RepoTags":["{repository}:latest"],"Layers":["layer.tar"]}}]"#
    );
    let mut archive = tar::Builder::new(Vec::new());
    let files = [
        ("config.json", config.as_bytes()),
        ("layer.tar", &layer),
        ("manifest.json", manifest.as_bytes()),
    ];
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        archive.append_data(&mut header, name, content).unwrap();
    }
    archive.into_inner().unwrap()
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
