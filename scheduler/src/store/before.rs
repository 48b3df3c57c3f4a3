//! Records in form 2, from before workers had places: their deals have the hash of no block, and
//! their workers no rank.
//!
//! A deal of that time tries workers in an order drawn by its id, all of them as if they had come
//! after its match.

use poco_core::{Address, DealId, TaskId, U256};
use poco_scheduler_core::{
    CommitRecord, DealFacts, DealRecord, Failure, Lane, ReplicaRecord, StoredResult, TaskRecord,
};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Record {
    Deal(Box<Deal>),
    Task(Box<Task>),
    Commit(Box<CommitRecord>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Deal {
    id: DealId,
    block: u64,
    facts: Option<DealFacts>,
    next: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Task {
    id: TaskId,
    deal: DealId,
    offset: u64,
    replicas: Vec<Replica>,
    assignments: u32,
    hopeless: Option<String>,
    weights: Vec<(Address, U256)>,
    result: Option<StoredResult>,
    is_classic: bool,
    closed: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Replica {
    worker: Address,
    lane: Lane,
    weight: U256,
    failure: Option<Failure>,
}

impl From<Record> for poco_scheduler_core::Record {
    fn from(record: Record) -> Self {
        match record {
            Record::Deal(deal) => {
                let Deal { id, block, facts, next } = *deal;
                let (block_hash, places) = (id.0, 0);
                Self::Deal(Box::new(DealRecord { id, block, block_hash, places, facts, next }))
            }
            Record::Task(task) => Self::Task(Box::new((*task).into())),
            Record::Commit(commit) => Self::Commit(commit),
        }
    }
}

impl From<Task> for TaskRecord {
    fn from(task: Task) -> Self {
        let replica = |replica: Replica| {
            let Replica { worker, lane, weight, failure } = replica;
            ReplicaRecord { worker, lane, weight, rank: None, failure }
        };
        Self {
            id: task.id,
            deal: task.deal,
            offset: task.offset,
            replicas: task.replicas.into_iter().map(replica).collect(),
            assignments: task.assignments,
            hopeless: task.hopeless,
            weights: task.weights,
            result: task.result,
            is_classic: task.is_classic,
            closed: task.closed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{FORM_BEFORE, decode_record};
    use poco_core::{B256, Bytes, ResultDigest};

    fn read_again(record: &Record) -> poco_scheduler_core::Record {
        decode_record(&postcard::to_extend(record, vec![FORM_BEFORE]).unwrap()).unwrap()
    }

    #[test]
    fn records_from_before_workers_had_places_are_read() {
        let id = DealId(B256::repeat_byte(1));
        let facts = DealFacts {
            deal: poco_core::Deal { params: "x".into(), ..poco_core::Deal::default() },
            work_clock_time_ref_seconds: 300,
            conditions: None,
            placement: None,
        };
        let facts = Some(facts);
        let deal = Deal { id, block: 7, facts: facts.clone(), next: 3 };
        let poco_scheduler_core::Record::Deal(deal) = read_again(&Record::Deal(Box::new(deal)))
        else {
            panic!("another kind of record")
        };
        assert_eq!((deal.id, deal.block, deal.next, deal.places), (id, 7, 3, 0));
        assert_eq!(deal.facts, facts);

        let worker = Address::repeat_byte(5);
        let weight = U256::from(9);
        let replica = Replica { worker, lane: Lane::Fast, weight, failure: None };
        let result = StoredResult {
            worker,
            digest: ResultDigest::ZERO,
            location: "/ipfs/a".into(),
            callback: Bytes::new(),
            size_bytes: 1,
        };
        let task = Task {
            id: TaskId(B256::repeat_byte(2)),
            deal: id,
            offset: 4,
            replicas: vec![replica],
            assignments: 1,
            hopeless: Some("why".into()),
            weights: vec![(worker, weight)],
            result: Some(result.clone()),
            is_classic: true,
            closed: Some(8),
        };
        let poco_scheduler_core::Record::Task(task) = read_again(&Record::Task(Box::new(task)))
        else {
            panic!("another kind of record")
        };
        let expected =
            ReplicaRecord { worker, lane: Lane::Fast, weight, rank: None, failure: None };
        assert_eq!(task.replicas, [expected]);
        assert_eq!((task.result, task.closed, task.offset), (Some(result), Some(8), 4));
    }
}
