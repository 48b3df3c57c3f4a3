//! Chooses the steps of a sequence: sensible ones by what a model knows, and spoiled ones.

mod boost;
mod deals;
mod drafts;
mod lane;
mod marks;
mod sundry;
mod tasks;

pub(crate) use sundry::entry_address;

use crate::cast::{Cast, WORKERS};
use crate::dice::Dice;
use crate::stage::{Places, START};
use crate::step::{Act, Change, Step};
use crate::strangers::{GROUPS, LISTENER, OWNED, RETURNER, WALLET};
use alloy_primitives::{Address, B256, Bytes};
use poco_core::call::SignedTerms;
use poco_core::hub::Hub as Model;
use poco_core::task::{TaskStatus, TaskView};
use poco_core::{Amount, OrderKind, TaskId};

/// Times in a hundred that a step is spoiled.
const SPOILED_PERCENT: u64 = 20;
/// Times in a hundred that time jumps to a deadline, and most tasks are late from then on.
const JUMP_PERCENT: u64 = 2;
/// Times in a hundred that a task is chosen whose time is over.
const LATE_PERCENT: u64 = 6;
/// One sequence of so many has a task with more contributors than ours takes.
const CROWD_ONE_IN: u64 = 16;
/// One sequence of so many is about the boost lane, so many times in a hundred.
const BOOSTED_ONE_IN: u64 = 5;
const BOOSTED_PERCENT: u64 = 60;
/// One sequence of so many is about the settlement lane, so many times in a hundred.
const LANED_ONE_IN: u64 = 5;
const LANED_PERCENT: u64 = 65;

/// Chooses steps.
pub struct Director<'a> {
    dice: Dice,
    cast: &'a Cast,
    places: Places,
    now: u64,
    salt: u64,
    /// Orders that were shown to the hub before, matched or not.
    shown: Vec<SignedTerms>,
    /// Contributors that a crowded task still waits for.
    crowd: Option<(TaskId, usize)>,
    is_crowded: bool,
    is_boosted: bool,
    is_laned: bool,
    /// Commits to the settlement lane that stand, and the last that does not any more.
    commits: Vec<lane::Commit>,
    gone: Option<lane::Commit>,
}

/// What the director has chosen.
type Steps = Vec<Step>;

impl<'a> Director<'a> {
    /// Starts a sequence.
    #[must_use]
    pub fn new(seed: u64, cast: &'a Cast, places: Places) -> Self {
        let mut dice = Dice::new(seed);
        let is_crowded = dice.below(CROWD_ONE_IN) == 0;
        let is_boosted = dice.below(BOOSTED_ONE_IN) == 0;
        let is_laned = !is_boosted && dice.below(LANED_ONE_IN) == 0;
        Self {
            dice,
            cast,
            places,
            now: START + 1000,
            salt: 0,
            shown: Vec::new(),
            crowd: None,
            is_crowded,
            is_boosted,
            is_laned,
            commits: Vec::new(),
            gone: None,
        }
    }

    /// The orders that were shown to the hub.
    #[must_use]
    pub fn shown(&self) -> &[SignedTerms] {
        &self.shown
    }

    /// Whether the sequence is about the settlement lane, which only our hub's model can guide.
    #[must_use]
    pub fn is_laned(&self) -> bool {
        self.is_laned
    }

    /// The next steps, at least one.
    pub fn next(&mut self, model: &Model) -> Steps {
        self.pass_time(model);
        if let Some(steps) = self.crowd_on(model) {
            return steps;
        }
        if self.is_boosted && self.dice.chance(BOOSTED_PERCENT) {
            return self.boost(model);
        }
        if self.is_laned && self.dice.chance(LANED_PERCENT) {
            return self.lane(model);
        }
        let steps = match self.dice.below(100) {
            0..9 => self.money(model),
            9..14 => self.order(model),
            14..22 => self.deal(model),
            22..33 => self.open(model),
            33..59 => self.contribute(model),
            59..73 => self.reveal(model),
            73..84 => self.end(model),
            84..87 => self.whole(model),
            87..90 => self.claim(model),
            90..93 => self.boost(model),
            93..96 => self.registry(model),
            _ => self.settings(model),
        };
        if steps.is_empty() { self.instead(model) } else { steps }
    }

    /// What leads on where the choice has come to nothing: no task stands where it must.
    fn instead(&mut self, model: &Model) -> Steps {
        for _ in 0..2 {
            let steps = match self.dice.below(6) {
                0..2 => self.contribute(model),
                2..5 => self.open(model),
                _ => self.deal(model),
            };
            if !steps.is_empty() {
                return steps;
            }
        }
        self.deal(model)
    }

    fn pass_time(&mut self, model: &Model) {
        self.now += self.dice.below(15);
        if !self.dice.chance(JUMP_PERCENT) {
            return;
        }
        let mut deadlines = Vec::new();
        for (_, task) in model.tasks() {
            if matches!(task.status, TaskStatus::Active | TaskStatus::Revealing) {
                let deadline = match self.dice.below(5) {
                    0 => task.contribution_deadline,
                    1 | 2 => task.reveal_deadline,
                    _ => task.final_deadline,
                };
                deadlines.push(deadline.0);
            }
        }
        let Some(deadline) = self.dice.find(&deadlines).copied() else { return };
        self.travel_to(deadline);
    }

    /// To a deadline, or a second before or after it, unless that is past.
    fn travel_to(&mut self, deadline: u64) {
        let around = deadline.saturating_sub(1) + self.dice.below(3);
        self.now = self.now.max(around);
    }

