//! Pools, workers and orders of all kinds, and the doing of what an explanation says.

use crate::orders::funds;
use crate::world::{World, digest, failure, task, worker};
use poco_core::task::TaskStatus;
use poco_core::{Address, Amount, B256, Conditions, DealConditions, DealId, Tag, TaskId, U256};
use poco_scheduler_core::{
    Capacity, Cause, Change, Input, Operation, OrderTerms, Placement, ReplicaReport, ReportBody,
    Stage,
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const GUARD: Address = Address::repeat_byte(0x77);
/// Names of workers that log in because more are wanted.
const NEW: u8 = 40;
const PLENTY: u64 = 1_000_000;

/// What a machine lacks of what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lack {
    Everything,
    Energy,
    Cpus,
    Memory,
    Disk,
    Gpus,
    Nothing,
}

#[derive(Clone, Copy, Debug)]
enum Ails {
    Nothing,
    Declines,
    Fails,
}

#[derive(Clone, Debug)]
pub(crate) struct Hand {
    slots: u32,
    has_gpu: bool,
    score: u64,
    is_member: bool,
    has_bond: bool,
    is_busy: bool,
    is_drained: bool,
    ails: Ails,
    machine: Option<u8>,
    owner: Option<u8>,
    lack: Lack,
}

/// What of the pool is in the way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pool {
    is_paused: bool,
    is_gas_low: bool,
    is_stake_low: bool,
    is_room_low: bool,
    is_full: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct Scene {
    pub(crate) hands: Vec<Hand>,
    pub(crate) trust: u64,
    needs_gpu: bool,
    /// `None`: something that cannot be read.
    pub(crate) placement: Option<Placement>,
    is_guarded: bool,
    has_settlement: bool,
    pool: Pool,
}

pub(crate) fn placement() -> Placement {
    Placement {
        regions: ["eu".parse().unwrap()].into(),
        carbon_g_per_kwh_max: Some(50),
        memory_bytes_min: 1 << 30,
        cpus_min: 2,
        disk_bytes_min: 1 << 20,
        gpus_min: 1,
    }
}

fn hand() -> impl Strategy<Value = Hand> {
    let score = prop_oneof![4 => Just(0u64), 1 => Just(30), 1 => Just(300)];
    let chances = (any::<bool>(), prop::bool::weighted(0.7), any::<bool>());
    let drained = prop::bool::weighted(0.2);
    let ails = prop_oneof![
        6 => Just(Ails::Nothing), 2 => Just(Ails::Declines), 2 => Just(Ails::Fails)
    ];
    let shared = || prop::option::weighted(0.3, 1u8..3);
    let ways = (any::<bool>(), drained, ails, shared(), shared());
    let lack = prop_oneof![
        3 => Just(Lack::Nothing), 2 => Just(Lack::Everything),
        1 => Just(Lack::Energy), 1 => Just(Lack::Cpus), 1 => Just(Lack::Memory),
        1 => Just(Lack::Disk), 1 => Just(Lack::Gpus)
    ];
    let all = (0u32..3, score, chances, ways, lack);
    all.prop_map(|(slots, score, chances, ways, lack)| {
        let (has_gpu, is_member, has_bond) = chances;
        let (is_busy, is_drained, ails, machine, owner) = ways;
        Hand {
            slots,
            has_gpu,
            score,
            is_member,
            has_bond,
            is_busy,
            is_drained,
            ails,
            machine,
            owner,
            lack,
        }
    })
}

pub(crate) fn scene() -> impl Strategy<Value = Scene> {
    let hands = prop::collection::vec(hand(), 0..8);
    let trust = prop_oneof![Just(1u64), Just(2), Just(5), Just(10), Just(100), Just(1000)];
    let placed = prop_oneof![
        12 => Just(Some(Placement::default())), 6 => Just(Some(placement())), 1 => Just(None)
    ];
    let asked = (any::<bool>(), placed, any::<bool>(), any::<bool>());
    let rarely = || prop::bool::weighted(0.15);
    let pool = (rarely(), rarely(), rarely(), rarely(), rarely());
    (hands, trust, asked, pool).prop_map(|(hands, trust, asked, pool)| {
        let (needs_gpu, placement, is_guarded, has_settlement) = asked;
        let (is_paused, is_gas_low, is_stake_low, is_room_low, is_full) = pool;
        let pool = Pool { is_paused, is_gas_low, is_stake_low, is_room_low, is_full };
        Scene { hands, trust, needs_gpu, placement, is_guarded, has_settlement, pool }
    })
}

