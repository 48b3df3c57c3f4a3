//! Logs of the contracts as events.
//!
//! What a log means depends on who emitted it: the hub's `Transfer` moves stake, a registry's sells
//! a resource, and both have the same topic.

use crate::abi::views::{deal_conditions, epoch, small};
use crate::abi::{Hub, Registry, Workerpool};
use crate::contracts::Contracts;
use alloy_primitives::Log;
use alloy_sol_types::{SolEvent, SolEventInterface};
use poco_core::lane::{LaneEvent, SkipReason};
use poco_core::mark::ConditionsEvent;
use poco_core::{
    Address, Amount, AnyOrder, B256, CategoryId, DealId, Event, OrderHash, OrderKind, ResultDigest,
    ResultHash, TaskId, Timestamp,
};

/// The event in a log; `None` for what the protocol does not know, and for numbers that it cannot
/// hold.
pub(crate) fn decode(contracts: &Contracts, log: &Log) -> Option<Event> {
    let emitter = log.address;
    let (topics, data) = (log.data.topics(), log.data.data.as_ref());
    if emitter == contracts.hub {
        return Hub::HubEvents::decode_raw_log(topics, data).ok().and_then(of_hub);
    }
    if let Some(kind) = contracts.kind_of_registry(emitter) {
        let moved = Registry::Transfer::decode_raw_log(topics, data).ok()?;
        let resource = Address::from_word(B256::from(moved.tokenId));
        return Some(Event::ResourceTransfer { kind, resource, from: moved.from, to: moved.to });
    }
    let policy = Workerpool::PolicyUpdate::decode_raw_log(topics, data).ok()?;
    Some(Event::PolicyUpdate {
        workerpool: emitter,
        worker_stake_ratio: policy.newWorkerStakeRatioPolicy,
        scheduler_reward_ratio: policy.newSchedulerRewardRatioPolicy,
    })
}

