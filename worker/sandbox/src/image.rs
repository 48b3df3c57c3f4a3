//! App images: their names, and pulling them by the checksum that is on chain.
//!
//! An image is always asked for as `name@sha256:checksum`, so the engine itself refuses anything
//! else; a tag in the name on chain is only a note for people.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use alloy_primitives::B256;
use bollard::auth::DockerCredentials;
use bollard::models::CreateImageInfo;
use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt as _;
use thiserror::Error;
use tokio::time::timeout;

use crate::engine::{Engine, EngineError};

/// Longest name taken; registries allow no longer one.
const NAME_BYTES_MAX: usize = 255;
/// Most layers whose progress is followed; images have at most 127.
const LAYERS_MAX: usize = 256;
/// The names Docker Hub goes by in app multiaddrs.
const HUB_NAMES: [&str; 5] = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "registry.hub.docker.com",
    "hub.docker.com",
];

/// An image as an app's entry on chain names it: repository and checksum.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    /// `registry/path`, lower case, without tag or digest.
    name: String,
    /// The registry's digest of the manifest or index.
    checksum: B256,
}

/// Why an app's multiaddr is no image.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("the app's multiaddr {shown:?} is not the name of a container image: {reason}")]
pub struct BadImageName {
    shown: String,
    reason: &'static str,
}

/// What to log in to a registry with. Its debug form shows no password.
#[derive(Clone)]
pub struct Credentials {
    /// The account.
    pub username: String,
    /// Its password or token.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// How far a pull is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// Layers known so far.
    pub layers: usize,
    /// Of these, how many are unpacked.
    pub layers_done: usize,
    /// Bytes fetched of the layers under way and done.
    pub bytes: u64,
}

/// Why an image is not here.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PullError {
    /// The registry has no image of this name, or hides it.
    #[error("the registry has no image {image}, or wants a login: {reason}")]
    NotFound {
        /// The image.
        image: ImageRef,
        /// The engine's words.
        reason: String,
    },
    /// The registry has the name but not under the app's checksum.
    #[error("the registry serves no {image}: the app's checksum names another image: {reason}")]
    ChecksumAbsent {
        /// The image.
        image: ImageRef,
        /// The engine's words.
        reason: String,
    },
    /// What the registry sent does not have the checksum.
    #[error("the registry served something else than {image}: {reason}")]
    ChecksumMismatch {
        /// The image.
        image: ImageRef,
        /// The engine's words.
        reason: String,
    },
    /// The image is for another operating system or processor.
    #[error("{image} is not for linux/amd64: {reason}")]
    WrongPlatform {
        /// The image.
        image: ImageRef,
        /// What it is for.
        reason: String,
    },
    /// The registry does not answer.
    #[error("the registry of {image} cannot be reached: {reason}")]
    Unreachable {
        /// The image.
        image: ImageRef,
        /// The engine's words.
        reason: String,
    },
    /// The engine has no room for the image.
    #[error("no room for {image}: {reason}; free space where docker keeps its images")]
    NoSpace {
        /// The image.
        image: ImageRef,
        /// The engine's words.
        reason: String,
    },
    /// The pull took longer than allowed.
    #[error("pulling {image} took longer than {} s", limit.as_secs())]
    TooLong {
        /// The image.
        image: ImageRef,
        /// The time allowed.
        limit: Duration,
    },
    /// The engine is gone or refused for another reason.
    #[error("cannot pull {image}: {error}")]
    Engine {
        /// The image.
        image: ImageRef,
        /// Why.
        error: EngineError,
    },
}

impl PullError {
    /// Whether trying again later, or on another machine, may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::NoSpace { .. }
            | Self::TooLong { .. }
            | Self::Engine { .. } => true,
            Self::NotFound { .. }
            | Self::ChecksumAbsent { .. }
            | Self::ChecksumMismatch { .. }
            | Self::WrongPlatform { .. } => false,
        }
    }
}

impl ImageRef {
    /// Reads an app's multiaddr. A digest in it must agree with `checksum`, a tag is ignored.
    pub fn from_multiaddr(multiaddr: &[u8], checksum: B256) -> Result<Self, BadImageName> {
        let shown = String::from_utf8_lossy(&multiaddr[..multiaddr.len().min(NAME_BYTES_MAX)]);
        let bad = |reason| BadImageName { shown: shown.clone().into_owned(), reason };
        let text = std::str::from_utf8(multiaddr).map_err(|_| bad("it is not text"))?;
        Self::parse(text, checksum).map_err(bad)
    }