impl Hand {
    fn capacity(&self) -> Capacity {
        let tag = if self.has_gpu { Tag::GPU } else { Tag::NONE };
        let machine = self.machine.map(B256::repeat_byte);
        let owner = self.owner.map(Address::repeat_byte);
        let capacity = Capacity { slots: self.slots, tag, machine, owner, ..Capacity::default() };
        let whole = as_asked(&placement(), capacity.clone());
        match self.lack {
            Lack::Everything => capacity,
            Lack::Energy => Capacity { carbon_g_per_kwh: Some(100), ..whole },
            Lack::Memory => Capacity { memory_bytes: 0, ..whole },
            Lack::Cpus => Capacity { cpus: self.slots, ..whole },
            Lack::Disk => Capacity { disk_bytes: 0, ..whole },
            Lack::Gpus => Capacity { gpus: 0, ..whole },
            Lack::Nothing => whole,
        }
    }
}

impl Scene {
    pub(crate) fn named(&self) -> impl Iterator<Item = (u8, &Hand)> {
        (1u8..).zip(&self.hands)
    }

    /// The pool before the deal: some of its workers are busy, and it takes on less.
    pub(crate) fn set(&self) -> World {
        let scores: Vec<(u8, u64)> = self.named().map(|(name, hand)| (name, hand.score)).collect();
        let busy: u32 =
            self.hands.iter().map(|hand| if hand.is_busy { hand.slots } else { 0 }).sum();
        let mut world = World::with(&scores, |settings| {
            settings.settlement = self.has_settlement;
            settings.floor_gas = 500;
            settings.floor_stake = Amount::from_nano(100);
            settings.floor_room_bytes = 100;
            if self.pool.is_full {
                settings.tasks_live_max = (busy as usize).max(1);
            }
        });
        funds(&mut world, PLENTY, PLENTY);
        for (name, hand) in self.named() {
            if hand.is_member {
                world.hub.contracts_mut().add_member(GUARD, worker(name));
            }
            if hand.has_bond {
                world.bond(name, 10_000);
            }
            world.connect_as(name, hand.capacity(), Vec::new());
        }
        for _ in 0..busy {
            let filler = task(world.order(1, 1), 0);
            let name = world.assigned(filler)[0];
            world.says(name, filler, ReportBody::Reached(Stage::Running));
        }
        for (name, _) in self.named().filter(|(_, hand)| hand.is_drained) {
            world.tell(Input::Operation(Operation::Drain(worker(name))));
        }
        if self.pool.is_paused {
            world.tell(Input::Operation(Operation::Pause));
        }
        let low = |is_low: bool| if is_low { 99 } else { PLENTY };
        funds(&mut world, low(self.pool.is_gas_low), low(self.pool.is_stake_low));
        world.tell(Input::Room(low(self.pool.is_room_low)));
        world.conditions = self.conditions();
        world.tag = if self.needs_gpu { Tag::GPU } else { Tag::NONE };
        world.placement = self.placement.clone();
        world
    }

    fn conditions(&self) -> DealConditions {
        if self.is_guarded {
            DealConditions::new(Conditions::KNOWN_WORKERS, GUARD)
        } else {
            DealConditions::NONE
        }
    }

    /// The world in which the task waits, or does not.
    pub(crate) fn play(&self) -> (World, DealId) {
        let mut world = self.set();
        let deal = world.order(self.trust, 1);
        let id = task(deal, 0);
        for (name, hand) in self.named() {
            if live(&world, id).contains(&worker(name)) {
                match hand.ails {
                    Ails::Nothing => {}
                    Ails::Declines => world.says(name, id, failure(Cause::Declined)),
                    Ails::Fails => world.says(name, id, failure(Cause::OutOfMemory)),
                }
            }
        }
        for worker in live(&world, id) {
            world.says(worker[0], id, ReportBody::Reached(Stage::Running));
        }
        (world, deal)
    }

    pub(crate) fn terms(&self, world: &mut World) -> OrderTerms {
        let tag = if self.needs_gpu { Tag::GPU } else { Tag::NONE };
        OrderTerms {
            tag,
            trust: U256::from(self.trust),
            worker_stake: world.stake_of_a_vote(),
            placement: self.placement.clone(),
            conditions: self.conditions(),
            volume: 1,
            ..OrderTerms::default()
        }
    }

    /// Whether two of the workers may not compute one task together: who is left out then follows
    /// from the task's own order.
    pub(crate) fn has_pairs(&self) -> bool {
        self.hands.iter().any(|hand| hand.machine.is_some() || hand.owner.is_some())
    }
}

pub(crate) fn live(world: &World, id: TaskId) -> BTreeSet<Address> {
    let Some(report) = world.core.task_report(id) else { return BTreeSet::new() };
    let is_live = |one: &&ReplicaReport| one.stage.is_some() && one.failure.is_none();
    report.replicas.iter().filter(is_live).map(|one| one.worker).collect()
}

/// Ends tasks that somebody runs for other deals.
fn end_tasks(world: &mut World, count: usize) {
    for _ in 0..count {
        end_task(world);
    }
}

