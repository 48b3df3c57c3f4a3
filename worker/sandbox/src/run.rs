//! A run: one attempt at one task. What is asked for, and what the engine is told to remember.
//!
//! Everything a later process needs in order to go on with a container is in the container's
//! labels, so that adopting needs no record of our own.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use alloy_primitives::{Address, B256};
use thiserror::Error;
use tokio::time::Instant;

use crate::image::ImageRef;
use crate::input::Inputs;

/// Where the app finds its inputs.
pub(crate) const IN_IN_CONTAINER: &str = "/iexec_in";

pub(crate) const LABEL_WORKER: &str = "poco.worker";
pub(crate) const LABEL_TASK: &str = "poco.task";
const LABEL_DEAL: &str = "poco.deal";
const LABEL_ATTEMPT: &str = "poco.attempt";
const LABEL_TIME: &str = "poco.time-limit-ms";
const LABEL_OUT: &str = "poco.out-bytes-max";
const LABEL_ROOT: &str = "poco.root-bytes-max";
const LABEL_LOG: &str = "poco.log-bytes-max";

/// One attempt at one task. Starting the same one again finds what was started before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// The task.
    pub task: B256,
    /// Counts from 0; a new attempt is a new run.
    pub attempt: u32,
}

/// A text that is not the name of a run, or labels that are not of one.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
#[error("not the name of a run: 64 hex digits, a dash and a number")]
pub struct NotARun;

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", hex::encode(self.task), self.attempt)
    }
}

impl std::str::FromStr for RunId {
    type Err = NotARun;

    fn from_str(text: &str) -> Result<Self, NotARun> {
        let (task, attempt) = text.split_once('-').ok_or(NotARun)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(task, &mut bytes).map_err(|_| NotARun)?;
        let id = Self { task: B256::from(bytes), attempt: attempt.parse().map_err(|_| NotARun)? };
        // Only the one spelling that is written, so that a name and an id always pair up.
        if id.to_string() == text { Ok(id) } else { Err(NotARun) }
    }
}

/// A value that must not be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: String) -> Self {
        Self(value)
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What a run may use. The worker derives it from what it offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunLimits {
    /// Wall time from the start of the container: 1T of the task's category.
    pub time: Duration,
    /// Memory, tmpfs included; there is no swap on top. The engine takes no less than 6 MiB.
    pub memory_bytes: u64,
    /// Thousandths of a processor.
    pub cpu_milli: u64,
    /// Processes and threads.
    pub pids: u64,
    /// `/iexec_out`.
    pub out_bytes: u64,
    /// Each of the tmpfs directories.
    pub tmp_bytes: u64,
    /// What is kept of stdout and stderr together.
    pub log_bytes: u64,
}

/// Whether the app may write to its own image's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RootFs {
    /// No. The default.
    ReadOnly,
    /// Yes, a copy that is thrown away; the run is stopped beyond this size.
    Writable {
        /// Most bytes written.
        bytes_max: u64,
    },
}

/// All there is to say about a run.
#[derive(Clone, Debug)]
pub struct RunSpec {
    /// Which run.
    pub id: RunId,
    /// The task's deal.
    pub deal: B256,
    /// The task's index in the deal's bag.
    pub task_index: u64,
    /// The bag's first index.
    pub bot_first: u64,
    /// The bag's size.
    pub bot_size: u64,
    /// The image, which has been pulled.
    pub image: ImageRef,
    /// `iexec_args`, split as a shell does. Empty: the image's own command.
    pub args: String,
    /// The inputs, which have been fetched.
    pub inputs: Inputs,
    /// Environment that must not show anywhere, `IEXEC_REQUESTER_SECRET_1` for instance.
    pub secrets: BTreeMap<String, Secret>,
    /// What the run may use.
    pub limits: RunLimits,
    /// Whether the root is writable.
    pub root: RootFs,
    /// An OCI runtime the engine knows, `runsc` for instance; the engine's default if none.
    pub runtime: Option<String>,
}

