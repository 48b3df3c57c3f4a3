//! What a request's parameters mean: plain text, which is the arguments, or JSON.

use poco_sandbox::input::Source;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A request's parameters, as far as a run needs them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Params {
    /// The app's arguments, to be split as a shell does.
    pub(crate) args: String,
    /// Where the input files are.
    pub(crate) files: Vec<Source>,
    /// The app wants to write to its image's files.
    pub(crate) wants_writable_root: bool,
}

/// Why a request cannot be run as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParamsError {
    /// A field is not what it must be.
    #[error("the request's parameters cannot be read: {0}")]
    Unreadable(String),
    /// An input file is no address.
    #[error("{0}")]
    BadInput(String),
    /// Run without it, the result would be public or the app without what it needs.
    #[error("this worker cannot {0}")]
    Unsupported(&'static str),
}

/// The keys that are known; others are for other parties and stay unread.
#[derive(Deserialize)]
struct Json {
    #[serde(default)]
    iexec_args: Option<String>,
    #[serde(default)]
    iexec_input_files: Vec<String>,
    #[serde(default)]
    iexec_result_encryption: bool,
    #[serde(default)]
    iexec_secrets: BTreeMap<String, String>,
    #[serde(default)]
    poco_writable_root: bool,
}

/// Reads a request's parameters. Text that is no JSON object is the arguments.
pub(crate) fn parse(text: &str) -> Result<Params, ParamsError> {
    let value: serde_json::Value = match serde_json::from_str(text) {
        Ok(value @ serde_json::Value::Object(_)) => value,
        Ok(_) | Err(_) => return Ok(Params { args: text.to_owned(), ..Params::default() }),
    };
    let json: Json = serde_json::from_value(value)
        .map_err(|error| ParamsError::Unreadable(error.to_string()))?;
    if json.iexec_result_encryption {
        return Err(ParamsError::Unsupported("encrypt results"));
    }
    if !json.iexec_secrets.is_empty() {
        return Err(ParamsError::Unsupported("give secrets to apps"));
    }
    let files = json.iexec_input_files.iter().map(|file| file.parse::<Source>());
    let files = files.collect::<Result<_, _>>();
    Ok(Params {
        args: json.iexec_args.unwrap_or_default(),
        files: files.map_err(|error| ParamsError::BadInput(error.to_string()))?,
        wants_writable_root: json.poco_writable_root,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_arguments_and_json_says_more() {
        assert_eq!(parse("--words 'a b'").unwrap().args, "--words 'a b'");
        assert_eq!(parse("12").unwrap().args, "12");
        let params = parse(
            r#"{"iexec_args":"x","iexec_input_files":["https://a/b"],"iexec_developer_logger":true}"#,
        )
        .unwrap();
        assert_eq!((params.args.as_str(), params.files.len()), ("x", 1));
        assert_eq!(parse("{}").unwrap(), Params::default());
    }

    #[test]
    fn what_would_be_left_out_silently_is_refused() {
        for (text, words) in [
            (r#"{"iexec_result_encryption":true}"#, "encrypt"),
            (r#"{"iexec_secrets":{"1":"name"}}"#, "secrets"),
            (r#"{"iexec_input_files":["ftp://x"]}"#, "ftp"),
            (r#"{"iexec_args":5}"#, "cannot be read"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
