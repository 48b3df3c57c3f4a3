//! What the views of a hub must answer by the model: of whoever a call touched, and of everything.

mod cross;
mod hub;
mod lane;
mod tasks;

pub use cross::cross;

use crate::abi::{Hub, Token};
use crate::chain::Answer;
use crate::expect;
use crate::stage::{Places, Side};
use crate::step::{Act, Step};
use alloy_primitives::{Address, Bytes, Log};
use alloy_sol_types::{SolCall, SolEventInterface};
use anyhow::Result;
use poco_core::hub::{Outcome, SideCall};
use poco_core::mark::ConditionsEvent;
use poco_core::{Call, DealId, Event, OrderHash, TaskId};
use std::collections::BTreeSet;

/// Asks a side's contracts and remembers the first answer that is not the model's.
struct Inquiry<'a> {
    side: &'a mut Side,
    places: Places,
    difference: Option<String>,
}

/// Whoever and whatever a call was about, as far as its sort of call changes it; what it must leave
/// alone is compared with [`everything`].
///
/// # Errors
/// Where the machine itself fails.
pub fn touched(
    side: &mut Side,
    places: &Places,
    step: &Step,
    outcome: &Outcome,
) -> Result<Option<String>> {
    let mut inquiry = Inquiry { side, places: *places, difference: None };
    let mut accounts = BTreeSet::from([step.sender]);
    for event in &outcome.events {
        accounts.extend(expect::accounts(event));
    }
    let moves_tokens = moves_tokens(&step.act);
    for account in accounts {
        inquiry.account(account)?;
        if moves_tokens {
            inquiry.tokens(account)?;
        }
    }
    if let Act::Side(SideCall::ImportScore { worker }) = step.act {
        inquiry.score(worker)?;
    }
    if let Act::Lane(call) = &step.act {
        inquiry.lane(step.sender, call, outcome)?;
        return Ok(inquiry.difference);
    }
    for event in &outcome.events {
        inquiry.event(event)?;
    }
    Ok(inquiry.difference)
}

/// Whether a call can move tokens in or out of the hub, or between others.
fn moves_tokens(act: &Act) -> bool {
    #[allow(clippy::wildcard_enum_match_arm, reason = "the others move stake alone")]
    match act {
        Act::Token(_) | Act::Side(SideCall::ReceiveApproval { .. }) => true,
        Act::Hub(call) => matches!(
            call,
            Call::Deposit { .. }
                | Call::DepositFor { .. }
                | Call::DepositForArray { .. }
                | Call::Withdraw { .. }
                | Call::WithdrawTo { .. }
        ),
        _ => false,
    }
}

/// Everything that the model knows, of the accounts that `cast` names and all others it ever met.
///
/// # Errors
/// Where the machine itself fails.
pub fn everything(
    side: &mut Side,
    places: &Places,
    cast: &[Address],
    orders: &[OrderHash],
) -> Result<Option<String>> {
    let accounts: BTreeSet<Address> =
        side.model.accounts().map(|(account, _)| account).chain(cast.iter().copied()).collect();
    let deals: Vec<DealId> = side.model.deals().map(|(id, _)| id).collect();
    let boosted: Vec<DealId> = side.model.boosted_deals().map(|(id, _)| id).collect();
    let tasks: Vec<(TaskId, Vec<Address>)> =
        side.model.tasks().map(|(id, view)| (id, view.contributors.clone())).collect();
    let bonds: Vec<_> = side.model.bonds().map(|(worker, pool, _)| (worker, pool)).collect();
    let mut inquiry = Inquiry { side, places: *places, difference: None };
    inquiry.hub()?;
    for (worker, pool) in bonds {
        inquiry.bond(worker, pool)?;
    }
    for account in &accounts {
        inquiry.account(*account)?;
        inquiry.score(*account)?;
        inquiry.tokens(*account)?;
        inquiry.account_in_full(*account)?;
    }
    for account in cast {
        inquiry.epoch(*account)?;
        for spender in cast.iter().take(4) {
            inquiry.allowance(*account, *spender)?;
        }
    }
    for order in orders {
        inquiry.consumed(*order)?;
        inquiry.presigned(*order)?;
    }
    for deal in deals.into_iter().chain([DealId::ZERO]) {
        inquiry.deal(deal)?;
        inquiry.boosted_deal(deal)?;
    }
    for deal in boosted {
        inquiry.boosted_deal(deal)?;
        inquiry.deal(deal)?;
    }
    for (task, contributors) in tasks {
        inquiry.task(task)?;
        inquiry.task_in_full(task)?;
        for worker in contributors {
            inquiry.contribution(task, worker)?;
        }
    }
    Ok(inquiry.difference)
}

