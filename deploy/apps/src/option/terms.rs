//! The option and the simulation asked for, from the arguments.

use std::fmt;

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::failure::Failure;

/// The options of the command line that describe the terms.
pub(super) const OPTIONS: [&str; 9] = [
    "--kind",
    "--spot",
    "--strike",
    "--rate",
    "--volatility",
    "--years",
    "--paths",
    "--steps",
    "--seed",
];

/// Most paths of all tasks together: hours of work for a bag of a hundred.
const PATHS_MAX: u64 = 1_000_000_000_000;

/// Most points in time that an Asian option averages over.
const STEPS_MAX: u32 = 10_000;

/// What the option pays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// max(price at the end - strike, 0).
    Call,
    /// max(strike - price at the end, 0).
    Put,
    /// max(mean price - strike, 0), the mean taken after each step.
    AsianCall,
    /// max(strike - mean price, 0).
    AsianPut,
}

const KINDS: [(&str, Kind); 4] = [
    ("call", Kind::Call),
    ("put", Kind::Put),
    ("asian-call", Kind::AsianCall),
    ("asian-put", Kind::AsianPut),
];

impl Kind {
    /// The name on the command line and in files.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Call => "call",
            Kind::Put => "put",
            Kind::AsianCall => "asian-call",
            Kind::AsianPut => "asian-put",
        }
    }

    /// Whether the mean over time is paid on, not the price at the end.
    pub fn is_asian(self) -> bool {
        match self {
            Kind::AsianCall | Kind::AsianPut => true,
            Kind::Call | Kind::Put => false,
        }
    }

    /// What the option pays when `price` is the price, or the mean, that counts.
    pub fn payoff(self, price: f64, strike: f64) -> f64 {
        match self {
            Kind::Call | Kind::AsianCall => (price - strike).max(0.0),
            Kind::Put | Kind::AsianPut => (strike - price).max(0.0),
        }
    }
}

/// Everything the price depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// What is paid.
    pub kind: Kind,
    /// Today's price of the asset.
    pub spot: f64,
    /// The agreed price.
    pub strike: f64,
    /// Riskless interest a year, continuously compounded: 0.03 is 3 %.
    pub rate: f64,
    /// Standard deviation of the yearly logarithmic return: 0.2 is 20 %.
    pub volatility: f64,
    /// Years to the end.
    pub years: f64,
    /// Paths simulated by all shares together.
    pub paths: u64,
    /// Points in time of a path; 1 for European options, whose end alone counts.
    pub steps: u32,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Terms {
    /// Reads the terms; what is left out is a one-year call, a little out of the money.
    pub fn parse(arguments: &Arguments) -> Result<Self, Failure> {
        let kind = match arguments.find("--kind") {
            None => Kind::Call,
            Some(name) => parse_kind(name)?,
        };
        let steps =
            arguments.number("--steps", if kind.is_asian() { 12 } else { 1 }, (1, STEPS_MAX))?;
        if steps > 1 && !kind.is_asian() {
            return Err(Failure::Usage(format!(
                "--steps is for asian options; a {} depends on the last price alone",
                kind.name()
            )));
        }
        Ok(Self {
            kind,
            spot: arguments.number("--spot", 100.0, (0.000_001, 1e9))?,
            strike: arguments.number("--strike", 105.0, (0.0, 1e9))?,
            rate: arguments.number("--rate", 0.03, (-1.0, 10.0))?,
            volatility: arguments.number("--volatility", 0.2, (0.0, 10.0))?,
            years: arguments.number("--years", 1.0, (0.000_001, 100.0))?,
            paths: arguments.number("--paths", 1_000_000, (1, PATHS_MAX))?,
            steps,
            seed: arguments.number("--seed", 1, (0, u64::MAX))?,
        })
    }

    /// The terms as they are written into each share. Numbers are text, as given, because
    /// readers of JSON differ in what they do to large ones.
    pub fn to_json(&self) -> Value {
        json!({
            "kind": self.kind.name(),
            "spot": self.spot.to_string(),
            "strike": self.strike.to_string(),
            "rate": self.rate.to_string(),
            "volatility": self.volatility.to_string(),
            "years": self.years.to_string(),
            "paths": self.paths.to_string(),
            "steps": self.steps.to_string(),
            "seed": self.seed.to_string(),
        })
    }

    /// Reads back what [`Terms::to_json`] wrote, with the checks of the command line.
    pub fn from_json(value: &Value) -> Result<Self, Failure> {
        let mut words = Vec::new();
        for option in OPTIONS {
            let key = option.trim_start_matches('-');
            let text = value
                .get(key)
                .and_then(Value::as_str)
                .ok_or_else(|| Failure::Input(format!("the terms have no '{key}'")))?;
            words.extend([option.to_owned(), text.to_owned()]);
        }
        Self::parse(&Arguments::parse(words, &[], &OPTIONS)?)
    }
}

fn parse_kind(name: &str) -> Result<Kind, Failure> {
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind).ok_or_else(|| {
        let known = KINDS.map(|(known, _)| known).join(", ");
        Failure::Usage(format!("--kind is '{name}'; it must be one of {known}"))
    })
}

impl fmt::Display for Terms {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "{} spot {} strike {} rate {} volatility {} years {} seed {}",
            self.kind.name(),
            self.spot,
            self.strike,
            self.rate,
            self.volatility,
            self.years,
            self.seed
        )
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::option) fn terms(line: &str) -> Terms {
        let words = line.split_whitespace().map(str::to_owned);
        Terms::parse(&Arguments::parse(words, &[], &OPTIONS).unwrap()).unwrap()
    }

    #[test]
    fn terms_survive_being_written() {
        let given = terms("--kind asian-put --spot 0.1 --rate -0.01 --seed 18446744073709551615");
        assert_eq!(Terms::from_json(&given.to_json()), Ok(given));
        assert_eq!(given.steps, 12);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let refuse = |line: &str| {
            let words = line.split_whitespace().map(str::to_owned);
            Terms::parse(&Arguments::parse(words, &[], &OPTIONS).unwrap()).unwrap_err()
        };
        assert!(refuse("--kind binary").to_string().contains("asian-call"));
        assert!(refuse("--volatility -0.2").to_string().contains("--volatility"));
        assert!(refuse("--spot inf").to_string().contains("--spot"));
        assert!(refuse("--paths 0").to_string().contains("--paths"));
        assert!(refuse("--kind put --steps 5").to_string().contains("--steps"));
    }
}
