//! What a seed stands for: who takes part, what the chain is like, and what goes wrong how often.

use crate::dice::Dice;
use crate::villains::Nature;
use std::ops::Range;

/// Milliseconds of the simulated world.
pub(crate) type Millis = u64;

/// T of the deals' category, in seconds.
pub(crate) const T: u64 = 300;

/// An hour.
const OUTAGE_MILLIS: Millis = 3_600_000;

/// A simulated world before anything happened in it.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) workers: Vec<WorkerPlan>,
    pub(crate) orders: Vec<OrderPlan>,
    pub(crate) block_millis: Millis,
    pub(crate) confirmations: u64,
    pub(crate) watch_blocks: u64,
    pub(crate) has_settlement: bool,
    pub(crate) has_fast_lane: bool,
    pub(crate) tasks_live_max: usize,
    pub(crate) poll_millis: Millis,
    /// Longest way of a message.
    pub(crate) delay_millis: Millis,
    pub(crate) faults: Faults,
    /// From then on nothing goes wrong any more.
    pub(crate) quiet_at: Millis,
    /// Wallets of the pool's owner that vote beside the scheduler.
    pub(crate) sybils: usize,
    pub(crate) has_front_runner: bool,
    /// Somebody opens tasks of others.
    pub(crate) has_opener: bool,
    /// The scheduler is gone after each commit.
    pub(crate) absconds: bool,
    /// For how long no node answers anybody, while the chain goes on; longer than tasks live.
    pub(crate) outage: Option<Range<Millis>>,
}

/// One worker.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerPlan {
    pub(crate) nature: Nature,
    pub(crate) score: u64,
    pub(crate) slots: u32,
    pub(crate) has_bond: bool,
}

/// One request, and the orders that fit it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OrderPlan {
    pub(crate) at: Millis,
    pub(crate) volume: u64,
    pub(crate) trust: u64,
    pub(crate) app: AppKind,
    pub(crate) has_callback: bool,
    pub(crate) is_strict: bool,
}

/// What an app does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AppKind {
    /// The same result everywhere.
    Provable,
    /// Another result on each worker.
    Unprovable,
    /// An exit code.
    Failing,
}

/// How often each fault comes, as its share of all that are drawn; 0 for never.
#[derive(Clone, Debug)]
pub(crate) struct Faults {
    /// Milliseconds between two faults, on average.
    pub(crate) every_millis: Millis,
    pub(crate) shares: Vec<(Fault, u64)>,
    /// Failed questions to a node, in a thousand.
    pub(crate) unanswered_per_mille: u64,
    /// Broken streams, per message in a thousand.
    pub(crate) broken_per_mille: u64,
    /// Transactions that a node takes and loses, in a thousand.
    pub(crate) vanished_per_mille: u64,
    /// Transactions that a node will not have, in a thousand.
    pub(crate) rejected_per_mille: u64,
    /// Transactions that a block leaves out, in a hundred.
    pub(crate) left_out_percent: u64,
    /// Weighty moments at which the worst happens, in a hundred.
    pub(crate) weighty_percent: u64,
}

/// One kind of fault that befalls at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    SchedulerDies,
    StoreSpoilt,
    WorkerDies,
    EngineDies,
    Partition,
    NodeDown,
    NodeLags,
    NodeLies,
    Reorg,
    FeesRise,
    ClockJumps,
}

const FAULTS: [Fault; 11] = [
    Fault::SchedulerDies,
    Fault::StoreSpoilt,
    Fault::WorkerDies,
    Fault::EngineDies,
    Fault::Partition,
    Fault::NodeDown,
    Fault::NodeLags,
    Fault::NodeLies,
    Fault::Reorg,
    Fault::FeesRise,
    Fault::ClockJumps,
];

