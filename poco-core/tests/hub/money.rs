//! Deposits, withdrawals and the ERC-20 face of free stake.

use crate::market::{HUB, Market, RLC, nano, party};
use poco_core::call::Call;
use poco_core::escrow::EscrowRefusal;
use poco_core::hub::{OwnerCall, Refusal, TokenCall, Value};
use poco_core::{Address, Amount, Event, U256};

#[test]
fn tokens_become_stake_in_one_transaction_or_in_two() {
    let mut market = Market::new();
    let alice = party("alice");
    market.hub.mint_tokens(alice.address, nano(10)).unwrap();
    let deposit = Call::Deposit { amount: nano(4) };
    assert_eq!(market.call(&alice, deposit.clone()), Err(Refusal::TokenAllowanceTooLow));
    let approve = TokenCall::ApproveHub { amount: nano(100) };
    market.hub.token_call(alice.address, &approve).unwrap();
    let outcome = market.call(&alice, deposit).unwrap();
    let minted = Event::Transfer { from: Address::ZERO, to: alice.address, amount: nano(4) };
    assert_eq!((outcome.events, outcome.value), (vec![minted], Value::True));
    assert_eq!(market.hub.token_allowance(alice.address), nano(96));
    let too_much = Call::Deposit { amount: nano(7) };
    assert_eq!(market.call(&alice, too_much), Err(Refusal::TokenBalanceTooLow));
    let rest = TokenCall::ApproveHubAndCall { amount: nano(6) };
    market.hub.token_call(alice.address, &rest).unwrap();
    assert_eq!(market.free(&alice), nano(10));
    assert_eq!(market.hub.token_balance(alice.address), Amount::ZERO);
    assert_eq!(market.hub.token_allowance(alice.address), Amount::ZERO);
}

#[test]
fn a_deposit_for_many_is_all_or_nothing() {
    let mut market = Market::new();
    let alice = party("alice");
    market.hub.mint_tokens(alice.address, nano(10)).unwrap();
    let approve = TokenCall::ApproveHub { amount: nano(10) };
    market.hub.token_call(alice.address, &approve).unwrap();
    let (bob, carol) = (party("bob").address, party("carol").address);
    let deposits = vec![(nano(4), bob), (nano(7), carol)];
    let refusal = market.call(&alice, Call::DepositForArray { deposits });
    assert_eq!(refusal, Err(Refusal::TokenAllowanceTooLow));
    let deposits = vec![(nano(4), bob), (nano(0), Address::ZERO)];
    let refusal = market.call(&alice, Call::DepositForArray { deposits });
    assert_eq!(refusal, Err(Refusal::Escrow(EscrowRefusal::MintToZero)));
    let deposits = vec![(nano(4), bob), (nano(6), carol)];
    market.call(&alice, Call::DepositForArray { deposits }).unwrap();
    assert_eq!(market.hub.account(carol).free, nano(6));
}

#[test]
fn frozen_stake_cannot_be_withdrawn() {
    let mut market = Market::new();
    let terms = market.terms(1, 10);
    market.match_terms(terms).unwrap();
    let requester = party("requester");
    let amount = nano(750 * RLC + 1);
    let refusal = market.call(&requester, Call::Withdraw { amount });
    assert_eq!(refusal, Err(Refusal::Escrow(EscrowRefusal::BalanceTooLow)));
    let (amount, target) = (nano(750 * RLC), party("elsewhere").address);
    let outcome = market.call(&requester, Call::WithdrawTo { amount, target }).unwrap();
    let burnt = Event::Transfer { from: requester.address, to: Address::ZERO, amount };
    assert_eq!(outcome.events, [burnt]);
    assert_eq!(market.hub.token_balance(target), amount);
}

#[test]
fn free_stake_moves_like_a_token() {
    let mut market = Market::new();
    let (owner, spender) = (party("requester"), party("spender"));
    let to = party("payee").address;
    let from = owner.address;
    let approve = Call::Approve { spender: spender.address, amount: nano(5) };
    let outcome = market.call(&owner, approve).unwrap();
    let approved = Event::Approval { owner: from, spender: spender.address, amount: nano(5) };
    assert_eq!(outcome.events, [approved]);
    let spend = |amount| Call::TransferFrom { from, to, amount: nano(amount) };
    let refusal = market.call(&spender, spend(6));
    assert_eq!(refusal, Err(Refusal::Escrow(EscrowRefusal::AllowanceTooLow)));
    let outcome = market.call(&spender, spend(3)).unwrap();
    let moved = Event::Transfer { from, to, amount: nano(3) };
    let left = Event::Approval { owner: from, spender: spender.address, amount: nano(2) };
    assert_eq!(outcome.events, [moved, left]);
    assert_eq!(market.hub.allowance(from, spender.address), nano(2));
    let nowhere = Call::Transfer { to: Address::ZERO, amount: nano(1) };
    let refusal = market.call(&owner, nowhere).unwrap_err();
    let text = "ERC20: transfer to the zero address";
    assert_eq!(refusal.reference_text().as_deref(), Some(text));
}

#[test]
fn tokens_sent_by_mistake_are_recovered_by_the_hubs_owner() {
    let mut market = Market::new();
    let alice = party("alice");
    market.hub.mint_tokens(alice.address, nano(9)).unwrap();
    let mistake = TokenCall::Transfer { to: HUB, amount: nano(9) };
    market.hub.token_call(alice.address, &mistake).unwrap();
    assert_eq!(market.call(&alice, Call::Recover), Err(Refusal::NotTheHubOwner));
    let hand_over = OwnerCall::TransferOwnership { to: alice.address };
    market.hub.owner_call(market.owner.address, &hand_over).unwrap();
    let outcome = market.call(&alice, Call::Recover).unwrap();
    assert_eq!(outcome.value, Value::Amount(nano(9)));
    assert_eq!(market.free(&alice), nano(9));
}

#[test]
fn no_supply_exceeds_256_bits() {
    let mut market = Market::new();
    let alice = party("alice");
    let most = Amount(U256::MAX);
    market.hub.mint_tokens(alice.address, most).unwrap();
    let refusal =
        market.hub.token_call(alice.address, &TokenCall::ApproveHubAndCall { amount: most });
    assert_eq!(refusal, Err(Refusal::Overflow));
    assert_eq!(market.hub.token_balance(alice.address), most);
}
