//! `poco explain`: why a task, a worker, an order or a whole pool is where it is, as the scheduler
//! that decides it tells.

use super::order::sign::parse_tag;
use super::task::find_pool;
use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::mark::{self, Condition};
use crate::output::{Show, pairs, table};
use crate::pool::Pool;
use crate::price;
use clap::Args;
use poco_core::{Address, Amount, Tag, TaskId, U256};
use poco_proto::v1::explain_request::Subject as Asked;
use poco_proto::v1::explanation::{NearMiss, Removed};
use poco_proto::v1::{ExplainOrder, ExplainPool, Explanation};
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A task's id, a worker's address, `order` for one that is not matched yet, or `pool`
    #[arg(value_name = "TASK|WORKER|order|pool", value_parser = parse_subject)]
    subject: Subject,
    /// With a worker, an order or the pool: which pool, where --pool-url does not say it
    #[arg(long, value_name = "ADDRESS", value_parser = address::parse)]
    workerpool: Option<Address>,
    /// With `order`: the trust asked
    #[arg(long, default_value = "1")]
    trust: U256,
    /// With `order`: what its runs need, names or hex
    #[arg(long, default_value = "none", value_parser = parse_tag)]
    tag: Tag,
    /// With `order`: its params in JSON
    #[arg(long, default_value = "")]
    params: String,
    /// With `order`: its category, to be told also what the pool sells by itself
    #[arg(long)]
    category: Option<u64>,
    /// With `order`: the most that it pays the pool for a task
    #[arg(long, value_name = "AMOUNT", value_parser = price::parse)]
    price: Option<Amount>,
    /// With `order`: how many tasks
    #[arg(long, default_value = "1")]
    volume: u64,
    /// With `order`: what each worker stakes on its vote, as the pool's policy and price make it
    #[arg(long, value_name = "AMOUNT", default_value = "0", value_parser = price::parse)]
    worker_stake: Amount,
    /// With `order`: conditions that its deals keep, with their group where they name one
    #[arg(long, value_name = "CONDITION", value_delimiter = ',', value_parser = mark::parse_condition)]
    require: Vec<Condition>,
}

#[derive(Clone, Copy, Debug)]
enum Subject {
    Task(TaskId),
    Worker(Address),
    Order,
    Pool,
}

fn parse_subject(text: &str) -> Result<Subject, String> {
    match text {
        "order" => Ok(Subject::Order),
        "pool" => Ok(Subject::Pool),
        _ if text.len() == 66 => {
            text.parse().map(Subject::Task).map_err(|_| format!("{text} is no task id"))
        }
        _ => address::parse(text).map(Subject::Worker).map_err(|_| {
            "expected a task id (0x and 64 digits), a worker's address, `order` or `pool`".into()
        }),
    }
}

#[derive(Serialize)]
struct ExplainAnswer {
    subject: String,
    waits_for: String,
    facts: Vec<FactLine>,
    held_by: Vec<HoldLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<DecisionLine>,
    changes: Vec<Vec<String>>,
    parts: Vec<ExplainAnswer>,
}

#[derive(Serialize)]
struct FactLine {
    name: String,
    value: String,
}

/// What of the pool itself is in the way.
#[derive(Serialize)]
struct HoldLine {
    name: String,
    text: String,
}

/// What was seen of workers, or by a worker of waiting deals.
#[derive(Serialize)]
struct DecisionLine {
    looked_at: u64,
    free: u64,
    removed: Vec<RemovedLine>,
    nearest: Vec<NearLine>,
}

#[derive(Serialize)]
struct RemovedLine {
    constraint: String,
    text: String,
    count: u64,
}

#[derive(Serialize)]
struct NearLine {
    worker: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    misses: Vec<String>,
}

impl ExplainAnswer {
    fn of(told: Explanation) -> Self {
        let decision = told.is_decided.then(|| DecisionLine {
            looked_at: told.looked_at,
            free: told.free,
            removed: told.removed.into_iter().map(RemovedLine::of).collect(),
            nearest: told.nearest.into_iter().map(NearLine::of).collect(),
        });
        let fact = told.facts.into_iter();
        let held_by = told.held_by.into_iter();
        Self {
            subject: told.subject,
            waits_for: told.waits_for,
            facts: fact.map(|fact| FactLine { name: fact.name, value: fact.value }).collect(),
            held_by: held_by.map(|hold| HoldLine { name: hold.name, text: hold.text }).collect(),
            decision,
            changes: told.changes.into_iter().map(|way| way.changes).collect(),
            parts: told.parts.into_iter().map(Self::of).collect(),
        }
    }
}

impl RemovedLine {
    fn of(told: Removed) -> Self {
        Self { constraint: told.constraint, text: told.text, count: told.count }
    }
}

impl NearLine {
    fn of(told: NearMiss) -> Self {
        let hex = |bytes: &[u8]| format!("0x{}", hex::encode(bytes));
        Self {
            worker: hex(&told.worker),
            task: (!told.task.is_empty()).then(|| hex(&told.task)),
            misses: told.misses,
        }
    }
}

