//! `computed.json`: where the app says its result is.
//!
//! Parses the file into a [`Claim`] that cannot be wrong in form; whether the path exists is for
//! [`crate::digest`] to find out.

use serde::Deserialize;
use thiserror::Error;

/// Where `/iexec_out` is inside the container.
pub const OUT_IN_CONTAINER: &str = "/iexec_out";

/// The file the app writes at the root of its out directory.
pub const COMPUTED_FILE: &str = "computed.json";

/// Most callback data an app may return: what a hub surely records beside the votes of a task. More would
/// be agreed on and never be finalized, at the cost of the pool.
pub const CALLBACK_BYTES_MAX: usize = poco_core::CALLBACK_BYTES_MAX;

/// Most bytes of `computed.json`: the callback data in hex, a path, and room for other keys.
pub const COMPUTED_BYTES_MAX: u64 = 2 * CALLBACK_BYTES_MAX as u64 + 16 * 1024;

/// What `computed.json` declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// The result is a file or directory below `/iexec_out`.
    Path(OutPath),
    /// The result is these bytes, meant for the requester's contract.
    Callback(Vec<u8>),
}

/// A path below `/iexec_out`, as its components. No component is empty, `.` or `..`; none at all
/// means `/iexec_out` itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutPath(Vec<String>);

impl OutPath {
    /// The components, outermost first.
    pub fn components(&self) -> &[String] {
        &self.0
    }

    /// The name of the zip entry that holds this path; empty for `/iexec_out` itself.
    pub fn entry_name(&self) -> String {
        self.0.join("/")
    }

    fn parse(text: &str) -> Result<Self, ClaimError> {
        let outside = || ClaimError::Outside { path: text.into() };
        let below = text.strip_prefix(OUT_IN_CONTAINER).ok_or_else(outside)?;
        if !(below.is_empty() || below.starts_with('/')) {
            return Err(outside());
        }
        let mut components = Vec::new();
        for component in below.split('/') {
            match component {
                "" | "." => {}
                // Even a path that climbs and comes back is refused: what it means depends on
                // links, and no honest app needs it.
                ".." => return Err(outside()),
                name if name.contains('\0') => return Err(outside()),
                name => components.push(name.to_owned()),
            }
        }
        Ok(Self(components))
    }
}

/// Why `computed.json` declares no result.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ClaimError {
    /// Not JSON, or not an object with strings where strings belong.
    #[error("computed.json cannot be read: {0}")]
    Malformed(String),
    /// The file is longer than any honest one.
    #[error("computed.json is larger than {COMPUTED_BYTES_MAX} bytes")]
    TooLarge,
    /// Both keys are set, so that two results would be equally right.
    #[error("computed.json has both deterministic-output-path and callback-data; keep one")]
    Ambiguous,
    /// Neither key is set.
    #[error("computed.json has neither deterministic-output-path nor callback-data")]
    Empty,
    /// The path leaves `/iexec_out`.
    #[error("deterministic-output-path {path:?} is not inside {OUT_IN_CONTAINER}")]
    Outside {
        /// The path as written.
        path: String,
    },
    /// `callback-data` is not 0x and an even number of hex digits.
    #[error("callback-data is not hexadecimal bytes: {0}")]
    BadHex(String),
    /// `callback-data` would not fit into a hub's record.
    #[error("callback-data is longer than {CALLBACK_BYTES_MAX} bytes")]
    CallbackTooLarge,
}

/// Unknown keys are left alone: apps built for other workers write some.
#[derive(Deserialize)]
struct ComputedFile {
    #[serde(rename = "deterministic-output-path", default)]
    path: Option<String>,
    #[serde(rename = "callback-data", default)]
    callback: Option<String>,
}