impl Scenario {
    /// The world of a seed.
    pub(crate) fn draw(dice: &mut Dice) -> Self {
        let has_villains = dice.chance(70);
        let workers: Vec<WorkerPlan> =
            (0..dice.of(3..=8)).map(|_| WorkerPlan::draw(dice, has_villains)).collect();
        let quiet_at = dice.of(60_000..=900_000);
        let orders = (0..dice.of(1..=3)).map(|_| OrderPlan::draw(dice, quiet_at)).collect();
        let block_millis = dice.pick(&[300, 1_000, 2_000, 5_000, 12_000]);
        let confirmations = dice.pick(&[0, 0, 1, 2, 3]);
        Self {
            workers,
            orders,
            block_millis,
            confirmations,
            watch_blocks: confirmations + dice.of(3..=12),
            has_settlement: dice.chance(60),
            has_fast_lane: dice.chance(80),
            tasks_live_max: dice.pick(&[2, 4, 100]),
            poll_millis: dice.pick(&[500, 1_000, 4_000]),
            delay_millis: dice.pick(&[5, 50, 400, 3_000]),
            faults: Faults::draw(dice),
            quiet_at,
            sybils: if has_villains && dice.chance(15) { 2 } else { 0 },
            has_front_runner: dice.chance(20),
            has_opener: dice.chance(15),
            absconds: has_villains && dice.chance(10),
            outage: None,
        }
    }

    /// The same with an hour without nodes, which begins amidst the other faults.
    pub(crate) fn with_outage(self) -> Self {
        let from = self.quiet_at / 3;
        Self { outage: Some(from..from + OUTAGE_MILLIS), ..self }
    }

    /// Whether no node answers anybody.
    pub(crate) fn is_out(&self, now: Millis) -> bool {
        self.outage.as_ref().is_some_and(|outage| outage.contains(&now))
    }
}

impl WorkerPlan {
    fn draw(dice: &mut Dice, has_villains: bool) -> Self {
        let is_villain = has_villains && dice.chance(30);
        Self {
            nature: if is_villain { dice.pick(&Nature::VILLAINS) } else { Nature::Honest },
            score: dice.pick(&[0, 0, 15, 60, 300]),
            slots: u32::try_from(dice.of(1..=3)).expect("a small number"),
            has_bond: dice.chance(80),
        }
    }
}

impl OrderPlan {
    fn draw(dice: &mut Dice, quiet_at: Millis) -> Self {
        let app = match dice.of(0..=19) {
            0 => AppKind::Failing,
            1 | 2 => AppKind::Unprovable,
            _ => AppKind::Provable,
        };
        Self {
            at: dice.of(1_000..=quiet_at / 2),
            volume: dice.pick(&[1, 1, 2, 3, 6]),
            trust: dice.pick(&[0, 1, 2, 3, 4, 5, 8, 16]),
            app,
            has_callback: dice.chance(15),
            is_strict: dice.chance(20),
        }
    }
}

impl Faults {
    fn draw(dice: &mut Dice) -> Self {
        let is_calm = dice.chance(10);
        let share = |fault: Fault, dice: &mut Dice| {
            let often = if fault == Fault::StoreSpoilt { 20 } else { 60 };
            let is_on = !is_calm && dice.chance(often);
            (fault, if is_on { dice.of(1..=10) } else { 0 })
        };
        let shares = FAULTS.into_iter().map(|fault| share(fault, dice)).collect();
        let often = |most: u64, dice: &mut Dice| {
            if is_calm || dice.chance(50) { 0 } else { dice.of(1..=most) }
        };
        Self {
            every_millis: dice.pick(&[2_000, 8_000, 25_000, 60_000]),
            shares,
            unanswered_per_mille: often(200, dice),
            broken_per_mille: often(50, dice),
            vanished_per_mille: often(100, dice),
            rejected_per_mille: often(100, dice),
            left_out_percent: often(50, dice),
            weighty_percent: dice.pick(&[5, 20, 60]),
        }
    }

    /// Whether a fault befalls in this world.
    pub(crate) fn has(&self, fault: Fault) -> bool {
        self.shares.iter().any(|(known, share)| *known == fault && *share > 0)
    }

    /// The next fault, by the shares; `None` where there are none.
    pub(crate) fn next(&self, dice: &mut Dice) -> Option<Fault> {
        let sum: u64 = self.shares.iter().map(|(_, share)| share).sum();
        let mut point = dice.of(0..=sum.checked_sub(1)?);
        for (fault, share) in &self.shares {
            match point.checked_sub(*share) {
                None => return Some(*fault),
                Some(rest) => point = rest,
            }
        }
        None
    }
}