    fn parse(text: &str, checksum: B256) -> Result<Self, &'static str> {
        if text.len() > NAME_BYTES_MAX {
            return Err("it is too long");
        }
        if text.contains("://") || text.starts_with('/') {
            return Err("it is a url or path");
        }
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest)),
            None => (text, None),
        };
        if digest.is_some_and(|digest| digest != format!("sha256:{}", hex::encode(checksum))) {
            return Err("the digest in it differs from the app's checksum");
        }
        // A colon before a slash starts a port, one after the last slash a tag.
        let name = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains('/') => name,
            _ => name,
        };
        let (registry, path) = match name.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => {
                (first, rest)
            }
            _ => (HUB_NAMES[0], name),
        };
        if !is_registry(registry) {
            return Err("its registry is not a host and port");
        }
        if path.is_empty() || !path.split('/').all(is_path_component) {
            return Err("its path has characters that no repository has");
        }
        let registry = registry.to_ascii_lowercase();
        let is_hub = HUB_NAMES.contains(&registry.as_str());
        let name = match (is_hub, path.contains('/')) {
            (true, true) => format!("{}/{path}", HUB_NAMES[0]),
            (true, false) => format!("{}/library/{path}", HUB_NAMES[0]),
            (false, _) => format!("{registry}/{path}"),
        };
        Ok(Self { name, checksum })
    }

    /// `registry/path`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The registry digest that the app's entry holds.
    pub fn checksum(&self) -> B256 {
        self.checksum
    }

    /// The host, and port if any, of the registry.
    pub fn registry(&self) -> &str {
        self.name.split('/').next().unwrap_or(&self.name)
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@sha256:{}", self.name, hex::encode(self.checksum))
    }
}

fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok())
}

/// Letters and digits in groups, with `.`, `_`, `__` or any number of `-` between them.
fn is_path_component(text: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_group = |group: &str| group.bytes().all(is_plain);
    let separators = text.split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let ends_plain =
        text.bytes().next().is_some_and(is_plain) && text.bytes().next_back().is_some_and(is_plain);
    ends_plain
        && separators
            .into_iter()
            .all(|s| matches!(s, "" | "." | "_" | "__") || s.bytes().all(|b| b == b'-'))
        && text.split(['.', '_', '-']).all(is_group)
}

