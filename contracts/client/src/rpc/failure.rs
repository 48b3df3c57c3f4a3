//! What can go wrong between a node and us.

use crate::abi::refusal::Refusal;
use alloy_json_rpc::ErrorPayload;
use alloy_transport::{TransportError, TransportErrorKind};
use poco_core::Bytes;
use serde_json::Value;
use std::error::Error;

/// The node did not answer, or not so that it could be used. It never stands for "no".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RpcError {
    /// No node answered; why, for each.
    #[error("no node answered ({detail})")]
    Unreachable {
        /// Why, for each node.
        detail: String,
    },
    /// The nodes know less than one of them knew before.
    #[error("the node is at block {at}, behind block {seen} that was seen before")]
    Behind {
        /// Where it is.
        at: u64,
        /// What was seen.
        seen: u64,
    },
    /// The node answered with an error of its own.
    #[error("the node refused {method}: {message}")]
    Node {
        /// What was asked.
        method: &'static str,
        /// Its words.
        message: String,
    },
    /// The answer is not one that a hub or a node of this protocol gives.
    #[error("the node's answer to {method} cannot be used: {detail}")]
    Unexpected {
        /// What was asked.
        method: &'static str,
        /// Why not.
        detail: String,
    },
}

impl RpcError {
    pub(crate) fn unexpected(method: &'static str, detail: impl ToString) -> Self {
        Self::Unexpected { method, detail: detail.to_string() }
    }
}

/// How nodes begin to say that the virtual machine stopped, where they give no code for it.
const STOPPED_MACHINE: [&str; 7] = [
    "out of gas",
    "evm error",
    "vm execution error",
    "invalid opcode",
    "invalid jump",
    "stack ",
    "execution error",
];

/// Error code of a revert (EIP-1474 has none; geth set it, and others follow).
const CODE_REVERT: i64 = 3;

/// The refusal, where a contract refused and not the node. alloy knows a revert by its message
/// alone, and some nodes say it in other words.
pub(crate) fn refusal(error: &ErrorPayload) -> Option<Refusal> {
    let lower = error.message.to_lowercase();
    let has_reverted = error.code == CODE_REVERT
        || lower.contains("revert")
        || STOPPED_MACHINE.iter().any(|words| lower.starts_with(words));
    let data = error.try_data_as().and_then(Result::ok).as_ref().and_then(find_hex);
    let has_data = data.as_ref().is_some_and(|data| data.len() >= 4);
    (has_reverted || has_data).then(|| Refusal::decode(data.unwrap_or_default(), &error.message))
}

/// Nodes put revert data in `data`, in `data.data`, or in one object per transaction below it.
fn find_hex(value: &Value) -> Option<Bytes> {
    match value {
        Value::String(text) => {
            // Parity wrote "Reverted 0x…".
            let hex = text.strip_prefix("Reverted ").unwrap_or(text);
            hex.starts_with("0x").then(|| hex.parse().ok()).flatten()
        }
        Value::Object(members) => members.values().find_map(find_hex),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    }
}

/// Why there is no answer, in one line without what the node sent.
pub(super) fn described(error: &TransportError) -> String {
    match error {
        TransportError::Transport(TransportErrorKind::MissingBatchResponse(_)) => {
            "some calls were not answered".into()
        }
        TransportError::Transport(kind) => one_line(kind),
        TransportError::DeserError { err, .. } => one_line(err),
        TransportError::ErrorResp(_)
        | TransportError::NullResp
        | TransportError::UnsupportedFeature(_)
        | TransportError::LocalUsageError(_)
        | TransportError::SerError(_) => one_line(error),
    }
}

/// An error and what caused it, on one line.
pub(crate) fn one_line(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let text = cause.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        source = cause.source();
    }
    line.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal_of(error: &Value) -> Option<Refusal> {
        refusal(&serde_json::from_value(error.clone()).unwrap())
    }

    #[test]
    fn reverts_are_told_from_node_trouble_whichever_node_it_is() {
        let text = "0x08c379a0000000000000000000000000000000000000000000000000000000000000002000000000000000000000000000000000000000000000000000000000000000036e6f700000000000000000000000000000000000000000000000000000000000";
        for error in [
            json!({"code": 3, "message": "execution reverted: nop", "data": text}),
            json!({"code": -32000, "message": "execution reverted", "data": {"data": text}}),
            json!({"code": -32015, "message": "VM execution error.", "data": format!("Reverted {text}")}),
        ] {
            assert_eq!(refusal_of(&error).map(|r| r.reason), Some("nop".into()), "{error}");
        }
        for error in [
            json!({"code": -32000, "message": "header not found"}),
            json!({"code": -32005, "message": "limit exceeded", "data": {"see": "https://node"}}),
            json!({"code": -32603, "message": "internal error", "data": "0x"}),
        ] {
            assert_eq!(refusal_of(&error), None, "{error}");
        }
    }

    #[test]
    fn a_revert_without_data_shows_what_the_node_said() {
        let refusal = refusal_of(&json!({"code": 3, "message": "execution reverted"})).unwrap();
        assert_eq!((refusal.reason.as_str(), refusal.data.len()), ("execution reverted", 0));
    }
}
