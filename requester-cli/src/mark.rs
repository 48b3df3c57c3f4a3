//! What an order says in its salt, in the words of the command line: `--expires`, `--require` and
//! `--offer` made into a salt, and a salt told to people and programs.

use crate::address;
use crate::failure::Failure;
use crate::output::Show;
use poco_chain::Chain;
use poco_core::{Address, B256, Conditions, DealConditions, OrderMark, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// A condition, with its guard where it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Condition {
    condition: Conditions,
    guard: Option<Address>,
}

/// When an order stops to match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expiry {
    /// Never by time; its signer's `poco order cancel-all` ends it nevertheless.
    Never,
    /// This many seconds after the latest block.
    After(u64),
    /// At this time.
    At(Timestamp),
}

/// What a signer wants an order to say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wish {
    pub(crate) expires: Option<Expiry>,
    pub(crate) conditions: Vec<Condition>,
}

impl Wish {
    /// The salt that says so; one of chance alone where nothing is wished.
    ///
    /// # Errors
    /// `Usage` where two guards are named or the time has passed, `Refused` where the hub would
    /// not heed the mark, or a guard is no group.
    pub(crate) async fn salt(&self, chain: &Chain, signer: Address) -> Result<B256, Failure> {
        if self.expires.is_none() && self.conditions.is_empty() {
            return Ok(B256::from(rand::random::<[u8; 32]>()));
        }
        let (conditions, guard) = together(&self.conditions)?;
        let epoch = epoch(chain, signer).await?;
        if let Some(guard) = guard
            && !chain.is_group(guard).await?
        {
            return Err(Failure::Refused(format!(
                "{guard} is no group: nobody would be known to it; make one with `poco group create`"
            )));
        }
        let now = chain.latest().await?.timestamp;
        let expiry = self.expires.unwrap_or(Expiry::Never).from(now)?;
        let tail = guard.unwrap_or_else(|| Address::from(rand::random::<[u8; 20]>()));
        let mark = OrderMark::new(conditions, expiry, epoch, tail);
        Ok(mark.map_err(|error| Failure::Usage(error.to_string()))?.to_salt())
    }

    /// All conditions that are wished.
    pub(crate) fn conditions(&self) -> Conditions {
        self.conditions.iter().fold(Conditions::NONE, |all, one| all | one.condition)
    }

    /// Refuses conditions that make no sense here.
    pub(crate) fn refuse(&self, conditions: Conditions, why: &str) -> Result<(), Failure> {
        let refused = self.conditions().within(conditions);
        if refused.is_none() { Ok(()) } else { Err(Failure::Usage(format!("{refused}: {why}"))) }
    }
}

/// The epoch that an order signed now is one of.
///
/// # Errors
/// `Refused` where the hub heeds no marks.
pub(crate) async fn epoch(chain: &Chain, signer: Address) -> Result<u16, Failure> {
    chain.epoch(signer).await?.ok_or_else(|| {
        Failure::Refused(format!(
            "the hub at {} heeds no marked orders: --expires, --require, --offer and cancel-all have no effect there",
            chain.hub()
        ))
    })
}

/// The conditions as a set, and the one guard that they name.
///
/// # Errors
/// `Usage` where they name two.
pub(crate) fn together(wished: &[Condition]) -> Result<(Conditions, Option<Address>), Failure> {
    let mut all = Conditions::NONE;
    let mut guard = None;
    for Condition { condition, guard: named } in wished {
        all = all | *condition;
        let Some(named) = named else { continue };
        if guard.is_some_and(|earlier| earlier != *named) {
            return Err(Failure::Usage(
                "an order has one guard: known-workers and known-enclaves name the same group"
                    .to_owned(),
            ));
        }
        guard = Some(*named);
    }
    Ok((all, guard))
}

