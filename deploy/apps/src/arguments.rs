//! Command lines of the apps: `--name value` pairs, each name at most once.
//!
//! The arguments come from a stranger's order, so a typing error must be refused, with the
//! names that exist, instead of running with a default for money.

use std::collections::BTreeMap;
use std::str::FromStr;

use crate::failure::Failure;

/// The parsed arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    values: BTreeMap<String, String>,
}

impl Arguments {
    /// Parses `words` (without the program's name). `flags` stand alone, `options` take the
    /// next word as their value; everything else is refused.
    pub fn parse(
        words: impl IntoIterator<Item = String>,
        flags: &[&str],
        options: &[&str],
    ) -> Result<Self, Failure> {
        let mut values = BTreeMap::new();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let value = if flags.contains(&word.as_str()) {
                String::new()
            } else if options.contains(&word.as_str()) {
                words.next().ok_or_else(|| Failure::Usage(format!("{word} needs a value")))?
            } else {
                let known = [flags, options].concat().join(" ");
                return Err(Failure::Usage(format!("unknown argument '{word}'; known: {known}")));
            };
            if values.insert(word.clone(), value).is_some() {
                return Err(Failure::Usage(format!("{word} is given twice")));
            }
        }
        Ok(Self { values })
    }

    /// Whether a flag was given.
    pub fn has(&self, flag: &str) -> bool {
        self.values.contains_key(flag)
    }

    /// The text of an option, if it was given.
    pub fn find(&self, option: &str) -> Option<&str> {
        self.values.get(option).map(String::as_str)
    }

    /// The value of an option, or `default`, which must lie in `range` (both ends included).
    pub fn number<N>(&self, option: &str, default: N, range: (N, N)) -> Result<N, Failure>
    where
        N: FromStr + PartialOrd + std::fmt::Display,
    {
        let Some(text) = self.find(option) else { return Ok(default) };
        let (least, most) = range;
        match text.parse::<N>() {
            // Written so that NaN, which compares with nothing, is refused.
            Ok(value) if value >= least && value <= most => Ok(value),
            Ok(_) | Err(_) => Err(Failure::Usage(format!(
                "{option} is '{text}'; it must be a number from {least} to {most}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, Failure> {
        let words = line.split_whitespace().map(str::to_owned);
        Arguments::parse(words, &["--callback"], &["--seed", "--rate"])
    }

    #[test]
    fn flags_and_options_are_told_apart() {
        let arguments = parse("--seed 7 --callback").unwrap();
        assert!(arguments.has("--callback"));
        assert_eq!(arguments.number("--seed", 1, (0, 10)), Ok(7));
        assert_eq!(arguments.number("--rate", 0.5, (0.0, 1.0)), Ok(0.5));
    }

    #[test]
    fn what_is_not_known_twice_or_out_of_range_is_refused() {
        assert!(parse("--sed 7").unwrap_err().to_string().contains("--seed"));
        assert!(parse("--seed").is_err());
        assert!(parse("--seed 1 --seed 2").is_err());
        assert!(parse("--seed 11").unwrap().number("--seed", 1, (0, 10)).is_err());
        assert!(parse("--rate NaN").unwrap().number("--rate", 0.0, (0.0, 1.0)).is_err());
    }
}
