//! `poco workerpool audit`: whether a pool kept what it promised, by its signed profile and the chain.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, number_of_tasks, pairs};
use poco_chain::{Chain, Party};
use poco_core::message::{eth_signed_message_hash, pool_profile_hash};
use poco_core::promise::{Audit, PoolTerms};
use poco_core::signature::recover;
use poco_core::{Address, Amount, Deal, DealId, TaskId, Timestamp};
use poco_market_client::PoolProfile;
use serde::Serialize;
use std::collections::BTreeMap;

/// Breaches that are listed; all are counted.
const LISTED_MAX: usize = 100;
/// Deals that are remembered between tasks, which mostly follow those of the same.
const DEALS_MAX: usize = 1000;

#[derive(Serialize)]
struct AuditAnswer {
    workerpool: Address,
    owner: Address,
    /// When the terms were signed, in seconds since 1970: deals from then on count.
    since: u64,
    terms: PoolTerms,
    completed: u64,
    failed: u64,
    older: u64,
    /// What completed tasks brought, stakes of those at fault included.
    brought: Amount,
    /// What workers got of it.
    paid: Amount,
    kept: bool,
    breach_count: u64,
    breaches: Vec<BreachLine>,
}

#[derive(Serialize)]
struct BreachLine {
    task: TaskId,
    deal: DealId,
    what: String,
}

impl Show for AuditAnswer {
    fn show(&self) -> String {
        let mut rows = vec![
            ("pool", self.workerpool.to_string()),
            ("owner", self.owner.to_string()),
            ("terms since", self.since.to_string()),
        ];
        if let Some(percent) = self.terms.workers_percent_min {
            rows.push(("promised", format!("workers get at least {percent} %")));
        }
        for least in &self.terms.prices_min {
            let price = Amount::from_nano(least.price_nano);
            rows.push(("promised", format!("{price} at least, category {}", least.category)));
        }
        if !self.terms.conditions.is_empty() {
            rows.push(("offers", self.terms.conditions.join(", ")));
        }
        let paid = format!("{} of {} went to workers", self.paid, self.brought);
        rows.push(("completed", format!("{}: {paid}", number_of_tasks(self.completed))));
        rows.push(("failed", number_of_tasks(self.failed)));
        rows.push(("older", number_of_tasks(self.older)));
        let verdict = match self.breach_count {
            0 => "yes".to_owned(),
            count => format!("no, broken {count} times"),
        };
        rows.push(("kept", verdict));
        let lines = self.breaches.iter().map(|line| format!("\n{}: {}", line.task, line.what));
        format!("{}{}", pairs(&rows), lines.collect::<String>())
    }
}

/// Audits a pool from its tasks that ended from a block on.
pub(super) async fn run(
    context: &Context,
    workerpool: Address,
    from_block: u64,
) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let entry = chain.workerpool(workerpool).await?;
    let owner =
        entry.ok_or_else(|| Failure::NotFound(format!("there is no pool at {workerpool}")))?.owner;
    let profile = context.market(&chain)?.profile(workerpool).await?;
    let profile = profile.ok_or_else(|| {
        Failure::NotFound(format!("the market has no profile of the pool {workerpool}"))
    })?;
    let terms = check(&chain, workerpool, owner, &profile)?;
    let answer = audit(&chain, (workerpool, owner), (terms, profile.timestamp), from_block).await?;
    context.output.answer(&answer)?;
    match answer.kept {
        true => Ok(()),
        false => Err(Failure::Mismatch(format!(
            "the pool broke what it promised {} times",
            answer.breach_count
        ))),
    }
}

/// The terms that the pool's owner has signed: the market is not believed.
fn check(
    chain: &Chain,
    workerpool: Address,
    owner: Address,
    profile: &PoolProfile,
) -> Result<PoolTerms, Failure> {
    let PoolProfile { api_url, timestamp, sign, terms } = profile;
    let terms = terms.as_deref().ok_or_else(|| {
        Failure::NotFound(format!("the pool {workerpool} promises nothing in its profile"))
    })?;
    let hash = pool_profile_hash(chain.chain_id(), workerpool, api_url, Some(terms), *timestamp);
    if recover(eth_signed_message_hash(hash), sign) != Some(owner) {
        return Err(Failure::Mismatch(format!(
            "the market's profile of the pool {workerpool} is not signed by its owner {owner}"
        )));
    }
    serde_json::from_str(terms).map_err(|error| {
        Failure::Mismatch(format!("the terms of the pool {workerpool} cannot be read: {error}"))
    })
}

async fn audit(
    chain: &Chain,
    (workerpool, owner): (Address, Address),
    (terms, since): (PoolTerms, u64),
    from_block: u64,
) -> Result<AuditAnswer, Failure> {
    let mut audit = Audit::default();
    let mut deals: BTreeMap<DealId, Deal> = BTreeMap::new();
    let (mut breaches, mut breach_count) = (Vec::new(), 0_u64);
    for end in chain.ends(Party::Workerpool(workerpool), from_block).await? {
        let told = chain.statement(&end).await?.map_err(|why| {
            Failure::Mismatch(format!("the end of task {} cannot be explained: {why}", end.task))
        })?;
        if !deals.contains_key(&told.deal) {
            if deals.len() >= DEALS_MAX {
                deals.clear();
            }
            let deal = chain.deal(told.deal).await?;
            deals.extend(deal.map(|deal| (told.deal, deal)));
        }
        let Some(deal) = deals.get(&told.deal) else { continue };
        for breach in audit.add((&terms, Timestamp(since)), deal, &told) {
            breach_count = breach_count.saturating_add(1);
            if breaches.len() < LISTED_MAX {
                let (task, deal) = (told.task, told.deal);
                breaches.push(BreachLine { task, deal, what: breach.to_string() });
            }
        }
    }
    let Audit { completed, brought, paid, failed, older } = audit;
    let kept = breach_count == 0;
    Ok(AuditAnswer {
        workerpool,
        owner,
        since,
        terms,
        completed,
        failed,
        older,
        brought,
        paid,
        kept,
        breach_count,
        breaches,
    })
}
