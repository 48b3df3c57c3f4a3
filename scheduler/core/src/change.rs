//! What would change a refusal: found by asking the decision's own choice what it would make of
//! workers that are not there, or not as they should be.

use crate::decide::{Decision, Needs, Question};
use crate::limits::{NEAREST_MAX, REPLICAS_MAX, SAME_WORKER_SECONDS};
use crate::pick::{Candidate, Goal, pick};
use crate::placement::Placement;
use crate::task::ReplicaState;
use crate::trace::{Constraint, Near};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;
use poco_core::credibility::WEIGHT_MIN;
use poco_core::{Address, Amount, Tag, U256};
use serde::{Deserialize, Serialize};

/// One thing to be done.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// The deal is read from the chain; the scheduler asks until the node answers.
    ReadDeal,
    /// The operator gives the worker new tasks again.
    Undrain {
        /// Who.
        worker: Address,
    },
    /// The worker takes at least one task at a time.
    OfferSlots {
        /// Who.
        worker: Address,
    },
    /// The worker offers the features of this tag.
    OfferTag {
        /// Who.
        worker: Address,
        /// What.
        tag: Tag,
    },
    /// The worker's machine is, or is told to be, what the request asks for.
    OfferPlacement {
        /// Who.
        worker: Address,
        /// What.
        placement: Placement,
    },
    /// Time passes: the worker gave the task up a short while ago.
    Wait {
        /// Who.
        worker: Address,
        /// How long.
        seconds: u64,
    },
    /// The deal's guard counts the worker in, and was asked.
    JoinGroup {
        /// Who.
        worker: Address,
        /// The group.
        guard: Address,
    },
    /// The worker puts more stake aside for the pool.
    AddBond {
        /// Who.
        worker: Address,
        /// How much is missing.
        missing: Amount,
    },
    /// One of the worker's tasks ends.
    FreeSlot {
        /// Who.
        worker: Address,
    },
    /// More workers log in, each on a machine and for an owner of its own.
    Connect {
        /// How many, where they have no score.
        count: usize,
        /// What each offers at least.
        tag: Tag,
        /// What each has.
        placement: Placement,
        /// Each has this bond for the pool.
        bond: Amount,
        /// Each belongs to this group.
        guard: Option<Address>,
    },
    /// The operator takes on new deals again.
    Resume,
    /// The scheduler starts again.
    Restart,
    /// The pool's owner gets more coin for gas.
    AddGas {
        /// Until it has this much.
        until_wei: U256,
    },
    /// The pool's owner deposits more stake.
    AddStake {
        /// Until so much is free.
        until: Amount,
    },
    /// Old results are deleted, or their disk grows.
    AddRoom {
        /// Until so much is free.
        until_bytes: u64,
    },
    /// Tasks that are under way here end.
    EndTasks {
        /// How many.
        count: usize,
    },
    /// Tasks that have ended, or are held until their claim, are settled for good and forgotten.
    ForgetTasks {
        /// How many.
        count: usize,
    },
    /// The operator allows more live tasks.
    RaiseLiveLimit {
        /// This many.
        to: usize,
    },
    /// Workers offer more slots.
    AddSlots {
        /// So many more.
        count: usize,
    },
    /// The operator sells tasks of a category.
    Sell {
        /// Which.
        category: u64,
    },
    /// The request pays more for a task.
    RaisePrice {
        /// At least this.
        to: Amount,
    },
    /// The order asks for fewer tasks.
    LowerVolume {
        /// At most this many.
        to: u64,
    },
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadDeal => f.write_str("the node answers, and the deal is read"),
            Self::Undrain { worker } => write!(f, "the operator undrains {worker}"),
            Self::OfferSlots { worker } => write!(f, "{worker} offers a slot"),
            Self::OfferTag { worker, tag } => write!(f, "{worker} offers {tag}"),
            Self::OfferPlacement { worker, placement } => {
                write!(f, "{worker} is {placement}")
            }
            Self::Wait { worker, seconds } => {
                write!(f, "{seconds} s pass, until {worker} is asked again")
            }
            Self::JoinGroup { worker, guard } => write!(f, "the guard {guard} knows {worker}"),
            Self::AddBond { worker, missing } => {
                write!(f, "{worker} adds {missing} to its bond for the pool")
            }
            Self::FreeSlot { worker } => write!(f, "a slot of {worker} becomes free"),
            Self::Connect { count, tag, placement, bond, guard } => {
                write!(f, "{count} more log in")?;
                if !tag.is_none() {
                    write!(f, ", offering {tag}")?;
                }
                if !placement.is_none() {
                    write!(f, ", {placement}")?;
                }
                if *bond != Amount::ZERO {
                    write!(f, ", with a bond of {bond} each")?;
                }
                guard.map_or(Ok(()), |guard| write!(f, ", known to the guard {guard}"))
            }
            Self::Resume => f.write_str("the operator resumes new deals"),
            Self::Restart => f.write_str("the scheduler starts again"),
            Self::AddGas { until_wei } => {
                write!(f, "the pool's owner has at least {until_wei} wei for gas")
            }
            Self::AddStake { until } => {
                write!(f, "the pool's owner has at least {until} of free stake")
            }
            Self::AddRoom { until_bytes } => {
                write!(f, "there is room for {until_bytes} bytes of results")
            }
            Self::EndTasks { count } => write!(f, "{count} tasks that are under way here end"),
            Self::ForgetTasks { count } => write!(f, "{count} tasks are settled for good"),
            Self::RaiseLiveLimit { to } => {
                write!(f, "the operator allows {to} live tasks (tasks_live_max)")
            }
            Self::AddSlots { count } => write!(f, "workers offer {count} slots more"),
            Self::Sell { category } => write!(f, "the operator sells category {category}"),
            Self::RaisePrice { to } => write!(f, "the request pays {to} for a task"),
            Self::LowerVolume { to } => write!(f, "the order asks for {to} tasks at most"),
        }
    }
}

