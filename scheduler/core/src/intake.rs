//! How much new work the pool takes on: what the operator, the floors and a stop leave of it.
//!
//! Whatever the intake, promises are kept: what is under way is brought to its end. How each level is
//! applied lies where tasks are made, opened and given to workers; each asks the gate what is against
//! it, so that what holds is what is told.

use crate::action::Kind;
use crate::change::Change;
use crate::core::Core;
use crate::hold::Hold;
use crate::notice::Notice;
use crate::task::{Errand, Phase, Task};
use alloc::vec::Vec;
use core::fmt;
use poco_core::{Address, Amount, U256};
use serde::{Deserialize, Serialize};

/// A floor counts as left behind only this much above it (1 / ratio): a balance that stands just
/// there must not fill the log.
const RECOVERY_RATIO: u64 = 10;

/// The name, in metrics, of what waits for the pool to take it on.
pub(crate) const HELD: &str = "intake";

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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
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
    /// Too little room is left for results: no task is opened.
    RoomLow {
        /// What there is, in bytes.
        free_bytes: u64,
        /// The floor, in bytes.
        floor_bytes: u64,
    },
}

impl Concern {
    /// The names of all.
    pub const NAMES: [&'static str; 5] = ["paused", "stopping", "gas-low", "stake-low", "room-low"];

    /// Its name in metrics and in JSON.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Stopping => "stopping",
            Self::GasLow { .. } => "gas-low",
            Self::StakeLow { .. } => "stake-low",
            Self::RoomLow { .. } => "room-low",
        }
    }

    /// How much new work it leaves.
    #[must_use]
    pub fn leaves(&self) -> Intake {
        match self {
            Self::Paused => Intake::BegunDeals,
            Self::GasLow { .. } | Self::RoomLow { .. } => Intake::BegunTasks,
            Self::Stopping => Intake::BegunRuns,
            // Deals made hold their stake already.
            Self::StakeLow { .. } => Intake::Everything,
        }
    }

    /// What ends it.
    pub(crate) fn ended_by(&self) -> Change {
        match self {
            Self::Paused => Change::Resume,
            Self::Stopping => Change::Restart,
            Self::GasLow { floor_wei, .. } => {
                Change::AddGas { until_wei: clearly_above(*floor_wei) }
            }
            Self::StakeLow { floor, .. } => {
                Change::AddStake { until: Amount(clearly_above(floor.0)) }
            }
            Self::RoomLow { floor_bytes, .. } => Change::AddRoom {
                until_bytes: clearly_above(U256::from(*floor_bytes)).saturating_to(),
            },
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
            Self::RoomLow { free_bytes, floor_bytes } => write!(
                f,
                "{free_bytes} bytes are left for results, below the floor of {floor_bytes}: no \
                 task is opened until there are more"
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
    gas_floor_wei: U256,
    stake_floor: Amount,
    is_gas_low: bool,
    is_stake_low: bool,
    /// Bytes left for results; not known before the first look.
    room_bytes: u64,
    room_floor_bytes: u64,
    is_room_low: bool,
}

impl Gate {
    /// Why less than everything is taken on, or soon will be.
    pub(crate) fn concerns(&self) -> impl Iterator<Item = Concern> + use<> {
        let funds = self.funds.unwrap_or_default();
        let gas_low = Concern::GasLow { has_wei: funds.gas_wei, floor_wei: self.gas_floor_wei };
        let stake_low = Concern::StakeLow { free: funds.stake_free, floor: self.stake_floor };
        let (free_bytes, floor_bytes) = (self.room_bytes, self.room_floor_bytes);
        let room_low = Concern::RoomLow { free_bytes, floor_bytes };
        let all = [
            (self.is_stopping, Concern::Stopping),
            (self.is_paused, Concern::Paused),
            (self.is_gas_low, gas_low),
            (self.is_stake_low, stake_low),
            (self.is_room_low, room_low),
        ];
        all.into_iter().filter(|(holds, _)| *holds).map(|(_, concern)| concern)
    }

    pub(crate) fn intake(&self) -> Intake {
        self.concerns().map(|concern| concern.leaves()).max().unwrap_or_default()
    }

    /// What keeps from being taken on whatever `level` is the first to leave out.
    pub(crate) fn against(&self, level: Intake) -> impl Iterator<Item = Hold> + use<> {
        self.concerns().filter(move |concern| concern.leaves() >= level).map(Hold::Intake)
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
        let floor = U256::from(self.settings.floor_gas).saturating_mul(funds.gas_price_wei);
        let gas_recovered = clearly_above(floor);
        let is_gas_low = is_low(self.gate.is_gas_low, funds.gas_wei, floor, gas_recovered);
        let stake_floor = self.settings.floor_stake;
        let recovered = Amount(clearly_above(stake_floor.0));
        let is_stake_low = is_low(self.gate.is_stake_low, funds.stake_free, stake_floor, recovered);
        self.turn(Gate {
            funds: Some(funds),
            gas_floor_wei: floor,
            stake_floor,
            is_gas_low,
            is_stake_low,
            ..self.gate
        });
    }

    /// Compares the room for results with its floor.
    pub(crate) fn on_room(&mut self, free_bytes: u64) {
        let floor_bytes = self.settings.floor_room_bytes;
        let recovered = clearly_above(U256::from(floor_bytes)).saturating_to();
        let is_room_low = is_low(self.gate.is_room_low, free_bytes, floor_bytes, recovered);
        let (room_bytes, room_floor_bytes) = (free_bytes, floor_bytes);
        self.turn(Gate { room_bytes, room_floor_bytes, is_room_low, ..self.gate });
    }

    /// Says which concerns that begins and ends.
    fn turn(&mut self, gate: Gate) {
        let (before, known) = (self.gate.intake(), self.concerns());
        self.gate = gate;
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
        self.gate.concerns().collect()
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
                        && (task.involved().iter().any(is_connected)
                            || task.late().result.is_some());
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

/// What keeps a task that has not begun from being opened or given to workers; nothing where it has.
pub(crate) fn held_back(gate: &Gate, task: &Task) -> Vec<Hold> {
    let level = match &task.phase {
        Phase::Pending => Intake::BegunTasks,
        Phase::Active { .. } => Intake::BegunRuns,
        Phase::Unread | Phase::Revealing(_) | Phase::Ended(_) => return Vec::new(),
    };
    let has_begun = task.in_flight().next().is_some() || !task.votes().is_empty();
    if has_begun || matches!(task.errand, Errand::InFlight(_)) {
        return Vec::new();
    }
    gate.against(level).collect()
}
