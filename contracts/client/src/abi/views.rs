//! Views of the hub in our words.

use crate::abi;
use poco_core::category::Category;
use poco_core::task::{ContributionStatus, ContributionView, TaskStatus, TaskView};
use poco_core::{
    Address, Amount, CategoryId, Conditions, Deal, DealConditions, DealId, Resource, ResultDigest,
    ResultHash, ResultSeal, Tag, Timestamp, U256,
};

/// A number that no hub of this protocol can hold, as 2^64 seconds.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} is {value}, which no hub of this protocol can say")]
pub(crate) struct OutOfRange {
    pub(crate) field: &'static str,
    pub(crate) value: U256,
}

pub(crate) fn small(field: &'static str, value: U256) -> Result<u64, OutOfRange> {
    u64::try_from(value).map_err(|_| OutOfRange { field, value })
}

/// Of an account; what exceeds the bits of a mark is no epoch of this protocol.
pub(crate) fn epoch(value: U256) -> Result<u16, OutOfRange> {
    u16::try_from(value).map_err(|_| OutOfRange { field: "epoch", value })
}

pub(crate) fn deal_conditions(
    conditions: U256,
    guard: Address,
) -> Result<DealConditions, OutOfRange> {
    let bits = u8::try_from(conditions);
    let bits = bits.map_err(|_| OutOfRange { field: "conditions", value: conditions })?;
    Ok(DealConditions::new(Conditions::from_bits(bits), guard))
}

fn resource(view: abi::ResourceView) -> Resource {
    Resource { pointer: view.pointer, owner: view.owner, price: Amount(view.price) }
}

/// `None` for the zeroed struct of an unknown deal.
pub(crate) fn deal(view: abi::DealView) -> Result<Option<Deal>, OutOfRange> {
    // Every deal has a pool, as matching asks for a registered one.
    if view.workerpool.pointer.is_zero() {
        return Ok(None);
    }
    Ok(Some(Deal {
        app: resource(view.app),
        dataset: resource(view.dataset),
        workerpool: resource(view.workerpool),
        trust: view.trust,
        category: CategoryId(small("category", view.category)?),
        tag: Tag(view.tag),
        requester: view.requester,
        beneficiary: view.beneficiary,
        callback: view.callback,
        params: view.params,
        start_time: Timestamp(small("startTime", view.startTime)?),
        bot_first: view.botFirst,
        bot_size: view.botSize,
        worker_stake: Amount(view.workerStake),
        scheduler_reward_ratio: view.schedulerRewardRatio,
        sponsor: view.sponsor,
    }))
}

pub(crate) fn task(view: abi::TaskViewAbi) -> Result<TaskView, OutOfRange> {
    let time = |field, value| small(field, value).map(Timestamp);
    Ok(TaskView {
        status: task_status(view.status)?,
        deal: DealId(view.dealid),
        index: view.idx,
        work_clock_time_ref_seconds: small("timeref", view.timeref)?,
        contribution_deadline: time("contributionDeadline", view.contributionDeadline)?,
        reveal_deadline: time("revealDeadline", view.revealDeadline)?,
        final_deadline: time("finalDeadline", view.finalDeadline)?,
        consensus: ResultHash(view.consensusValue),
        reveal_count: small("revealCounter", view.revealCounter)?,
        winner_count: small("winnerCounter", view.winnerCounter)?,
        contributors: view.contributors,
        digest: ResultDigest(view.resultDigest),
        results: view.results,
        results_time: time("resultsTimestamp", view.resultsTimestamp)?,
        results_callback: view.resultsCallback,
    })
}

fn task_status(status: u8) -> Result<TaskStatus, OutOfRange> {
    match status {
        0 => Ok(TaskStatus::Unset),
        1 => Ok(TaskStatus::Active),
        2 => Ok(TaskStatus::Revealing),
        3 => Ok(TaskStatus::Completed),
        4 => Ok(TaskStatus::Failed),
        5.. => Err(OutOfRange { field: "task status", value: U256::from(status) }),
    }
}

pub(crate) fn contribution(view: abi::ContributionAbi) -> Result<ContributionView, OutOfRange> {
    let status = match view.status {
        0 => ContributionStatus::Unset,
        1 => ContributionStatus::Contributed,
        2 => ContributionStatus::Proved,
        3 => ContributionStatus::Rejected,
        4.. => {
            let value = U256::from(view.status);
            return Err(OutOfRange { field: "contribution status", value });
        }
    };
    Ok(ContributionView {
        status,
        hash: ResultHash(view.resultHash),
        seal: ResultSeal(view.resultSeal),
        enclave_challenge: view.enclaveChallenge,
        weight: view.weight,
    })
}

pub(crate) fn category(view: abi::CategoryView) -> Result<Category, OutOfRange> {
    Ok(Category {
        name: view.name,
        description: view.description,
        work_clock_time_ref_seconds: small("workClockTimeRef", view.workClockTimeRef)?,
    })
}
