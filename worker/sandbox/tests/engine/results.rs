//! What a run leaves becomes a result, or a reason.

use std::fs::File;

use alloy_primitives::{B256, keccak256};
use poco_result::archive::Extent;
use poco_result::cid::cid_of_file;
use poco_result::digest::digest_of_zip;
use poco_result::unpack::unpack;
use poco_result::{DigestError, Limits, Output};
use poco_sandbox::{CollectError, Finished};
use sha2::{Digest as _, Sha256};

use crate::support::Lab;

async fn collect(lab: &Lab, script: &str) -> Result<Finished, CollectError> {
    let run = lab.sandbox.start(&lab.spec(script)).await.unwrap();
    lab.sandbox.wait(&run).await.unwrap();
    lab.sandbox.collect(&run, Extent::Whole, Limits::default()).await
}

fn declare(path: &str) -> String {
    format!("echo '{{\"deterministic-output-path\":\"{path}\"}}' > $IEXEC_OUT/computed.json")
}

#[tokio::test]
async fn a_run_becomes_a_digest_and_a_zip_that_agree() {
    let Some(lab) = Lab::new("result").await else { return };
    let script = format!(
        "echo working; echo 42 > $IEXEC_OUT/result.txt; mkdir $IEXEC_OUT/d; {}",
        declare("/iexec_out/result.txt")
    );
    let finished = collect(&lab, &script).await.unwrap();
    assert_eq!(finished.computed.output, Output::File);
    assert_eq!(finished.computed.digest, B256::from_slice(&Sha256::digest(b"42\n")));
    let zip = || File::open(&finished.zip).unwrap();
    assert_eq!(digest_of_zip(zip(), &Limits::default()).unwrap(), finished.computed);
    assert_eq!(cid_of_file(&finished.zip).unwrap(), finished.cid);
    let target = lab.root().join("unpacked");
    assert_eq!(unpack(zip(), &target, &Limits::default()).unwrap().files, 4);
    assert_eq!(std::fs::read(target.join("stdout.txt")).unwrap(), b"working\n");
    assert_eq!(std::fs::read(target.join("result.txt")).unwrap(), b"42\n");
    let mut names: Vec<_> =
        std::fs::read_dir(&target).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["computed.json", "d", "result.txt", "stderr.txt", "stdout.txt"]);
    // Another attempt gives the same bytes, hence the same CID.
    let mut again = lab.spec(&script);
    again.id.attempt = 1;
    let run = lab.sandbox.start(&again).await.unwrap();
    lab.sandbox.wait(&run).await.unwrap();
    let other = lab.sandbox.collect(&run, Extent::Whole, Limits::default()).await.unwrap();
    assert_eq!((other.cid, other.zip_bytes), (finished.cid, finished.zip_bytes));
}

#[tokio::test]
async fn what_an_app_prints_and_notes_beside_its_result_is_not_voted_for() {
    let Some(lab) = Lab::new("declared").await else { return };
    let mut made = Vec::new();
    for attempt in 0..2 {
        let script = format!(
            "echo 42 > $IEXEC_OUT/result.txt; {}; cat /proc/sys/kernel/random/uuid | tee $IEXEC_OUT/notes",
            declare("/iexec_out/result.txt")
        );
        let mut spec = lab.spec(&script);
        spec.id.attempt = attempt;
        let run = lab.sandbox.start(&spec).await.unwrap();
        lab.sandbox.wait(&run).await.unwrap();
        let whole = lab.sandbox.collect(&run, Extent::Whole, Limits::default()).await.unwrap();
        let voted = lab.sandbox.collect(&run, Extent::Declared, Limits::default()).await.unwrap();
        assert_eq!(voted.computed, whole.computed);
        made.push((whole.cid, voted.cid));
    }
    assert_ne!(made[0].0, made[1].0);
    assert_eq!(made[0].1, made[1].1);
}

#[tokio::test]
async fn callback_data_comes_back() {
    let Some(lab) = Lab::new("callback").await else { return };
    let script = "echo '{\"callback-data\":\"0xc0ffee\"}' > $IEXEC_OUT/computed.json";
    let finished = collect(&lab, script).await.unwrap();
    assert_eq!(finished.computed.output, Output::Callback(vec![0xc0, 0xff, 0xee]));
    assert_eq!(finished.computed.digest, keccak256([0xc0, 0xff, 0xee]));
}

#[tokio::test]
async fn a_run_without_a_usable_declaration_has_failed() {
    let Some(lab) = Lab::new("undeclared").await else { return };
    let missing = collect(&lab, "echo 42 > $IEXEC_OUT/result.txt").await.unwrap_err();
    assert!(matches!(missing, CollectError::Digest(DigestError::Missing)), "{missing:?}");
    assert!(missing.is_app_fault());
    let absent = collect(&lab, &declare("/iexec_out/nothing")).await.unwrap_err();
    assert!(matches!(absent, CollectError::Digest(DigestError::NotFound { .. })), "{absent:?}");
}

#[tokio::test]
async fn links_out_of_the_out_directory_leak_nothing() {
    let Some(lab) = Lab::new("links").await else { return };
    let secret = lab.root().join("secret.txt");
    std::fs::create_dir_all(lab.root()).unwrap();
    std::fs::write(&secret, "of the host").unwrap();
    let link = format!("ln -s {} $IEXEC_OUT/link", secret.display());
    let script = format!("{link}; {}", declare("/iexec_out/link"));
    let refused = collect(&lab, &script).await.unwrap_err();
    assert!(matches!(refused, CollectError::Digest(DigestError::Link { .. })), "{refused:?}");
    let script = format!(
        "mkdir $IEXEC_OUT/d; {link}; mkfifo $IEXEC_OUT/d/pipe; echo 1 > $IEXEC_OUT/d/a; {}",
        declare("/iexec_out/d")
    );
    let finished = collect(&lab, &script).await.unwrap();
    assert_eq!(finished.skipped, 2);
    assert_eq!(finished.computed.digest, keccak256(Sha256::digest(b"1\n")));
    let zip = std::fs::read(&finished.zip).unwrap();
    assert!(!zip.windows(4).any(|bytes| bytes == b"link"));
    let computed = format!("ln -s {} $IEXEC_OUT/computed.json", secret.display());
    let refused = collect(&lab, &computed).await.unwrap_err();
    assert!(matches!(refused, CollectError::Digest(DigestError::Link { .. })), "{refused:?}");
}
