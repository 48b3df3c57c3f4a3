//! One task's share of the work, and the file it writes: `result.json`.

use std::ops::Range;

use serde_json::{Value, json};

use super::simulation::Sums;
use super::terms::Terms;
use crate::failure::Failure;

/// Which share of how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ShareOf {
    /// From 0.
    pub index: u64,
    /// At least 1.
    pub count: u64,
}

impl ShareOf {
    /// The path numbers of this share. The shares of a bag cover all paths once, and their
    /// sizes differ by at most one.
    pub fn paths(self, total: u64) -> Range<u64> {
        let bound = |index: u64| {
            let product = u128::from(total) * u128::from(index);
            // At most `total`, because the index is at most the count.
            (product / u128::from(self.count)) as u64
        };
        bound(self.index)..bound(self.index + 1)
    }
}

/// The result of one task.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// What was simulated.
    pub terms: Terms,
    /// Which part of it.
    pub share: ShareOf,
    /// What came out.
    pub sums: Sums,
}

impl Share {
    /// The content of `result.json`. Sums are text: they exceed what JSON readers keep exact.
    pub fn to_json(&self) -> Value {
        json!({
            "terms": self.terms.to_json(),
            "share": { "index": self.share.index, "count": self.share.count },
            "sums": {
                "count": self.sums.count.to_string(),
                "nano": self.sums.nano.to_string(),
                "nano_squared": self.sums.nano_squared.to_string(),
            },
            "price": format!("{:.9}", self.sums.estimate().price),
            "standard_error": format!("{:.9}", self.sums.estimate().standard_error),
        })
    }

    /// Reads a `result.json`. The file comes from a stranger: everything that merging relies
    /// on is checked.
    pub fn from_json(value: &Value) -> Result<Self, Failure> {
        let part = |name: &str| {
            value.get(name).ok_or_else(|| Failure::Input(format!("'{name}' is missing")))
        };
        let (share, sums) = (part("share")?, part("sums")?);
        let index = |name: &str| {
            share
                .get(name)
                .and_then(Value::as_u64)
                .ok_or_else(|| Failure::Input(format!("'share.{name}' is not a whole number")))
        };
        let result = Self {
            terms: Terms::from_json(part("terms")?)?,
            share: ShareOf { index: index("index")?, count: index("count")? },
            sums: Sums {
                count: whole(sums, "count")?,
                nano: whole(sums, "nano")?,
                nano_squared: whole(sums, "nano_squared")?,
            },
        };
        let ShareOf { index, count } = result.share;
        if index >= count || count > super::SHARES_MAX {
            return Err(Failure::Input(format!("there is no share {index} of {count}")));
        }
        let paths = result.share.paths(result.terms.paths);
        if result.sums.count != paths.end - paths.start {
            return Err(Failure::Input(format!(
                "share {index} of {count} must have {} paths and has {}",
                paths.end - paths.start,
                result.sums.count
            )));
        }
        Ok(result)
    }
}

fn whole<N: std::str::FromStr>(sums: &Value, name: &str) -> Result<N, Failure> {
    let text = sums.get(name).and_then(Value::as_str).unwrap_or_default();
    text.parse().map_err(|_| Failure::Input(format!("'sums.{name}' is not a whole number")))
}

#[cfg(test)]
mod tests {
    use super::super::terms::tests::terms;
    use super::*;

    #[test]
    fn shares_cover_all_paths_once() {
        for (total, count) in [(10, 3), (3, 10), (1_000_000_000_000, 7), (1, 1)] {
            let mut next = 0;
            for index in 0..count {
                let paths = ShareOf { index, count }.paths(total);
                assert_eq!(paths.start, next);
                assert!(paths.end - paths.start <= total / count + 1);
                next = paths.end;
            }
            assert_eq!(next, total);
        }
    }

    #[test]
    fn a_share_survives_being_written_and_a_forged_one_is_refused() {
        let sums = Sums { count: 25, nano: u128::MAX, nano_squared: 3 };
        let share =
            Share { terms: terms("--paths 100"), share: ShareOf { index: 1, count: 4 }, sums };
        let written = share.to_json();
        assert_eq!(Share::from_json(&written), Ok(share));
        for (path, value) in [
            ("/sums/count", json!("26")),
            ("/sums/nano", json!("-1")),
            ("/share/index", json!(4)),
            ("/share/count", json!(0)),
            ("/terms/spot", json!("cheap")),
        ] {
            let mut forged = written.clone();
            *forged.pointer_mut(path).unwrap() = value;
            assert!(Share::from_json(&forged).is_err(), "{path}");
        }
    }
}
