//! Layered configuration: defaults, under a TOML file, under flags and variables.
//!
//! The type says what there is: every key has a default (`#[serde(default)]`) and no other key is
//! allowed (`#[serde(deny_unknown_fields)]`). Flags are a struct of options with the same names,
//! whose unset ones are not serialized. All problems of one configuration are reported at once.
//! Where the file lies, and what the values mean, is the binaries' matter.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Path as KeyPath;
use std::fmt;
use std::path::Path;
use toml::{Table, Value};

/// Problems looked for in one configuration; whoever has more than these fixes these first.
const PROBLEMS_MAX: usize = 32;

/// Everything that is wrong with a configuration, one line each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblems(pub Vec<String>);

impl fmt::Display for ConfigProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

impl std::error::Error for ConfigProblems {}

impl From<Vec<String>> for ConfigProblems {
    fn from(problems: Vec<String>) -> Self {
        Self(problems)
    }
}

/// The configuration in `file`, where there is one, with `overrides` laid over it.
///
/// # Errors
/// Every problem of the file and the overrides.
pub fn layered<T: DeserializeOwned>(
    file: Option<&Path>,
    overrides: &impl Serialize,
) -> Result<T, ConfigProblems> {
    let mut table = match file {
        None => Table::new(),
        Some(path) => read(path).map_err(|problem| ConfigProblems(vec![problem]))?,
    };
    let overrides = Table::try_from(overrides)
        .map_err(|error| ConfigProblems(vec![format!("flags: {}", one_line(error.to_string()))]))?;
    let from_flags = overrides.clone();
    merge(&mut table, overrides);
    let source = |key: &[String]| match file {
        Some(path) if !has(&from_flags, key) => path.display().to_string(),
        Some(_) | None => "flags and variables".into(),
    };
    check(table, source)
}

fn read(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map(|span| text[..span.start].matches('\n').count() + 1);
        let place = line.map(|line| format!(" line {line}")).unwrap_or_default();
        format!("{}{place}: {}", path.display(), one_line(error.message().to_owned()))
    })
}

fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(below)), Value::Table(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// Reads the table as `T`. Each key that is wrong is noted and taken out, until none is left.
fn check<T: DeserializeOwned>(
    mut table: Table,
    source: impl Fn(&[String]) -> String,
) -> Result<T, ConfigProblems> {
    let mut problems = Vec::new();
    while problems.len() < PROBLEMS_MAX {
        let error = match serde_path_to_error::deserialize(table.clone()) {
            Ok(config) if problems.is_empty() => return Ok(config),
            Ok(_) => break,
            Err(error) => error,
        };
        let mut key = keys(error.path());
        let inner: &toml::de::Error = error.inner();
        let message = one_line(inner.message().to_owned());
        if let Some(unknown) = unknown_field(&message) {
            // The path may end at the table or at the key itself.
            if key.last().map(String::as_str) != Some(unknown) {
                key.push(unknown.to_owned());
            }
        }
        problems.push(format!("{}: {}: {message}", source(&key), key.join(".")));
        if !remove(&mut table, &key) {
            break;
        }
    }
    Err(ConfigProblems(problems))
}

fn keys(path: &KeyPath) -> Vec<String> {
    use serde_path_to_error::Segment;
    let name = |segment: &Segment| match segment {
        Segment::Map { key } => Some(key.clone()),
        Segment::Seq { .. } | Segment::Enum { .. } | Segment::Unknown => None,
    };
    // An element of a list is fixed by fixing the list.
    path.iter().map_while(name).collect()
}

fn unknown_field(message: &str) -> Option<&str> {
    message.strip_prefix("unknown field `")?.split('`').next()
}

fn has(table: &Table, key: &[String]) -> bool {
    let Some((last, tables)) = key.split_last() else { return false };
    let inner = tables.iter().try_fold(table, |table, key| table.get(key)?.as_table());
    inner.is_some_and(|table| table.contains_key(last))
}

fn remove(table: &mut Table, key: &[String]) -> bool {
    let Some((last, tables)) = key.split_last() else { return false };
    let inner = tables.iter().try_fold(table, |table, key| table.get_mut(key)?.as_table_mut());
    inner.is_some_and(|table| table.remove(last).is_some())
}

fn one_line(text: String) -> String {
    text.trim().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Config {
        port: u16,
        name: String,
        chain: Chain,
    }

    #[derive(Debug, PartialEq, Default, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Chain {
        hub: Option<String>,
        urls: Vec<url::Url>,
    }

    impl Default for Config {
        fn default() -> Self {
            Self { port: 1, name: "n".into(), chain: Chain::default() }
        }
    }

    #[derive(Default, Serialize)]
    struct Flags {
        #[serde(skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
        chain: ChainFlags,
    }

    #[derive(Default, Serialize)]
    struct ChainFlags {
        #[serde(skip_serializing_if = "Option::is_none")]
        hub: Option<String>,
    }

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn flags_lie_over_the_file_and_the_file_over_defaults() {
        let file = file("port = 2\n[chain]\nhub = 'file'\nurls = ['http://a']\n");
        let flags = Flags { port: Some(3), ..Flags::default() };
        let config: Config = layered(Some(file.path()), &flags).unwrap();
        assert_eq!((config.port, config.name.as_str()), (3, "n"));
        assert_eq!((config.chain.hub.as_deref(), config.chain.urls.len()), (Some("file"), 1));
        let config: Config = layered(None, &Flags::default()).unwrap();
        assert_eq!(config, Config::default());
    }

    #[test]
    fn all_problems_are_reported_at_once_with_their_keys() {
        let file = file("port = 'x'\ncolour = 1\n[chain]\nhubb = 'a'\nurls = ['::']\n");
        let ConfigProblems(problems) =
            layered::<Config>(Some(file.path()), &Flags::default()).unwrap_err();
        assert_eq!(problems.len(), 4, "{problems:#?}");
        for key in [": port: ", ": colour: ", ": chain.hubb: ", ": chain.urls: "] {
            assert!(problems.iter().any(|problem| problem.contains(key)), "{key} {problems:#?}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_or_parsed_is_named() {
        let error = layered::<Config>(Some(Path::new("/nowhere.toml")), &Flags::default());
        assert!(error.unwrap_err().to_string().contains("/nowhere.toml"));
        let file = file("port = 2\nname = \n");
        let error = layered::<Config>(Some(file.path()), &Flags::default()).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }
}