/// Parses the content of `computed.json`. An empty string counts as a key that is not there.
pub fn parse(content: &[u8]) -> Result<Claim, ClaimError> {
    if content.len() as u64 > COMPUTED_BYTES_MAX {
        return Err(ClaimError::TooLarge);
    }
    let file: ComputedFile = serde_json::from_slice(content)
        .map_err(|error| ClaimError::Malformed(error.to_string()))?;
    let path = file.path.filter(|text| !text.is_empty());
    let callback = file.callback.filter(|text| !text.is_empty());
    match (path, callback) {
        (Some(_), Some(_)) => Err(ClaimError::Ambiguous),
        (None, None) => Err(ClaimError::Empty),
        (Some(path), None) => OutPath::parse(&path).map(Claim::Path),
        (None, Some(text)) => callback_bytes(&text).map(Claim::Callback),
    }
}

fn callback_bytes(text: &str) -> Result<Vec<u8>, ClaimError> {
    let digits = text
        .strip_prefix("0x")
        .ok_or_else(|| ClaimError::BadHex("it does not start with 0x".into()))?;
    if digits.len() / 2 > CALLBACK_BYTES_MAX {
        return Err(ClaimError::CallbackTooLarge);
    }
    hex::decode(digits).map_err(|error| ClaimError::BadHex(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(json: &str) -> String {
        match parse(json.as_bytes()) {
            Ok(Claim::Path(path)) => path.entry_name(),
            other => panic!("expected a path, got {other:?}"),
        }
    }

    #[test]
    fn a_path_is_taken_relative_to_iexec_out() {
        assert_eq!(path_of(r#"{"deterministic-output-path":"/iexec_out/a/b.txt"}"#), "a/b.txt");
        assert_eq!(path_of(r#"{"deterministic-output-path":"/iexec_out//a/./b/"}"#), "a/b");
        assert_eq!(path_of(r#"{"deterministic-output-path":"/iexec_out","task-id":"0x1"}"#), "");
    }

    #[test]
    fn a_path_that_leaves_iexec_out_is_refused() {
        for path in
            ["/etc/passwd", "/iexec_out/../etc", "/iexec_outside", "a.txt", "/iexec_out/a/../b"]
        {
            let json = format!(r#"{{"deterministic-output-path":"{path}"}}"#);
            let refused = Err(ClaimError::Outside { path: path.into() });
            assert_eq!(parse(json.as_bytes()), refused);
        }
    }

    #[test]
    fn callback_data_is_bytes() {
        let claim = parse(br#"{"callback-data":"0x00ff"}"#);
        assert_eq!(claim, Ok(Claim::Callback(vec![0, 255])));
        assert_eq!(parse(br#"{"callback-data":"0x"}"#), Ok(Claim::Callback(vec![])));
        for bad in ["00ff", "0x0", "0xzz"] {
            let json = format!(r#"{{"callback-data":"{bad}"}}"#);
            assert!(matches!(parse(json.as_bytes()), Err(ClaimError::BadHex(_))), "{bad}");
        }
        let long = format!(r#"{{"callback-data":"0x{}"}}"#, "00".repeat(CALLBACK_BYTES_MAX + 1));
        assert_eq!(parse(long.as_bytes()), Err(ClaimError::CallbackTooLarge));
    }

    #[test]
    fn exactly_one_key_must_be_set() {
        let both = br#"{"deterministic-output-path":"/iexec_out/a","callback-data":"0x00"}"#;
        assert_eq!(parse(both), Err(ClaimError::Ambiguous));
        assert_eq!(parse(b"{}"), Err(ClaimError::Empty));
        assert_eq!(parse(br#"{"callback-data":""}"#), Err(ClaimError::Empty));
        let one = br#"{"deterministic-output-path":"/iexec_out/a","callback-data":null}"#;
        assert!(parse(one).is_ok());
    }

    #[test]
    fn what_is_not_an_object_of_strings_is_malformed() {
        for bad in ["", "[]x", "{", r#"{"callback-data":3}"#, "\"text\""] {
            assert!(matches!(parse(bad.as_bytes()), Err(ClaimError::Malformed(_))), "{bad}");
        }
        assert_eq!(parse(&vec![b' '; COMPUTED_BYTES_MAX as usize + 1]), Err(ClaimError::TooLarge));
    }
}