impl Inquiry<'_> {
    /// What an event says has changed.
    fn event(&mut self, event: &Event) -> Result<()> {
        #[allow(clippy::wildcard_enum_match_arm, reason = "accounts are looked at by themselves")]
        match *event {
            Event::OrdersMatched { app, dataset, workerpool, request, .. } => {
                // The slot of no order is written by a match without a dataset, with nothing.
                for order in [app, dataset, workerpool, request] {
                    self.consumed(order)?;
                }
                Ok(())
            }
            Event::SchedulerNoticeBoost { deal, .. } => self.boosted_deal(deal),
            Event::ResultPushedBoost { deal, index, .. } => self.task(TaskId::of_deal(deal, index)),
            Event::OrderSigned { order, .. } => self.presigned(order),
            Event::OrderClosed { order, .. } => self.consumed(order),
            Event::Conditions(ConditionsEvent::EpochRaised { account, .. }) => self.epoch(account),
            Event::TaskContribute { task, worker, .. } | Event::TaskReveal { task, worker, .. } => {
                self.task(task)?;
                self.contribution(task, worker)
            }
            Event::TaskInitialize { task, .. }
            | Event::TaskReopen { task }
            | Event::TaskFinalize { task, .. }
            | Event::TaskClaimed { task } => self.task(task),
            Event::AccurateContribution { worker, .. }
            | Event::FaultyContribution { worker, .. } => self.score(worker),
            _ => Ok(()),
        }
    }

    fn ask<C: SolCall>(&mut self, call: &C, wanted: Vec<u8>) -> Result<()> {
        let to = self.places.hub;
        self.ask_at(to, call, Some(wanted))
    }

    /// Asks a contract; `None` stands for a refusal.
    fn ask_at<C: SolCall>(&mut self, to: Address, call: &C, wanted: Option<Vec<u8>>) -> Result<()> {
        if self.difference.is_some() {
            return Ok(());
        }
        let data: Bytes = call.abi_encode().into();
        let answer = self.side.chain.ask(to, data.clone())?;
        let agrees = match (&answer, &wanted) {
            (Answer::Done { output, .. }, Some(wanted)) => output[..] == wanted[..],
            (Answer::Refused(_), None) => true,
            (Answer::Done { .. }, None) | (Answer::Refused(_), Some(_)) => false,
        };
        if !agrees {
            let wanted = wanted.map(Bytes::from);
            self.difference =
                Some(format!("{} {data} answers {answer:?}, not {wanted:?}", C::SIGNATURE));
        }
        Ok(())
    }

    fn account(&mut self, account: Address) -> Result<()> {
        let wanted = self.side.model.account(account);
        let view = Hub::Account { stake: wanted.free.0, locked: wanted.frozen.0 };
        let call = Hub::viewAccountCall { account };
        self.ask(&call, Hub::viewAccountCall::abi_encode_returns(&view))
    }

    fn score(&mut self, account: Address) -> Result<()> {
        let score = self.side.model.score(account);
        let call = Hub::viewScoreCall { worker: account };
        self.ask(&call, Hub::viewScoreCall::abi_encode_returns(&score))
    }

    fn tokens(&mut self, account: Address) -> Result<()> {
        let tokens = self.side.model.token_balance(account).0;
        let call = Token::balanceOfCall { account };
        let to = self.places.token;
        self.ask_at(to, &call, Some(Token::balanceOfCall::abi_encode_returns(&tokens)))
    }

    fn account_in_full(&mut self, account: Address) -> Result<()> {
        let wanted = self.side.model.account(account);
        let (free, frozen) = (wanted.free.0, wanted.frozen.0);
        self.ask(&Hub::balanceOfCall { account }, Hub::balanceOfCall::abi_encode_returns(&free))?;
        self.ask(&Hub::frozenOfCall { account }, Hub::frozenOfCall::abi_encode_returns(&frozen))?;
        let call = Hub::viewAccountABILegacyCall { account };
        let view = Hub::viewAccountABILegacyReturn { _0: free, _1: frozen };
        self.ask(&call, Hub::viewAccountABILegacyCall::abi_encode_returns(&view))?;
        let allowed = self.side.model.token_allowance(account).0;
        let call = Token::allowanceCall { owner: account, spender: self.places.hub };
        let to = self.places.token;
        self.ask_at(to, &call, Some(Token::allowanceCall::abi_encode_returns(&allowed)))
    }

    fn allowance(&mut self, account: Address, spender: Address) -> Result<()> {
        let allowed = self.side.model.allowance(account, spender).0;
        let call = Hub::allowanceCall { account, spender };
        self.ask(&call, Hub::allowanceCall::abi_encode_returns(&allowed))
    }

    fn consumed(&mut self, order: OrderHash) -> Result<()> {
        let consumed = self.side.model.consumed(order);
        let call = Hub::viewConsumedCall { id: order.0 };
        self.ask(&call, Hub::viewConsumedCall::abi_encode_returns(&consumed))
    }

    fn presigned(&mut self, order: OrderHash) -> Result<()> {
        let signer = self.side.model.presigned(order);
        let call = Hub::viewPresignedCall { id: order.0 };
        self.ask(&call, Hub::viewPresignedCall::abi_encode_returns(&signer))
    }
}

/// A log for people.
#[must_use]
pub fn log_shown(log: &Log) -> String {
    let decoded = Hub::HubEvents::decode_raw_log(log.data.topics(), &log.data.data);
    match decoded {
        Ok(event) => format!("{event:?}"),
        Err(_) => format!("{log:?}"),
    }
}
