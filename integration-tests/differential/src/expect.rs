//! What the model says happened, as the bytes that a contract logs and returns.

use crate::abi::{Hub, Pool, Registry};
use crate::stage::{Places, Side};
use crate::strangers::{LISTENER, RETURNER};
use alloy_primitives::{Address, B256, Bytes, Log, LogData, U256};
use alloy_sol_types::{SolCall, SolEvent, SolValue, sol};
use poco_core::hub::{Callback, Outcome, Policy, Value};
use poco_core::lane::LaneEvent;
use poco_core::mark::ConditionsEvent;
use poco_core::{AnyOrder, Event, OrderKind};

sol! {
    interface Receiver { function receiveResult(bytes32 taskId, bytes data) external; }
}

/// What a call returns.
#[must_use]
pub fn output(value: Value) -> Bytes {
    match value {
        Value::Nothing => Vec::new(),
        Value::True => true.abi_encode(),
        Value::Deal(id) => id.0.abi_encode(),
        Value::Task(id) => id.0.abi_encode(),
        Value::Category(id) => U256::from(id.0).abi_encode(),
        Value::Amount(amount) => amount.0.abi_encode(),
        Value::Entry(entry) => entry.abi_encode(),
        Value::Epoch(epoch) => U256::from(epoch).abi_encode(),
    }
    .into()
}

/// All that a call logs, the receivers of results included; `before` is the policy that a pool had.
#[must_use]
pub fn logs(side: &Side, places: &Places, outcome: &Outcome, before: Option<Policy>) -> Vec<Log> {
    let logs = outcome.events.iter().map(|event| log(side, places, event, before));
    let mut logs: Vec<Log> = logs.collect();
    // Each receiver that calls the hub back has one event, behind those of the call itself.
    let is_returner = |callback: &&Callback| callback.contract == RETURNER;
    let returned = outcome.callbacks.iter().filter(is_returner).count();
    let mut told = logs.split_off(logs.len().saturating_sub(returned)).into_iter();
    for callback in &outcome.callbacks {
        if callback.contract == RETURNER {
            logs.extend(told.next());
        } else {
            logs.extend(echo(callback));
        }
    }
    logs
}

/// What a receiver that repeats everything logs; nothing for another one.
fn echo(callback: &Callback) -> Option<Log> {
    (callback.contract == LISTENER).then(|| {
        let call =
            Receiver::receiveResultCall { taskId: callback.task.0, data: callback.data.clone() };
        let data = LogData::new_unchecked(Vec::new(), call.abi_encode().into());
        Log { address: LISTENER, data }
    })
}

