//! Fetches inputs to the folder that becomes `/iexec_in`.
//!
//! Everything streams to a temporary file that gets its name only when complete and checked, so
//! a file that has its name is right and is not fetched again after a restart.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use alloy_primitives::B256;
use reqwest::header::{ACCEPT, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode};
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use thiserror::Error;
use tokio::time::timeout;
use url::Url;

use super::address::{NotPublic, PublicResolver, check_literal};
use super::{Dataset, INPUT_FILES_MAX, InputNames, Inputs, Source};
use crate::engine::with_causes;

/// Most redirects followed, as browsers and curl allow some and honest servers need few.
const REDIRECTS_MAX: usize = 5;
/// How long a server may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(15);
/// How long a server may send nothing.
const SILENCE_TIME: Duration = Duration::from_secs(60);

/// What may be fetched, and from where.
#[derive(Clone, Debug)]
pub struct FetchSettings {
    /// Allows servers that are not on the public internet. For development machines.
    pub allow_private: bool,
    /// IPFS gateways, tried in order; they may be private, since the operator names them.
    pub gateways: Vec<Url>,
    /// Most bytes of all inputs of a run together.
    pub bytes_max: u64,
    /// Longest time for all inputs of a run together.
    pub time_max: Duration,
}

/// A file that was fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// Its length.
    pub bytes: u64,
    /// Its sha256.
    pub sha256: B256,
}

/// Why an input is not here.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The request names more inputs than any run gets.
    #[error("the request names more than {INPUT_FILES_MAX} input files")]
    TooMany,
    /// The server, or every gateway, has no such file.
    #[error("{source_shown} was not found: {reason}")]
    NotFound {
        /// The input.
        source_shown: String,
        /// What was answered.
        reason: String,
    },
    /// The address is not on the public internet, or a redirect leads nowhere sensible.
    #[error("{source_shown} is not fetched: {reason}")]
    Refused {
        /// The input.
        source_shown: String,
        /// Why not.
        reason: String,
    },
    /// The inputs are larger than allowed.
    #[error("{source_shown} makes the inputs larger than {bytes_max} bytes")]
    TooLarge {
        /// The input.
        source_shown: String,
        /// The limit.
        bytes_max: u64,
    },
    /// The content is not what the chain or the CID says.
    #[error("{source_shown} has the wrong content: expected {expected}, got {got}")]
    Mismatch {
        /// The input.
        source_shown: String,
        /// Checksum or CID wanted.
        expected: String,
        /// Checksum or CID found.
        got: String,
    },
    /// The server or the network failed.
    #[error("{source_shown} cannot be fetched: {reason}")]
    Network {
        /// The input.
        source_shown: String,
        /// What failed.
        reason: String,
    },
    /// The inputs took longer than allowed.
    #[error("fetching the inputs took longer than {} s", limit.as_secs())]
    TooLong {
        /// The time allowed.
        limit: Duration,
    },
    /// Writing failed.
    #[error("cannot write the input {path:?}: {error}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl FetchError {
    /// Whether trying again later, or on another machine, may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Network { .. } | Self::TooLong { .. } | Self::Io { .. } => true,
            Self::TooMany
            | Self::NotFound { .. }
            | Self::Refused { .. }
            | Self::TooLarge { .. }
            | Self::Mismatch { .. } => false,
        }
    }
}

/// Fetches inputs under the limits of its settings.
#[derive(Clone, Debug)]
pub struct Fetcher {
    pub(super) settings: FetchSettings,
    /// For addresses that requesters name.
    strangers: Client,
    /// For addresses that the operator names.
    pub(super) gateways: Client,
}

impl Fetcher {
    /// Fails only if this machine has no usable TLS set-up.
    pub fn new(settings: FetchSettings) -> Result<Self, reqwest::Error> {
        // Whoever is first decides for the process; this crate needs one and brings ring.
        if rustls::crypto::CryptoProvider::get_default().is_none() {
            let _lost_race = rustls::crypto::ring::default_provider().install_default();
        }
        let builder = || {
            Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                // A proxy would connect for us, past the check of addresses.
                .no_proxy()
                .connect_timeout(CONNECT_TIME)
                .read_timeout(SILENCE_TIME)
                .user_agent(concat!("poco/", env!("CARGO_PKG_VERSION")))
        };
        let gateways = builder().build()?;
        let strangers = if settings.allow_private {
            gateways.clone()
        } else {
            builder().dns_resolver(PublicResolver).build()?
        };
        Ok(Self { settings, strangers, gateways })
    }

