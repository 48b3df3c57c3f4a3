//! How much new work the pool takes on: what the operator, the floors and a stop leave of it.
//!
//! Whatever the intake, promises are kept: what is under way is brought to its end. How each level is
//! applied lies where tasks are made, opened and given to workers.

use crate::action::Kind;
use crate::core::Core;
use crate::notice::Notice;
use crate::task::{Errand, Phase, Task};
use alloc::vec::Vec;
use core::fmt;
use poco_core::{Address, Amount, U256};

/// A floor counts as left behind only this much above it (1 / ratio): a balance that stands just
/// there must not fill the log.
const RECOVERY_RATIO: u64 = 10;

/// How much new work is taken on. Later levels are narrower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intake {
    /// Everything.
    #[default]
    Everything,
    /// Only deals of which a task was made; others wait.
    BegunDeals,
    /// Only tasks that are open, or computed for a commit; others are not opened.
    BegunTasks,
    /// Only tasks with a replica under way or a vote; others get no workers.
    BegunRuns,
}

/// What the operator asks for. Each holds until the opposite is asked for; what must outlive the
/// process, the binary stores and says again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// No new deals.
    Pause,
    /// New deals again.
    Resume,
    /// No new tasks for this worker; it keeps its promises.
    Drain(Address),
    /// New tasks for this worker again.
    Undrain(Address),
    /// No new work at all: the process will end.
    Stop,
}

/// What the owner of the pool has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Funds {
    /// Coin for gas.
    pub gas_wei: U256,
    /// What a unit of gas costs now.
    pub gas_price_wei: U256,
    /// Free stake.
    pub stake_free: Amount,
    /// Stake that deals hold.
    pub stake_locked: Amount,
}

/// Why less than everything is taken on, or soon will be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Concern {
    /// The operator has paused new deals.
    Paused,
    /// The process will end.
    Stopping,
    /// Too little coin is left for gas: no task is opened.
    GasLow {
        /// What there is.
        has_wei: U256,
        /// The floor, at the present price of gas.
        floor_wei: U256,
    },
    /// Too little stake is free for more deals. Deals made hold their stake already and are served.
    StakeLow {
        /// What there is.
        free: Amount,
        /// The floor.
        floor: Amount,
    },
}

impl Concern {
    /// The names of all.
    pub const NAMES: [&'static str; 4] = ["paused", "stopping", "gas-low", "stake-low"];

    /// Its name in metrics and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::GasLow { .. } => "gas-low",
            Self::StakeLow { .. } => "stake-low",
        }
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Paused => f.write_str("new deals are paused by the operator"),
            Self::Stopping => f.write_str("the scheduler is stopping"),
            Self::GasLow { has_wei, floor_wei } => write!(
                f,
                "the pool's owner has {has_wei} wei for gas, below the floor of {floor_wei}: no \
                 task is opened until it has more"
            ),
            Self::StakeLow { free, floor } => write!(
                f,
                "the pool's owner has {free} of free stake, below the floor of {floor}: deposit \
                 more, or its orders cannot be matched"
            ),
        }
    }
}

/// What the intake follows from.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Gate {
    is_paused: bool,
    is_stopping: bool,
    funds: Option<Funds>,
    is_gas_low: bool,
    is_stake_low: bool,
}

impl Gate {
    pub(crate) fn intake(&self) -> Intake {
        let paused = if self.is_paused { Intake::BegunDeals } else { Intake::Everything };
        let poor = if self.is_gas_low { Intake::BegunTasks } else { Intake::Everything };
        let ending = if self.is_stopping { Intake::BegunRuns } else { Intake::Everything };
        paused.max(poor).max(ending)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping
    }
}

/// Whether something is low: below its floor, or below it before and not clearly above since.
fn is_low<T: Ord + Copy>(was_low: bool, has: T, floor: T, recovered: T) -> bool {
    has < floor || (was_low && has < recovered)
}

/// From where a floor counts as left behind.
fn clearly_above(floor: U256) -> U256 {
    let part = floor.checked_div(U256::from(RECOVERY_RATIO)).unwrap_or_default();
    floor.saturating_add(part)
}

/// What a stop waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unfinished {
    /// Replicas that connected workers compute or vote for.
    pub runs: usize,
    /// Tasks that agree, and whose disclosures, result or end are awaited from connected workers or
    /// from us.
    pub endings: usize,
    /// Tasks whose transaction is on its way.
    pub transactions: usize,
}

impl Unfinished {
    /// Whether nothing is left to wait for.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Unfinished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { runs, endings, transactions } = self;
        write!(f, "{runs} runs, {endings} tasks to end, {transactions} transactions to be mined")
    }
}

impl Core {
    pub(crate) fn on_operation(&mut self, operation: Operation) {
        let before = self.gate.intake();
        match operation {
            Operation::Pause => self.gate.is_paused = true,
            Operation::Resume => self.gate.is_paused = false,
            Operation::Stop => self.gate.is_stopping = true,
            Operation::Drain(worker) => self.workers.drain(worker),
            Operation::Undrain(worker) => self.workers.undrain(worker),
        }
        self.has_news = true;
        self.review_all_if_changed(before);
    }

