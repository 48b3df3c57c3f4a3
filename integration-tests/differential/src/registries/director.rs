//! Chooses what is done to registries: mostly what its sender may do.

use super::act::{Act, Kind, Step, Way};
use super::stage::{KEEPER, Stage};
use crate::cast::Cast;
use crate::dice::Dice;
use crate::strangers::{REFUSER, WALLET};
use alloy_primitives::{Address, U256};
use anyhow::Result;

/// Times in a hundred that anybody sends what somebody else may.
const SPOILED_PERCENT: u64 = 20;
/// Entries of a sequence, at most: with more, transfers would seldom meet one twice.
const ENTRIES_MAX: usize = 24;

/// Chooses steps.
pub(super) struct Director<'a> {
    dice: Dice,
    cast: &'a Cast,
    /// Whoever owns the registries.
    owners: [Address; 3],
}

impl<'a> Director<'a> {
    pub(super) fn new(seed: u64, cast: &'a Cast) -> Self {
        Self { dice: Dice::new(seed), cast, owners: [cast.hub_owner; 3] }
    }

    /// The next step.
    pub(super) fn next(&mut self, stage: &mut Stage) -> Result<Step> {
        let kind = *self.dice.pick(&Kind::ALL);
        if stage.numbers(kind).is_empty() {
            return Ok(self.create(kind, stage.count()));
        }
        Ok(match self.dice.below(100) {
            0..18 => self.create(kind, stage.count()),
            18..32 => self.approve(kind, stage)?,
            32..42 => self.approve_all(kind),
            42..64 => self.transfer(kind, stage)?,
            64..76 => self.policy(stage)?,
            76..88 => self.matching(stage),
            88..97 => self.configure(kind),
            _ => self.refused(kind, stage)?,
        })
    }

    fn anybody(&mut self) -> Address {
        let cast = self.cast;
        let people = [
            cast.app_owner,
            cast.dataset_owner,
            cast.pool_owners[0],
            cast.pool_owners[1],
            cast.requesters[0],
        ];
        *self.dice.pick(&people)
    }

    fn is_spoiled(&mut self) -> bool {
        self.dice.chance(SPOILED_PERCENT)
    }

    /// An entry of a kind and its owner; now and then one that is of another kind, or none.
    fn entry(&mut self, kind: Kind, stage: &mut Stage) -> Result<(usize, Address)> {
        let numbers = stage.numbers(kind);
        let number = match self.dice.below(20) {
            0 => stage.count() + 3,
            1 => usize::try_from(self.dice.below(4)).expect("below 4"),
            _ => self.dice.find(&numbers).copied().unwrap_or_default(),
        };
        let owner = stage.reference.owner(kind, number)?;
        Ok((number, owner.unwrap_or(self.cast.thief)))
    }

    fn create(&mut self, kind: Kind, count: usize) -> Step {
        let owner = if self.dice.chance(6) { Address::ZERO } else { self.anybody() };
        // Names come again: nothing is made twice for one owner.
        let names = if count < ENTRIES_MAX { 7 } else { 1 };
        let name = format!("entry {}", self.dice.below(names));
        Step { sender: self.anybody(), act: Act::Create { kind, owner, name } }
    }

    fn approve(&mut self, kind: Kind, stage: &mut Stage) -> Result<Step> {
        let (entry, owner) = self.entry(kind, stage)?;
        let sender = if self.is_spoiled() { self.anybody() } else { owner };
        let to = match self.dice.below(10) {
            0 => owner,
            1 => Address::ZERO,
            _ => self.anybody(),
        };
        Ok(Step { sender, act: Act::Approve { kind, to, entry } })
    }

    fn approve_all(&mut self, kind: Kind) -> Step {
        let (sender, operator) = (self.anybody(), self.anybody());
        let is_approved = self.dice.chance(60);
        Step { sender, act: Act::ApproveAll { kind, operator, is_approved } }
    }

