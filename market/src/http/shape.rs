//! Records as clients read them.

use crate::deal::{CategoryRecord, DealRecord};
use crate::record::{PublicationTime, Record};
use anyhow::Context;
use poco_core::deal::Resource;
use poco_core::{Address, Amount, AnyOrder, U256};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::macros::format_description;

/// An order's record, with the chain it is on.
pub(crate) fn order(record: &Record, chain_id: u64) -> anyhow::Result<Value> {
    let signed = match &record.order {
        AnyOrder::App(signed) => serde_json::to_value(signed)?,
        AnyOrder::Dataset(signed) => serde_json::to_value(signed)?,
        AnyOrder::Workerpool(signed) => serde_json::to_value(signed)?,
        AnyOrder::Request(signed) => serde_json::to_value(signed)?,
    };
    let PublicationTime(published) = record.published;
    Ok(json!({
        "orderHash": record.hash,
        "order": signed,
        "chainId": chain_id,
        "remaining": Amount(record.remaining),
        "status": record.status,
        "publicationTimestamp": timestamp(published)?,
        "signer": address(record.signer),
    }))
}

/// A deal with the orders that made it.
pub(crate) fn deal(record: &DealRecord, chain_id: u64) -> anyhow::Result<Value> {
    let deal = &record.deal;
    Ok(json!({
        "dealid": record.id,
        "chainId": chain_id,
        "app": resource(&deal.app),
        "dataset": resource(&deal.dataset),
        "workerpool": resource(&deal.workerpool),
        "requester": address(deal.requester),
        "beneficiary": address(deal.beneficiary),
        "callback": address(deal.callback),
        "appHash": record.app_order,
        "datasetHash": record.dataset_order,
        "workerpoolHash": record.workerpool_order,
        "requestHash": record.request_order,
        "params": deal.params,
        "volume": number(record.volume),
        "category": deal.category,
        "tag": deal.tag,
        "trust": number(deal.trust),
        "startTime": deal.start_time,
        "botFirst": number(deal.bot_first),
        "botSize": number(deal.bot_size),
        "schedulerRewardRatio": number(deal.scheduler_reward_ratio),
        "workerStake": deal.worker_stake,
        "blockNumber": record.place.block,
        "blockTimestamp": block_time(record.place.timestamp.0)?,
        "transactionHash": record.place.transaction,
    }))
}

/// A category and where it was created.
pub(crate) fn category(record: &CategoryRecord, chain_id: u64) -> anyhow::Result<Value> {
    Ok(json!({
        "catid": record.id,
        "chainId": chain_id,
        "name": record.category.name,
        "description": record.category.description,
        "workClockTimeRef": record.category.work_clock_time_ref_seconds,
        "transactionHash": record.place.transaction,
        "blockNumber": record.place.block,
        "blockTimestamp": block_time(record.place.timestamp.0)?,
    }))
}

/// A block's time, in seconds since 1970, as clients read it.
pub(crate) fn block_time(seconds: u64) -> anyhow::Result<String> {
    timestamp(seconds.saturating_mul(1000))
}

fn resource(resource: &Resource) -> Value {
    json!({
        "pointer": address(resource.pointer),
        "owner": address(resource.owner),
        "price": resource.price,
    })
}

fn address(address: Address) -> String {
    address.to_checksum(None)
}

/// An integer as poco-core writes all of them: a number as long as clients keep it exactly.
fn number(value: U256) -> Amount {
    Amount(value)
}

fn timestamp(milliseconds: u64) -> anyhow::Result<String> {
    let time = OffsetDateTime::from_unix_timestamp_nanos(
        i128::from(milliseconds).saturating_mul(1_000_000),
    )
    .context("a time is out of range")?;
    let format =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    time.format(&format).context("a time cannot be written")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_milliseconds_and_a_z() {
        assert_eq!(timestamp(1_568_196_218_068).unwrap(), "2019-09-11T10:03:38.068Z");
        assert_eq!(block_time(0).unwrap(), "1970-01-01T00:00:00.000Z");
    }
}
