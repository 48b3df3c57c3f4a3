//! The whole contract as a model: calls in, events or a refusal out.
//!
//! The model decides what the contracts decide, for tests that compare the two, for the simulator
//! and for whoever wants to know what a transaction would do. `call` takes who sends and the
//! block's time; a refused call changes nothing. What the hub asks of other contracts (who owns an
//! entry, whether a contract accepts a signature, who is in a group) are facts that the model
//! holds; the registries and the token are modelled as far as the hub depends on them.
//!
//! [`Rules`] say whose contract it is: the reference's or ours.
//!
//! Left out: gas (of a callback's only that no block has more than a limit), how entries get their addresses
//! (they are an input), and what callbacks do. A callback cannot
//! undo the call that led to it and its failure is ignored, so the model reports it as something
//! that happens ([`Callback`]); if it calls the hub in turn, that is another `call`.

mod boost;
mod consensus;
mod contracts;
mod contributing;
mod lane;
mod limits;
mod marks;
mod matching;
mod orders;
mod owner;
mod refusal;
mod registries;
mod settlement;
mod side;
mod stake;
mod state;
mod token;
mod views;

pub use boost::{BoostCall, BoostRefusal, Push};
pub use contracts::Contracts;
pub use lane::LaneRefusal;
pub use owner::OwnerCall;
pub use refusal::Refusal;
pub use registries::{Policy, RegistryCall};
pub use side::SideCall;
pub use token::TokenCall;

use crate::call::Call;
use crate::category::{self, Category};
use crate::eip712::Domain;
use crate::event::Event;
use crate::lane::LaneCall;
use crate::rules::Rules;
use crate::types::{Amount, CategoryId, DealId, TaskId, Timestamp};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256, Bytes, U256};
use state::State;

/// What a hub starts with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Whose rules it follows.
    pub rules: Rules,
    /// The hub's address.
    pub hub: Address,
    /// The hash of its EIP-712 domain ([`crate::eip712::Domain::separator`]).
    pub domain_separator: B256,
    /// Who may add categories and set the enclave broker.
    pub owner: Address,
    /// The categories, numbered from 0.
    pub categories: Vec<Category>,
    /// Scores that workers bring along from an earlier hub.
    pub scores: BTreeMap<Address, U256>,
}

impl Config {
    /// A hub of the usual domain and categories, where nobody has a score.
    #[must_use]
    pub fn standard(rules: Rules, chain_id: u64, hub: Address, owner: Address) -> Self {
        let category = |(name, seconds): (&str, u64)| Category {
            name: name.into(),
            description: String::new(),
            work_clock_time_ref_seconds: seconds,
        };
        Self {
            rules,
            hub,
            domain_separator: Domain::of_hub(chain_id, hub).separator(),
            owner,
            categories: category::INITIAL.into_iter().map(category).collect(),
            scores: BTreeMap::new(),
        }
    }
}

/// A hub with its registries, its token and the contracts it asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hub {
    state: State,
}

/// What an accepted call did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The events of the hub and the registries, in the reference's order. The token's are left out.
    pub events: Vec<Event>,
    /// What the call returns.
    pub value: Value,
    /// The contracts that were handed results, in order.
    pub callbacks: Vec<Callback>,
}

/// What a call returns on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing.
    Nothing,
    /// The constant `true` of calls that revert instead of returning `false`.
    True,
    /// The deal that was made.
    Deal(DealId),
    /// The task that was opened.
    Task(TaskId),
    /// The category that was added.
    Category(CategoryId),
    /// The amount that was recovered.
    Amount(Amount),
    /// The registry entry that was created.
    Entry(Address),
    /// The epoch that an account is in now.
    Epoch(u16),
}

/// A contract that was called with a result: `receiveResult(task, data)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// The contract; an address without code is called all the same.
    pub contract: Address,
    /// The task.
    pub task: TaskId,
    /// What it is told.
    pub data: Bytes,
}

