//! The goals of a run are all there is: what the model can refuse, and what the hub can do and tell.

#![allow(clippy::unwrap_used, reason = "a test fails")]

use poco_core::escrow::EscrowRefusal;
use poco_core::hub::{BoostRefusal, LaneRefusal, Refusal};
use poco_core::lane::SkipReason;
use poco_core::mark::agreement::Disagreement;
use poco_core::matching::Mismatch;
use poco_differential::goals::{FUNCTIONS, FUNCTIONS_OF_OURS, REFUSALS, SKIPS, VIEWS};
use serde::Deserialize;
use serde::de::value::Error;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

/// Refusals that no sequence leads to, and why.
const UNREACHED: [(&str, &str); 5] = [
    ("Escrow BurnFromZero", "nothing is taken from the zero address's stake"),
    ("Escrow ApproveFromZero", "the zero address sends no calls"),
    ("Escrow PaymentToZero", "no deal has a party at the zero address"),
    ("Escrow Overflow", "there are fewer tokens than numbers"),
    ("NotAResource", "a way to call the model that no contract has"),
];

/// Functions of the hub that no sequence calls, and why.
const UNCALLED: [(&str, &str); 1] = [("configure", "the deployment calls it")];

/// Asks a type for the names of its variants, and answers nothing.
struct Names<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Names<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("no enumeration"))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Error> {
        self.0.extend(variants);
        Err(Error::custom("only the names were wanted"))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// The names of all variants.
fn variants<T: for<'de> Deserialize<'de>>() -> Vec<&'static str> {
    let mut names = Vec::new();
    assert!(T::deserialize(Names(&mut names)).is_err());
    assert!(!names.is_empty());
    names
}

#[test]
fn every_refusal_of_the_model_is_a_goal_or_has_a_reason() {
    let mut all = BTreeSet::new();
    for variant in variants::<Refusal>() {
        // Those of the parts are told with their part.
        let part = match variant {
            "Match" => variants::<Mismatch>(),
            "Marks" => variants::<Disagreement>(),
            "Escrow" => variants::<EscrowRefusal>(),
            "Boost" => {
                let own = variants::<BoostRefusal>().into_iter().filter(|name| *name != "Match");
                own.chain(variants::<Mismatch>()).collect()
            }
            "Lane" => variants::<LaneRefusal>(),
            own => {
                all.insert(own.to_owned());
                continue;
            }
        };
        all.extend(part.into_iter().map(|name| format!("{variant} {name}")));
    }
    // The code of a mismatch is told between the two.
    let plain = |name: &str| {
        name.split(' ').filter(|word| !word.starts_with("0x")).collect::<Vec<_>>().join(" ")
    };
    let goals: BTreeSet<String> = REFUSALS
        .iter()
        .map(|(name, _)| plain(name))
        .filter(|name| !name.starts_with("Never: "))
        .chain(UNREACHED.iter().map(|(name, _)| (*name).to_owned()))
        .collect();
    assert_eq!(goals, all);
}

#[test]
fn every_reason_to_skip_a_task_is_a_goal() {
    let goals: BTreeSet<String> = SKIPS.iter().map(|reason| format!("{reason:?}")).collect();
    let all = variants::<SkipReason>().into_iter().map(str::to_owned).collect();
    assert_eq!(goals, all);
}

#[test]
fn everything_that_the_hub_does_and_tells_is_a_goal() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../contracts/artifacts/HubInterface.json");
    let artifact: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let mut missing = Vec::new();
    for entry in artifact["abi"].as_array().unwrap() {
        if entry["type"] != "function" {
            continue;
        }
        let name = entry["name"].as_str().unwrap();
        let is_goal = if matches!(entry["stateMutability"].as_str(), Some("view" | "pure")) {
            VIEWS.contains(&name)
        } else {
            let call = format!("{name}()");
            FUNCTIONS.iter().chain(FUNCTIONS_OF_OURS).any(|goal| *goal == call)
                || UNCALLED.iter().any(|(uncalled, _)| *uncalled == name)
        };
        if !is_goal {
            missing.push(name.to_owned());
        }
    }
    assert_eq!(missing, Vec::<String>::new());
}