impl Expiry {
    fn from(self, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
        let at = match self {
            Self::Never => return Ok(None),
            Self::After(seconds) => now.after(seconds),
            Self::At(at) => at,
        };
        if at.has_passed(now) {
            return Err(Failure::Usage(format!(
                "--expires names {}, and the latest block is of {}: the order would match nothing",
                written(at),
                written(now)
            )));
        }
        Ok(Some(at))
    }
}

/// Reads a condition's name; `known-workers=GROUP` and `known-enclaves=GROUP` name their guard.
pub(crate) fn parse_condition(text: &str) -> Result<Condition, String> {
    let (name, guard) = match text.split_once('=') {
        Some((name, guard)) => (name, Some(guard)),
        None => (text, None),
    };
    let names = || Conditions::NAMED.map(|(name, _)| name).join(", ");
    let condition = Conditions::find(name)
        .ok_or_else(|| format!("{name} is no condition: there are {}", names()))?;
    match (condition.meets(Conditions::GUARDED), guard) {
        (true, None) => Err(format!("{name} needs its group: {name}=ADDRESS")),
        (false, Some(_)) => Err(format!("{name} takes no group")),
        (_, guard) => {
            let guard = guard.map(address::parse).transpose()?;
            Ok(Condition { condition, guard })
        }
    }
}

/// Reads `7d`, `12h`, `30m`, `90s`, a time as RFC 3339 writes it, or `never`.
pub(crate) fn parse_expiry(text: &str) -> Result<Expiry, String> {
    let bad = || "a time is 7d, 12h, 30m, 90s, 2027-01-31T12:00:00Z, or never".to_owned();
    if text == "never" {
        return Ok(Expiry::Never);
    }
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    for (unit, seconds) in [("d", 86_400_u64), ("h", 3_600), ("m", 60), ("s", 1)] {
        let Some(count) = text.strip_suffix(unit).filter(|digits| is_number(digits)) else {
            continue;
        };
        let count: u64 = count.parse().map_err(|_| bad())?;
        return count.checked_mul(seconds).map(Expiry::After).ok_or_else(bad);
    }
    let at = OffsetDateTime::parse(text, &Rfc3339).map_err(|_| bad())?;
    u64::try_from(at.unix_timestamp()).map(|at| Expiry::At(Timestamp(at))).map_err(|_| bad())
}

/// A time as RFC 3339 writes it; the seconds where it lies beyond the years that have four digits.
pub(crate) fn written(at: Timestamp) -> String {
    i64::try_from(at.0)
        .ok()
        .and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok())
        .and_then(|time| time.format(&Rfc3339).ok())
        .unwrap_or_else(|| at.0.to_string())
}

/// What a salt says, for programs; `None` where it says nothing.
pub(crate) fn told(salt: B256) -> Option<Value> {
    let mark = OrderMark::of_salt(salt)?;
    let mut value = json!({ "conditions": mark.conditions().names(), "epoch": mark.epoch() });
    if let (Some(expiry), Some(fields)) = (mark.expiry(), value.as_object_mut()) {
        fields.insert("expires".to_owned(), written(expiry).into());
    }
    if let (Some(guard), Some(fields)) = (mark.guard(), value.as_object_mut()) {
        fields.insert("guard".to_owned(), json!(guard));
    }
    Some(value)
}

/// What a deal keeps, for programs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Kept {
    names: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guard: Option<Address>,
    #[serde(skip)]
    text: String,
}

impl Kept {
    /// `None` of a deal without conditions.
    pub(crate) fn of(deal: DealConditions) -> Option<Self> {
        let names = deal.conditions().names();
        let is_none = deal.conditions().is_none();
        (!is_none).then(|| Self { names, guard: deal.guard(), text: deal.to_string() })
    }
}