fn of_hub(event: Hub::HubEvents) -> Option<Event> {
    use Hub::HubEvents as E;
    Some(match event {
        E::Transfer(e) => Event::Transfer { from: e.from, to: e.to, amount: Amount(e.value) },
        E::Approval(e) => {
            Event::Approval { owner: e.owner, spender: e.spender, amount: Amount(e.value) }
        }
        E::Lock(e) => Event::Lock { owner: e.owner, amount: Amount(e.amount) },
        E::Unlock(e) => Event::Unlock { owner: e.owner, amount: Amount(e.amount) },
        E::Reward(e) => {
            Event::Reward { owner: e.owner, amount: Amount(e.amount), reference: e.r#ref }
        }
        E::Seize(e) => {
            Event::Seize { owner: e.owner, amount: Amount(e.amount), reference: e.r#ref }
        }
        E::SchedulerNotice(e) => {
            Event::SchedulerNotice { workerpool: e.workerpool, deal: DealId(e.dealid) }
        }
        E::OrdersMatched(e) => Event::OrdersMatched {
            deal: DealId(e.dealid),
            app: OrderHash(e.appHash),
            dataset: OrderHash(e.datasetHash),
            workerpool: OrderHash(e.workerpoolHash),
            request: OrderHash(e.requestHash),
            volume: e.volume,
        },
        E::DealSponsored(e) => Event::DealSponsored { deal: DealId(e.dealId), sponsor: e.sponsor },
        E::SignedAppOrder(e) => signed(OrderKind::App, e.appHash),
        E::SignedDatasetOrder(e) => signed(OrderKind::Dataset, e.datasetHash),
        E::SignedWorkerpoolOrder(e) => signed(OrderKind::Workerpool, e.workerpoolHash),
        E::SignedRequestOrder(e) => signed(OrderKind::Request, e.requestHash),
        E::ClosedAppOrder(e) => closed(OrderKind::App, e.appHash),
        E::ClosedDatasetOrder(e) => closed(OrderKind::Dataset, e.datasetHash),
        E::ClosedWorkerpoolOrder(e) => closed(OrderKind::Workerpool, e.workerpoolHash),
        E::ClosedRequestOrder(e) => closed(OrderKind::Request, e.requestHash),
        E::BroadcastAppOrder(e) => broadcast(AnyOrder::App(e.apporder.into())),
        E::BroadcastDatasetOrder(e) => broadcast(AnyOrder::Dataset(e.datasetorder.into())),
        E::BroadcastWorkerpoolOrder(e) => broadcast(AnyOrder::Workerpool(e.workerpoolorder.into())),
        E::BroadcastRequestOrder(e) => broadcast(AnyOrder::Request(e.requestorder.into())),
        E::CreateCategory(e) => Event::CreateCategory {
            category: CategoryId(small("catid", e.catid).ok()?),
            name: e.name,
            description: e.description,
            work_clock_time_ref_seconds: small("workClockTimeRef", e.workClockTimeRef).ok()?,
        },
        E::OwnershipTransferred(e) => {
            Event::OwnershipTransferred { from: e.previousOwner, to: e.newOwner }
        }
        boosted @ (E::SchedulerNoticeBoost(_)
        | E::DealSponsoredBoost(_)
        | E::ResultPushedBoost(_)) => return of_boost(boosted),
        of_the_lane @ (E::Bonded(_)
        | E::Unbonding(_)
        | E::BondWithdrawn(_)
        | E::Committed(_)
        | E::Closed(_)
        | E::TaskSkipped(_)) => return of_lane(of_the_lane).map(Event::Lane),
        E::DealConditions(_) | E::ResultsBound(_) | E::EpochRaised(_) => {
            return of_marks(event).map(Event::Conditions);
        }
        task_event @ (E::TaskInitialize(_)
        | E::TaskContribute(_)
        | E::TaskConsensus(_)
        | E::TaskReveal(_)
        | E::TaskFinalize(_)
        | E::TaskClaimed(_)
        | E::TaskReopen(_)
        | E::AccurateContribution(_)
        | E::FaultyContribution(_)) => return of_task(task_event),
    })
}

fn of_boost(event: Hub::HubEvents) -> Option<Event> {
    use Hub::HubEvents as E;
    #[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events of the lane alone")]
    Some(match event {
        E::SchedulerNoticeBoost(e) => {
            Event::SchedulerNoticeBoost { workerpool: e.workerpool, deal: DealId(e.dealId) }
        }
        E::DealSponsoredBoost(e) => {
            Event::DealSponsoredBoost { deal: DealId(e.dealId), sponsor: e.sponsor }
        }
        E::ResultPushedBoost(e) => {
            Event::ResultPushedBoost { deal: DealId(e.dealId), index: e.index, results: e.results }
        }
        _ => return None,
    })
}

fn of_marks(event: Hub::HubEvents) -> Option<ConditionsEvent> {
    use Hub::HubEvents as E;
    #[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events of marks alone")]
    Some(match event {
        E::DealConditions(e) => ConditionsEvent::DealConditions {
            deal: DealId(e.dealid),
            conditions: deal_conditions(e.conditions, e.guard).ok()?,
        },
        E::ResultsBound(e) => {
            ConditionsEvent::ResultsBound { task: TaskId(e.taskid), digest: ResultDigest(e.digest) }
        }
        E::EpochRaised(e) => {
            ConditionsEvent::EpochRaised { account: e.account, epoch: epoch(e.epoch).ok()? }
        }
        _ => return None,
    })
}

fn of_lane(event: Hub::HubEvents) -> Option<LaneEvent> {
    use Hub::HubEvents as E;
    #[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events of the lane alone")]
    Some(match event {
        E::Bonded(e) => {
            LaneEvent::Bonded { worker: e.worker, workerpool: e.pool, amount: Amount(e.amount) }
        }
        E::Unbonding(e) => {
            let release = Timestamp(small("releaseTime", e.releaseTime).ok()?);
            LaneEvent::Unbonding { worker: e.worker, workerpool: e.pool, release }
        }
        E::BondWithdrawn(e) => LaneEvent::BondWithdrawn {
            worker: e.worker,
            workerpool: e.pool,
            amount: Amount(e.amount),
        },
        E::Committed(e) => LaneEvent::Committed {
            deal: DealId(e.dealid),
            first: e.first,
            lengths: e.lengths,
            rows: e.rows,
        },
        E::Closed(e) => LaneEvent::Closed { task: TaskId(e.taskid) },
        E::TaskSkipped(e) => LaneEvent::TaskSkipped {
            task: TaskId(e.taskid),
            reason: SkipReason::from_number(e.reason)?,
        },
        _ => return None,
    })
}

fn of_task(event: Hub::HubEvents) -> Option<Event> {
    use Hub::HubEvents as E;
    #[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events of tasks alone")]
    Some(match event {
        E::TaskInitialize(e) => {
            Event::TaskInitialize { task: TaskId(e.taskid), workerpool: e.workerpool }
        }
        E::TaskContribute(e) => Event::TaskContribute {
            task: TaskId(e.taskid),
            worker: e.worker,
            hash: ResultHash(e.hash),
        },
        E::TaskConsensus(e) => {
            Event::TaskConsensus { task: TaskId(e.taskid), consensus: ResultHash(e.consensus) }
        }
        E::TaskReveal(e) => Event::TaskReveal {
            task: TaskId(e.taskid),
            worker: e.worker,
            digest: ResultDigest(e.digest),
        },
        E::TaskFinalize(e) => Event::TaskFinalize { task: TaskId(e.taskid), results: e.results },
        E::TaskClaimed(e) => Event::TaskClaimed { task: TaskId(e.taskid) },
        E::TaskReopen(e) => Event::TaskReopen { task: TaskId(e.taskid) },
        E::AccurateContribution(e) => {
            Event::AccurateContribution { worker: e.worker, task: TaskId(e.taskid) }
        }
        E::FaultyContribution(e) => {
            Event::FaultyContribution { worker: e.worker, task: TaskId(e.taskid) }
        }
        _ => return None,
    })
}

fn signed(kind: OrderKind, hash: B256) -> Event {
    Event::OrderSigned { kind, order: OrderHash(hash) }
}

fn closed(kind: OrderKind, hash: B256) -> Event {
    Event::OrderClosed { kind, order: OrderHash(hash) }
}

fn broadcast(order: AnyOrder) -> Event {
    Event::OrderBroadcast(Box::new(order))
}
