//! Explanations between the wire and the core's words.

use crate::arrival::{Subject, Which};
use crate::placement;
use poco_core::{Address, Amount, B256, Conditions, DealConditions, Tag, U256};
use poco_proto::v1::explanation::{Fact, Hold, NearMiss, Removed, Way};
use poco_proto::v1::{ExplainOrder, ExplainRequest, explain_request};
use poco_proto::{v1, words};
use poco_scheduler_core::{Constraint, Explanation, OrderTerms, Placement};

/// Longest params of an order in question; a deal's are limited by what their gas costs.
const PARAMS_BYTES_MAX: usize = 64 << 10;

/// What is asked about.
///
/// # Errors
/// One line that says what cannot be read.
pub(crate) fn subject(request: ExplainRequest) -> Result<Subject, String> {
    use explain_request::Subject as Asked;
    Ok(match request.subject.ok_or("a task, a worker, an order or the pool is to be named")? {
        Asked::Task(task) => {
            Subject::Task(Which::Id(words::task(&task).map_err(|error| error.to_string())?))
        }
        Asked::Worker(worker) => {
            Subject::Worker(words::address("worker", &worker).map_err(|error| error.to_string())?)
        }
        Asked::Order(order) => Subject::Order(terms(order)?),
        Asked::Pool(_) => Subject::Pool,
    })
}

fn terms(order: ExplainOrder) -> Result<OrderTerms, String> {
    let ExplainOrder { tag, trust, worker_stake, params, conditions, guard, .. } = order;
    let tag = match tag.is_empty() {
        true => B256::ZERO,
        false => words::word("tag", &tag).map_err(|error| error.to_string())?,
    };
    let number = |name: &str, bytes: &[u8]| {
        U256::try_from_be_slice(bytes).ok_or_else(|| format!("{name} has more than 256 bits"))
    };
    let guard = match guard.is_empty() {
        true => Address::ZERO,
        false => words::address("guard", &guard).map_err(|error| error.to_string())?,
    };
    let bits = u8::try_from(conditions).map_err(|_| "conditions have more than 8 bits")?;
    let pays = (!order.price.is_empty()).then(|| number("price", &order.price)).transpose()?;
    Ok(OrderTerms {
        tag: Tag(tag),
        trust: number("trust", &trust)?,
        worker_stake: Amount(number("worker_stake", &worker_stake)?),
        placement: Some(placement_of(&params)?),
        conditions: DealConditions::new(Conditions::from_bits(bits), guard),
        volume: order.volume,
        category: order.category,
        pays: pays.map(Amount),
    })
}

/// Where an order in question wants its tasks to run.
///
/// # Errors
/// One line that says what cannot be read.
pub(crate) fn placement_of(params: &str) -> Result<Placement, String> {
    if params.len() > PARAMS_BYTES_MAX {
        return Err(format!("params have more than {PARAMS_BYTES_MAX} bytes"));
    }
    placement::parse(params).ok_or_else(|| "poco_placement in params cannot be read".into())
}

