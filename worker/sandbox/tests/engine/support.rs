//! An app image made of busybox, a registry to push it to, and a sandbox that cleans up.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::Stdio;
use std::time::Duration;

use alloy_primitives::{Address, B256, keccak256};
use bollard::Docker;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, PushImageOptionsBuilder, RemoveImageOptions,
};
use futures::StreamExt as _;
use poco_sandbox::input::Inputs;
use poco_sandbox::{
    DiskMode, Ended, Engine, ImageRef, RootFs, RunId, RunLimits, RunSpec, Sandbox, Settings,
};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The engine, or none if whoever runs the tests asked for them to be skipped.
pub(crate) async fn engine() -> Option<Engine> {
    if std::env::var_os("POCO_SKIP_ENGINE_TESTS").is_some() {
        // Not by the macro, whose output is kept back for tests that pass.
        let notice = "SKIPPED: POCO_SKIP_ENGINE_TESTS is set; no container was run";
        let _closed = writeln!(std::io::stderr(), "{notice}");
        return None;
    }
    match Engine::connect(None).await {
        Ok(engine) => Some(engine),
        Err(error) => panic!(
            "{error}\nThese tests run containers. Start a docker engine, or set \
             POCO_SKIP_ENGINE_TESTS=1 to go without them."
        ),
    }
}

/// A registry of this machine on a free port, with its own folder, gone when dropped.
pub(crate) struct Registry {
    pub(crate) address: String,
    _child: Child,
    _folder: TempDir,
}

impl Registry {
    pub(crate) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("config.yml");
        let storage = folder.path().display();
        let text = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: \
             {storage}/data\nhttp:\n  addr: 127.0.0.1:0\n"
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(&config)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("docker-registry is missing: apt-get install docker-registry");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let mut address = None;
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some((_, rest)) = line.split_once("listening on ") {
                address = Some(rest.split(['"', ' ']).next().unwrap().to_owned());
                break;
            }
        }
        let address = address.expect("the registry ended before it listened");
        // Its log has to be read on, or the registry would block when the pipe is full.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { address, _child: child, _folder: folder }
    }

    /// Makes an image of busybox with these Dockerfile instructions and pushes it.
    pub(crate) async fn push(&self, docker: &Docker, name: &str, changes: &[&str]) -> ImageRef {
        let label = "LABEL poco.test=sandbox";
        let changes = changes.iter().chain([&label]).map(|change| (*change).to_owned()).collect();
        let options = CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(&self.repository(name))
            .tag("latest")
            .changes(changes)
            .platform("linux/amd64")
            .build();
        // A layer that no other test has, so that pulling it always means fetching it.
        let layer = bollard::body_full(busybox_layer(&self.address).into());
        let steps = docker.create_image(Some(options), Some(layer), None).collect::<Vec<_>>().await;
        steps.into_iter().for_each(|step| drop(step.unwrap()));
        self.push_local(docker, name).await
    }

    /// The name of a repository here.
    pub(crate) fn repository(&self, name: &str) -> String {
        format!("{}/{name}", self.address)
    }

    /// Pushes an image the engine has under the repository's name.
    pub(crate) async fn push_local(&self, docker: &Docker, name: &str) -> ImageRef {
        let repository = self.repository(name);
        let options = PushImageOptionsBuilder::new().tag("latest").build();
        let steps = docker.push_image(&repository, Some(options), None).collect::<Vec<_>>().await;
        steps.into_iter().for_each(|step| drop(step.unwrap()));
        let found = docker.inspect_image(&format!("{repository}:latest")).await.unwrap();
        let digests = found.repo_digests.unwrap();
        let digest = digests.iter().find_map(|digest| digest.strip_prefix(&repository)).unwrap();
        let checksum: B256 = digest.strip_prefix("@sha256:").unwrap().parse().unwrap();
        ImageRef::from_multiaddr(format!("{repository}:latest").as_bytes(), checksum).unwrap()
    }
}

