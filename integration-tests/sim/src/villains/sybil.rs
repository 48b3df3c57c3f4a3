//! The pool's owner votes with wallets of its own, beside its scheduler and against the workers.

use crate::chain::HubCall;
use crate::process::{Host, Wallet};
use crate::world::World;
use poco_core::call::Contribution;
use poco_core::message::authorization_hash;
use poco_core::task::TaskStatus;
use poco_core::{Address, Bytes, Call, ResultDigest, ResultHash, ResultSeal, TaskId, keccak256};

/// The wallet of a sybil.
pub(crate) fn wallet(number: usize) -> Wallet {
    Wallet::named(&format!("sybil {number}"))
}

impl World {
    /// Votes for a lie wherever a vote is taken.
    pub(crate) fn vote_as_sybils(&mut self) {
        let open: Vec<TaskId> = (self.chain.hub().tasks())
            .filter(|(_, view)| view.status == TaskStatus::Active && !view.contributors.is_empty())
            .map(|(task, _)| task)
            .collect();
        for task in open {
            for number in 0..self.scenario.sybils {
                let sybil = self.sybils[number].address;
                if !self.chain.hub().task(task).contributors.contains(&sybil) {
                    self.vote_as(sybil, task);
                }
            }
        }
    }

    fn vote_as(&mut self, sybil: Address, task: TaskId) {
        let digest = ResultDigest(keccak256("what the sybils want"));
        let hash = authorization_hash(sybil, task, Address::ZERO);
        let call = Call::Contribute(Contribution {
            task,
            hash: ResultHash::of(task, digest),
            seal: ResultSeal::of(sybil, task, digest),
            enclave_challenge: Address::ZERO,
            enclave_sign: Bytes::new(),
            authorization_sign: self.process(Host::SCHEDULER).wallet.sign(hash),
        });
        self.send_raw(sybil, HubCall::Classic(Box::new(call)));
    }
}
