//! `price-feed`: what several sources say that a pair costs, as one price for a contract.
//!
//! Each input file is what one source answered: a JSON object with `pair`, `at` (seconds since 1970) and
//! `price` (decimal text). The price is the median, so that less than half of the sources cannot
//! move it out of what the others say. Everything is integer and exact.
//!
//! Left out: asking the sources. The request names their urls as input files and the worker
//! fetches them; workers agree only if a source tells all of them the same.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::arguments::Arguments;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

/// Decimals of a price in the callback.
const DECIMALS: usize = 18;

/// Bytes of a pair's name in the callback, one word.
const PAIR_BYTES_MAX: usize = 32;

/// Bytes of a source's answer: a quote has a hundred, an error page many thousands.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What one source says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quote {
    /// With 18 decimals; never 0.
    pub price: u128,
    /// Seconds since 1970.
    pub at: u64,
}

/// Runs the app: reads every input file, declares the price for the callback, and returns its
/// summary.
pub fn run(environment: &Environment, words: Vec<String>) -> Result<String, Failure> {
    let arguments = Arguments::parse(words, &[], &["--pair"])?;
    let pair = arguments
        .find("--pair")
        .ok_or_else(|| Failure::Usage("--pair is missing: say what has a price".into()))?;
    if pair.is_empty() || pair.len() > PAIR_BYTES_MAX {
        return Err(Failure::Usage(format!(
            "--pair is '{pair}'; it must have 1 to {PAIR_BYTES_MAX} bytes"
        )));
    }
    let folder = environment.require_output_folder()?;
    let mut quotes = Vec::new();
    for name in &environment.input_files {
        quotes.push(read_quote(&environment.input_folder.join(name), pair)?);
    }
    let quote = agree(&quotes)?;
    let bytes = callback_bytes(pair, quote);
    output::declare_callback(folder, &bytes)?;
    Ok(format!("{pair}: {} at {}, {} sources\n", decimal(quote.price), quote.at, quotes.len()))
}

/// The median price, and the time of the oldest quote: no source's word is newer than it seems.
/// Of an even number the lower of the two middle prices, which is a price that a source named.
fn agree(quotes: &[Quote]) -> Result<Quote, Failure> {
    let mut sorted = quotes.to_vec();
    sorted.sort_unstable();
    let middle = sorted.get(sorted.len().saturating_sub(1) / 2);
    let oldest = sorted.iter().map(|quote| quote.at).min();
    let (Some(middle), Some(at)) = (middle, oldest) else {
        return Err(Failure::Usage("no source: give the request input files with quotes".into()));
    };
    Ok(Quote { price: middle.price, at })
}

fn read_quote(path: &Path, pair: &str) -> Result<Quote, Failure> {
    let refuse = |reason: String| Failure::Input(format!("{}: {reason}", path.display()));
    let mut text = String::new();
    let file = File::open(path).map_err(|error| refuse(error.to_string()))?;
    file.take(ANSWER_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| refuse(error.to_string()))?;
    if text.len() as u64 > ANSWER_BYTES_MAX {
        return Err(refuse(format!("more than {ANSWER_BYTES_MAX} bytes are no quote")));
    }
    parse_quote(&text, pair).map_err(refuse)
}

/// Reads a source's answer, which must be about `pair`; refuses it with a reason.
pub fn parse_quote(text: &str, pair: &str) -> Result<Quote, String> {
    let value: serde_json::Value =
        serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let named = value.get("pair").and_then(|pair| pair.as_str());
    if named != Some(pair) {
        return Err(format!("a quote of {}, not of {pair}", named.unwrap_or("nothing")));
    }
    let at = value.get("at").and_then(|at| at.as_u64()).ok_or("'at' is not a number of seconds")?;
    let price = value.get("price").and_then(|price| price.as_str()).ok_or("'price' is no text")?;
    let price = parse_decimal(price).ok_or_else(|| format!("'{price}' is no price"))?;
    Ok(Quote { price, at })
}

/// Digits with at most one point among them, as an integer with 18 decimals; digits beyond are cut
/// off. `None` for anything else, for 0, and for what needs more than 128 bits.
fn parse_decimal(text: &str) -> Option<u128> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    if whole.is_empty() || part.is_empty() {
        return None;
    }
    let kept = part.bytes().chain(std::iter::repeat(b'0')).take(DECIMALS);
    let mut price: u128 = 0;
    for digit in whole.bytes().chain(kept) {
        if !digit.is_ascii_digit() {
            return None;
        }
        price = price.checked_mul(10)?.checked_add(u128::from(digit - b'0'))?;
    }
    let is_clean = part.bytes().all(|digit| digit.is_ascii_digit());
    (is_clean && price > 0).then_some(price)
}

fn decimal(price: u128) -> String {
    let digits = format!("{price:0width$}", width = DECIMALS + 1);
    let (whole, part) = digits.split_at(digits.len() - DECIMALS);
    format!("{whole}.{part}")
}

