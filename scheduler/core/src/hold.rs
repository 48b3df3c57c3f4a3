//! What of the pool itself keeps a task or an order waiting, whoever could compute it.
//!
//! Holds are found where they hold: by the gate (`intake.rs`), by the making of tasks (`making.rs`)
//! and, of orders, by what is sold (`sales.rs`).

use crate::change::Change;
use crate::intake::Concern;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use poco_core::{Amount, Conditions, TaskId};
use serde::{Deserialize, Serialize};

/// One thing of the pool that keeps a task from being made or begun, or an order from being taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The pool takes on less.
    Intake(Concern),
    /// As many tasks are under way as the operator allows.
    LiveLimit {
        /// So many are.
        live: usize,
        /// Tasks that are made before this one.
        before: usize,
        /// The operator's limit.
        most: usize,
        /// How many the slots would leave room for.
        room: usize,
    },
    /// As many tasks are open as the slots leave room for, and the requester has its share of them.
    Slots {
        /// So many are.
        live: usize,
        /// Tasks that are made before this one.
        before: usize,
        /// The room.
        room: usize,
    },
    /// As many tasks are held as may be, most of them until their claim.
    HeldLimit {
        /// So many are.
        held: usize,
        /// Tasks that are made before this one.
        before: usize,
        /// The limit.
        most: usize,
    },
    /// A task of the same deal found nobody; no more of it are made before.
    PassedOver {
        /// Which.
        task: TaskId,
    },
    /// The deal would keep conditions that this scheduler does not know.
    Unserved {
        /// Which.
        conditions: Conditions,
    },
    /// The pool does not sell this category by itself.
    Unsold {
        /// Which.
        category: u64,
    },
    /// The pool's price is higher.
    Price {
        /// What the request pays for a task.
        pays: Amount,
        /// What the pool asks now.
        price: Amount,
    },
    /// Less is left to be sold.
    Volume {
        /// Tasks that the order asks for.
        asked: u64,
        /// Tasks that are left.
        left: u64,
        /// Tasks that were sold, of which so many less would do.
        sold_too_many: Option<u64>,
        /// So many slots more would do.
        slots_missing: u64,
    },
    /// The free stake does not answer for so many tasks.
    Stake {
        /// What they need.
        needed: Amount,
        /// What there is.
        free: Amount,
    },
}

impl Hold {
    /// Its name in JSON and for programs.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Intake(concern) => concern.name(),
            Self::LiveLimit { .. } => "live-limit",
            Self::Slots { .. } => "slots",
            Self::HeldLimit { .. } => "held-limit",
            Self::PassedOver { .. } => "passed-over",
            Self::Unserved { .. } => "unserved",
            Self::Unsold { .. } => "unsold",
            Self::Price { .. } => "price",
            Self::Volume { .. } => "volume",
            Self::Stake { .. } => "stake",
        }
    }

    /// Whether something of the pool lifts it; else workers do, for the task that it names.
    pub(crate) fn is_of_pool(&self) -> bool {
        self.lifted_by().is_some()
    }

    /// The task of the same deal that found nobody.
    pub(crate) fn passed_over(&self) -> Option<TaskId> {
        if let Self::PassedOver { task } = self { Some(*task) } else { None }
    }

    /// What would lift it: each alone suffices. `None` where workers do, for the task that it
    /// names.
    fn lifted_by(&self) -> Option<Vec<Change>> {
        Some(match self {
            Self::Intake(concern) => Vec::from([concern.ended_by()]),
            Self::LiveLimit { live, before, most, room } => {
                let needed = live.saturating_add(*before).saturating_add(1);
                let count = needed.saturating_sub(*most.min(room));
                let raise = (needed <= *room).then_some(Change::RaiseLiveLimit { to: needed });
                [Change::EndTasks { count }].into_iter().chain(raise).collect()
            }
            Self::Slots { live, before, room } => {
                let count = live.saturating_add(*before).saturating_add(1).saturating_sub(*room);
                // Each slot leaves room for two tasks.
                let slots = Change::AddSlots { count: count.div_ceil(2) };
                Vec::from([Change::EndTasks { count }, slots])
            }
            Self::HeldLimit { held, before, most } => {
                let count = held.saturating_add(*before).saturating_add(1).saturating_sub(*most);
                Vec::from([Change::ForgetTasks { count }])
            }
            Self::PassedOver { .. } => return None,
            Self::Unserved { .. } => Vec::new(),
            Self::Unsold { category } => Vec::from([Change::Sell { category: *category }]),
            Self::Price { price, .. } => Vec::from([Change::RaisePrice { to: *price }]),
            Self::Volume { left, sold_too_many, slots_missing, .. } => {
                let count = |tasks: u64| usize::try_from(tasks).unwrap_or(usize::MAX);
                let end = sold_too_many.map(|tasks| Change::EndTasks { count: count(tasks) });
                let lower = (*left > 0).then_some(Change::LowerVolume { to: *left });
                let slots = Change::AddSlots { count: count(*slots_missing) };
                end.into_iter().chain(lower).chain([slots]).collect()
            }
            Self::Stake { needed, .. } => Vec::from([Change::AddStake { until: *needed }]),
        })
    }
}

impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intake(concern) => concern.fmt(f),
            Self::LiveLimit { live, before, most, .. } => write!(
                f,
                "{live} tasks are under way, {most} are allowed, {before} more come before it"
            ),
            Self::Slots { live, before, room } => write!(
                f,
                "{live} tasks are open, the slots leave room for {room}, {before} more come \
                 before it"
            ),
            Self::HeldLimit { held, before, most } => write!(
                f,
                "{held} tasks are held until they are settled, {most} are allowed, {before} more \
                 come before it"
            ),
            Self::PassedOver { task } => {
                write!(f, "task {task} of the same deal found no workers")
            }
            Self::Unserved { conditions } => {
                write!(f, "this scheduler does not know the conditions {conditions}")
            }
            Self::Unsold { category } => write!(f, "category {category} is not sold"),
            Self::Price { pays, price } => {
                write!(f, "a task costs {price} now, and the request pays {pays}")
            }
            Self::Volume { asked, left, .. } => {
                write!(f, "{asked} tasks are asked for, and {left} are left to be sold")
            }
            Self::Stake { needed, free } => {
                write!(f, "a stake of {needed} is needed, and the pool's owner has {free} free")
            }
        }
    }
}

/// All of them in one line.
pub(crate) fn spell(held_by: &[Hold]) -> String {
    if held_by.is_empty() {
        return "its turn is now".into();
    }
    let all: Vec<String> = held_by.iter().map(ToString::to_string).collect();
    all.join("; ")
}

/// What would lift all of them and do one of `also`: each entry suffices. Nothing where one of them
/// cannot be lifted, or `also` is empty.
pub(crate) fn ways(held_by: &[Hold], also: Vec<Vec<Change>>) -> Vec<Vec<Change>> {
    let mut ways = Vec::from([Vec::new()]);
    for lifted_by in held_by.iter().filter_map(Hold::lifted_by) {
        ways = each_with_each(&ways, &lifted_by.into_iter().map(|one| [one]).collect::<Vec<_>>());
    }
    let mut ways = each_with_each(&ways, &also);
    ways.retain(|way| !way.is_empty());
    ways
}

fn each_with_each(ways: &[Vec<Change>], more: &[impl AsRef<[Change]>]) -> Vec<Vec<Change>> {
    let with = |way: &Vec<Change>, more: &[Change]| way.iter().chain(more).cloned().collect();
    ways.iter().flat_map(|way| more.iter().map(move |more| with(way, more.as_ref()))).collect()
}
