//! The two forms of every answer: `{"ok":true,…}` and `{"ok":false,"error":…}`.

use super::plain;
use crate::publish::PublishError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

/// Why a request is not answered as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// The request is malformed.
    Invalid(String),
    /// The authorization header answers no open challenge.
    Unauthorized,
    /// A rule forbids it.
    Refused(String),
    NotFound(String),
    MethodNotAllowed,
    RateLimited,
    /// The market or its node failed; the log says how.
    Internal,
    /// The market does not follow the chain.
    Unhealthy(String),
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Invalid(text) => (StatusCode::BAD_REQUEST, text),
            Self::Unauthorized => (StatusCode::FORBIDDEN, "invalid authorization".into()),
            Self::Refused(text) => (StatusCode::FORBIDDEN, text),
            Self::NotFound(text) => (StatusCode::NOT_FOUND, text),
            Self::MethodNotAllowed => {
                let status = StatusCode::METHOD_NOT_ALLOWED;
                (status, plain(status).into())
            }
            Self::RateLimited => (StatusCode::TOO_MANY_REQUESTS, "Rate limit exceeded".into()),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something went wrong, you should retry later.".into(),
            ),
            Self::Unhealthy(text) => (StatusCode::SERVICE_UNAVAILABLE, text),
        };
        (status, Json(json!({ "ok": false, "error": text }))).into_response()
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        tracing::error!(error = format!("{error:#}"), "a request failed");
        Self::Internal
    }
}

impl From<PublishError> for Failure {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Refused(_) | PublishError::Profile(_) | PublishError::NotWithdrawn(_) => {
                Self::Refused(error.to_string())
            }
            PublishError::Node(_) | PublishError::NodeBehind { .. } => {
                tracing::warn!(%error, "a request failed");
                Self::Internal
            }
            PublishError::Store(error) => error.into(),
        }
    }
}

/// What handlers answer.
pub(super) type Answer = Result<Json<Value>, Failure>;

/// The fields of a JSON object, with `ok: true`.
pub(super) fn success(fields: Value) -> Answer {
    let mut object = Map::new();
    object.insert("ok".into(), Value::Bool(true));
    if let Value::Object(fields) = fields {
        object.extend(fields);
    }
    Ok(Json(Value::Object(object)))
}
