//! Everything that is about no task: money, registries, settings, and what is refused in any state.

use super::{Director, Steps};
use crate::abi::Hub;
use crate::stage::Places;
use crate::step::{Act, Change, RegistryAct};
use crate::strangers::SPENDERS;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_sol_types::SolCall;
use poco_core::hub::{Hub as Model, OwnerCall, Policy, SideCall, TokenCall};
use poco_core::{Amount, Call, OrderKind};

/// More gas than any block has.
const TOO_MUCH_GAS: U256 = U256::from_limbs([0, 1, 0, 0]);

impl Director<'_> {
    /// Stake and tokens move.
    pub(super) fn money(&mut self, model: &Model) -> Steps {
        let (mut sender, amount) = (self.anybody(), self.amount());
        let target = self.any_address();
        let chosen = self.dice.below(19);
        if chosen < 3 && self.dice.chance(60) {
            // Who has let the hub take tokens.
            sender = self.cast.hub_owner;
        }
        let act = match chosen {
            0 => Act::Hub(Call::Deposit { amount }),
            1 => Act::Hub(Call::DepositFor { amount, target }),
            2 => {
                let other = (self.amount(), self.anybody());
                Act::Hub(Call::DepositForArray { deposits: vec![(amount, target), other] })
            }
            3 => Act::Hub(Call::Withdraw { amount }),
            4 => Act::Hub(Call::WithdrawTo { amount, target }),
            5 => {
                if !self.is_spoiled() {
                    sender = model.owner();
                }
                Act::Hub(Call::Recover)
            }
            6 | 7 => Act::Hub(Call::Transfer { to: target, amount }),
            8 | 9 => {
                let mut from = *self.dice.pick(&self.cast.requesters);
                let mut amount = amount;
                sender = self.cast.sponsor;
                if self.dice.chance(10) {
                    (from, amount) = (Address::ZERO, Amount::ZERO);
                }
                Act::Hub(Call::TransferFrom { from, to: target, amount })
            }
            10 => {
                sender = *self.dice.pick(&self.cast.requesters);
                let spender =
                    if self.dice.chance(70) { self.cast.sponsor } else { self.any_address() };
                Act::Hub(Call::Approve { spender, amount })
            }
            11 | 12 => Act::Token(TokenCall::ApproveHub { amount }),
            13 => Act::Token(TokenCall::ApproveHubAndCall { amount }),
            14 => {
                let to = if self.dice.chance(30) { self.places.hub } else { self.anybody() };
                Act::Token(TokenCall::Transfer { to, amount })
            }
            15 => {
                let added = if self.is_spoiled() { Amount(U256::MAX) } else { amount };
                Act::Side(SideCall::IncreaseAllowance { spender: target, added })
            }
            16 => {
                sender = *self.dice.pick(&self.cast.requesters);
                let spender = self.cast.sponsor;
                Act::Side(SideCall::DecreaseAllowance { spender, subtracted: amount })
            }
            17 => {
                let spenders = [SPENDERS[0], SPENDERS[1], self.places.hub, self.cast.thief];
                let spender = *self.dice.pick(&spenders);
                Act::Side(SideCall::ApproveAndCall { spender, amount })
            }
            _ => return self.received(model),
        };
        vec![self.step(sender, act)]
    }

    /// Entries are made, sold and changed.
    pub(super) fn registry(&mut self, model: &Model) -> Steps {
        let kinds = [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool];
        let kind = *self.dice.pick(&kinds);
        let entries = self.entries(model, kind);
        let Some((resource, owner)) = self.dice.find(&entries).copied() else {
            return Steps::new();
        };
        let sender = if self.is_spoiled() { self.anybody() } else { owner };
        let act = match self.dice.below(5) {
            0 | 1 => {
                let owner = if self.is_spoiled() { Address::ZERO } else { self.anybody() };
                // Now and then one that is likely to be there already.
                let (owner, names) =
                    if self.dice.chance(30) { (self.cast.thief, 2) } else { (owner, 6) };
                let name = format!("made {}", self.dice.below(names));
                let resource = self.predicted(kind, owner, &name);
                RegistryAct::Create { kind, owner, name, resource }
            }
            2 => {
                let to = if self.dice.chance(8) { Address::ZERO } else { self.owner_to_be(kind) };
                let unknown = Address::repeat_byte(0x77);
                let resource = if self.dice.chance(5) { unknown } else { resource };
                RegistryAct::Transfer { kind, resource, from: owner, to }
            }
            _ => return self.policy(model),
        };
        vec![self.step(sender, Act::Registry(act))]
    }

    /// Somebody who can sign what owners sign.
    fn owner_to_be(&mut self, kind: OrderKind) -> Address {
        match kind {
            OrderKind::App => self.cast.app_owner,
            OrderKind::Dataset => self.cast.dataset_owner,
            OrderKind::Workerpool | OrderKind::Request => *self.dice.pick(&self.cast.pool_owners),
        }
    }

    fn policy(&mut self, model: &Model) -> Steps {
        let pools = self.entries(model, OrderKind::Workerpool);
        let Some((workerpool, owner)) = self.dice.find(&pools).copied() else {
            return Steps::new();
        };
        let sender = if self.is_spoiled() { self.anybody() } else { owner };
        let stakes = [0u64, 1, 30, 30, 35, 100, 250, (1 << 24) - 1, 1 << 24];
        let rewards = [0u64, 1, 5, 33, 100, 101];
        let policy = Policy {
            worker_stake_ratio: U256::from(*self.dice.pick(&stakes)),
            scheduler_reward_ratio: U256::from(*self.dice.pick(&rewards)),
        };
        vec![self.step(sender, Act::Registry(RegistryAct::ChangePolicy { workerpool, policy }))]
    }

    /// What the hub's owner does, and what anybody may.
    pub(super) fn settings(&mut self, model: &Model) -> Steps {
        let sender = if self.is_spoiled() { self.anybody() } else { model.owner() };
        let worker = self.worker();
        let act = match self.dice.below(16) {
            0 | 1 => {
                let broker = if self.dice.chance(50) { self.cast.broker } else { Address::ZERO };
                Act::Owner(OwnerCall::SetTeeBroker { broker })
            }
            2 | 3 => {
                let gas = *self.dice.pick(&[
                    U256::from(100_000),
                    U256::from(200_000),
                    U256::from(200_000),
                    TOO_MUCH_GAS,
                ]);
                Act::Owner(OwnerCall::SetCallbackGas { gas })
            }
            4 => Act::Hub(Call::CreateCategory {
                name: "made".into(),
                description: "{}".into(),
                work_clock_time_ref_seconds: *self.dice.pick(&[0, 60, 1 << 28, (1 << 28) + 1]),
            }),
            5 => {
                let to = *self.dice.pick(&[
                    self.cast.hub_owner,
                    self.cast.requesters[0],
                    self.cast.thief,
                    Address::ZERO,
                ]);
                // Without an owner there are no settings: mostly late in a sequence.
                if to.is_zero() && self.salt < 60 && !self.dice.chance(10) {
                    return Steps::new();
                }
                Act::Owner(OwnerCall::TransferOwnership { to })
            }
            6 => {
                if self.salt < 60 && !self.dice.chance(10) {
                    return Steps::new();
                }
                Act::Owner(OwnerCall::RenounceOwnership)
            }
            7 => Act::Owner(OwnerCall::Configure),
            8 => Act::Owner(OwnerCall::ChangeRegistries),
            9 => Act::Side(SideCall::UpdateDomainSeparator),
            10 | 11 => return self.import(worker),
            12 => {
                let account = self.cast.pool_owners[1];
                Act::World(Change::Code { account, has: self.dice.chance(50) })
            }
            _ => self.refused(),
        };
        vec![self.step(sender, act)]
    }

    fn import(&mut self, worker: Address) -> Steps {
        let scores = [0u64, 5, 12, 40, 100, 300, 1_000_000, 1 << 63];
        let mut score = U256::from(*self.dice.pick(&scores));
        if self.dice.chance(8) {
            score += U256::from(1u64 << 63);
        }
        let change = Change::OldScore { worker, score };
        let sender = self.anybody();
        vec![
            self.step(worker, Act::World(change)),
            self.step(sender, Act::Side(SideCall::ImportScore { worker })),
        ]
    }

    /// Calls that no hub takes.
    fn refused(&mut self) -> Act {
        let refused: [(Bytes, Option<&'static str>); 5] = [
            (
                Hub::depositForArrayCall { amounts: vec![U256::ONE], targets: Vec::new() }
                    .abi_encode()
                    .into(),
                Some("invalid-array-length"),
            ),
            (
                Hub::initializeArrayCall { dealIds: Vec::new(), indexes: vec![U256::ONE] }
                    .abi_encode()
                    .into(),
                None,
            ),
            (
                Hub::initializeAndClaimArrayCall { dealIds: vec![B256::ZERO], indexes: Vec::new() }
                    .abi_encode()
                    .into(),
                None,
            ),
            (Bytes::from_static(&[1, 2, 3, 4]), None),
            (Bytes::new(), None),
        ];
        let (data, words) = self.dice.pick(&refused).clone();
        Act::Refused { data, words }
    }

    /// The address that an entry gets or has, as the registries on stage compute it.
    fn predicted(&self, kind: OrderKind, owner: Address, name: &str) -> Address {
        entry_address(&self.places, kind, owner, name)
    }
}

/// CREATE2 of the registries' constant creation code, salted with the content and the owner.
#[must_use]
pub(crate) fn entry_address(
    places: &Places,
    kind: OrderKind,
    owner: Address,
    name: &str,
) -> Address {
    let salt = crate::step::salt(kind, owner, name);
    places.registry(kind).create2(salt, places.entry_code_hash)
}
