//! Repeating, restarting and clearing away.

use std::collections::BTreeSet;
use std::time::Duration;

use poco_result::Limits;
use poco_result::archive::Extent;
use poco_sandbox::{Outcome, RunState, Swept, WaitError};

use crate::support::Lab;

#[tokio::test]
async fn a_run_started_again_is_found_and_not_run_twice() {
    let Some(lab) = Lab::new("again").await else { return };
    let spec = lab.spec("echo ran >> $IEXEC_OUT/count; echo ran");
    let (one, two) = tokio::join!(lab.sandbox.start(&spec), lab.sandbox.start(&spec));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.container, two.container);
    lab.sandbox.wait(&one).await.unwrap();
    let after = lab.sandbox.start(&spec).await.unwrap();
    assert_eq!((after.state, &after.container), (RunState::Ended, &one.container));
    let ended = lab.sandbox.wait(&after).await.unwrap();
    assert_eq!((ended.outcome, ended.stdout_tail.as_str()), (Outcome::Exited { code: 0 }, "ran\n"));
    let count = lab.sandbox.folder(spec.id).out().join("count");
    assert_eq!(std::fs::read(count).unwrap(), b"ran\n");
}

#[tokio::test]
async fn a_restarted_worker_goes_on_waiting() {
    let Some(lab) = Lab::new("adopt").await else { return };
    // The app goes on only once the second process is there.
    let script = "while test ! -e $IEXEC_OUT/go; do sleep 0.05; done; echo went; \
                  echo '{\"callback-data\":\"0x01\"}' > $IEXEC_OUT/computed.json";
    let spec = lab.spec(script);
    let run = lab.sandbox.start(&spec).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_millis(200), lab.sandbox.wait(&run)).await;
    assert!(waiting.is_err(), "the app ended too early: {waiting:?}");

    let docker = bollard::Docker::connect_with_defaults().unwrap();
    let docker = docker.negotiate_version().await.unwrap();
    let found = docker
        .inspect_container(
            &run.container,
            None::<bollard::query_parameters::InspectContainerOptions>,
        )
        .await
        .unwrap();
    let labels = found.config.unwrap().labels.unwrap();
    assert_eq!(labels["poco.test"], "sandbox");
    assert_eq!(labels["poco.task"], format!("{:#x}", spec.id.task));

    let restarted = lab.restarted().await;
    let adopted = restarted.adopt().await.unwrap();
    assert_eq!(adopted.len(), 1);
    assert_eq!((adopted[0].id, adopted[0].state), (spec.id, RunState::Running));
    assert_eq!((adopted[0].deal, &adopted[0].container), (spec.deal, &run.container));
    std::fs::write(restarted.folder(spec.id).out().join("go"), "").unwrap();
    let ended = restarted.wait(&adopted[0]).await.unwrap();
    assert_eq!(
        (ended.outcome, ended.stdout_tail.as_str()),
        (Outcome::Exited { code: 0 }, "went\n")
    );
    let finished = restarted.collect(&adopted[0], Extent::Whole, Limits::default()).await.unwrap();
    assert_eq!(finished.computed.digest, alloy_primitives::keccak256([1]));
    assert_eq!(restarted.adopt().await.unwrap()[0].state, RunState::Ended);
}

#[tokio::test]
async fn the_time_limit_counts_from_the_start_of_the_container() {
    let Some(lab) = Lab::new("adopt-time").await else { return };
    let mut spec = lab.spec("trap 'exit 0' TERM; sleep 600 & wait");
    spec.limits.time = Duration::from_secs(3);
    let run = lab.sandbox.start(&spec).await.unwrap();
    let waiting = tokio::time::timeout(Duration::from_secs(2), lab.sandbox.wait(&run)).await;
    assert!(waiting.is_err());
    let restarted = lab.restarted().await;
    let adopted = restarted.adopt().await.unwrap();
    let ended = restarted.wait(&adopted[0]).await.unwrap();
    assert_eq!(ended.outcome, Outcome::TimedOut);
    // Had the limit begun anew with the second process, it would have run for five seconds.
    let ran = ended.finished_at.duration_since(ended.started_at).unwrap();
    assert!(ran >= Duration::from_millis(2_900) && ran < Duration::from_millis(4_900), "{ran:?}");
}

#[tokio::test]
async fn a_disk_is_mounted_again_after_a_restart_of_the_machine() {
    let Some(lab) = Lab::new("remount").await else { return };
    let script = "echo 1 > $IEXEC_OUT/a; \
                  echo '{\"deterministic-output-path\":\"/iexec_out/a\"}' > $IEXEC_OUT/computed.json";
    let run = lab.sandbox.start(&lab.spec(script)).await.unwrap();
    lab.sandbox.wait(&run).await.unwrap();
    let before = lab.sandbox.collect(&run, Extent::Whole, Limits::default()).await.unwrap();
    let out = lab.sandbox.folder(run.id).out();
    nix::mount::umount(out.parent().unwrap()).unwrap();
    assert!(!out.exists());
    let after =
        lab.restarted().await.collect(&run, Extent::Whole, Limits::default()).await.unwrap();
    assert_eq!((before.cid, before.computed), (after.cid, after.computed));
}

#[tokio::test]
async fn removing_leaves_nothing_and_may_be_repeated() {
    let Some(lab) = Lab::new("remove").await else { return };
    let run = lab.sandbox.start(&lab.spec("sleep 600")).await.unwrap();
    let disk = lab.sandbox.folder(run.id).out();
    assert!(disk.exists());
    for _ in 0..2 {
        lab.sandbox.remove(run.id).await.unwrap();
        assert!(lab.sandbox.find(run.id).await.unwrap().is_none());
        assert!(!lab.sandbox.folder(run.id).path().exists());
    }
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap();
    assert!(!mounts.contains(disk.parent().unwrap().to_str().unwrap()));
    assert!(matches!(lab.sandbox.wait(&run).await, Err(WaitError::Vanished)));
}

#[tokio::test]
async fn a_sweep_keeps_what_it_is_told_and_other_workers_runs() {
    let Some(lab) = Lab::new("sweep").await else { return };
    let Some(other) = Lab::new("sweep-other").await else { return };
    let kept = lab.sandbox.start(&lab.spec("echo kept")).await.unwrap();
    let gone = lab.sandbox.start(&lab.spec("echo gone")).await.unwrap();
    let foreign = other.sandbox.start(&other.spec("echo foreign")).await.unwrap();
    let half_made = lab.sandbox.prepare(lab.spec("never started").id).unwrap();
    let swept = lab.restarted().await.sweep(&BTreeSet::from([kept.id])).await.unwrap();
    assert_eq!(swept, Swept { containers: 1, disks: 1, folders: 2 });
    assert!(lab.sandbox.find(kept.id).await.unwrap().is_some());
    assert!(lab.sandbox.folder(kept.id).out().exists());
    assert!(lab.sandbox.find(gone.id).await.unwrap().is_none());
    assert!(!half_made.path().exists());
    assert!(other.sandbox.find(foreign.id).await.unwrap().is_some());
}