impl RunSpec {
    /// The environment of protocol.md, "What an app sees". Without a dataset its two variables
    /// are empty, so that a script which insists on their being set runs.
    pub(crate) fn environment(&self) -> Vec<String> {
        let names = self.inputs.names();
        let dataset = self.inputs.dataset.as_ref().map(|dataset| format!("{:#x}", dataset.address));
        let mut variables = vec![
            ("IEXEC_TASK_ID".to_owned(), format!("{:#x}", self.id.task)),
            ("IEXEC_DEAL_ID".to_owned(), format!("{:#x}", self.deal)),
            ("IEXEC_TASK_INDEX".to_owned(), self.task_index.to_string()),
            ("IEXEC_IN".to_owned(), IN_IN_CONTAINER.to_owned()),
            ("IEXEC_OUT".to_owned(), poco_result::computed::OUT_IN_CONTAINER.to_owned()),
            ("IEXEC_DATASET_ADDRESS".to_owned(), dataset.unwrap_or_default()),
            ("IEXEC_DATASET_FILENAME".to_owned(), names.dataset.unwrap_or_default()),
            ("IEXEC_INPUT_FILES_NUMBER".to_owned(), names.files.len().to_string()),
            ("IEXEC_BOT_SIZE".to_owned(), self.bot_size.to_string()),
            ("IEXEC_BOT_FIRST_INDEX".to_owned(), self.bot_first.to_string()),
            ("IEXEC_BOT_TASK_INDEX".to_owned(), self.task_index.to_string()),
        ];
        let files = names.files.into_iter().enumerate();
        variables.extend(files.map(|(i, name)| (format!("IEXEC_INPUT_FILE_NAME_{}", i + 1), name)));
        let secrets = self.secrets.iter();
        variables.extend(secrets.map(|(name, secret)| (name.clone(), secret.reveal().to_owned())));
        variables.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    pub(crate) fn watched(&self) -> Watched {
        Watched {
            time: self.limits.time,
            out_bytes_max: self.limits.out_bytes,
            root_bytes_max: match self.root {
                RootFs::ReadOnly => None,
                RootFs::Writable { bytes_max } => Some(bytes_max),
            },
            log_bytes_max: self.limits.log_bytes,
        }
    }

    pub(crate) fn labels(&self, worker: Address) -> HashMap<String, String> {
        let watched = self.watched();
        let mut labels = HashMap::from([
            (LABEL_WORKER.to_owned(), format!("{worker:#x}")),
            (LABEL_TASK.to_owned(), format!("{:#x}", self.id.task)),
            (LABEL_DEAL.to_owned(), format!("{:#x}", self.deal)),
            (LABEL_ATTEMPT.to_owned(), self.id.attempt.to_string()),
            (LABEL_TIME.to_owned(), watched.time.as_millis().to_string()),
            (LABEL_OUT.to_owned(), watched.out_bytes_max.to_string()),
            (LABEL_LOG.to_owned(), watched.log_bytes_max.to_string()),
        ]);
        if let Some(bytes_max) = watched.root_bytes_max {
            labels.insert(LABEL_ROOT.to_owned(), bytes_max.to_string());
        }
        labels
    }
}

/// The limits that are held by watching a running container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) time: Duration,
    pub(crate) out_bytes_max: u64,
    pub(crate) root_bytes_max: Option<u64>,
    pub(crate) log_bytes_max: u64,
}

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunState {
    /// Made but never started: a process of ours ended in between. Start it again.
    Created,
    /// Under way.
    Running,
    /// Over, with a result or a reason to be had from [`crate::Sandbox::wait`].
    Ended,
}

/// A container of this worker.
#[derive(Clone, Debug)]
pub struct Run {
    /// Which run.
    pub id: RunId,
    /// The deal it is for.
    pub deal: B256,
    /// The engine's id of the container.
    pub container: String,
    /// Where it was when it was last looked at.
    pub state: RunState,
    pub(crate) watched: Watched,
    /// When this process started it, if it did.
    pub(crate) started_here: Option<Instant>,
}

