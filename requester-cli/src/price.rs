//! Amounts as people type them.

use poco_core::{Amount, U256};

/// Reads `2RLC`, `0.5 RLC`, `100 nRLC` or a bare number of nRLC.
pub(crate) fn parse(text: &str) -> Result<Amount, String> {
    let lower = text.trim().to_ascii_lowercase();
    let problem = || format!("{text} is no amount: write for instance 2RLC, 0.5RLC or 1000 (nRLC)");
    if let Some(digits) = lower.strip_suffix("nrlc") {
        return whole(digits.trim()).map(Amount).ok_or_else(problem);
    }
    let Some(number) = lower.strip_suffix("rlc") else {
        return whole(&lower).map(Amount).ok_or_else(problem);
    };
    let (units, decimals) = number.trim().split_once('.').unwrap_or((number.trim(), "0"));
    if decimals.len() > 9 || decimals.is_empty() {
        return Err(format!("{text}: an RLC has nine decimals"));
    }
    let nano = U256::from(Amount::NANO_PER_RLC);
    let fraction = whole(&format!("{decimals:0<9}")).ok_or_else(problem)?;
    let units = whole(units).and_then(|units| units.checked_mul(nano)).ok_or_else(problem)?;
    units.checked_add(fraction).map(Amount).ok_or_else(problem)
}

/// The same, of what must not be nothing.
pub(crate) fn parse_some(text: &str) -> Result<Amount, String> {
    let amount = parse(text)?;
    if amount.is_zero() { Err("nothing would be moved".to_owned()) } else { Ok(amount) }
}

fn whole(digits: &str) -> Option<U256> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| U256::from_str_radix(digits, 10).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_rlc_and_in_nano_rlc() {
        assert_eq!(parse("2RLC"), Ok(Amount::from_nano(2_000_000_000)));
        assert_eq!(parse("0.5 rlc"), Ok(Amount::from_nano(500_000_000)));
        assert_eq!(parse("1.000000001RLC"), Ok(Amount::from_nano(1_000_000_001)));
        assert_eq!(parse("17"), Ok(Amount::from_nano(17)));
        assert_eq!(parse("17 nRLC"), Ok(Amount::from_nano(17)));
    }

    #[test]
    fn what_is_no_amount_is_refused() {
        for text in ["", "RLC", "-1", "1.0000000001RLC", "one", "0x10", "1.", "1.RLC", "1e9"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse_some("0 RLC").is_err());
        assert_eq!(parse_some("1"), Ok(Amount::from_nano(1)));
    }
}
