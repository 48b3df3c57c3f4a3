//! Copycats: they take tasks, compute nothing, wait for somebody's vote on chain and send the same
//! under their own name. They cannot have the seal that goes with it.

use super::Nature;
use crate::chain::HubCall;
use crate::process::Host;
use crate::scenario::Millis;
use crate::world::World;
use poco_core::call::Contribution;
use poco_core::task::TaskStatus;
use poco_core::{Address, B256, Bytes, Call, ResultSeal, TaskId};

/// Their app never ends.
pub(super) const RUN_MILLIS: Millis = 1_000_000_000;

impl World {
    /// Copies the votes that are there to be copied.
    pub(crate) fn copy_votes(&mut self) {
        let copycats: Vec<usize> = (0..self.workers.len())
            .filter(|place| self.workers[*place].plan.nature == Nature::Copycat)
            .collect();
        for place in copycats {
            let journal = &self.workers[place].journal;
            let held: Vec<(TaskId, Bytes)> = journal
                .values()
                .map(|record| (record.assignment.task, record.assignment.authorization.clone()))
                .collect();
            for (task, authorization_sign) in held {
                self.copy_vote(place, task, authorization_sign);
            }
        }
    }

    fn copy_vote(&mut self, place: usize, task: TaskId, authorization_sign: Bytes) {
        let wallet = self.process(Host::of_worker(place)).wallet.address;
        let view = self.chain.hub().task(task);
        let Some(seen) = view.contributors.first().copied() else { return };
        if view.status != TaskStatus::Active || view.contributors.contains(&wallet) {
            return;
        }
        let hash = self.chain.hub().contribution(task, seen).hash;
        let call = Call::Contribute(Contribution {
            task,
            hash,
            seal: ResultSeal(B256::repeat_byte(0xcc)),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign,
        });
        self.send_raw(wallet, HubCall::Classic(Box::new(call)));
    }
}
