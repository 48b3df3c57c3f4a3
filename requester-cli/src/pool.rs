//! A pool's API: where its tasks stand, and the results it keeps.

use crate::context::Context;
use crate::failure::Failure;
use anyhow::Context as _;
use futures::StreamExt;
use poco_core::{Address, TaskId};
use poco_market_client::Market;
use poco_proto::MESSAGE_BYTES_MAX;
use poco_proto::pool_url::PoolUrl;
use poco_proto::v1::explain_request::Subject;
use poco_proto::v1::observer_client::ObserverClient;
use poco_proto::v1::{
    ExplainRequest, Explanation, GetTaskRequest, LogsPart, LogsRequest, TaskReport,
};
use std::path::Path;
use std::time::Duration;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use tonic::transport::Channel;
use url::Url;

/// Longest wait for a connection to a pool.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest challenge that is read.
const CHALLENGE_BYTES_MAX: usize = 1 << 20;
/// A download that brings nothing for this long has failed.
const READ_TIMEOUT: Duration = Duration::from_secs(60);

/// How TLS begins to say that it does not take a server's certificate.
const REFUSED_CERTIFICATE: &str = "invalid peer certificate";

/// The most that is downloaded: more than a result may unpack to would be refused anyway, and a
/// server that never ends must not fill the disk.
const DOWNLOAD_BYTES_MAX: u64 = 16 << 30;

/// A pool's API.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    url: PoolUrl,
    observer: ObserverClient<Channel>,
    http: reqwest::Client,
}

impl Pool {
    /// The pool at `workerpool`: at `--pool-url`, or where the market says.
    pub(crate) async fn find(
        context: &Context,
        market: &Market,
        workerpool: Address,
    ) -> Result<Option<Self>, Failure> {
        let url = match &context.global.pool_url {
            Some(url) => Some(url.clone()),
            None => {
                let profile = market.profile(workerpool).await?;
                profile.map(|profile| known_at(&profile.api_url)).transpose()?
            }
        };
        url.map(Self::at).transpose()
    }

    /// The pool whose API is at `url`. Connects when first used.
    pub(crate) fn at(url: Url) -> Result<Self, Failure> {
        let shown = url.to_string();
        let url = PoolUrl::try_from(url)
            .map_err(|problem| Failure::Usage(format!("the pool's url {shown} {problem}")))?;
        let endpoint = url
            .endpoint()
            .map_err(|error| Failure::Usage(format!("{shown} cannot be used: {error}")))?
            .connect_timeout(CONNECT_TIMEOUT);
        let observer = ObserverClient::new(endpoint.connect_lazy())
            .max_decoding_message_size(MESSAGE_BYTES_MAX);
        let http =
            reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(READ_TIMEOUT);
        let http = match url.pinned() {
            Some(tls) => http.tls_backend_preconfigured(tls),
            None => http,
        };
        let http = http.build().map_err(anyhow::Error::from)?;
        Ok(Self { url, observer, http })
    }

    /// Where a task stands; `None` where the pool does not know it.
    pub(crate) async fn task(&self, task: TaskId) -> Result<Option<TaskReport>, Failure> {
        let request = GetTaskRequest { task: task.0.to_vec() };
        match self.observer.clone().get_task(request).await {
            Ok(report) => Ok(Some(report.into_inner())),
            Err(status) if status.code() == tonic::Code::NotFound => Ok(None),
            Err(status) => Err(self.unreachable(&cause(&status))),
        }
    }

    /// Why something is where it is.
    pub(crate) async fn explain(&self, subject: Subject) -> Result<Explanation, Failure> {
        let request = ExplainRequest { subject: Some(subject) };
        let explained = self.observer.clone().explain(request).await;
        explained.map(tonic::Response::into_inner).map_err(|status| {
            let told = status.message().to_owned();
            if status.code() == tonic::Code::NotFound {
                Failure::NotFound(told)
            } else if status.code() == tonic::Code::InvalidArgument {
                Failure::Usage(told)
            } else {
                self.unreachable(&cause(&status))
            }
        })
    }

    /// Every change of a task until it has ended. Ends early where the pool goes away.
    pub(crate) async fn watch(
        &self,
        task: TaskId,
    ) -> Result<impl futures::Stream<Item = TaskReport> + Unpin, Failure> {
        let request = GetTaskRequest { task: task.0.to_vec() };
        let answer = self.observer.clone().watch_task(request).await;
        let stream = answer.map_err(|status| self.unreachable(&cause(&status)))?.into_inner();
        Ok(Box::pin(stream.filter_map(|report| async { report.ok() })))
    }

    /// What the runs of a task print.
    pub(crate) async fn read_logs(
        &self,
        request: LogsRequest,
    ) -> Result<tonic::Streaming<LogsPart>, Failure> {
        let answer = self.observer.clone().read_logs(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| self.no_logs(&status))
    }

    /// The next part; `None` at the end.
    pub(crate) async fn next_logs(
        &self,
        parts: &mut tonic::Streaming<LogsPart>,
    ) -> Result<Option<LogsPart>, Failure> {
        parts.message().await.map_err(|status| self.no_logs(&status))
    }