/// Ends a task that somebody runs; whether there was one.
pub(crate) fn end_task(world: &mut World) -> bool {
    let open = |id: &TaskId| world.hub.task(*id).status == TaskStatus::Active;
    let open = world.stored.keys().copied().filter(open);
    let mut running = open.filter_map(|id| Some((id, *live(world, id).first()?)));
    let Some((id, who)) = running.next() else { return false };
    world.contribute_and_finalize(who[0], id, digest("right")).unwrap();
    true
}

/// Lets a worker compute something to its end; what ended for something else may have left a slot already.
pub(crate) fn free_slot(world: &mut World, worker: Address) {
    let held = world.stored.keys().copied().find(|id| {
        let report = world.core.task_report(*id).unwrap();
        let is_held =
            |one: &ReplicaReport| one.worker == worker && one.stage.is_some_and(Stage::takes_slot);
        report.replicas.iter().any(is_held)
    });
    if let Some(held) = held {
        world.says(worker[0], held, ReportBody::Reached(Stage::Computed));
    }
}

/// Does one thing that an explanation says.
pub(crate) fn make(world: &mut World, scene: &Scene, way: &[Change], change: &Change) {
    let nano = |amount: &Amount| amount.0.to::<u64>();
    match change {
        Change::ReadDeal => panic!("every deal is read at once here"),
        Change::Undrain { worker } => {
            world.tell(Input::Operation(Operation::Undrain(*worker)));
        }
        Change::OfferSlots { worker }
        | Change::OfferTag { worker, .. }
        | Change::OfferPlacement { worker, .. } => offer(world, scene, way, *worker),
        Change::Wait { seconds, .. } => world.pass(*seconds),
        Change::JoinGroup { worker, guard } => {
            world.hub.contracts_mut().add_member(*guard, *worker);
        }
        Change::AddBond { worker, missing } => world.bond(worker[0], nano(missing)),
        Change::FreeSlot { worker } => free_slot(world, *worker),
        Change::Connect { count, tag, placement, bond, guard } => {
            for name in (NEW..).take(*count) {
                if let Some(guard) = guard {
                    world.hub.contracts_mut().add_member(*guard, worker(name));
                }
                if *bond != Amount::ZERO {
                    world.bond(name, nano(bond));
                }
                let capacity = Capacity { slots: 1, tag: *tag, ..Capacity::default() };
                world.connect_as(name, as_asked(placement, capacity), Vec::new());
            }
        }
        Change::Resume => world.tell(Input::Operation(Operation::Resume)),
        Change::AddGas { until_wei } => {
            let stake = world.core.funds().unwrap().stake_free;
            funds(world, until_wei.to(), nano(&stake));
        }
        Change::AddStake { until } => {
            let gas = world.core.funds().unwrap().gas_wei;
            funds(world, gas.to(), nano(until));
        }
        Change::AddRoom { until_bytes } => world.tell(Input::Room(*until_bytes)),
        Change::EndTasks { count } => end_tasks(world, *count),
        Change::Restart
        | Change::ForgetTasks { .. }
        | Change::RaiseLiveLimit { .. }
        | Change::AddSlots { .. }
        | Change::Sell { .. }
        | Change::RaisePrice { .. }
        | Change::LowerVolume { .. } => panic!("no scene is about that: {change}"),
    }
}

/// All that the worker is told to offer, whichever of it comes first.
fn offer(world: &mut World, scene: &Scene, way: &[Change], worker: Address) {
    let mut capacity = scene.hands[usize::from(worker[0]) - 1].capacity();
    for change in way {
        match change {
            Change::OfferSlots { worker: who } if *who == worker => capacity.slots = 1,
            Change::OfferTag { worker: who, tag } if *who == worker => capacity.tag = *tag,
            _ => {}
        }
    }
    for change in way {
        if let Change::OfferPlacement { worker: who, placement } = change
            && *who == worker
        {
            capacity = as_asked(placement, capacity);
        }
    }
    world.connect_as(worker[0], capacity, Vec::new());
}

/// A machine that has what is asked for.
pub(crate) fn as_asked(placement: &Placement, capacity: Capacity) -> Capacity {
    let region = placement.regions.first().copied().or(capacity.region);
    let each = u64::from(capacity.slots);
    Capacity {
        region,
        memory_bytes: (placement.memory_bytes_min * each).max(capacity.memory_bytes),
        disk_bytes: (placement.disk_bytes_min * each).max(capacity.disk_bytes),
        cpus: (placement.cpus_min * capacity.slots).max(capacity.cpus),
        gpus: placement.gpus_min.max(capacity.gpus),
        carbon_g_per_kwh: placement.carbon_g_per_kwh_max.or(capacity.carbon_g_per_kwh),
        ..capacity
    }
}
