//! One call's answer: a result that is not read yet, or the node's error.

use super::failure::{self, RpcError};
use crate::abi::refusal::Refusal;
use alloy_json_rpc::{ErrorPayload, RpcError as Failure};
use alloy_transport::TransportResult;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// One call's answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    method: &'static str,
    said: Result<Box<RawValue>, ErrorPayload>,
}

impl Answer {
    /// What a node answered, or why it did not.
    pub(super) fn of(
        method: &'static str,
        answered: TransportResult<Box<RawValue>>,
    ) -> Result<Self, String> {
        match answered {
            Ok(result) => Ok(Self { method, said: Ok(result) }),
            Err(Failure::ErrorResp(error)) => Ok(Self { method, said: Err(error) }),
            Err(error) => Err(failure::described(&error)),
        }
    }

    /// In the place of one that a batch lacks.
    pub(crate) fn missing() -> Self {
        Self {
            method: "a batch",
            said: Err(ErrorPayload::internal_error_message("no answer".into())),
        }
    }

    /// The result.
    pub(crate) fn parse<T: DeserializeOwned>(self) -> Result<T, RpcError> {
        let Self { method, said } = self;
        match said {
            Ok(result) => serde_json::from_str(result.get())
                .map_err(|error| RpcError::unexpected(method, error)),
            Err(error) => Err(RpcError::Node { method, message: error.message.into_owned() }),
        }
    }

    /// The result, or the refusal where a contract refused and not the node.
    pub(crate) fn parse_or_refusal<T: DeserializeOwned>(
        self,
    ) -> Result<Result<T, Refusal>, RpcError> {
        match self.said.as_ref().err().and_then(failure::refusal) {
            Some(refusal) => Ok(Err(refusal)),
            None => self.parse().map(Ok),
        }
    }
}
