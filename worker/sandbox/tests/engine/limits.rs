//! Each limit holds, and each has an outcome of its own.

use std::time::Duration;

use poco_sandbox::{DiskMode, Outcome, RootFs};

use crate::support::Lab;

#[tokio::test]
async fn an_exit_code_comes_back_with_times_and_the_last_lines() {
    let Some(lab) = Lab::new("exit").await else { return };
    let ended = lab.run("echo out; echo err >&2; exit 7").await;
    assert_eq!(ended.outcome, Outcome::Exited { code: 7 });
    assert_eq!((ended.stdout_tail.as_str(), ended.stderr_tail.as_str()), ("out\n", "err\n"));
    assert!(ended.started_at > std::time::UNIX_EPOCH && ended.finished_at >= ended.started_at);
}

#[tokio::test]
async fn an_app_is_stopped_at_its_time_limit() {
    let Some(lab) = Lab::new("time").await else { return };
    let mut spec = lab.spec("echo started; trap 'exit 0' TERM; sleep 600 & wait");
    spec.limits.time = Duration::from_secs(1);
    let run = lab.sandbox.start(&spec).await.unwrap();
    let ended = lab.sandbox.wait(&run).await.unwrap();
    assert_eq!((ended.outcome, ended.stdout_tail.as_str()), (Outcome::TimedOut, "started\n"));
    let ran = ended.finished_at.duration_since(ended.started_at).unwrap();
    assert!(ran >= Duration::from_millis(900) && ran < Duration::from_secs(10), "{ran:?}");
    // Asked again, the answer is the same.
    assert_eq!(lab.sandbox.wait(&run).await.unwrap().outcome, Outcome::TimedOut);
}

#[tokio::test]
async fn an_app_that_ignores_being_stopped_is_killed() {
    let Some(lab) = Lab::new("stubborn").await else { return };
    let mut spec = lab.spec("trap '' TERM; while true; do sleep 600; done");
    spec.limits.time = Duration::from_secs(1);
    let ended = lab.end_of(&spec).await;
    assert_eq!(ended.outcome, Outcome::TimedOut);
    let ran = ended.finished_at.duration_since(ended.started_at).unwrap();
    assert!(ran < Duration::from_secs(20), "{ran:?}");
    // It ran long enough for the engine to look at it.
    let usage = ended.usage.unwrap();
    assert!(usage.memory_bytes_max > 0 && usage.memory_bytes_max <= spec.limits.memory_bytes);
}

#[tokio::test]
async fn too_much_memory_is_told_apart_from_a_failure() {
    let Some(lab) = Lab::new("memory").await else { return };
    let mut spec = lab.spec("tail -c 200m /dev/zero");
    spec.limits.memory_bytes = 16 << 20;
    let ended = lab.end_of(&spec).await;
    assert_eq!(ended.outcome, Outcome::OutOfMemory, "{ended:?}");
    let killed = lab.run("sh -c 'kill -9 $$'; exit $?").await;
    assert_eq!(killed.outcome, Outcome::Exited { code: 137 }, "{killed:?}");
    assert!(killed.outcome.may_be_host_fault());
}

#[tokio::test]
async fn a_fork_bomb_hits_the_limit_of_processes() {
    let Some(lab) = Lab::new("pids").await else { return };
    let mut spec = lab.spec("b() { b | b & }; b; sleep 1; echo survived; exit 3");
    spec.limits.pids = 24;
    spec.limits.time = Duration::from_secs(20);
    let ended = lab.end_of(&spec).await;
    assert!(ended.stderr_tail.contains("fork"), "{ended:?}");
    assert_ne!(ended.outcome, Outcome::Exited { code: 0 });
}

#[tokio::test]
async fn a_full_out_directory_is_told_apart_from_a_failure() {
    let Some(lab) = Lab::new("disk").await else { return };
    let filler = "dd if=/dev/zero of=/iexec_out/x bs=64k count=1000";
    let ended = lab.run(filler).await;
    assert_eq!(ended.outcome, Outcome::OutOfDisk, "{ended:?}");
    let out = lab.sandbox.folder(lab.spec(filler).id).out();
    let written = out.join("x").metadata().unwrap().len();
    assert!((4 << 20..6 << 20).contains(&written), "{written}");
    let other = lab.run("dd if=/dev/zero of=/iexec_out/x bs=64k count=60; exit 9").await;
    assert_eq!(other.outcome, Outcome::Exited { code: 9 }, "{other:?}");
}

#[tokio::test]
async fn without_a_disk_of_its_own_the_out_directory_is_watched() {
    let Some(lab) = Lab::with_disk("watched", DiskMode::Watched, &[]).await else { return };
    let filler = "while true; do dd if=/dev/zero bs=1M count=1 2>/dev/null; sleep 0.05; done";
    let ended = lab.run(&format!("({filler}) > /iexec_out/x")).await;
    assert_eq!(ended.outcome, Outcome::OutOfDisk, "{ended:?}");
    let quick = lab.run("dd if=/dev/zero of=/iexec_out/x bs=1M count=5; exit 0").await;
    assert_eq!(quick.outcome, Outcome::OutOfDisk, "{quick:?}");
    let fits = lab.run("dd if=/dev/zero of=/iexec_out/x bs=1M count=3; exit 0").await;
    assert_eq!(fits.outcome, Outcome::Exited { code: 0 }, "{fits:?}");
}

#[tokio::test]
async fn a_writable_root_is_watched_too() {
    let Some(lab) = Lab::new("root-watched").await else { return };
    let mut spec = lab.spec("dd if=/dev/zero of=/x bs=1M count=3; sleep 600");
    spec.root = RootFs::Writable { bytes_max: 2 << 20 };
    let ended = lab.end_of(&spec).await;
    assert_eq!(ended.outcome, Outcome::OutOfDisk, "{ended:?}");
}

#[tokio::test]
async fn a_log_flood_is_cut_and_its_end_kept() {
    let Some(lab) = Lab::new("logs").await else { return };
    let spec = lab.spec("yes 0123456789abcdef | head -c 5000000; echo the end");
    let run = lab.sandbox.start(&spec).await.unwrap();
    let ended = lab.sandbox.wait(&run).await.unwrap();
    assert_eq!(ended.outcome, Outcome::Exited { code: 0 });
    assert!(ended.stdout_tail.ends_with("the end\n") && ended.stdout_tail.len() <= 8192);
    let logs = lab.sandbox.save_logs(&run).await.unwrap();
    let stdout = std::fs::read(&logs.stdout).unwrap();
    assert!(stdout.ends_with(b"the end\n"));
    assert!(stdout.len() > 1000 && stdout.len() as u64 <= spec.limits.log_bytes);
    assert!(logs.stderr.exists());
}