impl Show for Kept {
    fn show(&self) -> String {
        self.text.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: &str = "0x1111111111111111111111111111111111111111";

    #[test]
    fn conditions_are_read_by_name_with_the_group_that_some_need() {
        let strict = Condition { condition: Conditions::STRICT_REVEALS, guard: None };
        assert_eq!(parse_condition("strict-reveals"), Ok(strict));
        let workers = parse_condition(&format!("known-workers={GROUP}")).unwrap();
        assert_eq!(workers.condition, Conditions::KNOWN_WORKERS);
        assert_eq!(workers.guard, Some(GROUP.parse().unwrap()));
        for (text, why) in [
            ("known-workers", "known-workers needs its group: known-workers=ADDRESS"),
            ("sponsor-only=0x11", "sponsor-only takes no group"),
            ("known-enclaves=0x11", "an address is 0x and 40 hexadecimal digits"),
        ] {
            assert_eq!(parse_condition(text), Err(why.to_owned()));
        }
        let unknown = parse_condition("cheap").unwrap_err();
        assert!(unknown.starts_with("cheap is no condition: there are sponsor-only, bound-"));
    }

    #[test]
    fn an_order_has_one_guard() {
        let of = |text: String| parse_condition(&text).unwrap();
        let workers = of(format!("known-workers={GROUP}"));
        let same = of(format!("known-enclaves={GROUP}"));
        let other = of(format!("known-enclaves={}", GROUP.replace('1', "2")));
        let (all, guard) = together(&[workers, same]).unwrap();
        assert_eq!((all, guard), (Conditions::GUARDED, Some(GROUP.parse().unwrap())));
        assert!(matches!(together(&[workers, other]), Err(Failure::Usage(_))));
    }

    #[test]
    fn times_are_read_as_lengths_or_as_dates() {
        for (text, expiry) in [
            ("7d", Expiry::After(604_800)),
            ("12h", Expiry::After(43_200)),
            ("30m", Expiry::After(1_800)),
            ("90s", Expiry::After(90)),
            ("never", Expiry::Never),
            ("2023-11-14T22:13:20Z", Expiry::At(Timestamp(1_700_000_000))),
            ("2023-11-14T23:13:20+01:00", Expiry::At(Timestamp(1_700_000_000))),
        ] {
            assert_eq!(parse_expiry(text), Ok(expiry), "{text}");
        }
        for text in
            ["", "7", "d", "-1d", "1w", "tomorrow", "1960-01-01T00:00:00Z", "9999999999999999999d"]
        {
            assert!(parse_expiry(text).is_err(), "{text}");
        }
        assert_eq!(written(Timestamp(1_700_000_000)), "2023-11-14T22:13:20Z");
        assert_eq!(written(Timestamp(u64::MAX)), u64::MAX.to_string());
    }

    #[test]
    fn an_order_that_would_match_nothing_is_refused() {
        let now = Timestamp(1_700_000_000);
        assert!(matches!(Expiry::At(now).from(now), Err(Failure::Usage(_))));
        assert!(matches!(Expiry::After(0).from(now), Err(Failure::Usage(_))));
        assert_eq!(Expiry::After(1).from(now).unwrap(), Some(Timestamp(1_700_000_001)));
        assert_eq!(Expiry::Never.from(now).unwrap(), None);
    }

    #[test]
    fn a_salt_is_told_with_what_it_says_and_no_more() {
        assert_eq!(told(B256::repeat_byte(1)), None);
        let guard: Address = GROUP.parse().unwrap();
        let mark = OrderMark::new(Conditions::KNOWN_WORKERS, Some(Timestamp(86_400)), 3, guard);
        let expected = json!({
            "conditions": ["known-workers"],
            "epoch": 3,
            "expires": "1970-01-02T00:00:00Z",
            "guard": guard,
        });
        assert_eq!(told(mark.unwrap().to_salt()), Some(expected));
        let bare = OrderMark::new(Conditions::NONE, None, 0, guard).unwrap().to_salt();
        assert_eq!(told(bare), Some(json!({ "conditions": [], "epoch": 0 })));
    }
}
