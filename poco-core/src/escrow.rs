//! The hub's accounts: free stake, which is an ERC-20, and frozen stake.
//!
//! The hub's own free stake holds what is frozen, as in the reference: locking is a transfer to
//! the hub. So the sum of all free stake, the hub's included, is the supply, and the supply is
//! backed by tokens, which live outside ([`crate::hub`] models them).

mod refusal;

pub use refusal::EscrowRefusal;

use crate::event::Event;
use crate::table::{Cell, Table};
use crate::types::Amount;
use alloc::vec::Vec;
use alloy_primitives::{Address, B256};

/// One account. Free stake can be spent and withdrawn; frozen stake is bound to deals and tasks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Account {
    /// What can be spent.
    pub free: Amount,
    /// What is bound.
    pub frozen: Amount,
}

/// All accounts of a hub. Movements append their events, in the reference's order, to a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escrow {
    hub: Address,
    accounts: Table<Address, Account>,
    allowances: Table<(Address, Address), Amount>,
    supply: Cell<Amount>,
}

impl Escrow {
    /// The empty escrow of the hub at `hub`.
    #[must_use]
    pub fn new(hub: Address) -> Self {
        Self {
            hub,
            accounts: Table::default(),
            allowances: Table::default(),
            supply: Cell::new(Amount::ZERO),
        }
    }

    /// An account; zeros where nothing was ever paid.
    #[must_use]
    pub fn account(&self, owner: Address) -> Account {
        self.accounts.get(&owner)
    }

    /// Every account that was ever touched, by address.
    pub fn accounts(&self) -> impl Iterator<Item = (Address, Account)> {
        self.accounts.iter().map(|(owner, account)| (*owner, *account))
    }

    /// How much of the owner's free stake the spender may move.
    #[must_use]
    pub fn allowance(&self, owner: Address, spender: Address) -> Amount {
        self.allowances.get(&(owner, spender))
    }

    /// All stake, free and frozen.
    #[must_use]
    pub fn supply(&self) -> Amount {
        self.supply.get()
    }

    /// Freezes free stake. Events: Transfer to the hub, Lock.
    ///
    /// # Errors
    /// The zero address, or too little free stake.
    pub fn lock(
        &mut self,
        owner: Address,
        amount: Amount,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        if owner.is_zero() {
            return Err(EscrowRefusal::LockOfZero);
        }
        if self.account(owner).free < amount {
            return Err(EscrowRefusal::FreeTooLow);
        }
        self.move_free(owner, self.hub, amount)?;
        self.freeze(owner, amount)?;
        log.push(Event::Transfer { from: owner, to: self.hub, amount });
        log.push(Event::Lock { owner, amount });
        Ok(())
    }

    /// Frees frozen stake. Events: Transfer from the hub, Unlock.
    ///
    /// # Errors
    /// Too little frozen stake.
    pub fn unlock(
        &mut self,
        owner: Address,
        amount: Amount,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        self.thaw(owner, amount)?;
        self.pay(owner, amount, log)?;
        log.push(Event::Unlock { owner, amount });
        Ok(())
    }

    /// Takes frozen stake; the caller pays it out or freezes it elsewhere in the same call. Event: Seize.
    ///
    /// # Errors
    /// Too little frozen stake.
    pub fn seize(
        &mut self,
        owner: Address,
        amount: Amount,
        reference: B256,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        self.thaw(owner, amount)?;
        log.push(Event::Seize { owner, amount, reference });
        Ok(())
    }

    /// Pays what was seized. Events: Transfer from the hub, Reward.
    ///
    /// # Errors
    /// The zero address.
    pub fn reward(
        &mut self,
        owner: Address,
        amount: Amount,
        reference: B256,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        self.pay(owner, amount, log)?;
        log.push(Event::Reward { owner, amount, reference });
        Ok(())
    }

    /// Freezes what was seized for another owner, without any Transfer. Events: Reward, Lock.
    ///
    /// # Errors
    /// [`EscrowRefusal::Overflow`].
    pub fn reward_frozen(
        &mut self,
        owner: Address,
        amount: Amount,
        reference: B256,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        self.freeze(owner, amount)?;
        log.push(Event::Reward { owner, amount, reference });
        log.push(Event::Lock { owner, amount });
        Ok(())
    }

    /// Makes free stake for tokens that came in. Event: Transfer from zero.
    ///
    /// # Errors
    /// The zero address, or a supply beyond 256 bits.
    pub fn mint(
        &mut self,
        owner: Address,
        amount: Amount,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        if owner.is_zero() {
            return Err(EscrowRefusal::MintToZero);
        }
        let supply = self.supply.get().checked_add(amount).ok_or(EscrowRefusal::Overflow)?;
        self.supply.set(supply);
        self.give(owner, amount)?;
        log.push(Event::Transfer { from: Address::ZERO, to: owner, amount });
        Ok(())
    }

    /// Unmakes free stake for tokens that go out. Event: Transfer to zero.
    ///
    /// # Errors
    /// The zero address, or too little free stake.
    pub fn burn(
        &mut self,
        owner: Address,
        amount: Amount,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        if owner.is_zero() {
            return Err(EscrowRefusal::BurnFromZero);
        }
        self.take(owner, amount)?;
        let supply = self.supply.get().checked_sub(amount).ok_or(EscrowRefusal::BalanceTooLow)?;
        self.supply.set(supply);
        log.push(Event::Transfer { from: owner, to: Address::ZERO, amount });
        Ok(())
    }

    /// Moves free stake between owners. Event: Transfer.
    ///
    /// # Errors
    /// A zero address, or too little free stake.
    pub fn transfer(
        &mut self,
        from: Address,
        to: Address,
        amount: Amount,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        if from.is_zero() {
            return Err(EscrowRefusal::TransferFromZero);
        }
        if to.is_zero() {
            return Err(EscrowRefusal::TransferToZero);
        }
        self.move_free(from, to, amount)?;
        log.push(Event::Transfer { from, to, amount });
        Ok(())
    }

