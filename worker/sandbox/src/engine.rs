//! The connection to the container engine, and what its errors mean.

use bollard::Docker;
use bollard::errors::Error;
use thiserror::Error as ThisError;

/// A connection to a Docker engine. Cheap to clone; it survives restarts of the engine.
#[derive(Clone, Debug)]
pub struct Engine {
    pub(crate) docker: Docker,
    pub(crate) url: String,
}

/// Where an engine listens unless configured otherwise.
const DEFAULT_URL: &str = "unix:///var/run/docker.sock";

/// Why no engine answers.
#[derive(Debug, ThisError)]
pub enum ConnectError {
    /// The url is of a kind that is not spoken.
    #[error("{url} is no engine address; use unix:///path, tcp://host:port or http://host:port")]
    BadUrl {
        /// The url as given.
        url: String,
    },
    /// Nothing answers there, or this user may not ask.
    #[error("no container engine answers at {url}: {reason}; start docker, or join its group")]
    Unreachable {
        /// The url tried.
        url: String,
        /// What the system said.
        reason: String,
    },
}

/// Why the engine did not do what was asked.
#[derive(Clone, Debug, ThisError, PartialEq, Eq)]
pub enum EngineError {
    /// The engine is gone or too slow; it may come back.
    #[error("the container engine does not answer: {0}")]
    Lost(String),
    /// The engine answered with an error.
    #[error("the container engine refused with {status}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Its words.
        message: String,
    },
}

impl EngineError {
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    pub(crate) fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }
}

impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        if let Error::DockerResponseServerError { status_code, message } = error {
            return Self::Refused { status: status_code, message };
        }
        // Everything else is a connection that broke, timed out or carried something unreadable.
        Self::Lost(with_causes(&error))
    }
}

/// An error with its causes; the client's own text often is only "client error (Connect)".
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text = format!("{text}: {part}");
        }
        cause = error.source();
    }
    text
}

impl Engine {
    /// Connects to the engine at `url`, or at `DOCKER_HOST`, or at the usual socket, and agrees on
    /// the version of its interface.
    pub async fn connect(url: Option<&str>) -> Result<Self, ConnectError> {
        let url = match url {
            Some(url) => url.to_owned(),
            None => std::env::var("DOCKER_HOST").unwrap_or_else(|_| DEFAULT_URL.into()),
        };
        let unreachable = |error: Error| {
            if matches!(error, Error::UnsupportedURISchemeError { .. }) {
                return ConnectError::BadUrl { url: url.clone() };
            }
            ConnectError::Unreachable { url: url.clone(), reason: with_causes(&error) }
        };
        let docker = Docker::connect_with_host(&url).map_err(unreachable)?;
        let docker = docker.negotiate_version().await.map_err(unreachable)?;
        Ok(Self { docker, url })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_absent_engine_is_named_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("unix://{}/none.sock", folder.path().display());
        let error = Engine::connect(Some(&url)).await.unwrap_err().to_string();
        assert!(error.contains(&url) && error.contains("start docker"), "{error}");
        let refused = Engine::connect(Some("ftp://engine")).await.unwrap_err();
        assert!(matches!(refused, ConnectError::BadUrl { .. }), "{refused:?}");
    }
}
