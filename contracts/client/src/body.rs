//! Answers over HTTP, read to a limit: whoever answers may send without end.

use reqwest::Response;
use serde::de::DeserializeOwned;

/// Why an answer was not read.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// It went on beyond this.
    #[error("its answer is longer than {0} bytes")]
    TooLong(usize),
    /// It broke off.
    #[error("its answer broke off")]
    Broken(#[source] reqwest::Error),
    /// It is no JSON, or not of the form that was asked for.
    #[error("its answer cannot be read: {0}")]
    Unreadable(#[from] serde_json::Error),
}

/// The body of an answer of at most so many bytes.
///
/// # Errors
/// [`BodyError`], but for what the bytes are.
pub async fn read_body(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, BodyError> {
    let broken = |error: reqwest::Error| BodyError::Broken(error.without_url());
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if bytes.len().saturating_add(chunk.len()) > bytes_max {
            return Err(BodyError::TooLong(bytes_max));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The same as JSON.
///
/// # Errors
/// [`BodyError`].
pub async fn read_json<T: DeserializeOwned>(
    response: Response,
    bytes_max: usize,
) -> Result<T, BodyError> {
    Ok(serde_json::from_slice(&read_body(response, bytes_max).await?)?)
}