/// What the contract reads: `abi.encode(bytes32 pair, uint64 at, uint128 price)`, three words. The
/// pair has at most 32 bytes.
fn callback_bytes(pair: &str, quote: Quote) -> [u8; 96] {
    let mut bytes = [0; 96];
    for (place, byte) in bytes.iter_mut().zip(pair.bytes().take(PAIR_BYTES_MAX)) {
        *place = byte;
    }
    bytes[56..64].copy_from_slice(&quote.at.to_be_bytes());
    bytes[80..96].copy_from_slice(&quote.price.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Folder;
    use std::fs;

    const UNIT: u128 = 1_000_000_000_000_000_000;

    fn quote(price: u128, at: u64) -> Quote {
        Quote { price, at }
    }

    fn run_on(folder: &Folder, answers: &[&str], line: &str) -> Result<String, Failure> {
        let mut environment = Environment::read(|_| None).unwrap();
        environment.input_folder = folder.0.clone();
        environment.output_folder = Some(folder.0.join("out"));
        for (number, answer) in answers.iter().enumerate() {
            let name = format!("source-{number}");
            fs::write(folder.0.join(&name), answer).unwrap();
            environment.input_files.push(name);
        }
        run(&environment, line.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn three_sources_give_the_middle_price_and_the_oldest_time() {
        let folder = Folder::new();
        let answers = [
            r#"{"pair":"RLC/USD","at":1700000002,"price":"1.5","more":true}"#,
            r#"{"pair":"RLC/USD","at":1700000001,"price":"99"}"#,
            r#"{"pair":"RLC/USD","at":1700000003,"price":"1.25"}"#,
        ];
        let summary = run_on(&folder, &answers, "--pair RLC/USD").unwrap();
        assert_eq!(summary, "RLC/USD: 1.500000000000000000 at 1700000001, 3 sources\n");
        let computed = fs::read_to_string(folder.0.join("out/computed.json")).unwrap();
        let words = [
            format!("524c432f555344{}", "0".repeat(50)),
            format!("{:064x}", 1_700_000_001),
            format!("{:064x}", UNIT * 3 / 2),
        ];
        assert_eq!(computed, format!("{{\"callback-data\":\"0x{}\"}}\n", words.concat()));
    }

    #[test]
    fn less_than_half_of_the_sources_cannot_move_the_price_out_of_the_others() {
        for liar in [1, u128::MAX] {
            let three = [quote(10, 3), quote(liar, 1), quote(12, 2)];
            let agreed = agree(&three).unwrap();
            assert!((10..=12).contains(&agreed.price), "{agreed:?}");
            assert_eq!(agreed.at, 1);
        }
        assert_eq!(agree(&[quote(5, 1), quote(7, 1)]).unwrap().price, 5);
        assert_eq!(agree(&[quote(4, 9)]).unwrap(), quote(4, 9));
        assert!(matches!(agree(&[]), Err(Failure::Usage(_))));
    }

    #[test]
    fn a_price_is_read_exactly_or_not_at_all() {
        assert_eq!(parse_decimal("1"), Some(UNIT));
        assert_eq!(parse_decimal("0.000000000000000001"), Some(1));
        assert_eq!(parse_decimal("0.1234567890123456789"), Some(123_456_789_012_345_678));
        assert_eq!(parse_decimal("340282366920938463463.374607431768211455"), Some(u128::MAX));
        for text in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e3",
            "1,5",
            "1.2.3",
            " 1",
            "0",
            "0.0",
            "NaN",
            "0.0000000000000000001",
            "1.0000000000000000000x",
            "340282366920938463463.374607431768211456",
        ] {
            assert_eq!(parse_decimal(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_source_that_makes_no_sense_ends_the_run_and_is_named() {
        for answer in [
            "<html>",
            "{}",
            r#"{"pair":"ETH/USD","at":1,"price":"1"}"#,
            r#"{"pair":"RLC/USD","at":-1,"price":"1"}"#,
            r#"{"pair":"RLC/USD","at":1,"price":1.5}"#,
            r#"{"pair":"RLC/USD","at":1,"price":"0"}"#,
        ] {
            let folder = Folder::new();
            let failure = run_on(&folder, &[answer], "--pair RLC/USD").unwrap_err();
            assert!(
                matches!(&failure, Failure::Input(text) if text.contains("source-0")),
                "{failure}"
            );
            assert!(!folder.0.join("out/computed.json").exists());
        }
        let long =
            format!(r#"{{"pair":"RLC/USD","at":1,"price":"1","x":"{}"}}"#, "x".repeat(70_000));
        assert!(matches!(
            run_on(&Folder::new(), &[&long], "--pair RLC/USD"),
            Err(Failure::Input(_))
        ));
    }

    #[test]
    fn without_a_pair_or_a_source_there_is_no_price() {
        let answer = r#"{"pair":"RLC/USD","at":1,"price":"1"}"#;
        let long = format!("--pair {}", "x".repeat(33));
        for (answers, line) in
            [(&[answer][..], ""), (&[], "--pair RLC/USD"), (&[answer], long.as_str())]
        {
            let failure = run_on(&Folder::new(), answers, line).unwrap_err();
            assert!(matches!(failure, Failure::Usage(_)), "{failure}");
        }
    }
}
