//! Which events somebody wants to hear of.

use crate::abi::{Hub, Registry, Workerpool};
use crate::contracts::Contracts;
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::SolEvent;
use poco_core::lane::LaneEvent;
use poco_core::{Address, B256, Event};

/// Which events somebody wants to hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interest {
    what: What,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Tasks,
    /// A pool, and whose money is counted.
    Pool(Address, Option<Address>),
    Ends,
    Everything,
}

/// Events of the hub about tasks.
const TASK_TOPICS: [B256; 11] = [
    Hub::TaskInitialize::SIGNATURE_HASH,
    Hub::TaskContribute::SIGNATURE_HASH,
    Hub::TaskConsensus::SIGNATURE_HASH,
    Hub::TaskReveal::SIGNATURE_HASH,
    Hub::TaskReopen::SIGNATURE_HASH,
    Hub::TaskFinalize::SIGNATURE_HASH,
    Hub::TaskClaimed::SIGNATURE_HASH,
    Hub::AccurateContribution::SIGNATURE_HASH,
    Hub::FaultyContribution::SIGNATURE_HASH,
    Hub::Closed::SIGNATURE_HASH,
    Hub::TaskSkipped::SIGNATURE_HASH,
];

impl Interest {
    /// What happens to tasks, of every pool.
    #[must_use]
    pub const fn hub_tasks() -> Self {
        Self { what: What::Tasks }
    }

    /// What a pool must know: its deals (`SchedulerNotice`, and `OrdersMatched` of every pool), what
    /// happens to tasks (`TaskInitialize` of its own, the others of every pool, as the hub does not
    /// tell them apart), commits of every pool, its workers' bonds, new categories, its policy and
    /// its sale.
    #[must_use]
    pub const fn pool(pool: Address) -> Self {
        Self { what: What::Pool(pool, None) }
    }

    /// The same, and what the hub rewards `owner` with and seizes from it.
    #[must_use]
    pub const fn pool_of(pool: Address, owner: Address) -> Self {
        Self { what: What::Pool(pool, Some(owner)) }
    }

    /// The ends of tasks, and what they move: what opens tasks, votes, reveals, rewards and seizures of
    /// every pool, as the hub does not tell them apart.
    #[must_use]
    pub const fn ends() -> Self {
        Self { what: What::Ends }
    }

    /// Every event of the hub and its registries, and `PolicyUpdate` from whoever emits it: its
    /// `workerpool` is a pool only if the registry says so.
    #[must_use]
    pub const fn everything() -> Self {
        Self { what: What::Everything }
    }

    /// The logs to ask for, of blocks that are still to be named.
    pub(crate) fn filters(&self, contracts: &Contracts) -> Vec<Filter> {
        let of = |emitters: Vec<Address>| Filter::new().address(emitters);
        let hub = |topics: Vec<B256>| of(vec![contracts.hub]).event_signature(topics);
        let sales = |emitters| of(emitters).event_signature(Registry::Transfer::SIGNATURE_HASH);
        // No emitter stands for whoever emits.
        let policies =
            |emitters| of(emitters).event_signature(Workerpool::PolicyUpdate::SIGNATURE_HASH);
        match self.what {
            What::Tasks => vec![hub(TASK_TOPICS.to_vec())],
            What::Ends => vec![hub(vec![
                Hub::TaskInitialize::SIGNATURE_HASH,
                Hub::TaskContribute::SIGNATURE_HASH,
                Hub::TaskReveal::SIGNATURE_HASH,
                Hub::TaskFinalize::SIGNATURE_HASH,
                Hub::TaskClaimed::SIGNATURE_HASH,
                Hub::Reward::SIGNATURE_HASH,
                Hub::Seize::SIGNATURE_HASH,
            ])],
            What::Pool(pool, owner) => {
                let mut topics = TASK_TOPICS.to_vec();
                topics.extend([
                    Hub::SchedulerNotice::SIGNATURE_HASH,
                    Hub::OrdersMatched::SIGNATURE_HASH,
                    Hub::CreateCategory::SIGNATURE_HASH,
                    Hub::Committed::SIGNATURE_HASH,
                    Hub::Bonded::SIGNATURE_HASH,
                    Hub::Unbonding::SIGNATURE_HASH,
                    Hub::BondWithdrawn::SIGNATURE_HASH,
                ]);
                let registry = vec![contracts.workerpool_registry];
                if owner.is_some() {
                    // Of everybody: the hub does not index whose they are.
                    topics.extend([Hub::Reward::SIGNATURE_HASH, Hub::Seize::SIGNATURE_HASH]);
                }
                vec![hub(topics), sales(registry), policies(vec![pool])]
            }
            What::Everything => {
                let topics = Hub::HubEvents::SELECTORS.iter().map(B256::from).collect();
                let registries = vec![
                    contracts.app_registry,
                    contracts.dataset_registry,
                    contracts.workerpool_registry,
                ];
                vec![hub(topics), sales(registries), policies(Vec::new())]
            }
        }
    }

    /// Whether an event that the filters let through is wanted.
    pub(crate) fn wants(&self, event: &Event) -> bool {
        let What::Pool(pool, account) = self.what else { return true };
        match event {
            Event::SchedulerNotice { workerpool, .. }
            | Event::TaskInitialize { workerpool, .. }
            | Event::PolicyUpdate { workerpool, .. }
            | Event::Lane(
                LaneEvent::Bonded { workerpool, .. }
                | LaneEvent::Unbonding { workerpool, .. }
                | LaneEvent::BondWithdrawn { workerpool, .. },
            ) => *workerpool == pool,
            Event::ResourceTransfer { resource, .. } => *resource == pool,
            Event::Seize { owner, .. } | Event::Reward { owner, .. } => Some(*owner) == account,
            Event::Transfer { .. }
            | Event::Approval { .. }
            | Event::Lock { .. }
            | Event::Unlock { .. }
            | Event::OrdersMatched { .. }
            | Event::DealSponsored { .. }
            | Event::SchedulerNoticeBoost { .. }
            | Event::DealSponsoredBoost { .. }
            | Event::ResultPushedBoost { .. }
            | Event::OrderSigned { .. }
            | Event::OrderClosed { .. }
            | Event::OrderBroadcast(_)
            | Event::TaskContribute { .. }
            | Event::TaskConsensus { .. }
            | Event::TaskReveal { .. }
            | Event::TaskReopen { .. }
            | Event::TaskFinalize { .. }
            | Event::TaskClaimed { .. }
            | Event::AccurateContribution { .. }
            | Event::FaultyContribution { .. }
            | Event::CreateCategory { .. }
            | Event::OwnershipTransferred { .. }
            | Event::Conditions(_)
            | Event::Lane(
                LaneEvent::Committed { .. }
                | LaneEvent::Closed { .. }
                | LaneEvent::TaskSkipped { .. },
            ) => true,
        }
    }
}
