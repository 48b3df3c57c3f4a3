//! Plays a step on one side and compares what the contracts did with what the model says.

use crate::chain::Answer;
use crate::expect;
use crate::refusals::{self, Circumstances};
use crate::stage::{Places, Side};
use crate::step::{Act, Change, RegistryAct, Step};
use crate::strangers::{self, OWNED, RETURNER, WALLET_CODE};
use crate::views;
use alloy_primitives::{Bytes, Log, U256};
use anyhow::Result;
use poco_core::hub::{Outcome, Policy, Refusal, RegistryCall};
use poco_core::rules::WORKER_STAKE_RATIO_MAX;
use poco_core::{Amount, Call, OrderKind, Timestamp};

/// What the model says about a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It is carried out.
    Done(Outcome),
    /// It is refused.
    Refused(Refusal),
    /// It is refused in any state, with these words or none.
    Never(Option<&'static str>),
    /// The world changed.
    Changed,
}

/// What a step came to on one side, where model and contracts agree.
#[derive(Clone, Debug)]
pub struct Played {
    /// What the model said.
    pub expected: Expected,
    /// What the contracts answered; `None` for a change of the world.
    pub answer: Option<Answer>,
}

impl Side {
    /// Plays a step. The second value says how contracts and model differ, if they do.
    ///
    /// # Errors
    /// Where the machine itself fails.
    pub fn play(&mut self, places: &Places, step: &Step) -> Result<(Played, Option<String>)> {
        self.chain.set_time(step.at);
        let Some((to, data)) = step.act.transaction(places) else {
            if let Act::World(change) = &step.act {
                self.change(change);
            }
            return Ok((Played { expected: Expected::Changed, answer: None }, None));
        };
        let before = policy_before(self, step);
        let expected = self.expect(step);
        let answer = self.chain.send(step.sender, to, data.clone())?;
        let circumstances =
            Circumstances { is_ours: self.model.rules().are_ours(), is_garbled: is_garbled(&data) };
        let mut difference = self.compare(places, (&expected, &answer), before, circumstances);
        if let (None, Expected::Done(outcome)) = (&difference, &expected) {
            difference = views::touched(self, places, step, outcome)?;
        }
        Ok((Played { expected, answer: Some(answer) }, difference))
    }

    fn expect(&mut self, step: &Step) -> Expected {
        let now = Timestamp(step.at);
        if let Act::Registry(RegistryAct::ChangePolicy { workerpool, policy }) = &step.act {
            let Some(owner) = self.model.resource_owner(OrderKind::Workerpool, *workerpool) else {
                // A call to an address without code succeeds and does nothing.
                return Expected::Changed;
            };
            let is_large = policy.worker_stake_ratio > U256::from(WORKER_STAKE_RATIO_MAX);
            let is_taken = owner == step.sender && policy.scheduler_reward_ratio <= U256::from(100);
            if is_large && is_taken {
                // The registries are ours on both chains.
                return Expected::Refused(Refusal::RatioTooLarge);
            }
        }
        let result = match &step.act {
            Act::Hub(call) => self.model.call(step.sender, now, call),
            Act::Side(call) => self.model.side_call(step.sender, now, call),
            Act::Owner(call) => self.model.owner_call(step.sender, call),
            Act::Token(call) => self.model.token_call(step.sender, call),
            Act::Registry(act) => self.model.registry_call(step.sender, &registry_call(act)),
            Act::Refused { words, .. } => return Expected::Never(*words),
            Act::Boost(call) => self.model.boost_call(step.sender, now, call),
            Act::Lane(call) => self.model.lane_call(step.sender, now, call),
            Act::World(_) => return Expected::Changed,
        };
        match result {
            Ok(mut outcome) => {
                self.call_back(now, &mut outcome);
                Expected::Done(outcome)
            }
            Err(refusal) => Expected::Refused(refusal),
        }
    }

    /// A receiver that calls the hub in turn: another call, within the same transaction.
    fn call_back(&mut self, now: Timestamp, outcome: &mut Outcome) {
        let returned = outcome.callbacks.iter().filter(|callback| callback.contract == RETURNER);
        for _ in 0..returned.count() {
            let transfer = Call::Transfer { to: self.thief, amount: Amount::from_nano(1) };
            if let Ok(inner) = self.model.call(RETURNER, now, &transfer) {
                outcome.events.extend(inner.events);
            }
        }
    }