    /// Compares what the owner has with the floors.
    pub(crate) fn on_funds(&mut self, funds: Funds) {
        let before = self.gate.intake();
        let floor = U256::from(self.settings.floor_gas).saturating_mul(funds.gas_price_wei);
        let gas_recovered = clearly_above(floor);
        let is_gas_low = is_low(self.gate.is_gas_low, funds.gas_wei, floor, gas_recovered);
        let floor = self.settings.floor_stake;
        let stake_recovered = Amount(clearly_above(floor.0));
        let is_stake_low = is_low(self.gate.is_stake_low, funds.stake_free, floor, stake_recovered);
        let known = self.concerns();
        self.gate = Gate { funds: Some(funds), is_gas_low, is_stake_low, ..self.gate };
        let concerns = self.concerns();
        let names = |of: &[Concern]| of.iter().map(|one| one.name()).collect::<Vec<_>>();
        let (was, is) = (names(&known), names(&concerns));
        for concern in concerns.iter().filter(|one| !was.contains(&one.name())) {
            self.note(Notice::ConcernBegan { concern: *concern });
        }
        for concern in known.iter().filter(|one| !is.contains(&one.name())) {
            self.note(Notice::ConcernEnded { concern: *concern });
        }
        self.review_all_if_changed(before);
    }

    fn review_all_if_changed(&mut self, before: Intake) {
        if self.gate.intake() != before {
            self.dirty.extend(self.index.live());
        }
    }

    /// How much new work is taken on.
    #[must_use]
    pub fn intake(&self) -> Intake {
        self.gate.intake()
    }

    /// What the owner had when that was last heard.
    #[must_use]
    pub fn funds(&self) -> Option<Funds> {
        self.gate.funds
    }

    /// Why less than everything is taken on, or soon will be.
    #[must_use]
    pub fn concerns(&self) -> Vec<Concern> {
        let Gate { is_paused, is_stopping, funds, is_gas_low, is_stake_low } = self.gate;
        let funds = funds.unwrap_or_default();
        let floor_wei = U256::from(self.settings.floor_gas).saturating_mul(funds.gas_price_wei);
        let gas_low = Concern::GasLow { has_wei: funds.gas_wei, floor_wei };
        let stake_low =
            Concern::StakeLow { free: funds.stake_free, floor: self.settings.floor_stake };
        let all = [
            (is_stopping, Concern::Stopping),
            (is_paused, Concern::Paused),
            (is_gas_low, gas_low),
            (is_stake_low, stake_low),
        ];
        all.into_iter().filter(|(holds, _)| *holds).map(|(_, concern)| concern).collect()
    }

    /// What a stop waits for: what can come to its end here without anybody new.
    #[must_use]
    pub fn unfinished(&self) -> Unfinished {
        let mut unfinished = Unfinished::default();
        let count = |to: &mut usize, more: usize| *to = to.saturating_add(more);
        for task in self.tasks.values() {
            let is_connected = |worker: &Address| self.workers.is_connected(*worker);
            if let Errand::InFlight(_) = task.errand {
                count(&mut unfinished.transactions, 1);
            }
            match &task.phase {
                Phase::Ended(_) => {}
                Phase::Unread | Phase::Pending | Phase::Active { .. } => {
                    let runs = task.in_flight().filter(|(worker, ..)| is_connected(worker)).count();
                    count(&mut unfinished.runs, runs);
                    let may_settle = task.commit().is_some()
                        && (task.involved().iter().any(is_connected) || task.result.is_some());
                    count(&mut unfinished.endings, usize::from(may_settle && runs == 0));
                }
                Phase::Revealing(revealing) => {
                    let may_end = task.result_of(revealing.consensus).is_some()
                        || revealing.votes.iter().any(|vote| is_connected(&vote.worker));
                    count(&mut unfinished.endings, usize::from(may_end));
                }
            }
        }
        unfinished
    }

    /// Whether a transaction of this kind may be sent now: those that begin something wait.
    pub(crate) fn may_send(&self, kind: Kind) -> bool {
        match kind {
            Kind::Initialize => self.gate.intake() < Intake::BegunTasks,
            Kind::Reopen | Kind::Claim | Kind::InitializeAndClaim => !self.gate.is_stopping,
            Kind::Finalize | Kind::Commit | Kind::Settle | Kind::Disclose | Kind::Close => true,
        }
    }
}

/// Whether a task that is not open must not be begun.
pub(crate) fn holds_back(intake: Intake, task: &Task) -> bool {
    let has_begun = task.in_flight().next().is_some() || !task.votes().is_empty();
    let is_held = match &task.phase {
        Phase::Pending => intake >= Intake::BegunTasks,
        Phase::Active { .. } => intake >= Intake::BegunRuns,
        Phase::Unread | Phase::Revealing(_) | Phase::Ended(_) => false,
    };
    is_held && !has_begun && !matches!(task.errand, Errand::InFlight(_))
}
