//! Whether an assignment holds against the chain, before any work is done for it.

use crate::core::Config;
use crate::facts::{Facts, Program, is_set};
use crate::failure::{Cause, Failure};
use crate::task::{Assignment, Lane, Terms, Work};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use poco_core::lane::Bond;
use poco_core::message::authorization_hash;
use poco_core::task::{ContributionStatus, TaskStatus, TaskView};
use poco_core::{
    Address, Amount, Conditions, Deal, DealConditions, Recorded, TaskId, Timestamp, U256, signature,
};

/// The kind of app that runs in a container.
const APP_KIND: &str = "DOCKER";

/// Why an assignment is not worked on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Objection {
    /// A node that lags would say the same: ask again before believing it.
    MayPass(Failure),
    /// No later block changes it.
    Final(Failure),
}

/// What of the worker's own affairs the check needs.
pub(crate) struct Circumstances {
    /// Chain time.
    pub(crate) now: Timestamp,
    /// Stake that votes of other tasks will lock.
    pub(crate) stake_promised: Amount,
}

/// What can be said without the chain: the assignment contradicts itself or needs an enclave.
pub(crate) fn check_assignment(assignment: &Assignment) -> Result<(), Failure> {
    let task = TaskId::of_deal(assignment.deal, U256::from(assignment.index));
    if task != assignment.task {
        return Err(chain(format!(
            "task {} is not index {} of the deal",
            assignment.task, assignment.index
        )));
    }
    if is_set(assignment.enclave_challenge) {
        return Err(declined("this worker has no enclaves"));
    }
    Ok(())
}

/// Checks an assignment against the chain and gives what the run needs.
pub(crate) fn check_facts(
    config: &Config,
    assignment: &Assignment,
    facts: Facts,
    circumstances: &Circumstances,
) -> Result<Box<Work>, Objection> {
    let Some(deal) = facts.deal else {
        return Err(Objection::MayPass(chain("the deal is not on chain")));
    };
    check_deal(config, assignment, &deal).map_err(Objection::Final)?;
    check_conditions(facts.conditions, facts.is_known_to_guard)?;
    let Some(seconds) = facts.work_clock_time_ref_seconds else {
        let detail = format!("category {} is not on chain", deal.category);
        return Err(Objection::MayPass(chain(detail)));
    };
    let terms = Terms {
        contribution_deadline: contribution_deadline(&deal, seconds, &facts.view.task),
        // contributeAndFinalize locks nothing.
        worker_stake: match assignment.lane {
            Lane::Classic => deal.worker_stake,
            Lane::Fast => Amount::ZERO,
            Lane::Settlement => deal.worker_stake,
        },
        trust: deal.trust,
        clock_seconds: seconds,
        block: facts.view.block,
        recorded: Recorded::of(&deal, facts.conditions),
    };
    check_stake_max(config, &terms).map_err(Objection::Final)?;
    check_status(&facts.view.task.status, &facts.view.contribution.status)
        .map_err(Objection::Final)?;
    check_time(&terms, seconds, circumstances.now).map_err(Objection::Final)?;
    match assignment.lane {
        Lane::Classic | Lane::Fast => {
            check_stake(&terms, facts.free_stake, circumstances.stake_promised)
        }
        Lane::Settlement => check_bond(&terms, facts.bond, circumstances.stake_promised),
    }
    .map_err(Objection::MayPass)?;
    let app = registered("app", deal.app.pointer, facts.app).map_err(Objection::MayPass)?;
    if app.kind != APP_KIND {
        let detail = format!("the app is of kind {:?}; this worker runs {APP_KIND}", app.kind);
        return Err(Objection::Final(declined(detail)));
    }
    let dataset = match is_set(deal.dataset.pointer) {
        true => Some(
            registered("dataset", deal.dataset.pointer, facts.dataset)
                .map_err(Objection::MayPass)?,
        ),
        false => None,
    };
    Ok(Box::new(work(deal, terms, (app, dataset), seconds)))
}

fn work(deal: Deal, terms: Terms, programs: (Program, Option<Program>), seconds: u64) -> Work {
    let (app, dataset) = programs;
    Work {
        terms,
        app_address: deal.app.pointer,
        app,
        dataset_address: deal.dataset.pointer,
        dataset,
        params: deal.params,
        requester: deal.requester,
        beneficiary: deal.beneficiary,
        bot_first: deal.bot_first,
        bot_size: deal.bot_size,
        time_limit_seconds: seconds,
    }
}

