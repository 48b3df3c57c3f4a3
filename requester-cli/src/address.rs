//! Addresses as people type them.

use poco_core::Address;

/// Reads `0x` and 40 hexadecimal digits. Upper and lower case mixed is a check sum (EIP-55), and a
/// wrong one is refused: money sent to a slip of the finger is gone.
pub(crate) fn parse(text: &str) -> Result<Address, String> {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    let is_address = digits.len() == 40 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if !is_address {
        return Err("an address is 0x and 40 hexadecimal digits".to_owned());
    }
    let has = |is_kind: fn(&u8) -> bool| digits.as_bytes().iter().any(is_kind);
    if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) {
        return Address::parse_checksummed(text, None).map_err(|_| {
            "upper and lower case do not fit the digits, one of which may be wrong: copy it again"
                .to_owned()
        });
    }
    text.parse().map_err(|_| "an address is 0x and 40 hexadecimal digits".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

    #[test]
    fn addresses_are_read_in_one_case_or_with_a_right_check_sum() {
        let address: Address = GOOD.parse().unwrap();
        let upper = format!("0x{}", GOOD[2..].to_uppercase());
        for text in [GOOD, &GOOD.to_lowercase(), &upper] {
            assert_eq!(parse(text), Ok(address), "{text}");
        }
    }

    #[test]
    fn a_slip_of_the_finger_is_noticed() {
        let slip = GOOD.replace('6', "9");
        for text in [&slip, &GOOD[2..], &GOOD[..41], "0x", "", "\u{e9}"] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&slip).unwrap_err().contains("copy it again"));
    }
}