/// The log of an event on a side where it has just happened.
fn log(side: &Side, places: &Places, event: &Event, before: Option<Policy>) -> Log {
    let (address, data) = match event {
        Event::ResourceTransfer { kind, resource, from, to } => {
            let token_id = resource.into_word().into();
            let moved = Registry::Transfer { from: *from, to: *to, tokenId: token_id };
            (places.registry(*kind), moved.encode_log_data())
        }
        Event::PolicyUpdate { workerpool, worker_stake_ratio, scheduler_reward_ratio } => {
            let old = before.unwrap_or_default();
            let update = Pool::PolicyUpdate {
                oldWorkerStakeRatioPolicy: old.worker_stake_ratio,
                newWorkerStakeRatioPolicy: *worker_stake_ratio,
                oldSchedulerRewardRatioPolicy: old.scheduler_reward_ratio,
                newSchedulerRewardRatioPolicy: *scheduler_reward_ratio,
            };
            (*workerpool, update.encode_log_data())
        }
        Event::Transfer { .. }
        | Event::Approval { .. }
        | Event::Lock { .. }
        | Event::Unlock { .. }
        | Event::Seize { .. }
        | Event::Reward { .. } => (places.hub, of_money(event)),
        Event::SchedulerNoticeBoost { .. }
        | Event::DealSponsoredBoost { .. }
        | Event::ResultPushedBoost { .. } => (places.hub, of_boost(side, event)),
        Event::SchedulerNotice { .. }
        | Event::OrdersMatched { .. }
        | Event::DealSponsored { .. }
        | Event::OrderSigned { .. }
        | Event::OrderClosed { .. }
        | Event::OrderBroadcast(_)
        | Event::CreateCategory { .. }
        | Event::OwnershipTransferred { .. } => (places.hub, of_orders(event)),
        Event::Conditions(event) => (places.hub, of_marks(event)),
        Event::Lane(event) => (places.hub, of_lane(event)),
        Event::TaskInitialize { .. }
        | Event::TaskContribute { .. }
        | Event::TaskConsensus { .. }
        | Event::TaskReveal { .. }
        | Event::TaskReopen { .. }
        | Event::TaskFinalize { .. }
        | Event::TaskClaimed { .. }
        | Event::AccurateContribution { .. }
        | Event::FaultyContribution { .. } => (places.hub, of_task(event)),
    };
    Log { address, data }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events about money alone")]
fn of_money(event: &Event) -> LogData {
    match *event {
        Event::Transfer { from, to, amount } => {
            Hub::Transfer { from, to, value: amount.0 }.encode_log_data()
        }
        Event::Approval { owner, spender, amount } => {
            Hub::Approval { owner, spender, value: amount.0 }.encode_log_data()
        }
        Event::Lock { owner, amount } => Hub::Lock { owner, amount: amount.0 }.encode_log_data(),
        Event::Unlock { owner, amount } => {
            Hub::Unlock { owner, amount: amount.0 }.encode_log_data()
        }
        Event::Seize { owner, amount, reference } => {
            Hub::Seize { owner, amount: amount.0, r#ref: reference }.encode_log_data()
        }
        Event::Reward { owner, amount, reference } => {
            Hub::Reward { owner, amount: amount.0, r#ref: reference }.encode_log_data()
        }
        _ => unreachable!("no event about money"),
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events of orders alone")]
fn of_orders(event: &Event) -> LogData {
    match event {
        Event::SchedulerNotice { workerpool, deal } => {
            Hub::SchedulerNotice { workerpool: *workerpool, dealid: deal.0 }.encode_log_data()
        }
        Event::OrdersMatched { deal, app, dataset, workerpool, request, volume } => {
            Hub::OrdersMatched {
                dealid: deal.0,
                appHash: app.0,
                datasetHash: dataset.0,
                workerpoolHash: workerpool.0,
                requestHash: request.0,
                volume: *volume,
            }
            .encode_log_data()
        }
        Event::DealSponsored { deal, sponsor } => {
            Hub::DealSponsored { dealId: deal.0, sponsor: *sponsor }.encode_log_data()
        }
        Event::OrderSigned { kind, order } => signed(*kind, order.0),
        Event::OrderClosed { kind, order } => closed(*kind, order.0),
        Event::OrderBroadcast(order) => broadcast(order),
        Event::CreateCategory { category, name, description, work_clock_time_ref_seconds } => {
            Hub::CreateCategory {
                catid: U256::from(category.0),
                name: name.clone(),
                description: description.clone(),
                workClockTimeRef: U256::from(*work_clock_time_ref_seconds),
            }
            .encode_log_data()
        }
        Event::OwnershipTransferred { from, to } => {
            Hub::OwnershipTransferred { previousOwner: *from, newOwner: *to }.encode_log_data()
        }
        _ => unreachable!("no event of an order"),
    }
}

fn of_marks(event: &ConditionsEvent) -> LogData {
    match *event {
        ConditionsEvent::DealConditions { deal, conditions } => Hub::DealConditions {
            dealid: deal.0,
            conditions: U256::from(conditions.conditions().bits()),
            guard: conditions.guard().unwrap_or_default(),
        }
        .encode_log_data(),
        ConditionsEvent::ResultsBound { task, digest } => {
            Hub::ResultsBound { taskid: task.0, digest: digest.0 }.encode_log_data()
        }
        ConditionsEvent::EpochRaised { account, epoch } => {
            Hub::EpochRaised { account, epoch: U256::from(epoch) }.encode_log_data()
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events of the lane alone")]
fn of_boost(side: &Side, event: &Event) -> LogData {
    match event {
        Event::SchedulerNoticeBoost { workerpool, deal: id } => {
            let deal = side.model.boosted_deal(*id).cloned().unwrap_or_default();
            Hub::SchedulerNoticeBoost {
                workerpool: *workerpool,
                dealId: id.0,
                app: deal.app.pointer,
                dataset: deal.dataset.pointer,
                category: U256::from(deal.category.0),
                tag: deal.tag.0,
                params: deal.params,
                beneficiary: deal.beneficiary,
            }
            .encode_log_data()
        }
        Event::DealSponsoredBoost { deal, sponsor } => {
            Hub::DealSponsoredBoost { dealId: deal.0, sponsor: *sponsor }.encode_log_data()
        }
        Event::ResultPushedBoost { deal, index, results } => {
            Hub::ResultPushedBoost { dealId: deal.0, index: *index, results: results.clone() }
                .encode_log_data()
        }
        _ => unreachable!("no event of the boost lane"),
    }
}

fn of_lane(event: &LaneEvent) -> LogData {
    match event {
        LaneEvent::Bonded { worker, workerpool, amount } => {
            Hub::Bonded { worker: *worker, pool: *workerpool, amount: amount.0 }.encode_log_data()
        }
        LaneEvent::Unbonding { worker, workerpool, release } => Hub::Unbonding {
            worker: *worker,
            pool: *workerpool,
            releaseTime: U256::from(release.0),
        }
        .encode_log_data(),
        LaneEvent::BondWithdrawn { worker, workerpool, amount } => {
            Hub::BondWithdrawn { worker: *worker, pool: *workerpool, amount: amount.0 }
                .encode_log_data()
        }
        LaneEvent::Committed { deal, first, lengths, rows } => Hub::Committed {
            dealid: deal.0,
            first: *first,
            lengths: lengths.clone(),
            rows: rows.clone(),
        }
        .encode_log_data(),
        LaneEvent::Closed { task } => Hub::Closed { taskid: task.0 }.encode_log_data(),
        LaneEvent::TaskSkipped { task, reason } => {
            Hub::TaskSkipped { taskid: task.0, reason: *reason as u8 }.encode_log_data()
        }
    }
}

fn signed(kind: OrderKind, hash: B256) -> LogData {
    match kind {
        OrderKind::App => Hub::SignedAppOrder { appHash: hash }.encode_log_data(),
        OrderKind::Dataset => Hub::SignedDatasetOrder { datasetHash: hash }.encode_log_data(),
        OrderKind::Workerpool => {
            Hub::SignedWorkerpoolOrder { workerpoolHash: hash }.encode_log_data()
        }
        OrderKind::Request => Hub::SignedRequestOrder { requestHash: hash }.encode_log_data(),
    }
}

fn closed(kind: OrderKind, hash: B256) -> LogData {
    match kind {
        OrderKind::App => Hub::ClosedAppOrder { appHash: hash }.encode_log_data(),
        OrderKind::Dataset => Hub::ClosedDatasetOrder { datasetHash: hash }.encode_log_data(),
        OrderKind::Workerpool => {
            Hub::ClosedWorkerpoolOrder { workerpoolHash: hash }.encode_log_data()
        }
        OrderKind::Request => Hub::ClosedRequestOrder { requestHash: hash }.encode_log_data(),
    }
}

fn broadcast(order: &AnyOrder) -> LogData {
    match order {
        AnyOrder::App(order) => Hub::BroadcastAppOrder { apporder: order.into() }.encode_log_data(),
        AnyOrder::Dataset(order) => {
            Hub::BroadcastDatasetOrder { datasetorder: order.into() }.encode_log_data()
        }
        AnyOrder::Workerpool(order) => {
            Hub::BroadcastWorkerpoolOrder { workerpoolorder: order.into() }.encode_log_data()
        }
        AnyOrder::Request(order) => {
            Hub::BroadcastRequestOrder { requestorder: order.into() }.encode_log_data()
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "the caller passes events of tasks alone")]
fn of_task(event: &Event) -> LogData {
    match event {
        Event::TaskInitialize { task, workerpool } => {
            Hub::TaskInitialize { taskid: task.0, workerpool: *workerpool }.encode_log_data()
        }
        Event::TaskContribute { task, worker, hash } => {
            Hub::TaskContribute { taskid: task.0, worker: *worker, hash: hash.0 }.encode_log_data()
        }
        Event::TaskConsensus { task, consensus } => {
            Hub::TaskConsensus { taskid: task.0, consensus: consensus.0 }.encode_log_data()
        }
        Event::TaskReveal { task, worker, digest } => {
            Hub::TaskReveal { taskid: task.0, worker: *worker, digest: digest.0 }.encode_log_data()
        }
        Event::TaskReopen { task } => Hub::TaskReopen { taskid: task.0 }.encode_log_data(),
        Event::TaskFinalize { task, results } => {
            Hub::TaskFinalize { taskid: task.0, results: results.clone() }.encode_log_data()
        }
        Event::TaskClaimed { task } => Hub::TaskClaimed { taskid: task.0 }.encode_log_data(),
        Event::AccurateContribution { worker, task } => {
            Hub::AccurateContribution { worker: *worker, taskid: task.0 }.encode_log_data()
        }
        Event::FaultyContribution { worker, task } => {
            Hub::FaultyContribution { worker: *worker, taskid: task.0 }.encode_log_data()
        }
        _ => unreachable!("no event of a task"),
    }
}

/// The accounts that an event is about.
#[must_use]
pub fn accounts(event: &Event) -> Vec<Address> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the others move no money and no score")]
    match *event {
        Event::Transfer { from, to, .. } => vec![from, to],
        Event::Lock { owner, .. }
        | Event::Unlock { owner, .. }
        | Event::Seize { owner, .. }
        | Event::Reward { owner, .. } => vec![owner],
        Event::AccurateContribution { worker, .. } | Event::FaultyContribution { worker, .. } => {
            vec![worker]
        }
        _ => Vec::new(),
    }
}
