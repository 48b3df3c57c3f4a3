//! The views of what a call of the settlement lane was about.

use super::Inquiry;
use crate::abi::Hub;
use alloy_primitives::{Address, U256};
use alloy_sol_types::SolCall;
use anyhow::Result;
use poco_core::hub::Outcome;
use poco_core::lane::{LaneCall, LaneEvent, Row};
use poco_core::{DealId, Event, TaskId};
use std::collections::BTreeSet;

impl Inquiry<'_> {
    /// The tasks that a call names, with their contributions, and the bonds and scores of whoever it
    /// may have moved.
    pub(super) fn lane(
        &mut self,
        sender: Address,
        call: &LaneCall,
        outcome: &Outcome,
    ) -> Result<()> {
        let tasks: BTreeSet<TaskId> = outcome.events.iter().filter_map(task_of).collect();
        for task in tasks {
            self.task(task)?;
            for worker in self.side.model.task(task).contributors {
                self.contribution(task, worker)?;
            }
        }
        match call {
            LaneCall::Bond { workerpool, .. }
            | LaneCall::Unbond { workerpool }
            | LaneCall::WithdrawBond { workerpool } => self.bond(sender, *workerpool),
            LaneCall::Commit { deal, ballots, .. } => {
                self.bonds(*deal, ballots.iter().map(|ballot| ballot.worker))
            }
            LaneCall::Settle { batches } => batches.iter().try_for_each(|batch| {
                batch.workers.iter().try_for_each(|worker| self.score(*worker))?;
                self.bonds(batch.range.deal, batch.workers.iter().copied())
            }),
            LaneCall::Disclose { range, row, .. } | LaneCall::Close { range, row } => {
                self.bonds(range.deal, workers(row))
            }
            LaneCall::Release { range, rows } => {
                self.bonds(range.deal, rows.iter().flat_map(workers))
            }
        }
    }

    fn bonds(&mut self, deal: DealId, workers: impl Iterator<Item = Address>) -> Result<()> {
        let pool = self.side.model.deal(deal).map(|deal| deal.workerpool.pointer);
        let workers: BTreeSet<Address> = workers.collect();
        workers.into_iter().try_for_each(|worker| self.bond(worker, pool.unwrap_or_default()))
    }

    pub(super) fn bond(&mut self, worker: Address, pool: Address) -> Result<()> {
        let bond = self.side.model.bond(worker, pool);
        let view = Hub::viewBondReturn {
            total: bond.total.0,
            locked: bond.locked.0,
            releaseTime: U256::from(bond.release.0),
        };
        let call = Hub::viewBondCall { worker, pool };
        self.ask(&call, Hub::viewBondCall::abi_encode_returns(&view))
    }
}

fn workers(row: &Row) -> impl Iterator<Item = Address> {
    row.0.iter().map(|entry| entry.worker)
}

fn task_of(event: &Event) -> Option<TaskId> {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the others name no task")]
    match event {
        Event::TaskInitialize { task, .. }
        | Event::TaskContribute { task, .. }
        | Event::TaskFinalize { task, .. }
        | Event::Lane(LaneEvent::Closed { task } | LaneEvent::TaskSkipped { task, .. }) => {
            Some(*task)
        }
        _ => None,
    }
}