    /// Sets an allowance. Event: Approval.
    ///
    /// # Errors
    /// A zero address.
    pub fn approve(
        &mut self,
        owner: Address,
        spender: Address,
        amount: Amount,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        if owner.is_zero() {
            return Err(EscrowRefusal::ApproveFromZero);
        }
        if spender.is_zero() {
            return Err(EscrowRefusal::ApproveToZero);
        }
        self.allowances.set((owner, spender), amount);
        log.push(Event::Approval { owner, spender, amount });
        Ok(())
    }

    /// Keeps what was moved.
    pub fn commit(&mut self) {
        let Self { hub: _, accounts, allowances, supply } = self;
        accounts.commit();
        allowances.commit();
        supply.commit();
    }

    /// Undoes what was moved since the last commit.
    pub fn roll_back(&mut self) {
        let Self { hub: _, accounts, allowances, supply } = self;
        accounts.roll_back();
        allowances.roll_back();
        supply.roll_back();
    }

    /// Pays what was taken from frozen stake. Event: Transfer from the hub.
    pub(crate) fn pay(
        &mut self,
        owner: Address,
        amount: Amount,
        log: &mut Vec<Event>,
    ) -> Result<(), EscrowRefusal> {
        if owner.is_zero() {
            return Err(EscrowRefusal::PaymentToZero);
        }
        self.move_free(self.hub, owner, amount)?;
        log.push(Event::Transfer { from: self.hub, to: owner, amount });
        Ok(())
    }

    fn move_free(
        &mut self,
        from: Address,
        to: Address,
        amount: Amount,
    ) -> Result<(), EscrowRefusal> {
        self.take(from, amount)?;
        self.give(to, amount)
    }

    fn take(&mut self, owner: Address, amount: Amount) -> Result<(), EscrowRefusal> {
        let account = self.accounts.get(&owner);
        let free = account.free.checked_sub(amount).ok_or(EscrowRefusal::BalanceTooLow)?;
        self.accounts.set(owner, Account { free, ..account });
        Ok(())
    }

    fn give(&mut self, owner: Address, amount: Amount) -> Result<(), EscrowRefusal> {
        let account = self.accounts.get(&owner);
        let free = account.free.checked_add(amount).ok_or(EscrowRefusal::Overflow)?;
        self.accounts.set(owner, Account { free, ..account });
        Ok(())
    }

    fn freeze(&mut self, owner: Address, amount: Amount) -> Result<(), EscrowRefusal> {
        let account = self.accounts.get(&owner);
        let frozen = account.frozen.checked_add(amount).ok_or(EscrowRefusal::Overflow)?;
        self.accounts.set(owner, Account { frozen, ..account });
        Ok(())
    }

    /// Takes frozen stake without a word: the caller tells what became of it, and pays it out.
    pub(crate) fn thaw(&mut self, owner: Address, amount: Amount) -> Result<(), EscrowRefusal> {
        let account = self.accounts.get(&owner);
        let frozen = account.frozen.checked_sub(amount).ok_or(EscrowRefusal::FrozenTooLow)?;
        self.accounts.set(owner, Account { frozen, ..account });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUB: Address = Address::repeat_byte(0xee);
    const ALICE: Address = Address::repeat_byte(1);
    const BOB: Address = Address::repeat_byte(2);

    fn nano(amount: u64) -> Amount {
        Amount::from_nano(amount)
    }

    #[test]
    fn what_is_seized_from_one_is_paid_to_another() {
        let (mut escrow, mut log) = (Escrow::new(HUB), Vec::new());
        escrow.mint(ALICE, nano(10), &mut log).unwrap();
        escrow.lock(ALICE, nano(7), &mut log).unwrap();
        assert_eq!(escrow.account(ALICE), Account { free: nano(3), frozen: nano(7) });
        assert_eq!(escrow.account(HUB).free, nano(7));
        escrow.seize(ALICE, nano(5), B256::ZERO, &mut log).unwrap();
        escrow.reward(BOB, nano(5), B256::ZERO, &mut log).unwrap();
        escrow.unlock(ALICE, nano(2), &mut log).unwrap();
        assert_eq!(escrow.account(ALICE), Account { free: nano(5), frozen: nano(0) });
        assert_eq!(escrow.account(BOB).free, nano(5));
        assert_eq!(escrow.account(HUB), Account::default());
        assert_eq!(escrow.supply(), nano(10));
        assert_eq!(log.len(), 8);
    }

    #[test]
    fn nobody_locks_or_spends_more_than_is_free() {
        let (mut escrow, mut log) = (Escrow::new(HUB), Vec::new());
        escrow.mint(ALICE, nano(10), &mut log).unwrap();
        assert_eq!(escrow.lock(ALICE, nano(11), &mut log), Err(EscrowRefusal::FreeTooLow));
        let spent = escrow.transfer(ALICE, BOB, nano(11), &mut log);
        assert_eq!(spent, Err(EscrowRefusal::BalanceTooLow));
        assert_eq!(escrow.unlock(ALICE, nano(1), &mut log), Err(EscrowRefusal::FrozenTooLow));
        assert_eq!(log.len(), 1);
    }

    #[test]
    fn a_transfer_to_oneself_changes_nothing() {
        let (mut escrow, mut log) = (Escrow::new(HUB), Vec::new());
        escrow.mint(ALICE, nano(10), &mut log).unwrap();
        escrow.transfer(ALICE, ALICE, nano(10), &mut log).unwrap();
        assert_eq!(escrow.account(ALICE).free, nano(10));
    }
}