impl Hub {
    /// A hub that nothing has happened to.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self { state: State::new(config) }
    }

    /// Does what a transaction from `sender` in a block of time `now` does.
    ///
    /// # Errors
    /// The first [`Refusal`], in the order of the reference's checks; nothing has changed then.
    pub fn call(
        &mut self,
        sender: Address,
        now: Timestamp,
        call: &Call,
    ) -> Result<Outcome, Refusal> {
        self.execute(sender, now, |execution| execution.dispatch(call))
    }

    /// Does what a transaction from `sender` beside those of [`Call`] does.
    ///
    /// # Errors
    /// The first [`Refusal`]; nothing has changed then.
    pub fn side_call(
        &mut self,
        sender: Address,
        now: Timestamp,
        call: &SideCall,
    ) -> Result<Outcome, Refusal> {
        self.execute(sender, now, |execution| execution.side(call))
    }

    /// Does what a transaction from `sender` in the boost lane does.
    ///
    /// # Errors
    /// The first [`Refusal`]; nothing has changed then.
    pub fn boost_call(
        &mut self,
        sender: Address,
        now: Timestamp,
        call: &BoostCall,
    ) -> Result<Outcome, Refusal> {
        self.execute(sender, now, |execution| execution.boost(call))
    }

    /// Does what a transaction from `sender` in the settlement lane does.
    ///
    /// # Errors
    /// The first [`Refusal`]; nothing has changed then.
    pub fn lane_call(
        &mut self,
        sender: Address,
        now: Timestamp,
        call: &LaneCall,
    ) -> Result<Outcome, Refusal> {
        self.execute(sender, now, |execution| execution.lane(call))
    }

    /// Does what a transaction from `sender` to one of the registries or entries does.
    ///
    /// # Errors
    /// The first [`Refusal`]; nothing has changed then.
    pub fn registry_call(
        &mut self,
        sender: Address,
        call: &RegistryCall,
    ) -> Result<Outcome, Refusal> {
        // Nothing in the registries depends on time.
        self.execute(sender, Timestamp(0), |execution| execution.registry(call))
    }

    /// Does what a transaction from `sender` to the token does.
    ///
    /// # Errors
    /// The first [`Refusal`]; nothing has changed then.
    pub fn token_call(&mut self, sender: Address, call: &TokenCall) -> Result<Outcome, Refusal> {
        // Nothing in the token depends on time.
        self.execute(sender, Timestamp(0), |execution| execution.token(call))
    }

    /// Does what a transaction from the hub's owner to configure the hub does.
    ///
    /// # Errors
    /// The first [`Refusal`]; nothing has changed then.
    pub fn owner_call(&mut self, sender: Address, call: &OwnerCall) -> Result<Outcome, Refusal> {
        // Nothing in the configuration depends on time.
        self.execute(sender, Timestamp(0), |execution| execution.configure(call))
    }

    /// Brings tokens into the world.
    ///
    /// # Errors
    /// [`Refusal::Overflow`] where there would be more than 256 bits hold.
    pub fn mint_tokens(&mut self, to: Address, amount: Amount) -> Result<(), Refusal> {
        self.execute(to, Timestamp(0), |execution| {
            execution.state.token.mint(to, amount)?;
            Ok(Value::Nothing)
        })
        .map(|_| ())
    }

    /// The facts about other contracts, to be changed as the world changes.
    pub fn contracts_mut(&mut self) -> &mut Contracts {
        &mut self.state.contracts
    }

    fn execute(
        &mut self,
        sender: Address,
        now: Timestamp,
        act: impl FnOnce(&mut Execution<'_>) -> Result<Value, Refusal>,
    ) -> Result<Outcome, Refusal> {
        let mut execution = Execution {
            state: &mut self.state,
            sender,
            now,
            events: Vec::new(),
            callbacks: Vec::new(),
        };
        match act(&mut execution) {
            Ok(value) => {
                let Execution { events, callbacks, .. } = execution;
                self.state.commit();
                Ok(Outcome { events, value, callbacks })
            }
            Err(refusal) => {
                self.state.roll_back();
                Err(refusal)
            }
        }
    }
}

/// A call under way. What it wrote is kept if it succeeds as a whole.
struct Execution<'a> {
    state: &'a mut State,
    sender: Address,
    now: Timestamp,
    events: Vec<Event>,
    callbacks: Vec<Callback>,
}

impl Execution<'_> {
    fn dispatch(&mut self, call: &Call) -> Result<Value, Refusal> {
        match call {
            Call::Deposit { .. }
            | Call::DepositFor { .. }
            | Call::DepositForArray { .. }
            | Call::Withdraw { .. }
            | Call::WithdrawTo { .. }
            | Call::Recover
            | Call::Transfer { .. }
            | Call::TransferFrom { .. }
            | Call::Approve { .. } => self.stake(call),
            Call::ManageOrder { order, operation, sign } => {
                self.manage_order(order, *operation, sign)
            }
            Call::MatchOrders(terms) => self.match_orders(terms),
            Call::SponsorMatchOrders(terms) => self.sponsor_match_orders(terms),
            Call::Initialize { deal, index } => self.initialize(*deal, *index).map(Value::Task),
            Call::InitializeArray { tasks } => {
                tasks
                    .iter()
                    .try_for_each(|(deal, index)| self.initialize(*deal, *index).map(|_| ()))?;
                Ok(Value::True)
            }
            Call::Contribute(contribution) => self.contribute(contribution),
            Call::Reveal { task, digest } => self.reveal(*task, *digest),
            Call::Reopen { task } => self.reopen(*task),
            Call::Finalize { task, results, results_callback } => {
                self.finalize(*task, results, results_callback)
            }
            Call::ContributeAndFinalize(whole) => self.contribute_and_finalize(whole),
            Call::Claim { task } => self.claim(*task).map(|()| Value::Nothing),
            Call::ClaimArray { tasks } => {
                tasks.iter().try_for_each(|task| self.claim(*task))?;
                Ok(Value::True)
            }
            Call::InitializeAndClaimArray { tasks } => {
                tasks.iter().try_for_each(|(deal, index)| {
                    let task = self.initialize(*deal, *index)?;
                    self.claim(task)
                })?;
                Ok(Value::True)
            }
            Call::CreateCategory { name, description, work_clock_time_ref_seconds } => self
                .create_category(Category {
                    name: name.clone(),
                    description: description.clone(),
                    work_clock_time_ref_seconds: *work_clock_time_ref_seconds,
                }),
        }
    }
}