/// What would change a refusal: each entry suffices, if all of it is done. Empty where somebody
/// begins anyway, or where nothing helps.
pub(crate) fn changes(question: &Question<'_>, decision: &Decision) -> Vec<Vec<Change>> {
    if decision.chosen().next().is_some() {
        return Vec::new();
    }
    if question.sight.facts.conditions.is_none() {
        return Vec::from([Vec::from([Change::ReadDeal])]);
    }
    if question.sight.facts.placement.is_none() {
        return Vec::new();
    }
    if let Some(first) = decision.set.iter().flatten().next() {
        return Vec::from([Vec::from([Change::FreeSlot { worker: first.worker }])]);
    }
    // Where the trust is reached at all, somebody begins.
    let goal = Goal { members_min: 1, ..question.goal() };
    let nearest = by_nearest(question, decision, &goal);
    nearest.into_iter().chain(by_newcomers(question, decision, &goal)).collect()
}

/// As few as possible of those that are connected, those first that lack the least.
fn by_nearest(question: &Question<'_>, decision: &Decision, goal: &Goal) -> Option<Vec<Change>> {
    let mut candidates = decision.fitting.clone();
    let mut nearest: Vec<(&Near, Vec<Change>)> = Vec::new();
    let (mut machines, mut owners) = (BTreeSet::new(), BTreeSet::new());
    for known in decision.fitting.iter().filter_map(|one| question.sight.workers.get(one.worker)) {
        machines.extend(known.capacity.machine);
        owners.extend(known.capacity.owner);
    }
    let mut near: Vec<&Near> =
        decision.near.iter().filter(|near| near.misses != [Constraint::Busy]).collect();
    near.sort_by_key(|near| near.misses.len());
    for near in near {
        let Some(known) = question.sight.workers.get(near.worker) else { continue };
        let needed: Option<Vec<Change>> =
            near.misses.iter().map(|miss| change(question, near.worker, *miss)).collect();
        let Some(mut needed) = needed else { continue };
        // Several sides of one machine.
        needed.dedup();
        let is_other = known.capacity.machine.is_none_or(|one| machines.insert(one))
            && known.capacity.owner.is_none_or(|one| owners.insert(one));
        if !is_other {
            continue;
        }
        let (worker, weight) = (near.worker, known.weight);
        candidates.push(hypothetical(worker, weight));
        nearest.push((near, needed));
        if let Some(set) = pick(goal, &candidates) {
            let is_in = |worker: Address| set.iter().any(|one| one.worker == worker);
            let needed = nearest.into_iter().filter(|(near, _)| is_in(near.worker));
            return Some(needed.flat_map(|(_, needed)| needed).collect());
        }
        if nearest.len() >= NEAREST_MAX {
            break;
        }
    }
    None
}

fn hypothetical(worker: Address, weight: U256) -> Candidate {
    Candidate { worker, weight, is_free: true, has_image: false, rank: None }
}

/// As few new workers as possible.
fn by_newcomers(question: &Question<'_>, decision: &Decision, goal: &Goal) -> Option<Vec<Change>> {
    let mut candidates = decision.fitting.clone();
    let needs = question.needs();
    for count in 1..=REPLICAS_MAX {
        // No wallet that is known: the numbers from 1 on are nobody's.
        let worker = Address::left_padding_from(&count.to_be_bytes());
        let weight = U256::from(WEIGHT_MIN);
        candidates.push(hypothetical(worker, weight));
        if pick(goal, &candidates).is_some() {
            let Needs { tag, placement, bond, guard } = needs;
            return Some(Vec::from([Change::Connect { count, tag, placement, bond, guard }]));
        }
    }
    None
}

/// What would take a constraint out of a worker's way; `None` where nothing does.
pub(crate) fn change(question: &Question<'_>, worker: Address, miss: Constraint) -> Option<Change> {
    let needs = question.needs();
    let replica = question.task.replicas.get(&worker).map(|replica| &replica.state);
    Some(match miss {
        Constraint::Conditions => Change::ReadDeal,
        Constraint::Slots => Change::OfferSlots { worker },
        Constraint::Drained => Change::Undrain { worker },
        Constraint::Tag => Change::OfferTag { worker, tag: needs.tag },
        Constraint::Region
        | Constraint::Energy
        | Constraint::Cpus
        | Constraint::Memory
        | Constraint::Disk
        | Constraint::Gpus => Change::OfferPlacement { worker, placement: needs.placement },
        Constraint::Resting => {
            let Some(ReplicaState::Failed { since, .. }) = replica else { return None };
            let until = since.after(SAME_WORKER_SECONDS).0;
            let millis = until.saturating_sub(question.sight.now.0);
            Change::Wait { worker, seconds: millis.div_ceil(1000) }
        }
        // Before a guard is asked again the task is given up.
        Constraint::GuardUnasked | Constraint::GuardDenies if question.fails_alone() => {
            return None;
        }
        Constraint::GuardUnasked | Constraint::GuardDenies => {
            Change::JoinGroup { worker, guard: needs.guard? }
        }
        Constraint::Bond => {
            Change::AddBond { worker, missing: question.sight.bond_missing(worker)? }
        }
        Constraint::Busy => Change::FreeSlot { worker },
        Constraint::Placement
        | Constraint::Voted
        | Constraint::Replica
        | Constraint::OwnFailure
        | Constraint::Machine
        | Constraint::Owner => return None,
    })
}