/// An explanation as clients see it.
pub(crate) fn shown(told: &Explanation) -> v1::Explanation {
    let count = |count: usize| count as u64;
    let fact = |(name, value): &(String, String)| Fact { name: name.clone(), value: value.clone() };
    let removed = |(constraint, number): (&Constraint, &usize)| Removed {
        constraint: constraint.name().into(),
        text: constraint.to_string(),
        count: count(*number),
    };
    let near = |near: &poco_scheduler_core::NearMiss| NearMiss {
        worker: near.worker.to_vec(),
        task: near.task.map(|task| task.0.to_vec()).unwrap_or_default(),
        misses: near.misses.iter().map(|miss| miss.name().into()).collect(),
    };
    let way = |way: &Vec<poco_scheduler_core::Change>| Way {
        changes: way.iter().map(ToString::to_string).collect(),
    };
    let hold = |hold: &poco_scheduler_core::Hold| Hold {
        name: hold.name().into(),
        text: hold.to_string(),
    };
    let trace = told.trace.as_ref();
    v1::Explanation {
        subject: told.subject.clone(),
        waits_for: told.waits_for.clone(),
        facts: told.facts.iter().map(fact).collect(),
        is_decided: trace.is_some(),
        looked_at: trace.map_or(0, |trace| count(trace.looked_at)),
        free: trace.map_or(0, |trace| count(trace.free())),
        removed: trace.iter().flat_map(|trace| &trace.removed).map(removed).collect(),
        nearest: told.nearest.iter().map(near).collect(),
        changes: told.changes.iter().map(way).collect(),
        parts: told.parts.iter().map(shown).collect(),
        held_by: told.held_by.iter().map(hold).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{Address, TaskId};
    use poco_scheduler_core::{Change, Trace};

    #[test]
    fn what_cannot_be_read_is_refused_with_its_name() {
        use explain_request::Subject as Asked;
        let refused =
            |asked: Option<Asked>| subject(ExplainRequest { subject: asked }).unwrap_err();
        assert!(refused(None).contains("is to be named"));
        assert!(refused(Some(Asked::Task(vec![1; 31]))).contains("task"));
        assert!(refused(Some(Asked::Worker(vec![1; 32]))).contains("worker"));
        let order = |order| refused(Some(Asked::Order(order)));
        let usual = ExplainOrder::default;
        assert!(order(ExplainOrder { tag: vec![1], ..usual() }).contains("tag"));
        assert!(order(ExplainOrder { trust: vec![1; 33], ..usual() }).contains("trust"));
        let long = "x".repeat(PARAMS_BYTES_MAX + 1);
        let far = r#"{"poco_placement":5}"#.into();
        assert!(order(ExplainOrder { params: far, ..usual() }).contains("poco_placement"));
        assert!(order(ExplainOrder { params: long, ..usual() }).contains("params"));
        assert!(order(ExplainOrder { guard: vec![1], ..usual() }).contains("guard"));
        assert!(order(ExplainOrder { price: vec![1; 33], ..usual() }).contains("price"));
        assert!(order(ExplainOrder { conditions: 256, ..usual() }).contains("conditions"));
        let good = ExplainOrder { trust: vec![1, 0], ..usual() };
        let read = subject(ExplainRequest { subject: Some(Asked::Order(good)) }).unwrap();
        assert!(matches!(read, Subject::Order(terms) if terms.trust == U256::from(256)));
    }

    #[test]
    fn all_that_was_told_is_shown() {
        let (worker, task) = (Address::repeat_byte(1), TaskId(B256::repeat_byte(2)));
        let trace = Trace { looked_at: 3, removed: [(Constraint::Tag, 2)].into() };
        let near = poco_scheduler_core::NearMiss {
            worker,
            task: Some(task),
            misses: vec![Constraint::Tag, Constraint::Busy],
        };
        let told = Explanation {
            subject: "pool".into(),
            waits_for: "rain".into(),
            facts: vec![("a".into(), "b".into())],
            held_by: vec![poco_scheduler_core::Hold::Unsold { category: 4 }],
            trace: Some(trace),
            nearest: vec![near],
            changes: vec![vec![Change::FreeSlot { worker }]],
            parts: Vec::new(),
        };
        let told = Explanation { parts: vec![told.clone()], ..told };
        let shown = shown(&told);
        assert_eq!((shown.looked_at, shown.free, shown.is_decided), (3, 1, true));
        assert_eq!(shown.removed[0].constraint, "tag");
        assert_eq!(shown.nearest[0].misses, ["tag", "busy"]);
        assert!(shown.changes[0].changes[0].ends_with("becomes free"));
        assert_eq!(shown.parts[0].waits_for, "rain");
        let Hold { name, text } = &shown.held_by[0];
        assert_eq!((name.as_str(), text.as_str()), ("unsold", "category 4 is not sold"));
    }
}