impl Engine {
    /// Whether the image is here already, under exactly this name and checksum.
    pub async fn has_image(&self, image: &ImageRef) -> Result<bool, EngineError> {
        match self.docker.inspect_image(&image.to_string()).await.map_err(EngineError::from) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Brings an image here unless it is, within `limit`. `progress` is called on every change.
    /// Dropping the future stops the pull; layers that are complete stay for the next attempt.
    pub async fn pull(
        &self,
        image: &ImageRef,
        credentials: Option<Credentials>,
        limit: Duration,
        progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Result<(), PullError> {
        let failed = |error| PullError::Engine { image: image.clone(), error };
        if !self.has_image(image).await.map_err(failed)? {
            timeout(limit, self.pull_absent(image, credentials, progress))
                .await
                .map_err(|_| PullError::TooLong { image: image.clone(), limit })??;
        }
        let found = self.docker.inspect_image(&image.to_string()).await;
        let found = found.map_err(EngineError::from).map_err(failed)?;
        let os = found.os.unwrap_or_default();
        let architecture = found.architecture.unwrap_or_default();
        if (os.as_str(), architecture.as_str()) != ("linux", "amd64") {
            let reason = format!("it is for {os}/{architecture}");
            return Err(PullError::WrongPlatform { image: image.clone(), reason });
        }
        Ok(())
    }

    async fn pull_absent(
        &self,
        image: &ImageRef,
        credentials: Option<Credentials>,
        progress: &mut (dyn FnMut(PullProgress) + Send),
    ) -> Result<(), PullError> {
        let options = CreateImageOptionsBuilder::new().from_image(&image.to_string()).build();
        let login = credentials.map(|credentials| DockerCredentials {
            username: Some(credentials.username),
            password: Some(credentials.password),
            serveraddress: Some(image.registry().to_owned()),
            ..DockerCredentials::default()
        });
        let mut layers = Layers::default();
        let mut pull = self.docker.create_image(Some(options), None, login);
        while let Some(step) = pull.next().await {
            match step {
                Ok(step) => layers.note(&step).into_iter().for_each(&mut *progress),
                Err(bollard::errors::Error::DockerStreamError { error }) => {
                    return Err(refusal(image, error));
                }
                Err(error) => {
                    return Err(match EngineError::from(error) {
                        EngineError::Refused { message, .. } => refusal(image, message),
                        error => PullError::Engine { image: image.clone(), error },
                    });
                }
            }
        }
        Ok(())
    }
}

/// The layers of a pull under way.
#[derive(Default)]
struct Layers {
    bytes: BTreeMap<String, u64>,
    done: usize,
    shown: PullProgress,
}

impl Layers {
    /// Takes a step and returns the progress if it changed.
    fn note(&mut self, step: &CreateImageInfo) -> Option<PullProgress> {
        let id = step.id.as_ref()?;
        let is_known = self.bytes.contains_key(id);
        match step.status.as_deref()? {
            "Pulling fs layer" if !is_known && self.bytes.len() < LAYERS_MAX => {
                self.bytes.insert(id.clone(), 0);
            }
            "Downloading" if is_known => {
                let current = step.progress_detail.as_ref().and_then(|detail| detail.current);
                let current = u64::try_from(current.unwrap_or(0)).unwrap_or(0);
                self.bytes.insert(id.clone(), current);
            }
            "Pull complete" if is_known => self.done += 1,
            _ => return None,
        }
        let bytes = self.bytes.values().sum();
        let now = PullProgress { layers: self.bytes.len(), layers_done: self.done, bytes };
        let changed = now != self.shown;
        self.shown = now;
        changed.then_some(now)
    }
}

/// The engine tells kinds of failure apart in its text only. The parts looked for are those of
/// moby's and containerd's pull code.
fn refusal(image: &ImageRef, reason: String) -> PullError {
    let text = reason.to_ascii_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| text.contains(part));
    let image = image.clone();
    if has(&["verification failed", "digest mismatch", "unexpected digest", "digest did not match"])
    {
        PullError::ChecksumMismatch { image, reason }
    } else if has(&["no matching manifest", "cannot be used on this platform"]) {
        PullError::WrongPlatform { image, reason }
    } else if has(&["no space left"]) {
        PullError::NoSpace { image, reason }
    } else if has(&["name unknown", "name invalid", "denied", "unauthorized", "no basic auth"]) {
        PullError::NotFound { image, reason }
    } else if has(&["manifest unknown", "not found", "unknown blob"]) {
        PullError::ChecksumAbsent { image, reason }
    } else if has(&[
        "dial tcp",
        "connection re",
        "no such host",
        "timeout",
        "deadline exceeded",
        "eof",
        "tls",
        "x509",
        "server gave http response",
        "received unexpected http status",
    ]) {
        PullError::Unreachable { image, reason }
    } else {
        let error = EngineError::Refused { status: 500, message: reason };
        PullError::Engine { image, error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name_of(text: &str) -> String {
        ImageRef::from_multiaddr(text.as_bytes(), B256::ZERO).unwrap().name().to_owned()
    }

    #[test]
    fn names_are_read_as_docker_reads_them() {
        for (text, name) in [
            ("busybox", "docker.io/library/busybox"),
            ("iexechub/hello:8.0.0", "docker.io/iexechub/hello"),
            ("docker.io/iexechub/hello:1", "docker.io/iexechub/hello"),
            ("registry.hub.docker.com/iexechub/hello", "docker.io/iexechub/hello"),
            ("127.0.0.1:5000/apps/text-stats:latest", "127.0.0.1:5000/apps/text-stats"),
            ("localhost/a__b/c--d.e", "localhost/a__b/c--d.e"),
            ("GHCR.io/owner/app", "ghcr.io/owner/app"),
        ] {
            assert_eq!(name_of(text), name, "{text}");
        }
        let image = ImageRef::from_multiaddr(b"a.b/c", B256::repeat_byte(0xab)).unwrap();
        assert_eq!(image.to_string(), format!("a.b/c@sha256:{}", "ab".repeat(32)));
        assert_eq!(image.registry(), "a.b");
    }

    #[test]
    fn what_is_not_an_image_name_is_refused() {
        for bad in [
            "",
            "/",
            "/ipfs/Qm",
            "http://a/b",
            "a b",
            "A/b",
            "a/../b",
            "a//b",
            "a/-b",
            "a/b_",
            "a/b___c",
            "h.x:port/a",
            "a.b/?x=1",
            "a/b#c",
            "a:1:2/x%2f",
            "-/a.b:/x",
        ] {
            assert!(ImageRef::from_multiaddr(bad.as_bytes(), B256::ZERO).is_err(), "{bad}");
        }
        assert!(ImageRef::from_multiaddr(&[0xa5, 0x03, 0xff], B256::ZERO).is_err());
        assert!(ImageRef::from_multiaddr(&[b'a'; 256], B256::ZERO).is_err());
    }

    #[test]
    fn a_digest_in_the_name_must_be_the_checksum() {
        let checksum = B256::repeat_byte(1);
        let same = format!("a/b:1@sha256:{}", "01".repeat(32));
        assert!(ImageRef::from_multiaddr(same.as_bytes(), checksum).is_ok());
        let error = ImageRef::from_multiaddr(same.as_bytes(), B256::ZERO).unwrap_err();
        assert!(error.to_string().contains("differs from the app's checksum"));
    }

    #[test]
    fn passwords_do_not_show() {
        let login = Credentials { username: "me".into(), password: "hunter2".into() };
        assert!(!format!("{login:?}").contains("hunter2"));
    }
}