/// A root with busybox under the names of its programs, and nothing else.
fn busybox_layer(mark: &str) -> Vec<u8> {
    let mut layer = tar::Builder::new(Vec::new());
    let program =
        std::fs::read("/bin/busybox").expect("busybox is missing: apt-get install busybox-static");
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(program.len() as u64);
    layer.append_data(&mut header, "bin/busybox", program.as_slice()).unwrap();
    let programs = "sh cat cp dd echo env false head id ln ls mkdir mkfifo mount nc ping \
                    sleep sync tail test touch true wget yes";
    for program in programs.split_whitespace() {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        layer.append_link(&mut header, format!("bin/{program}"), "busybox").unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    header.set_size(mark.len() as u64);
    layer.append_data(&mut header, "mark", mark.as_bytes()).unwrap();
    layer.into_inner().unwrap()
}

/// Everything a test of runs needs. All of it is removed when dropped.
pub(crate) struct Lab {
    pub(crate) sandbox: Sandbox,
    pub(crate) image: ImageRef,
    folder: TempDir,
    settings: Settings,
}

impl Lab {
    /// A lab with out directories on disks of their own.
    pub(crate) async fn new(test: &str) -> Option<Self> {
        let engine = engine().await?;
        let why = "these tests mount disks: run them as root on a machine with loop devices, or \
                   set POCO_SKIP_ENGINE_TESTS=1";
        engine.facts().await.unwrap().sized_disks.expect(why);
        Self::with_disk(test, DiskMode::Sized, &[]).await
    }

    pub(crate) async fn with_disk(test: &str, disk: DiskMode, changes: &[&str]) -> Option<Self> {
        let engine = engine().await?;
        let folder = tempfile::tempdir().unwrap();
        // Tests run side by side on one engine, each as a worker of its own.
        let seed = format!("{test} {}", folder.path().display());
        let worker = Address::from_word(keccak256(seed));
        // Anyone may look for leftovers of tests by this label; the other one must not take effect.
        let labels = [("poco.test", "sandbox"), ("poco.task", "not this")];
        let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into();
        let settings = Settings { worker, root: folder.path().join("runs"), disk, labels };
        let docker = Docker::connect_with_defaults().unwrap().negotiate_version().await.unwrap();
        let registry = Registry::start().await;
        let shell = "ENTRYPOINT [\"/bin/sh\", \"-c\"]";
        let changes: Vec<&str> = [shell].into_iter().chain(changes.iter().copied()).collect();
        let image = registry.push(&docker, "app", &changes).await;
        let sandbox = Sandbox::new(engine, settings.clone());
        Some(Self { sandbox, image, folder, settings })
    }

    /// The same worker after a restart of its process.
    pub(crate) async fn restarted(&self) -> Sandbox {
        Sandbox::new(engine().await.unwrap(), self.settings.clone())
    }

    pub(crate) fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("runs")
    }

    /// A run of a shell script.
    pub(crate) fn spec(&self, script: &str) -> RunSpec {
        RunSpec {
            id: RunId { task: keccak256(script), attempt: 0 },
            deal: B256::repeat_byte(0xde),
            task_index: 3,
            bot_first: 2,
            bot_size: 4,
            image: self.image.clone(),
            args: shell_words::quote(script).into_owned(),
            inputs: Inputs::default(),
            secrets: BTreeMap::new(),
            limits: RunLimits {
                time: Duration::from_secs(60),
                memory_bytes: 64 << 20,
                cpu_milli: 1000,
                pids: 32,
                out_bytes: 4 << 20,
                tmp_bytes: 1 << 20,
                log_bytes: 64 << 10,
            },
            root: RootFs::ReadOnly,
            runtime: None,
        }
    }

    pub(crate) async fn end_of(&self, spec: &RunSpec) -> Ended {
        let run = self.sandbox.start(spec).await.unwrap();
        self.sandbox.wait(&run).await.unwrap()
    }

    /// Runs a script to its end.
    pub(crate) async fn run(&self, script: &str) -> Ended {
        self.end_of(&self.spec(script)).await
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let (settings, image) = (self.settings.clone(), self.image.clone());
        // A failed test must clean up as well, and a destructor cannot wait for a future.
        let cleaning = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let engine = Engine::connect(None).await.unwrap();
                let swept = Sandbox::new(engine, settings).sweep(&Default::default()).await;
                remove_image(&image).await;
                swept.map(drop)
            })
        });
        if let Ok(Err(error)) = cleaning.join() {
            let _ = writeln!(std::io::stderr(), "cleaning up failed: {error}");
        }
    }
}

pub(crate) async fn remove_image(image: &ImageRef) {
    let docker = Docker::connect_with_defaults().unwrap().negotiate_version().await.unwrap();
    for name in [image.to_string(), format!("{}:latest", image.name())] {
        let _gone = docker.remove_image(&name, None::<RemoveImageOptions>, None).await;
    }
}