    /// Whether tasks that are late are to be chosen too.
    fn is_late_wanted(&mut self) -> bool {
        self.dice.chance(LATE_PERCENT)
    }

    fn step(&self, sender: Address, act: Act) -> Step {
        Step { at: self.now, sender, act }
    }

    fn is_spoiled(&mut self) -> bool {
        self.dice.chance(SPOILED_PERCENT)
    }

    /// Anybody of the cast.
    fn anybody(&mut self) -> Address {
        let cast = self.cast;
        let place = self.dice.below(17);
        match place {
            0..3 => *self.dice.pick(&cast.requesters),
            3..5 => *self.dice.pick(&cast.pool_owners),
            5 => cast.sponsor,
            6 => cast.app_owner,
            7 => cast.dataset_owner,
            8 => cast.hub_owner,
            9 => WALLET,
            10..12 => cast.thief,
            _ => *self.dice.pick(cast.workers.get(..WORKERS).unwrap_or(&cast.workers)),
        }
    }

    /// Anybody, or an address that is no party.
    fn any_address(&mut self) -> Address {
        match self.dice.below(10) {
            0 => Address::ZERO,
            1 => self.places.hub,
            2 => self.places.token,
            3 => *self.dice.pick(&[GROUPS[0], GROUPS[1], LISTENER, RETURNER]),
            _ => self.anybody(),
        }
    }

    /// Nobody, and contracts that make no calls to the hub: what they own is signed by nobody.
    fn is_never_a_sender(&self, account: Address) -> bool {
        account.is_zero() || account == self.places.hub || account == self.places.token
    }

    fn worker(&mut self) -> Address {
        let workers = self.cast.workers.get(..WORKERS).unwrap_or(&self.cast.workers);
        *self.dice.pick(workers)
    }

    /// A small amount, mostly.
    fn amount(&mut self) -> Amount {
        let rlc = Amount::NANO_PER_RLC;
        Amount::from_nano(match self.dice.below(10) {
            0 => 0,
            1 => 1,
            2 => self.dice.below(100),
            3..6 => self.dice.below(rlc),
            6..9 => self.dice.below(100) * rlc,
            _ => self.dice.below(10_000_000) * rlc,
        })
    }

    fn next_salt(&mut self) -> B256 {
        self.salt += 1;
        B256::from(alloy_primitives::U256::from(self.salt))
    }

    /// The entries of a kind that the model knows, with their owners.
    fn entries(&self, model: &Model, kind: OrderKind) -> Vec<(Address, Address)> {
        model.resources(kind).collect()
    }

    /// A signature of `account` over `hash`: its key's, or one that its contract accepts, which
    /// takes a step before.
    fn sign(&mut self, account: Address, hash: B256, before: &mut Steps) -> Bytes {
        if let Some(sign) = self.cast.sign(account, hash) {
            return if self.dice.chance(12) { compact(&sign) } else { sign };
        }
        // Of the zero address only what looks like a key's signature is of interest.
        let lengths: &[usize] = if account.is_zero() { &[64, 65] } else { &[0, 3, 64, 65, 100] };
        let sign = Bytes::from(vec![0xab; *self.dice.pick(lengths)]);
        if account == WALLET {
            let accept = Change::Accept { wallet: WALLET, hash, sign: sign.clone() };
            before.push(self.step(WALLET, Act::World(accept)));
        }
        sign
    }

    /// Anything but a right signature.
    fn mangle(&mut self, sign: &Bytes) -> Bytes {
        let mut bytes = sign.to_vec();
        match self.dice.below(10) {
            0 => bytes.clear(),
            1 => bytes.push(0),
            2 => bytes.truncate(64),
            3 => bytes.truncate(63),
            4 => bytes = vec![0; 65],
            5 => bytes = vec![0; 64],
            6 => bytes = high(sign),
            7 => {
                if let Some(v) = bytes.get_mut(64) {
                    *v = v.wrapping_sub(27);
                }
            }
            _ => {
                let place = usize::try_from(self.dice.below(64)).expect("below 64");
                if let Some(byte) = bytes.get_mut(place) {
                    *byte ^= 1;
                }
            }
        }
        bytes.into()
    }

    /// Tasks that stand somewhere.
    fn tasks_that<'m>(
        &self,
        model: &'m Model,
        fits: impl Fn(&TaskView) -> bool,
    ) -> Vec<(TaskId, &'m TaskView)> {
        model.tasks().filter(|(_, task)| fits(task)).collect()
    }
}

/// The same signature in 64 bytes (EIP-2098).
fn compact(sign: &Bytes) -> Bytes {
    let mut bytes = sign.to_vec();
    if bytes.len() == 65
        && bytes.pop() == Some(28)
        && let Some(byte) = bytes.get_mut(32)
    {
        *byte |= 0x80;
    }
    bytes.into()
}

/// The mirror image of a signature, with a high s: the same signer, to whoever does not look.
fn high(sign: &Bytes) -> Vec<u8> {
    let order = alloy_primitives::U256::from_be_bytes(alloy_primitives::hex!(
        "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141"
    ));
    let mut bytes = sign.to_vec();
    if let (65, Some(half)) = (bytes.len(), bytes.get(32..64)) {
        let s = alloy_primitives::U256::from_be_slice(half);
        let mirrored = order.saturating_sub(s).to_be_bytes::<32>();
        bytes.splice(32..64, mirrored);
        if let Some(v) = bytes.get_mut(64) {
            *v = 55u8.wrapping_sub(*v);
        }
    }
    bytes
}

/// Contracts that no registry knows, or accounts without code.
const NOT_REGISTERED: [Address; 3] = [OWNED, WALLET, Address::repeat_byte(0x77)];
