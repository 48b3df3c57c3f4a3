//! An app image made of busybox, served by a registry of this machine, and a look at containers.

use crate::market::PATIENCE;
use poco_core::{B256, TaskId};
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

/// The label by which leftovers of these tests are found.
pub(crate) const LABEL: (&str, &str) = ("poco.test", "worker");

/// An image as the chain registers it. Its registry ends with it.
pub(crate) struct App {
    pub(crate) multiaddr: String,
    pub(crate) checksum: B256,
    registry: Child,
    _folder: TempDir,
}

impl Drop for App {
    fn drop(&mut self) {
        let repository = self.multiaddr.trim_end_matches(":latest");
        let pulled = format!("{repository}@sha256:{}", hex_of(self.checksum));
        // A task that was never finalized keeps its container.
        let ancestor = format!("ancestor={pulled}");
        let left = docker(&["ps", "-aq", "--filter", &ancestor]).unwrap_or_default();
        left.lines().for_each(|container| drop(docker(&["rm", "-f", container])));
        docker(&["rmi", "-f", &pulled]);
        let _ = self.registry.kill();
        let _ = self.registry.wait();
    }
}

/// Makes and pushes the image; none if whoever runs the tests asked for them to be skipped.
pub(crate) async fn app(name: &str) -> Option<App> {
    if std::env::var_os("POCO_SKIP_ENGINE_TESTS").is_some() {
        let notice = "SKIPPED: POCO_SKIP_ENGINE_TESTS is set; no container was run";
        let _closed = writeln!(std::io::stderr(), "{notice}");
        return None;
    }
    let name = name.to_owned();
    Some(tokio::task::spawn_blocking(move || make(&name)).await.unwrap())
}

fn make(name: &str) -> App {
    starts();
    let folder = tempfile::tempdir().unwrap();
    let (registry, address) = registry(&folder);
    let multiaddr = format!("{address}/{name}:latest");
    let root = folder.path().join("root");
    std::fs::create_dir_all(root.join("bin")).unwrap();
    std::fs::copy("/bin/busybox", root.join("bin/busybox"))
        .expect("busybox is missing: apt-get install busybox-static");
    for program in ["sh", "echo", "sleep", "cat"] {
        std::os::unix::fs::symlink("busybox", root.join("bin").join(program)).unwrap();
    }
    // A content of its own, so that it is pulled and not found.
    std::fs::write(root.join("mark"), &multiaddr).unwrap();
    let dockerfile =
        "FROM scratch\nCOPY root/ /\nLABEL poco.test=worker\nENTRYPOINT [\"/bin/sh\", \"-c\"]\n";
    std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
    let context = folder.path().display().to_string();
    docker(&["build", "-q", "-t", &multiaddr, &context]).expect("the image builds");
    let pushed = docker(&["push", &multiaddr]).expect("the image is pushed");
    let (_, digest) = pushed.split_once("sha256:").expect("a push prints the digest");
    let checksum: B256 = digest[..64].parse().unwrap();
    docker(&["rmi", "-f", &multiaddr]).expect("the image is here");
    App { multiaddr, checksum, registry, _folder: folder }
}

fn registry(folder: &TempDir) -> (Child, String) {
    let config = folder.path().join("registry.yml");
    let storage = folder.path().join("registry").display().to_string();
    let text = format!(
        "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: \
         {storage}\nhttp:\n  addr: 127.0.0.1:0\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut child = Command::new("docker-registry")
        .arg("serve")
        .arg(&config)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("docker-registry is missing: apt-get install docker-registry");
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let address = lines
        .find_map(|line| {
            let (_, rest) = line.split_once("listening on ")?;
            rest.split(['"', ' ']).next().map(str::to_owned)
        })
        .expect("the registry ended before it listened");
    // Its log has to be read on, or the registry would block when the pipe is full.
    std::thread::spawn(move || lines.for_each(drop));
    (child, address)
}

/// How often containers of a task were started.
pub(crate) fn starts_of(task: TaskId) -> usize {
    let file = starts();
    let length = file.metadata().expect("an open file").len();
    let mut bytes = vec![0; usize::try_from(length).expect("it is small")];
    file.read_exact_at(&mut bytes, 0).expect("it only grows");
    let task = task.to_string();
    String::from_utf8_lossy(&bytes).lines().filter(|line| *line == task).count()
}

/// The task of every container started since this program began, a line each. The engine itself keeps
/// few events, so they are written down as they come.
fn starts() -> &'static File {
    static STARTS: OnceLock<(File, Child)> = OnceLock::new();
    let listen = || {
        let file = tempfile::tempfile().expect("there is room for a small file");
        // The listener ends when its standard input does, at the end of this program.
        let listener = "docker events --filter event=start --filter label=poco.task \
            --format '{{index .Actor.Attributes \"poco.task\"}}' & cat; kill $!";
        let mut listening = Command::new("sh");
        listening.args(["-c", listener]).stdin(Stdio::piped());
        let stdout = file.try_clone().expect("an open file");
        (file, listening.stdout(stdout).spawn().expect("there is a shell"))
    };
    &STARTS.get_or_init(listen).0
}

/// Whether a container of a task runs.
pub(crate) fn is_running(task: TaskId) -> bool {
    let filter = format!("label=poco.task={task}");
    !docker(&["ps", "-q", "--filter", &filter]).expect("the engine answers").trim().is_empty()
}

/// Makes a file appear in the running container of a task.
pub(crate) fn touch(task: TaskId, path: &str) {
    let filter = format!("label=poco.task={task}");
    let found = docker(&["ps", "-q", "--filter", &filter]).expect("the engine answers");
    let write = format!("echo > {path}");
    docker(&["exec", found.trim(), "sh", "-c", &write]).expect("the container runs");
}

/// Waits until a container of a task was started so many times.
pub(crate) async fn until_started(task: TaskId, times: usize) {
    let started = Instant::now();
    while starts_of(task) < times {
        assert!(started.elapsed() < PATIENCE, "{task} was started {} times", starts_of(task));
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Kills the container of a task, as the kernel or an engine that comes back may.
pub(crate) fn kill(task: TaskId) {
    let filter = format!("label=poco.task={task}");
    let container = docker(&["ps", "-q", "--filter", &filter]).expect("the engine answers");
    docker(&["kill", container.trim()]).expect("the container is killed");
}

/// The engine behind a socket of its own, which can be shut.
pub(crate) struct Door {
    pub(crate) url: String,
    is_open: watch::Sender<bool>,
    _folder: TempDir,
}

impl Door {
    /// Opens one.
    pub(crate) fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("engine.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let (is_open, watched) = watch::channel(true);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, watched.clone()));
            }
        });
        Self { url: format!("unix://{}", path.display()), is_open, _folder: folder }
    }

    /// Breaks every connection and takes no more, or takes them again.
    pub(crate) fn set_open(&self, is_open: bool) {
        self.is_open.send_replace(is_open);
    }
}

async fn carry(mut client: UnixStream, mut is_open: watch::Receiver<bool>) {
    if !*is_open.borrow_and_update() {
        return;
    }
    let Ok(mut engine) = UnixStream::connect("/var/run/docker.sock").await else { return };
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut client, &mut engine) => {}
        _ = is_open.changed() => {}
    }
}

fn hex_of(word: B256) -> String {
    word.to_string().trim_start_matches("0x").to_owned()
}

fn docker(args: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(args).output().expect("docker is missing");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