    /// Brings all inputs to `folder` under the names of [`Inputs::names`]. What is there already
    /// is taken as it is, except the dataset, whose checksum is always computed.
    pub async fn fetch(&self, inputs: &Inputs, folder: &Path) -> Result<InputNames, FetchError> {
        if inputs.files.len() > INPUT_FILES_MAX {
            return Err(FetchError::TooMany);
        }
        let limit = self.settings.time_max;
        timeout(limit, self.fetch_all(inputs, folder))
            .await
            .map_err(|_| FetchError::TooLong { limit })?
    }

    async fn fetch_all(&self, inputs: &Inputs, folder: &Path) -> Result<InputNames, FetchError> {
        let names = inputs.names();
        let mut bytes_left = self.settings.bytes_max;
        if let (Some(dataset), Some(name)) = (&inputs.dataset, &names.dataset) {
            bytes_left -= self.fetch_dataset(dataset, &folder.join(name), bytes_left).await?;
        }
        for (source, name) in inputs.files.iter().zip(&names.files) {
            let path = folder.join(name);
            let bytes = match path.metadata() {
                Ok(metadata) => metadata.len(),
                Err(_) => self.fetch_one(source, &path, bytes_left, None).await?.bytes,
            };
            bytes_left = bytes_left.saturating_sub(bytes);
        }
        Ok(names)
    }

    async fn fetch_dataset(
        &self,
        dataset: &Dataset,
        path: &Path,
        bytes_max: u64,
    ) -> Result<u64, FetchError> {
        if let Ok(file) = std::fs::File::open(path) {
            let bytes = file.metadata().map_or(0, |metadata| metadata.len());
            let hashed = tokio::task::spawn_blocking(|| poco_result::digest::sha256_of(file)).await;
            if matches!(hashed, Ok(Ok(sha256)) if sha256 == dataset.checksum) && bytes <= bytes_max
            {
                return Ok(bytes);
            }
        }
        let fetched = self.fetch_one(&dataset.source, path, bytes_max, Some(dataset.checksum));
        fetched.await.map(|fetched| fetched.bytes)
    }

    /// Fetches one file of at most `bytes_max` bytes to `path`, checking its sha256 if one is
    /// given. On failure nothing is left at `path`.
    async fn fetch_one(
        &self,
        source: &Source,
        path: &Path,
        bytes_max: u64,
        checksum: Option<B256>,
    ) -> Result<Fetched, FetchError> {
        let mut sink = Sink::new(source, path, bytes_max, self.settings.bytes_max)?;
        match source {
            Source::Web(url) => self.fetch_web(url, &mut sink).await?,
            Source::Ipfs(cid) => self.fetch_ipfs(cid, &mut sink).await?,
        }
        sink.finish(path, checksum)
    }

    async fn fetch_web(&self, url: &Url, sink: &mut Sink) -> Result<(), FetchError> {
        let check = !self.settings.allow_private;
        let mut response = get(&self.strangers, url.clone(), None, check)
            .await
            .map_err(|failure| failure.of(&sink.shown))?;
        sink.expect(response.content_length())?;
        while let Some(bytes) = response.chunk().await.map_err(|error| sink.network(&error))? {
            sink.write(&bytes)?;
        }
        Ok(())
    }
}

/// A request that gave no content.
pub(super) enum Failure {
    NotFound(String),
    Refused(String),
    Network(String),
}

impl Failure {
    pub(super) fn of(self, source_shown: &str) -> FetchError {
        let source_shown = source_shown.to_owned();
        match self {
            Self::NotFound(reason) => FetchError::NotFound { source_shown, reason },
            Self::Refused(reason) => FetchError::Refused { source_shown, reason },
            Self::Network(reason) => FetchError::Network { source_shown, reason },
        }
    }
}

/// Requests `url`, following redirects, each of which is checked as the first address was.
pub(super) async fn get(
    client: &Client,
    mut url: Url,
    accept: Option<&str>,
    check: bool,
) -> Result<Response, Failure> {
    for _ in 0..=REDIRECTS_MAX {
        if check {
            check_literal(&url).map_err(|error| Failure::Refused(error.to_string()))?;
        }
        let mut request = client.get(url.clone());
        if let Some(accept) = accept {
            request = request.header(ACCEPT, accept);
        }
        let response = request.send().await.map_err(|error| failure_of(&error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if !status.is_redirection() {
            return Err(failure_of_status(status));
        }
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let next = location.and_then(|location| url.join(location).ok());
        url = next
            .filter(|next| matches!(next.scheme(), "http" | "https"))
            .ok_or_else(|| Failure::Refused(format!("{status} leads nowhere")))?;
    }
    Err(Failure::Refused(format!("more than {REDIRECTS_MAX} redirects")))
}

fn failure_of_status(status: StatusCode) -> Failure {
    let reason = format!("the server answered {status}");
    if matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE) {
        Failure::NotFound(reason)
    } else if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        Failure::Network(reason)
    } else {
        Failure::Refused(reason)
    }
}