    fn transfer(&mut self, kind: Kind, stage: &mut Stage) -> Result<Step> {
        let (entry, owner) = self.entry(kind, stage)?;
        let sender = if self.is_spoiled() { self.anybody() } else { owner };
        let from = if self.dice.chance(8) { self.anybody() } else { owner };
        let how = *self.dice.pick(&[Way::Plain, Way::Plain, Way::Safe, Way::SafeWithData]);
        let to = match self.dice.below(12) {
            0 => Address::ZERO,
            1 => KEEPER,
            2 if how != Way::Plain => *self.dice.pick(&[WALLET, REFUSER]),
            _ => self.anybody(),
        };
        Ok(Step { sender, act: Act::Transfer { kind, parties: (from, to), entry, how } })
    }

    fn policy(&mut self, stage: &mut Stage) -> Result<Step> {
        let pools = stage.numbers(Kind::Pool);
        // Nobody answers at an address without code: only pools are asked.
        let Some(entry) = self.dice.find(&pools).copied() else {
            return Ok(self.create(Kind::Pool, stage.count()));
        };
        let owner = stage.reference.owner(Kind::Pool, entry)?.unwrap_or_default();
        let sender = if self.is_spoiled() { self.anybody() } else { owner };
        let stakes = [0u64, 1, 30, 35, 100, 250, (1 << 24) - 1, 1 << 24];
        let rewards = [0u64, 1, 5, 33, 100, 101];
        let act = Act::ChangePolicy {
            entry,
            worker_stake_ratio: U256::from(*self.dice.pick(&stakes)),
            scheduler_reward_ratio: U256::from(*self.dice.pick(&rewards)),
        };
        Ok(Step { sender, act })
    }

    fn matching(&mut self, stage: &Stage) -> Step {
        let [apps, datasets, pools] = Kind::ALL.map(|kind| stage.numbers(kind));
        let (Some(app), Some(pool)) =
            (self.dice.find(&apps).copied(), self.dice.find(&pools).copied())
        else {
            let kind = if apps.is_empty() { Kind::App } else { Kind::Pool };
            return self.create(kind, stage.count());
        };
        let has_dataset = self.dice.chance(60);
        let dataset = self.dice.find(&datasets).copied().filter(|_| has_dataset);
        let forged = self.dice.chance(25).then(|| *self.dice.pick(&Kind::ALL));
        let act = Act::Match {
            entries: (app, dataset, pool),
            requester: self.cast.requesters[0],
            salt: self.dice.below(2),
            forged: forged.filter(|kind| dataset.is_some() || *kind != Kind::Dataset),
        };
        Step { sender: self.anybody(), act }
    }

    fn configure(&mut self, kind: Kind) -> Step {
        let owner = self.owners[kind.place()];
        let sender = if self.is_spoiled() || owner.is_zero() { self.anybody() } else { owner };
        let act = match self.dice.below(10) {
            0..4 => {
                let uris = ["", "https://example.org/", "ipfs://"];
                Act::SetBaseUri { kind, uri: (*self.dice.pick(&uris)).into() }
            }
            4..7 => {
                let to = if self.dice.chance(15) { Address::ZERO } else { self.anybody() };
                Act::Own { kind, to: Some(to) }
            }
            7 if self.dice.chance(30) => Act::Own { kind, to: None },
            _ => Act::Initialize { kind, has_previous: self.dice.chance(70) },
        };
        if let (Act::Own { to, .. }, true) = (&act, sender == owner) {
            let is_taken = *to != Some(Address::ZERO);
            self.owners[kind.place()] = if is_taken { to.unwrap_or_default() } else { owner };
        }
        Step { sender, act }
    }

    fn refused(&mut self, kind: Kind, stage: &mut Stage) -> Result<Step> {
        let numbers = stage.numbers(kind);
        let entry = self.dice.find(&numbers).copied().unwrap_or_default();
        let owner = stage.reference.owner(kind, entry)?.unwrap_or_default();
        let of_registry = self.owners[kind.place()];
        let (by, act) = match self.dice.below(3) {
            0 => (owner, Act::SetName { kind, entry: Some(entry) }),
            1 if !of_registry.is_zero() => (of_registry, Act::SetName { kind, entry: None }),
            _ => (owner, Act::InitializeEntry { entry }),
        };
        Ok(Step { sender: if self.is_spoiled() { self.anybody() } else { by }, act })
    }
}
