//! What a request says: parameters of the query, each parsed into the type it stands for.

use super::Gateway;
use super::answer::Failure;
use crate::book::{PAGE_SIZE, PAGE_SIZES, Page, Selector};
use crate::rules::SAFE_INTEGER_MAX;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use poco_core::{Address, B256};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Every integer that clients can write.
pub(super) const ANY_INTEGER: RangeInclusive<u64> = 0..=SAFE_INTEGER_MAX;

/// The parameters of a request for this market's chain. Unknown ones are ignored.
#[derive(Debug)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl FromRequestParts<Arc<Gateway>> for Parameters {
    type Rejection = Failure;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Failure> {
        let query = parts.uri.query().unwrap_or_default();
        let parameters = Self::parse(query);
        parameters.check_chain(gateway.market.chain.chain_id())?;
        Ok(parameters)
    }
}

impl Parameters {
    pub(super) fn parse(query: &str) -> Self {
        Self(url::form_urlencoded::parse(query.as_bytes()).into_owned().collect())
    }

    fn check_chain(&self, chain_id: u64) -> Result<(), Failure> {
        match self.text("chainId") {
            None => Err(Failure::Invalid("chainId is a required field".into())),
            Some(text) => check_chain(text, chain_id),
        }
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(super) fn address(&self, name: &str) -> Result<Option<Address>, Failure> {
        self.text(name).map(|text| address(name, text)).transpose()
    }

    /// A filter on what an order is about: everything if left out.
    pub(super) fn subject(&self, name: &str) -> Result<Selector, Failure> {
        match self.text(name) {
            None | Some("any") => Ok(Selector::Any),
            Some(text) => address_or_any(name, text).map(Selector::Exactly),
        }
    }

    /// A filter on a restriction: unrestricted orders only if left out.
    pub(super) fn restriction(&self, name: &str, strict: &str) -> Result<Selector, Failure> {
        let is_strict = self.flag(strict)?;
        Ok(match self.text(name) {
            None => Selector::Unrestricted,
            Some("any") => Selector::Any,
            Some(text) if is_strict => Selector::Exactly(address_or_any(name, text)?),
            Some(text) => Selector::Admitting(address_or_any(name, text)?),
        })
    }

    pub(super) fn word(&self, name: &str) -> Result<Option<B256>, Failure> {
        self.text(name).map(|text| word(name, text)).transpose()
    }

    pub(super) fn integer(
        &self,
        name: &str,
        range: RangeInclusive<u64>,
    ) -> Result<Option<u64>, Failure> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let number: u64 = text
            .parse()
            .map_err(|_| Failure::Invalid(format!("{name} must be a non-negative integer")))?;
        let (least, most) = range.into_inner();
        if number < least {
            return Err(Failure::Invalid(format!(
                "{name} must be greater than or equal to {least}"
            )));
        }
        if number > most {
            return Err(Failure::Invalid(format!("{name} must be less than or equal to {most}")));
        }
        Ok(Some(number))
    }

    fn flag(&self, name: &str) -> Result<bool, Failure> {
        match self.text(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(Failure::Invalid(format!("{name} must be a boolean"))),
        }
    }

    /// `pageIndex` and `pageSize`, or, as older clients ask, `page`: results to leave out.
    pub(super) fn page(&self) -> Result<Page, Failure> {
        let index = self.integer("pageIndex", ANY_INTEGER)?;
        let size = self.integer("pageSize", PAGE_SIZES)?;
        let skip = self.integer("page", ANY_INTEGER)?;
        if index.is_none() && size.is_none() {
            return Ok(Page { skip: skip.unwrap_or(0), size: PAGE_SIZE });
        }
        let size = size.unwrap_or(PAGE_SIZE);
        Ok(Page { skip: index.unwrap_or(0).saturating_mul(size), size })
    }
}

/// Whether a text names this market's chain.
pub(super) fn check_chain(text: &str, chain_id: u64) -> Result<(), Failure> {
    if text == chain_id.to_string() {
        return Ok(());
    }
    Err(Failure::Invalid(format!("chainId {text} is not supported")))
}

/// An address in any case.
pub(super) fn address(name: &str, text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|_| Failure::Invalid(format!("{name} is not a valid ethereum address")))
}

fn address_or_any(name: &str, text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|_| {
        Failure::Invalid(format!("{name} is neither \"any\" nor a valid ethereum address"))
    })
}

/// 0x and 64 hexadecimal digits in any case.
pub(super) fn word(name: &str, text: &str) -> Result<B256, Failure> {
    text.strip_prefix("0x")
        .filter(|digits| digits.len() == 64)
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(|| Failure::Invalid(format!("{name} must be a bytes32 hexstring")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal<T: std::fmt::Debug>(result: Result<T, Failure>) -> String {
        let failure = result.unwrap_err();
        let Failure::Invalid(text) = failure else { panic!("{failure:?}") };
        text
    }

    #[test]
    fn pages_are_counted_by_index_or_by_results_seen() {
        let page = |query: &str| Parameters::parse(query).page();
        assert_eq!(page(""), Ok(Page { skip: 0, size: 20 }));
        assert_eq!(page("pageIndex=2"), Ok(Page { skip: 40, size: 20 }));
        assert_eq!(page("pageIndex=2&pageSize=1000"), Ok(Page { skip: 2000, size: 1000 }));
        assert_eq!(page("page=40"), Ok(Page { skip: 40, size: 20 }));
        let least = "pageSize must be greater than or equal to 10";
        assert_eq!(refusal(page("pageSize=9")), least);
        assert_eq!(refusal(page("pageSize=1001")), "pageSize must be less than or equal to 1000");
        assert_eq!(refusal(page("pageIndex=-1")), "pageIndex must be a non-negative integer");
    }

    #[test]
    fn a_restriction_left_out_any_given_or_strict_asks_for_different_orders() {
        let address = Address::repeat_byte(0xab);
        let select = |query: &str| Parameters::parse(query).restriction("app", "isAppStrict");
        assert_eq!(select(""), Ok(Selector::Unrestricted));
        assert_eq!(select("isAppStrict=true"), Ok(Selector::Unrestricted));
        assert_eq!(select("app=any"), Ok(Selector::Any));
        assert_eq!(select(&format!("app={address}")), Ok(Selector::Admitting(address)));
        let strict = format!("app={}&isAppStrict=true", address.to_string().to_lowercase());
        assert_eq!(select(&strict), Ok(Selector::Exactly(address)));
        let text = "app is neither \"any\" nor a valid ethereum address";
        assert_eq!(refusal(select("app=0x12")), text);
        assert_eq!(refusal(select("isAppStrict=maybe")), "isAppStrict must be a boolean");
    }

    #[test]
    fn a_chain_that_is_not_ours_is_named_in_the_refusal() {
        let check = |query: &str| Parameters::parse(query).check_chain(31337);
        assert_eq!(check("chainId=31337"), Ok(()));
        assert_eq!(refusal(check("chainId=1")), "chainId 1 is not supported");
        assert_eq!(refusal(check("")), "chainId is a required field");
    }

    #[test]
    fn words_need_all_their_digits() {
        let digits = "Ab".repeat(32);
        let parameters = Parameters::parse(&format!("minTag=0x{digits}&maxTag=0x1"));
        assert_eq!(parameters.word("minTag"), Ok(Some(B256::repeat_byte(0xab))));
        assert_eq!(refusal(parameters.word("maxTag")), "maxTag must be a bytes32 hexstring");
    }
}