    fn compare(
        &self,
        places: &Places,
        (expected, answer): (&Expected, &Answer),
        before: Option<Policy>,
        circumstances: Circumstances,
    ) -> Option<String> {
        match (expected, answer) {
            (Expected::Done(outcome), Answer::Done { output, logs }) => {
                let wanted = expect::logs(self, places, outcome, before);
                let given: Vec<Log> =
                    logs.iter().filter(|log| log.address != places.token).cloned().collect();
                if wanted != given {
                    return Some(first_difference(&wanted, &given));
                }
                let wanted = expect::output(outcome.value);
                (wanted != *output).then(|| format!("returned {output}, not {wanted}"))
            }
            (Expected::Refused(refusal), Answer::Refused(data)) => {
                let fits = refusals::fits(refusal, data, circumstances);
                (!fits).then(|| {
                    let (name, shown) = (refusals::name(refusal), refusals::shown(data));
                    format!("refused with {shown}, where the model says {name}: {refusal}")
                })
            }
            (Expected::Never(words), Answer::Refused(data)) => {
                let given = refusals::words(data);
                (words.is_some() && given.as_deref() != *words)
                    .then(|| format!("refused with {}", refusals::shown(data)))
            }
            (Expected::Done(_), Answer::Refused(data)) => {
                Some(format!("refused with {}, the model takes it", refusals::shown(data)))
            }
            (Expected::Refused(refusal), Answer::Done { .. }) => {
                Some(format!("taken, the model says {}: {refusal}", refusals::name(refusal)))
            }
            (Expected::Never(_), Answer::Done { .. }) => Some("taken".into()),
            (Expected::Changed, _) => None,
        }
    }

    fn change(&mut self, change: &Change) {
        let contracts = self.model.contracts_mut();
        match change {
            Change::Accept { wallet, hash, sign } => {
                contracts.accept(*wallet, *hash, sign.clone());
                let (slot, word) = strangers::acceptance(*hash, sign);
                self.chain.store(*wallet, slot, word);
            }
            Change::Member { group, member, is_in } => {
                if *is_in {
                    contracts.add_member(*group, *member);
                } else {
                    contracts.remove_member(*group, *member);
                }
                let slot = strangers::membership(*member);
                self.chain.store(*group, slot, U256::from(u8::from(*is_in)));
            }
            Change::Enclave { group, key } => {
                contracts.add_enclave(*group, *key);
                self.chain.store(*group, strangers::vouching(*key), U256::ONE);
            }
            Change::Code { account, has } => {
                if *has {
                    contracts.add_wallet(*account);
                } else {
                    contracts.remove_wallet(*account);
                }
                let code = if *has { Bytes::from_static(&WALLET_CODE) } else { Bytes::new() };
                self.chain.set_code(*account, code);
            }
            Change::OldScore { worker, score } => {
                contracts.set_old_score(*worker, *score);
                self.chain.store(strangers::OLD_HUB, strangers::old_score(*worker), *score);
            }
        }
    }
}

/// Whether a call names a contract that answers anything with nothing or with dirt.
pub(crate) fn is_garbled(data: &Bytes) -> bool {
    [RETURNER, OWNED]
        .iter()
        .any(|stranger| data.windows(20).any(|window| window == stranger.as_slice()))
}

fn registry_call(act: &RegistryAct) -> RegistryCall {
    match act {
        RegistryAct::Create { kind, owner, resource, .. } => {
            RegistryCall::Create { kind: *kind, resource: *resource, owner: *owner }
        }
        RegistryAct::Transfer { kind, resource, to, .. } => {
            RegistryCall::Transfer { kind: *kind, resource: *resource, to: *to }
        }
        RegistryAct::ChangePolicy { workerpool, policy } => {
            RegistryCall::ChangePolicy { workerpool: *workerpool, policy: *policy }
        }
    }
}

fn policy_before(side: &Side, step: &Step) -> Option<Policy> {
    match &step.act {
        Act::Registry(RegistryAct::ChangePolicy { workerpool, .. }) => {
            side.model.policy(*workerpool)
        }
        Act::Registry(RegistryAct::Create { .. } | RegistryAct::Transfer { .. })
        | Act::Hub(_)
        | Act::Side(_)
        | Act::Owner(_)
        | Act::Token(_)
        | Act::Boost(_)
        | Act::Lane(_)
        | Act::Refused { .. }
        | Act::World(_) => None,
    }
}

fn first_difference(wanted: &[Log], given: &[Log]) -> String {
    let place = wanted.iter().zip(given).take_while(|(one, other)| one == other).count();
    let show = |log: Option<&Log>| log.map_or_else(|| "nothing".into(), views::log_shown);
    format!(
        "event {place} of {} is {}, the model says {}",
        given.len(),
        show(given.get(place)),
        show(wanted.get(place))
    )
}