impl Run {
    pub(crate) fn of_labels(
        container: String,
        state: RunState,
        labels: &HashMap<String, String>,
    ) -> Result<Self, NotARun> {
        let text = |label: &str| labels.get(label).ok_or(NotARun);
        let number = |label: &str| text(label)?.parse::<u64>().map_err(|_| NotARun);
        let word = |label: &str| text(label)?.parse::<B256>().map_err(|_| NotARun);
        let root = labels.get(LABEL_ROOT).map(|_| number(LABEL_ROOT)).transpose()?;
        let attempt = u32::try_from(number(LABEL_ATTEMPT)?).map_err(|_| NotARun)?;
        Ok(Self {
            id: RunId { task: word(LABEL_TASK)?, attempt },
            deal: word(LABEL_DEAL)?,
            container,
            state,
            watched: Watched {
                time: Duration::from_millis(number(LABEL_TIME)?),
                out_bytes_max: number(LABEL_OUT)?,
                root_bytes_max: root,
                log_bytes_max: number(LABEL_LOG)?,
            },
            started_here: None,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::input::Dataset;

    pub(crate) fn spec() -> RunSpec {
        RunSpec {
            id: RunId { task: B256::repeat_byte(0x7a), attempt: 2 },
            deal: B256::repeat_byte(0xde),
            task_index: 7,
            bot_first: 5,
            bot_size: 10,
            image: ImageRef::from_multiaddr(b"r.x/app", B256::ZERO).unwrap(),
            args: String::new(),
            inputs: Inputs::default(),
            secrets: BTreeMap::new(),
            limits: RunLimits {
                time: Duration::from_millis(1500),
                memory_bytes: 64 << 20,
                cpu_milli: 500,
                pids: 16,
                out_bytes: 8 << 20,
                tmp_bytes: 1 << 20,
                log_bytes: 64 << 10,
            },
            root: RootFs::ReadOnly,
            runtime: None,
        }
    }

    #[test]
    fn an_app_sees_the_environment_of_the_protocol() {
        let mut spec = spec();
        let files = vec!["http://a/x".parse().unwrap(), "http://b/x".parse().unwrap()];
        let source = "http://a/data".parse().unwrap();
        let address = Address::repeat_byte(0xAA);
        let dataset = Some(Dataset { address, source, checksum: B256::ZERO });
        spec.inputs = Inputs { dataset, files };
        spec.secrets.insert("IEXEC_REQUESTER_SECRET_1".into(), Secret::new("s3cret".into()));
        let address = format!("0x{}", "aa".repeat(20));
        assert_eq!(
            spec.environment(),
            [
                format!("IEXEC_TASK_ID=0x{}", "7a".repeat(32)),
                format!("IEXEC_DEAL_ID=0x{}", "de".repeat(32)),
                "IEXEC_TASK_INDEX=7".into(),
                "IEXEC_IN=/iexec_in".into(),
                "IEXEC_OUT=/iexec_out".into(),
                format!("IEXEC_DATASET_ADDRESS={address}"),
                format!("IEXEC_DATASET_FILENAME={address}"),
                "IEXEC_INPUT_FILES_NUMBER=2".into(),
                "IEXEC_BOT_SIZE=10".into(),
                "IEXEC_BOT_FIRST_INDEX=5".into(),
                "IEXEC_BOT_TASK_INDEX=7".into(),
                "IEXEC_INPUT_FILE_NAME_1=x".into(),
                "IEXEC_INPUT_FILE_NAME_2=2_x".into(),
                "IEXEC_REQUESTER_SECRET_1=s3cret".into(),
            ]
        );
        assert!(!format!("{spec:?}").contains("s3cret"));
    }

    #[test]
    fn labels_say_all_that_adopting_needs() {
        let mut spec = spec();
        for root in [RootFs::ReadOnly, RootFs::Writable { bytes_max: 9 }] {
            spec.root = root;
            let labels = spec.labels(Address::ZERO);
            let run = Run::of_labels("c".into(), RunState::Running, &labels).unwrap();
            assert_eq!((run.id, run.deal, run.watched), (spec.id, spec.deal, spec.watched()));
        }
        let mut labels = spec.labels(Address::ZERO);
        labels.remove(LABEL_TIME);
        assert!(Run::of_labels("c".into(), RunState::Running, &labels).is_err());
    }

    #[test]
    fn a_run_has_one_name() {
        let id = spec().id;
        let name = id.to_string();
        assert_eq!(name, format!("{}-2", "7a".repeat(32)));
        assert_eq!(name.parse::<RunId>().unwrap(), id);
        for bad in ["", "x-1", &name.to_uppercase(), &name.replace("-2", "-02"), &name[1..]] {
            assert!(bad.parse::<RunId>().is_err(), "{bad}");
        }
    }
}
