//! What an app sees, and what it cannot do.

use poco_sandbox::input::{Dataset, Inputs};
use poco_sandbox::{DiskMode, Outcome, RootFs, Secret, StartError};

use crate::support::Lab;

const SUCCESS: Outcome = Outcome::Exited { code: 0 };

#[tokio::test]
async fn an_app_sees_its_environment_inputs_and_out_directory() {
    let Some(lab) = Lab::new("environment").await else { return };
    let mut spec = lab.spec(
        "env; cat $IEXEC_IN/$IEXEC_INPUT_FILE_NAME_1 $IEXEC_IN/$IEXEC_DATASET_FILENAME; \
         test -z \"$(ls $IEXEC_OUT)\" && echo empty-out; echo x > $IEXEC_OUT/x; pwd; id >&2",
    );
    let address = alloy_primitives::Address::repeat_byte(0xaa);
    let source: poco_sandbox::input::Source = "http://a/data".parse().unwrap();
    let checksum = alloy_primitives::B256::ZERO;
    let dataset = Some(Dataset { address, source, checksum });
    spec.inputs = Inputs { dataset, files: vec!["http://a/in.txt".parse().unwrap()] };
    spec.secrets.insert("IEXEC_REQUESTER_SECRET_1".into(), Secret::new("s3cret".into()));
    let folder = lab.sandbox.prepare(spec.id).unwrap();
    std::fs::write(folder.input().join("in.txt"), "the input\n").unwrap();
    std::fs::write(folder.input().join(format!("{address:#x}")), "the dataset\n").unwrap();
    let ended = lab.end_of(&spec).await;
    assert_eq!(ended.outcome, SUCCESS, "{ended:?}");
    for line in [
        &format!("IEXEC_TASK_ID={:#x}", spec.id.task),
        "IEXEC_TASK_INDEX=3",
        "IEXEC_BOT_FIRST_INDEX=2",
        "IEXEC_BOT_SIZE=4",
        "IEXEC_IN=/iexec_in",
        "IEXEC_OUT=/iexec_out",
        "IEXEC_INPUT_FILES_NUMBER=1",
        "IEXEC_INPUT_FILE_NAME_1=in.txt",
        &format!("IEXEC_DATASET_ADDRESS={address:#x}"),
        "IEXEC_REQUESTER_SECRET_1=s3cret",
        "HOME=/iexec_home",
        "HOSTNAME=app",
        "the input",
        "the dataset",
        "empty-out",
    ] {
        assert!(ended.stdout_tail.lines().any(|found| found == line), "{line}: {ended:?}");
    }
    assert_eq!(std::fs::read(folder.out().join("x")).unwrap(), b"x\n");
    assert!(ended.stderr_tail.contains("uid=0"));
}

#[tokio::test]
async fn the_root_and_the_inputs_are_read_only_and_temporary_directories_small() {
    let Some(lab) = Lab::new("read-only").await else { return };
    let ended = lab
        .run(
            "for f in /x /bin/x /iexec_in/x; do touch $f && exit 1; done; \
             for d in /tmp /var/tmp /run $HOME; do echo 1 > $d/x || exit 2; done; \
             dd if=/dev/zero of=/tmp/big bs=1M count=2 && exit 3; \
             cp /bin/busybox $HOME/tool && exit 4; echo held",
        )
        .await;
    assert_eq!((ended.outcome, ended.stdout_tail.as_str()), (SUCCESS, "held\n"), "{ended:?}");
    assert!(ended.stderr_tail.contains("Read-only file system"));
    assert!(ended.stderr_tail.contains("No space left on device"));
}

#[tokio::test]
async fn there_is_no_network_no_capability_and_no_new_privilege() {
    let Some(lab) = Lab::new("privileges").await else { return };
    let ended = lab
        .run(
            "ls /sys/class/net; cat /proc/self/status; \
             wget -T 2 -q -O - http://1.1.1.1/ && exit 1; \
             mount -t tmpfs none /tmp && exit 2; ls /var/run/docker.sock && exit 3; echo held",
        )
        .await;
    assert_eq!(ended.outcome, SUCCESS, "{ended:?}");
    let has = |line: &str| ended.stdout_tail.lines().any(|found| found == line);
    assert!(has("held") && !ended.stdout_tail.contains("eth0"), "{ended:?}");
    assert!(has("CapEff:\t0000000000000000") && has("CapBnd:\t0000000000000000"), "{ended:?}");
    assert!(has("NoNewPrivs:\t1") && has("Seccomp:\t2"), "{ended:?}");
}

#[tokio::test]
async fn the_images_own_user_can_write_its_result() {
    let Some(lab) = Lab::with_disk("user", DiskMode::Sized, &["USER 4242"]).await else { return };
    let ended = lab.run("id; echo 1 > /iexec_out/r && echo 2 > $HOME/r && echo written").await;
    assert_eq!(ended.outcome, SUCCESS, "{ended:?}");
    assert!(ended.stdout_tail.contains("uid=4242") && ended.stdout_tail.contains("written"));
}

#[tokio::test]
async fn a_writable_root_is_writable_and_thrown_away() {
    let Some(lab) = Lab::new("writable-root").await else { return };
    let mut spec = lab.spec("test ! -e /x && echo 1 > /x && echo written");
    spec.root = RootFs::Writable { bytes_max: 1 << 20 };
    for attempt in 0..2 {
        spec.id.attempt = attempt;
        let ended = lab.end_of(&spec).await;
        assert_eq!((ended.outcome, ended.stdout_tail.as_str()), (SUCCESS, "written\n"));
    }
}

#[tokio::test]
async fn volumes_of_an_image_leave_nothing_on_the_host() {
    let changes = ["VOLUME /data"];
    let Some(lab) = Lab::with_disk("volumes", DiskMode::Sized, &changes).await else { return };
    let ended = lab.run("cat /proc/mounts; dd if=/dev/zero of=/data/x bs=1M count=2").await;
    assert_eq!(ended.outcome, Outcome::Exited { code: 1 }, "{ended:?}");
    assert!(ended.stdout_tail.contains("tmpfs /data tmpfs"), "{ended:?}");
}

#[tokio::test]
async fn what_cannot_be_started_is_the_apps_fault() {
    let changes = ["ENTRYPOINT [\"/no/such/program\"]"];
    let Some(lab) = Lab::with_disk("entrypoint", DiskMode::Watched, &changes).await else { return };
    let spec = lab.spec("true");
    for _ in 0..2 {
        let error = lab.sandbox.start(&spec).await.unwrap_err();
        assert!(matches!(error, StartError::AppUnstartable(_)), "{error:?}");
        assert!(error.is_app_fault());
    }
    let mut bad = lab.spec("true");
    bad.args = "'open".into();
    let error = lab.sandbox.start(&bad).await.unwrap_err();
    assert!(matches!(error, StartError::BadArgs(_)), "{error:?}");
    assert!(lab.sandbox.find(bad.id).await.unwrap().is_some(), "same task id as the first spec");
}