fn check_deal(config: &Config, assignment: &Assignment, deal: &Deal) -> Result<(), Failure> {
    if deal.workerpool.pointer != config.workerpool {
        let (theirs, ours) = (deal.workerpool.pointer, config.workerpool);
        return Err(chain(format!("the deal is of pool {theirs}, this worker serves {ours}")));
    }
    if !deal.has_index(U256::from(assignment.index)) {
        return Err(chain(format!("the deal has no task {}", assignment.index)));
    }
    let signed = authorization_hash(config.worker, assignment.task, Address::ZERO);
    if signature::recover(signed, &assignment.authorization) != Some(deal.workerpool.owner) {
        let owner = deal.workerpool.owner;
        return Err(chain(format!("the authorization is not signed by the pool's owner {owner}")));
    }
    if deal.needs_enclave() {
        return Err(declined("the deal needs an enclave; this worker has none"));
    }
    if !config.tag.contains(deal.tag) {
        let missing = deal.tag.without(config.tag);
        return Err(declined(format!("the deal needs {missing}, which this worker lacks")));
    }
    if assignment.lane == Lane::Fast && deal.trust > U256::ONE {
        return Err(chain(format!("the fast lane needs trust 1, the deal has {}", deal.trust)));
    }
    Ok(())
}

/// What the deal asks for beyond what every deal does must be in this worker's power.
fn check_conditions(kept: DealConditions, is_known_to_guard: bool) -> Result<(), Objection> {
    let unknown = kept.conditions().without(Conditions::KNOWN);
    if !unknown.is_none() {
        let detail = format!("the deal asks for {unknown}, which this worker does not know");
        return Err(Objection::Final(declined(detail)));
    }
    match kept.guard_of_workers() {
        Some(guard) if !is_known_to_guard => {
            let detail = format!("the deal's guard {guard} does not know this worker");
            Err(Objection::MayPass(chain(detail)))
        }
        Some(_) | None => Ok(()),
    }
}

/// As the hub says of an open task: of a strict deal it takes votes for longer once it was reopened.
fn contribution_deadline(deal: &Deal, seconds: u64, task: &TaskView) -> Timestamp {
    let told = task.contribution_deadline;
    if told == Timestamp::default() { deal.deadlines(seconds).contribution } else { told }
}

fn check_stake_max(config: &Config, terms: &Terms) -> Result<(), Failure> {
    let stake = terms.worker_stake;
    match config.stake_max {
        Some(most) if stake > most => Err(declined(format!(
            "a vote locks {stake}, and this worker stakes at most {most} for one task"
        ))),
        Some(_) | None => Ok(()),
    }
}

fn check_status(task: &TaskStatus, own: &ContributionStatus) -> Result<(), Failure> {
    match task {
        TaskStatus::Completed | TaskStatus::Failed => return Err(chain("the task is over")),
        TaskStatus::Revealing => return Err(chain("the task has its consensus already")),
        // An unset task may be one that a lagging node has not seen opened.
        TaskStatus::Unset | TaskStatus::Active => {}
    }
    match own {
        ContributionStatus::Unset => Ok(()),
        ContributionStatus::Contributed
        | ContributionStatus::Proved
        | ContributionStatus::Rejected => {
            Err(chain("this wallet has contributed already, and can only once"))
        }
    }
}

fn check_time(terms: &Terms, seconds: u64, now: Timestamp) -> Result<(), Failure> {
    let left = terms.contribution_deadline.seconds_from(now);
    if left <= seconds {
        return Err(chain(format!(
            "{left} s are left to contribute, and a run may take {seconds} s"
        )));
    }
    Ok(())
}

fn check_stake(terms: &Terms, free: Amount, promised: Amount) -> Result<(), Failure> {
    let needed = promised.checked_add(terms.worker_stake);
    if needed.is_some_and(|needed| needed <= free) || terms.worker_stake.is_zero() {
        return Ok(());
    }
    let stake = terms.worker_stake;
    Err(chain(format!(
        "a vote locks {stake}, but of {free} free stake {promised} are promised to other tasks; deposit more"
    )))
}

/// A commit locks the stake out of the bond; what is promised to other ballots may be locked already,
/// or not yet.
fn check_bond(terms: &Terms, bond: Option<Bond>, promised: Amount) -> Result<(), Failure> {
    let Some(bond) = bond else {
        return Err(chain("the hub has no settlement lane"));
    };
    let needed = promised.checked_add(terms.worker_stake);
    if needed.is_some_and(|needed| needed <= bond.free()) {
        return Ok(());
    }
    let (stake, free) = (terms.worker_stake, bond.free());
    Err(chain(format!(
        "a vote locks {stake}, but of {free} free in the bond {promised} are promised to other tasks; bond more"
    )))
}

fn registered(
    what: &'static str,
    address: Address,
    entry: Option<Program>,
) -> Result<Program, Failure> {
    entry.ok_or_else(|| chain(format!("the {what} {address} is not registered")))
}

fn chain(detail: impl Into<String>) -> Failure {
    Failure::new(Cause::Chain, detail)
}

fn declined(detail: impl Into<String>) -> Failure {
    Failure::new(Cause::Declined, detail)
}
