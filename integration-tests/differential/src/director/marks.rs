//! Marked orders: what their salts ask for and offer, until when, and whom guards know.

use super::drafts::Draft;
use super::{Director, Steps};
use crate::step::{Act, Change};
use crate::strangers::GROUPS;
use alloy_primitives::{Address, B256, Bytes};
use poco_core::hub::{Hub as Model, SideCall};
use poco_core::{Conditions, Deal, DealId, OrderKind, OrderMark, Timestamp};

/// Seconds for which a marked order is good, more or less.
const GOOD_SECONDS: u64 = 100_000;
/// What is asked for together.
const ASKED: [u8; 9] = [0, 2, 2, 4, 4, 8, 12, 16, 30];

impl Director<'_> {
    /// Marks offers and request: mostly so that they agree.
    pub(super) fn mark(&mut self, model: &Model, draft: &mut Draft) -> Steps {
        let guard = *self.dice.pick(&GROUPS);
        let asked = Conditions::from_bits(*self.dice.pick(&ASKED));
        let offered = if self.dice.chance(50) { Conditions::OFFERED } else { asked };
        let mut of_request = asked;
        if self.dice.chance(15) {
            of_request = of_request | Conditions::SPONSOR_ONLY;
        }
        let owner = |kind, entry| model.resource_owner(kind, entry).unwrap_or_default();
        let app_owner = owner(OrderKind::App, draft.app.app);
        let pool_owner = owner(OrderKind::Workerpool, draft.workerpool.workerpool);
        let requester = draft.request.requester;
        draft.workerpool.salt = self.marked(model, pool_owner, offered, guard);
        draft.request.salt = self.marked(model, requester, of_request, guard);
        if self.dice.chance(30) {
            draft.app.salt = self.marked(model, app_owner, asked, guard);
        }
        if self.dice.chance(20) {
            self.spoil_mark(draft);
        }
        let mut steps = Steps::new();
        if self.dice.chance(4) {
            let sender = *self.dice.pick(&[app_owner, pool_owner, requester]);
            if !self.is_never_a_sender(sender) {
                steps.push(self.step(sender, Act::Side(SideCall::RaiseEpoch)));
            }
        }
        steps
    }

    fn marked(
        &mut self,
        model: &Model,
        signer: Address,
        conditions: Conditions,
        guard: Address,
    ) -> B256 {
        self.salt += 1;
        // No two marks are the same, as each has a second of its own.
        let expiry = Timestamp(self.now + GOOD_SECONDS + self.salt);
        let mark = OrderMark::new(conditions, Some(expiry), model.epoch(signer), guard);
        mark.expect("the time is one of this century").to_salt()
    }

    fn spoil_mark(&mut self, draft: &mut Draft) {
        let place = self.dice.below(4);
        let salt = match place {
            0 => &mut draft.app.salt,
            1 => &mut draft.workerpool.salt,
            _ => &mut draft.request.salt,
        };
        let Some(mark) = OrderMark::of_salt(*salt) else { return };
        let (mut conditions, mut expiry) = (mark.conditions(), mark.expiry());
        let (mut epoch, mut tail) = (mark.epoch(), mark.tail());
        match self.dice.below(6) {
            0 => expiry = Some(Timestamp(self.now - 1 + self.dice.below(3))),
            1 => epoch ^= 1,
            2 => conditions = conditions | Conditions::from_bits(0x20),
            3 => conditions = Conditions::SPONSOR_ONLY,
            4 => tail = *self.dice.pick(&GROUPS),
            _ => {
                *salt = B256::repeat_byte(1);
                return;
            }
        }
        let spoiled = OrderMark::new(conditions, expiry, epoch, tail);
        *salt = spoiled.expect("the time is one of this century").to_salt();
    }

    /// Mostly lets the deal's guard know who is about to vote, where it is asked.
    pub(super) fn introduce(
        &mut self,
        model: &Model,
        deal: DealId,
        (worker, enclave): (Address, Address),
        steps: &mut Steps,
    ) {
        let kept = model.deal_conditions(deal);
        let Some(group) = kept.guard() else { return };
        let contracts = model.contracts();
        let is_asked = kept.has(Conditions::KNOWN_WORKERS);
        if is_asked && !contracts.is_member(group, worker) && self.dice.chance(85) {
            let change = Change::Member { group, member: worker, is_in: true };
            steps.push(self.step(group, Act::World(change)));
        }
        let is_asked = !enclave.is_zero() && kept.has(Conditions::KNOWN_ENCLAVES);
        if is_asked && !contracts.is_enclave_of(group, enclave) && self.dice.chance(60) {
            let change = Change::Enclave { group, key: enclave };
            steps.push(self.step(group, Act::World(change)));
        }
    }

    /// What is recorded of a bound deal: the bytes that were voted for, in the place where they count.
    pub(super) fn bound(&mut self, deal: &Deal, data: Bytes) -> (Bytes, Bytes) {
        match deal.callback.is_zero() && self.dice.chance(90) {
            true => (data, Bytes::new()),
            false => (Bytes::new(), data),
        }
    }
}