impl Show for ExplainAnswer {
    fn show(&self) -> String {
        let mut rows = vec![("about", self.subject.clone()), ("waits for", self.waits_for.clone())];
        rows.extend(self.facts.iter().map(|fact| (fact.name.as_str(), fact.value.clone())));
        let mut text = pairs(&rows);
        for hold in &self.held_by {
            text.push_str(&format!("\nheld by the pool: {}", hold.text));
        }
        if let Some(decision) = &self.decision {
            text.push_str(&format!(
                "\n\nlooked at {}, of which {} would do",
                decision.looked_at, decision.free
            ));
            let removed = decision.removed.iter();
            let removed: Vec<[String; 2]> =
                removed.map(|one| [one.count.to_string(), one.text.clone()]).collect();
            if !removed.is_empty() {
                text.push('\n');
                text.push_str(&table(["HOW MANY", "REMOVED, BECAUSE THEY"], removed));
            }
            for near in &decision.nearest {
                let of = near.task.as_ref().map(|task| format!(" for {task}"));
                let (of, misses) = (of.unwrap_or_default(), near.misses.join(", "));
                text.push_str(&format!("\nnearest: {}{of}, but for {misses}", near.worker));
            }
        }
        for way in &self.changes {
            text.push_str(&format!("\nwould change if {}", way.join(", and ")));
        }
        for part in &self.parts {
            text.push_str("\n\n");
            text.push_str(&part.show());
        }
        text
    }
}

pub(crate) async fn run(context: &Context, args: ExplainArgs) -> Result<(), Failure> {
    let pool = pool(context, &args).await?;
    let asked = match args.subject {
        Subject::Task(task) => Asked::Task(task.0.to_vec()),
        Subject::Worker(worker) => Asked::Worker(worker.to_vec()),
        Subject::Order => Asked::Order(order(args)?),
        Subject::Pool => Asked::Pool(ExplainPool {}),
    };
    let told = pool.explain(asked).await?;
    context.output.answer(&ExplainAnswer::of(told))
}

/// The order in question.
///
/// # Errors
/// `Usage` where two guards are named.
fn order(args: ExplainArgs) -> Result<ExplainOrder, Failure> {
    let (conditions, guard) = mark::together(&args.require)?;
    Ok(ExplainOrder {
        tag: args.tag.0.to_vec(),
        trust: args.trust.to_be_bytes_trimmed_vec(),
        worker_stake: args.worker_stake.0.to_be_bytes_trimmed_vec(),
        params: args.params,
        conditions: conditions.bits().into(),
        guard: guard.map(|guard| guard.to_vec()).unwrap_or_default(),
        category: args.category,
        // Zero has no bytes, and would not be asked about.
        price: args.price.map(|price| price.0.to_be_bytes::<32>().to_vec()).unwrap_or_default(),
        volume: args.volume,
    })
}

/// The pool that is asked: by its url; else a task's own, or the one that is named.
async fn pool(context: &Context, args: &ExplainArgs) -> Result<Pool, Failure> {
    if let Some(url) = &context.global.pool_url {
        return Pool::at(url.clone());
    }
    let unknown =
        || Failure::Usage("say which pool to ask: pass --pool-url or --workerpool".to_owned());
    let silent =
        || Failure::NotFound("the market knows no API of this pool: pass --pool-url".to_owned());
    let found = match (args.subject, args.workerpool) {
        (_, Some(workerpool)) => {
            let chain = context.chain().await?;
            Pool::find(context, &context.market(&chain)?, workerpool).await?
        }
        (Subject::Task(task), None) => find_pool(context, &context.chain().await?, task).await?.1,
        (Subject::Worker(_) | Subject::Order | Subject::Pool, None) => return Err(unknown()),
    };
    found.ok_or_else(silent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_proto::v1::explanation::{Fact, Hold, Way};

    #[test]
    fn subjects_are_told_apart() {
        let task = format!("0x{}", "1".repeat(64));
        assert!(matches!(parse_subject(&task), Ok(Subject::Task(_))));
        let worker = format!("0x{}", "1".repeat(40));
        assert!(matches!(parse_subject(&worker), Ok(Subject::Worker(_))));
        assert!(matches!(parse_subject("order"), Ok(Subject::Order)));
        assert!(matches!(parse_subject("pool"), Ok(Subject::Pool)));
        for wrong in ["", "0x12", "pools", &format!("0x{}", "z".repeat(64))] {
            assert!(parse_subject(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn an_explanation_reads_as_sentences_and_has_the_keys_that_the_readme_lists() {
        let told = Explanation {
            subject: "task 0x1".into(),
            waits_for: "workers".into(),
            facts: vec![Fact { name: "trust".into(), value: "5".into() }],
            is_decided: true,
            looked_at: 3,
            free: 1,
            removed: vec![Removed {
                constraint: "tag".into(),
                text: "do not offer what the tag asks for".into(),
                count: 2,
            }],
            nearest: vec![NearMiss {
                worker: vec![1; 20],
                task: Vec::new(),
                misses: vec!["tag".into(), "busy".into()],
            }],
            changes: vec![Way { changes: vec!["a".into(), "b".into()] }],
            parts: vec![Explanation::default()],
            held_by: vec![Hold { name: "paused".into(), text: "new deals are paused".into() }],
        };
        let answer = ExplainAnswer::of(told);
        let shown = answer.show();
        for line in [
            "waits for  workers",
            "held by the pool: new deals are paused",
            "looked at 3, of which 1 would do",
            "do not offer what the tag asks for",
            "but for tag, busy",
            "would change if a, and b",
        ] {
            assert!(shown.contains(line), "{line}: {shown}");
        }
        let json = serde_json::to_value(&answer).unwrap();
        let readme = include_str!("../../README.md");
        let line = readme.lines().find(|line| line.starts_with("| `explain` | ")).unwrap();
        let keys = line.trim_start_matches("| `explain` | ").trim_end_matches(" |");
        let mut keys: Vec<&str> = keys.split(' ').map(|key| key.trim_matches(['[', ']'])).collect();
        keys.sort_unstable();
        let mut found: Vec<&str> = json.as_object().unwrap().keys().map(String::as_str).collect();
        found.sort_unstable();
        assert_eq!(found, keys);
        assert_eq!(json["decision"]["removed"][0]["constraint"], "tag");
        assert!(json["parts"][0].get("decision").is_none());
    }
}
