//! A disk that is full, and a store that is damaged.

use crate::chain::{Chainside, completed, eventually};
use crate::scheduler::{Process, configured, free_address};
use crate::worker::{Output, Worker};
use poco_chain::Wallet;
use poco_core::task::TaskStatus;
use poco_core::{Address, DealId, TaskId, U256};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

fn task(deal: DealId, index: u64) -> TaskId {
    TaskId::of_deal(deal, U256::from(index))
}

/// Damages every file of the store whose name ends so; how many there were.
fn spoil(store: &Path, ending: &str) -> usize {
    let files = std::fs::read_dir(store).unwrap().map(|file| file.unwrap().path());
    let meant = files.filter(|file| file.to_string_lossy().ends_with(ending));
    meant.map(|file| std::fs::write(file, b"this is no store").unwrap()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_is_refused_and_rebuilt_from_the_chain() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    let output = Arc::new(Output::make("a secret"));
    let beneficiary = Wallet::random().address();
    let whole = chain.order(1, 1, beneficiary).await;
    Worker::spawn(&chain, process.url(), output.clone()).await;
    completed(&chain, task(whole, 0)).await;
    // Nobody has the weight for this one, so it stays open with one task of two.
    let open = chain.order(20, 2, Address::ZERO).await;
    eventually("it is opened", async || {
        let view = chain.chain.task(task(open, 1)).await.ok()?;
        (view.status == TaskStatus::Active).then_some(())
    })
    .await;
    process.kill();
    let data = process.folder.path().join("data");
    assert!(spoil(&data.join("store"), "CURRENT") == 1);

    let folder = process.folder.path().to_owned();
    let run = |more: &[&str]| {
        let mut command = configured(&chain, &free_address(), &folder, &process.keystore);
        let output = command.args(more).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    };
    let (started, said) = run(&[]);
    assert!(!started && said.contains("`poco-scheduler repair --from-chain`"), "{said}");
    let (_, said) = run(&["repair"]);
    assert!(said.contains("--from-chain"), "{said}");
    let (repaired, said) = run(&["repair", "--from-chain", "--from-block", "999999999"]);
    assert!(!repaired && said.contains("is not there yet"), "{said}");
    let (repaired, said) = run(&["repair", "--from-chain"]);
    assert!(repaired, "{said}");
    let rebuilt =
        "rebuilt from the chain since block 0: 2 deals with 3 tasks, of which 1 have results";
    assert!(said.contains(rebuilt), "{said}");
    let aside = |entry: &PathBuf| entry.to_string_lossy().contains("store.damaged-");
    let kept: Vec<PathBuf> = std::fs::read_dir(&data)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(aside)
        .collect();
    assert!(kept.len() == 1 && kept[0].join("CURRENT").exists(), "{kept:?}");

    process.kill_and_restart(&chain, "");
    process.until_healthy().await;
    // The result is there, and still for one wallet alone.
    assert_eq!(process.get(&format!("/ipfs/{}", output.cid)).await.status(), 401);
    let report = process.task(task(whole, 0)).await.unwrap();
    assert_eq!(report.location, format!("/ipfs/{}", output.cid));
    for _ in 0..9 {
        Worker::spawn(&chain, process.url(), output.clone()).await;
    }
    for index in 0..2 {
        completed(&chain, task(open, index)).await;
    }
    let status = process.told(&["status"]);
    assert!(!status.contains("refused"), "what is open was not opened again: {status}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_is_refused_while_the_scheduler_runs_and_finished_after_a_kill() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    let folder = process.folder.path().to_owned();
    let key = process.keystore.clone();
    let run = |more: &[&str]| {
        let output =
            configured(&chain, &free_address(), &folder, &key).args(more).output().unwrap();
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    let (repaired, said) = run(&["repair", "--from-chain"]);
    assert!(!repaired && said.contains("another scheduler (pid "), "{said}");
    process.kill();
    // Killed between its two moves.
    let data = folder.join("data");
    std::fs::rename(data.join("store"), data.join("store.damaged-1")).unwrap();
    std::fs::create_dir(data.join("store.repairing")).unwrap();
    let (started, said) = run(&[]);
    assert!(!started && said.contains("was interrupted: run `poco-scheduler repair"), "{said}");
    assert!(run(&["repair", "--from-chain"]).0);
    process.kill_and_restart(&chain, "");
    process.until_healthy().await;
}

/// Smaller than what RocksDB reserves for its log, so that the log finds the disk full.
const SIZE: &str = "size=12m";

/// A small disk of its own, in memory.
struct SmallDisk {
    at: PathBuf,
}

impl SmallDisk {
    fn mount(at: PathBuf) -> Self {
        std::fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "poco-test"])
            .arg(&at)
            .status()
            .unwrap();
        assert!(mounted.success(), "a disk can be mounted by root alone");
        Self { at }
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = std::fs::File::create(self.at.join("ballast")).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            while ballast.write_all(&vec![0; size]).is_ok() {}
        }
    }

    fn free(&self) {
        std::fs::remove_file(self.at.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.at).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_scheduler_before_it_promises_anything() {
    let chain = Chainside::start().await;
    let mut process = Process::start(&chain, &[]).await;
    process.kill();
    let data = process.folder.path().join("data");
    std::fs::remove_dir_all(&data).unwrap();
    let disk = SmallDisk::mount(data);
    // A whole disk is less than the room that it keeps free otherwise.
    let more = ["--floor-room-bytes", "0"];
    process.kill_and_restart_with(&chain, &more);
    process.until_healthy().await;
    Worker::spawn(&chain, process.url(), Arc::new(Output::make("a result"))).await;
    disk.fill();
    let id = task(chain.order(1, 1, Address::ZERO).await, 0);
    assert!(!process.ended().await.success());
    let log = process.log();
    let last = log.lines().last().unwrap();
    assert!(last.contains("is full: free some space and start again"), "{log}");
    assert_eq!(chain.chain.task(id).await.unwrap().status, TaskStatus::Unset);
    process.kill_and_restart_with(&chain, &more);
    assert!(!process.ended().await.success(), "it is full still");
    disk.free();
    process.kill_and_restart_with(&chain, &more);
    completed(&chain, id).await;
}
