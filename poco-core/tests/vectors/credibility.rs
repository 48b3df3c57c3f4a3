//! Weights of scores, and how contributions add up to a consensus, step by step.
//!
//! The example of the protocol (3168 of 3172) and its table of workers needed at each trust come
//! from outside; the unit tests of `poco_core::credibility` hold them.

use crate::decimal;
use poco_core::U256;
use poco_core::credibility::{Total, add, is_consensus, log_weight, weight};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(crate) fn vectors() -> Value {
    json!({ "steps": steps(), "weights": weights() })
}

fn weights() -> Vec<Value> {
    let small =
        [0u64, 1, 8, 9, 11, 12, 14, 15, 100, 300, 767, 768, 771, 3_000, 1_000_000, u64::MAX];
    let scores = small.map(U256::from).into_iter().chain([U256::MAX]);
    let entry = |score| {
        json!({
            "logWeight": decimal(U256::from(log_weight(weight(score)))),
            "score": decimal(score),
            "weight": decimal(weight(score)),
        })
    };
    scores.map(entry).collect()
}

/// (name, trust, contributions as (vote, score)).
type Sequence = (&'static str, u64, &'static [(u64, u64)]);

const SEQUENCES: [Sequence; 8] = [
    ("trust 0 counts as 1", 0, &[(1, 0)]),
    ("trust 1", 1, &[(1, 0)]),
    ("three fresh workers at trust 5", 5, &[(1, 0), (1, 0), (1, 0)]),
    ("a liar among fresh workers at trust 5", 5, &[(2, 0), (1, 0), (1, 0), (1, 0), (1, 0)]),
    ("the example of the protocol", 100, &[(2, 12), (1, 100), (1, 300)]),
    ("trust 100", 100, &[(1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0), (1, 0)]),
    ("nobody agrees", 8, &[(1, 0), (2, 0), (3, 0), (4, 30), (5, 60)]),
    ("the first is heavy and wrong", 32, &[(1, 75), (2, 30), (2, 30), (2, 60), (2, 90)]),
];

fn steps() -> Vec<Value> {
    SEQUENCES.iter().flat_map(steps_of).collect()
}

fn steps_of((name, trust, contributions): &Sequence) -> Vec<Value> {
    let mut groups = BTreeMap::new();
    let mut total = Total::default();
    let mut steps = Vec::new();
    for (step, (vote, score)) in contributions.iter().enumerate() {
        let group = groups.entry(*vote).or_insert(U256::ZERO);
        let weight = weight(U256::from(*score));
        let added = add(*group, total, weight).unwrap();
        (*group, total) = (added.group, added.total);
        let reached = is_consensus(added.group, total, U256::from(*trust)).unwrap();
        steps.push(json!({
            "group": decimal(added.group),
            "isConsensus": reached,
            "score": decimal(U256::from(*score)),
            "sequence": name,
            "step": decimal(U256::from(step)),
            "total": decimal(total.0),
            "trust": decimal(U256::from(*trust)),
            "vote": decimal(U256::from(*vote)),
            "weight": decimal(weight),
        }));
    }
    steps
}