fn failure_of(error: &reqwest::Error) -> Failure {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<NotPublic>() {
            return Failure::Refused(error.to_string());
        }
        cause = error.source();
    }
    Failure::Network(network_reason(error))
}

/// The reason without the url, which may carry secrets.
fn network_reason(error: &reqwest::Error) -> String {
    match std::error::Error::source(error) {
        Some(cause) => with_causes(cause),
        None if error.is_timeout() => "the server sent nothing for too long".into(),
        None => "the connection failed".into(),
    }
}

/// Whether a response's content is of this type.
pub(super) fn is_type(response: &Response, wanted: &str) -> bool {
    let found = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    found.is_some_and(|found| found.split(';').next().unwrap_or(found).trim() == wanted)
}

/// A file being fetched.
pub(super) struct Sink {
    pub(super) shown: String,
    partial: NamedTempFile,
    hasher: Sha256,
    bytes: u64,
    pub(super) bytes_max: u64,
    /// The limit of the whole run, to be named in errors.
    bytes_max_shown: u64,
}

impl Sink {
    fn new(source: &Source, path: &Path, bytes_max: u64, shown: u64) -> Result<Self, FetchError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let partial = tempfile::Builder::new()
            .prefix(".partial-")
            .tempfile_in(folder)
            .map_err(|error| FetchError::Io { path: path.into(), error })?;
        let hasher = Sha256::new();
        let shown_source = source.to_string();
        Ok(Self {
            shown: shown_source,
            partial,
            hasher,
            bytes: 0,
            bytes_max,
            bytes_max_shown: shown,
        })
    }

    pub(super) fn too_large(&self) -> FetchError {
        let source_shown = self.shown.clone();
        FetchError::TooLarge { source_shown, bytes_max: self.bytes_max_shown }
    }

    pub(super) fn network(&self, error: &reqwest::Error) -> FetchError {
        Failure::Network(network_reason(error)).of(&self.shown)
    }

    /// Refuses early what announces itself as too large.
    pub(super) fn expect(&self, announced: Option<u64>) -> Result<(), FetchError> {
        if announced.is_some_and(|bytes| bytes > self.bytes_max) {
            return Err(self.too_large());
        }
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), FetchError> {
        self.bytes += bytes.len() as u64;
        if self.bytes > self.bytes_max {
            return Err(self.too_large());
        }
        self.hasher.update(bytes);
        // Files of this size are written faster than they arrive, so this does not hold up others.
        self.partial.write_all(bytes).map_err(|error| self.io(error))
    }

    /// Starts over, after a source turned out to be wrong.
    pub(super) fn restart(&mut self) -> Result<(), FetchError> {
        use std::io::Seek as _;
        self.hasher = Sha256::new();
        self.bytes = 0;
        let file = self.partial.as_file_mut();
        file.set_len(0).and_then(|()| file.rewind()).map_err(|error| self.io(error))
    }

    fn io(&self, error: io::Error) -> FetchError {
        FetchError::Io { path: self.partial.path().into(), error }
    }

    fn finish(self, path: &Path, checksum: Option<B256>) -> Result<Fetched, FetchError> {
        use std::os::unix::fs::PermissionsExt as _;
        let sha256 = B256::from_slice(&self.hasher.finalize());
        if let Some(expected) = checksum.filter(|expected| *expected != sha256) {
            return Err(FetchError::Mismatch {
                source_shown: self.shown,
                expected: format!("sha256 {expected}"),
                got: format!("sha256 {sha256}"),
            });
        }
        let failed = |error| FetchError::Io { path: path.into(), error };
        // The app's user is another one and must be able to read it.
        let readable = std::fs::Permissions::from_mode(0o644);
        self.partial.as_file().set_permissions(readable).map_err(failed)?;
        self.partial.as_file().sync_all().map_err(failed)?;
        self.partial.persist(path).map_err(|error| failed(error.error))?;
        Ok(Fetched { bytes: self.bytes, sha256 })
    }
}