    fn no_logs(&self, status: &tonic::Status) -> Failure {
        let told = status.message().to_owned();
        let code = status.code();
        if code == tonic::Code::NotFound {
            Failure::NotFound(told)
        } else if [tonic::Code::PermissionDenied, tonic::Code::Unauthenticated].contains(&code) {
            Failure::Refused(format!("{told}: choose its wallet with --wallet"))
        } else if code == tonic::Code::Unimplemented {
            Failure::Refused("this pool is older and tells no logs".to_owned())
        } else {
            self.unreachable(&told)
        }
    }

    /// The text to sign before what runs print can be read.
    pub(crate) async fn logs_challenge(
        &self,
        chain_id: u64,
        address: Address,
    ) -> Result<serde_json::Value, Failure> {
        let base = self.url.url().as_str().trim_end_matches('/');
        let url = format!("{base}/tasks/logs/challenge");
        let query = [("chainId", chain_id.to_string()), ("address", address.to_checksum(None))];
        self.ask_challenge(self.http.get(url).query(&query)).await
    }

    /// Streams the result at `location` (`/ipfs/<cid>`) into `file`.
    ///
    /// `authorization` proves the beneficiary, where the result is for one alone.
    pub(crate) async fn download(
        &self,
        location: &str,
        authorization: Option<&str>,
        file: &NamedTempFile,
    ) -> Result<(), Failure> {
        let base = self.url.url().as_str().trim_end_matches('/');
        let url = format!("{base}{location}");
        let mut request = self.http.get(&url).header("accept", "application/zip");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.map_err(|error| self.unanswered(&error))?;
        match response.status().as_u16() {
            200 => {}
            401 | 403 => {
                return Err(Failure::Refused(
                    "only the beneficiary may fetch this result: choose its wallet with --wallet"
                        .to_owned(),
                ));
            }
            404 => {
                return Err(Failure::NotFound(format!(
                    "the pool does not have {url} (any more): another server of it can be given with --pool-url"
                )));
            }
            status => return Err(self.unreachable(&format!("it answers {status}"))),
        }
        let file_path = file.path();
        // By its handle: a write that is under way when the file is removed must not make it anew.
        let open = file.reopen().with_context(|| cannot_write(file_path))?;
        let mut out = tokio::fs::File::from_std(open);
        let mut left = DOWNLOAD_BYTES_MAX;
        let mut body = response.bytes_stream();
        while let Some(part) = body.next().await {
            let part = part.map_err(|_| self.unreachable("the download broke off; try again"))?;
            let Some(rest) = left.checked_sub(part.len() as u64) else {
                return Err(Failure::Mismatch(format!(
                    "{url} is larger than any result, {DOWNLOAD_BYTES_MAX} bytes; nothing was unpacked"
                )));
            };
            left = rest;
            out.write_all(&part).await.with_context(|| cannot_write(file_path))?;
        }
        out.sync_all().await.with_context(|| cannot_write(file_path))?;
        Ok(())
    }

    /// The text to sign before a restricted result can be fetched.
    pub(crate) async fn challenge(
        &self,
        task: TaskId,
        address: Address,
    ) -> Result<serde_json::Value, Failure> {
        let base = self.url.url().as_str().trim_end_matches('/');
        let url = format!("{base}/results/{task}/challenge");
        let query = [("address", address.to_checksum(None))];
        self.ask_challenge(self.http.get(url).query(&query)).await
    }

    async fn ask_challenge(
        &self,
        request: reqwest::RequestBuilder,
    ) -> Result<serde_json::Value, Failure> {
        let response = request.send().await.map_err(|error| self.unanswered(&error))?;
        let challenge = poco_chain::read_json(response, CHALLENGE_BYTES_MAX).await;
        challenge.map_err(|_| self.unreachable("it gives no challenge"))
    }

    /// No answer over HTTP. Where the pool's key was refused, that is why.
    fn unanswered(&self, error: &reqwest::Error) -> Failure {
        let why = deepest(error);
        if why.starts_with(REFUSED_CERTIFICATE) {
            return self.unreachable(&why);
        }
        self.unreachable("no answer; is it running, and is --pool-url right?")
    }

    pub(crate) fn unreachable(&self, why: &str) -> Failure {
        Failure::Unreachable(format!("the pool at {}: {why}", self.url))
    }
}

/// What a pool says, or what kept the connection to it from being made.
fn cause(status: &tonic::Status) -> String {
    match std::error::Error::source(status) {
        Some(source) => deepest(source),
        None => status.message().to_owned(),
    }
}

/// The first cause of an error.
fn deepest(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().unwrap_or(error).to_string()
}

fn cannot_write(file: &Path) -> String {
    let folder = file.parent().unwrap_or(file);
    format!("the download cannot be written to {}: is the disk full?", folder.display())
}

/// The url of a profile.
fn known_at(api_url: &str) -> Result<Url, Failure> {
    api_url.parse().map_err(|_| {
        Failure::Unreachable(format!(
            "the pool's profile says that it is at {api_url:?}, which is no url"
        ))
    })
}
