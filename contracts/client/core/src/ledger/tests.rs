//! The ledger against a model of a chain that drops, rewrites, lags and lies.

mod histories;

use super::*;
use crate::fees::{Fees, Market};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use poco_core::{Address, Bytes, U256};

const MARKET: Market = Market { base_fee_wei: 100, tip_wei: 1 };
const POLICY: Policy = Policy {
    fee_wei_cap: 10_000,
    resend_millis: 1_000,
    bump_millis: 3_000,
    lost_millis: 2_000,
    confirmations: 0,
    watch_blocks: 5,
};

fn hash(nonce: u64, fees: Fees, intent: &str) -> B256 {
    poco_core::keccak256(format!("{nonce} {} {intent}", fees.fee_wei_max))
}

fn entry(nonce: u64, intent: &str) -> Entry {
    let fees = Fees::first(MARKET, POLICY.fee_wei_cap).unwrap();
    Entry {
        nonce,
        intent: intent.into(),
        payload: Payload { to: Some(Address::ZERO), data: Bytes::from_static(b"call") },
        gas_limit: 21_000,
        repeats: 0,
        attempts: vec![Attempt { fees, transaction: hash(nonce, fees, intent) }],
        state: State::Pending,
    }
}

fn seen(head: u64, nonce: u64) -> Observation {
    let (receipts, blocks) = (BTreeMap::new(), BTreeMap::new());
    Observation { head, nonce, market: MARKET, receipts, blocks }
}

fn block_hash(number: u64) -> B256 {
    B256::from(U256::from(number + 1))
}

fn mined(ledger: &Ledger, nonce: u64, block: u64) -> MinedAt {
    let transaction = ledger.find(nonce).unwrap().attempts[0].transaction;
    MinedAt { transaction, block, block_hash: block_hash(block) }
}

fn ledger_with_one() -> Ledger {
    let mut ledger = Ledger::recover(Vec::new(), POLICY);
    ledger.open(entry(ledger.next_nonce(4), "a"));
    ledger
}

#[test]
fn a_transaction_is_sent_reported_once_and_forgotten_when_deep() {
    let mut ledger = ledger_with_one();
    assert_eq!(ledger.on_sent(4, 0, 10, &Sent::Accepted), Verdict::Kept);
    assert_eq!(ledger.observe(100, &seen(10, 4)), []);
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    let expected = [Action::Save { nonce: 4 }, Action::Report { nonce: 4, at }];
    assert_eq!(ledger.observe(200, &look), expected);
    ledger.conclude(4, at);
    let mut deep = seen(16, 5);
    deep.blocks.insert(11, at.block_hash);
    assert_eq!(ledger.questions().blocks, BTreeSet::from([11]));
    // The highest nonce is kept, or a lagging node could make it be used twice after a restart.
    assert_eq!(ledger.observe(300, &deep), [Action::Save { nonce: 4 }]);
    assert_eq!(ledger.find(4).unwrap().state, State::Done);
    assert_eq!((ledger.next_nonce(3), ledger.next_nonce(9)), (5, 9));
    assert!(ledger.is_idle());
    ledger.open(entry(5, "b"));
    let actions = ledger.observe(400, &seen(16, 5));
    assert_eq!(actions, [Action::Resend { nonce: 5 }, Action::Forget { nonce: 4 }]);
}

#[test]
fn nothing_is_forgotten_before_whoever_waits_was_told() {
    let mut ledger = Ledger::recover(Vec::new(), Policy { confirmations: 2, ..POLICY });
    ledger.open(entry(0, "a"));
    ledger.open(entry(1, "b"));
    let at = mined(&ledger, 0, 11);
    let mut look = seen(11, 1);
    look.receipts.insert(at.transaction, at);
    ledger.observe(1, &look);
    // No node answered for long: it is deep when it is first seen to be confirmed.
    let mut deep = seen(30, 1);
    deep.blocks.insert(11, at.block_hash);
    let reports = ledger.observe(2, &deep);
    assert_eq!(reports[0], Action::Report { nonce: 0, at });
    assert!(!reports.contains(&Action::Forget { nonce: 0 }), "{reports:?}");
    assert_eq!(ledger.find(0).unwrap().payload.data, entry(0, "a").payload.data);
    ledger.report_again(0);
    assert_eq!(ledger.observe(3, &deep)[0], Action::Report { nonce: 0, at });
    // What was learnt of another block says nothing of this one.
    ledger.conclude(0, MinedAt { block: 10, ..at });
    assert!(!ledger.observe(4, &deep).contains(&Action::Forget { nonce: 0 }));
    ledger.conclude(0, at);
    assert!(ledger.observe(5, &deep).contains(&Action::Forget { nonce: 0 }));
}

#[test]
fn confirmations_delay_the_report() {
    let mut ledger = Ledger::recover(Vec::new(), Policy { confirmations: 2, ..POLICY });
    ledger.open(entry(0, "a"));
    ledger.on_sent(0, 0, 10, &Sent::Accepted);
    let at = mined(&ledger, 0, 11);
    let mut look = seen(11, 1);
    look.receipts.insert(at.transaction, at);
    assert_eq!(ledger.observe(1, &look), [Action::Save { nonce: 0 }]);
    let mut later = seen(13, 1);
    later.blocks.insert(11, at.block_hash);
    assert_eq!(ledger.observe(2, &later), [Action::Report { nonce: 0, at }]);
}

#[test]
fn what_is_not_mined_is_sent_again_after_a_while() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Unknown);
    assert_eq!(ledger.observe(999, &seen(10, 4)), []);
    assert_eq!(ledger.observe(1_000, &seen(10, 4)), [Action::Resend { nonce: 4 }]);
}

#[test]
fn a_fee_is_raised_only_when_blocks_pass_it_by() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    // Time alone is the chain's doing.
    assert_eq!(ledger.observe(50_000, &seen(10, 4)), [Action::Resend { nonce: 4 }]);
    let actions = ledger.observe(50_000, &seen(12, 4));
    let [Action::Replace { nonce: 4, fees }] = actions[..] else { panic!("{actions:?}") };
    assert!(fees.fee_wei_max > ledger.find(4).unwrap().attempts[0].fees.fee_wei_max);
}

#[test]
fn sending_again_does_not_put_off_the_higher_fee() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    let mut resends = 0;
    for second in 1..=3 {
        let (now, head) = (second * POLICY.resend_millis, 10 + second);
        match ledger.observe(now, &seen(head, 4))[..] {
            [Action::Resend { nonce: 4 }] => {
                resends += 1;
                ledger.on_sent(4, now, head, &Sent::Accepted);
            }
            [Action::Replace { nonce: 4, .. }] => {
                assert_eq!((now, resends), (POLICY.bump_millis, 2));
                return;
            }
            ref other => panic!("{other:?}"),
        }
    }
    panic!("three blocks went by and the fee stayed");
}

#[test]
fn only_the_first_in_line_is_raised_and_never_above_the_cap() {
    let mut ledger = ledger_with_one();
    ledger.open(entry(5, "b"));
    for nonce in [4, 5] {
        ledger.on_sent(nonce, 0, 0, &Sent::Accepted);
    }
    let mut now = 0;
    let mut raises = 0;
    for round in 1..40 {
        now += 5_000;
        for action in ledger.observe(now, &seen(round * 3, 4)) {
            match action {
                Action::Replace { nonce, fees } => {
                    assert!(nonce == 4 && fees.fee_wei_max <= POLICY.fee_wei_cap);
                    let transaction = hash(nonce, fees, "a");
                    ledger.add_attempt(nonce, Attempt { fees, transaction });
                    ledger.on_sent(nonce, now, round * 3, &Sent::Accepted);
                    raises += 1;
                }
                Action::Resend { nonce } => {
                    ledger.on_sent(nonce, now, round * 3, &Sent::Accepted);
                }
                other @ (Action::Save { .. }
                | Action::Report { .. }
                | Action::Forget { .. }
                | Action::Redo { .. }
                | Action::Fill { .. }) => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(raises, ATTEMPTS_MAX - 1);
}

#[test]
fn any_attempt_may_be_the_one_that_is_mined() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    let first = mined(&ledger, 4, 13);
    let fees = Fees { fee_wei_max: 500, tip_wei_max: 5 };
    ledger.add_attempt(4, Attempt { fees, transaction: hash(4, fees, "a") });
    assert_eq!(ledger.questions().receipts.len(), 2);
    let mut look = seen(13, 5);
    look.receipts.insert(first.transaction, first);
    assert!(ledger.observe(100, &look).contains(&Action::Report { nonce: 4, at: first }));
}

#[test]
fn a_transaction_of_a_rewritten_block_is_sent_again() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    ledger.observe(0, &look);
    let mut other = seen(12, 4);
    other.blocks.insert(11, B256::repeat_byte(9));
    // First the receipt is asked for: it may have come into another block.
    assert_eq!(ledger.observe(1, &other), []);
    assert_eq!(ledger.questions().receipts, [at.transaction]);
    let expected = [Action::Save { nonce: 4 }, Action::Resend { nonce: 4 }];
    assert_eq!(ledger.observe(2, &other), expected);
    assert_eq!(ledger.find_pending("a").map(|entry| entry.nonce), Some(4));
}

#[test]
fn a_transaction_that_moved_to_another_block_is_watched_there() {
    let mut ledger = ledger_with_one();
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    ledger.observe(0, &look);
    let moved = MinedAt { block_hash: B256::repeat_byte(9), ..at };
    let mut other = seen(12, 5);
    other.blocks.insert(11, moved.block_hash);
    ledger.observe(1, &other);
    other.receipts.insert(at.transaction, moved);
    // Another block is another outcome: it may have failed there.
    let expected = [Action::Save { nonce: 4 }, Action::Report { nonce: 4, at: moved }];
    assert_eq!(ledger.observe(2, &other), expected);
    assert_eq!(ledger.find(4).unwrap().state, State::Mined(moved));
}

#[test]
fn a_report_that_found_nothing_is_made_again() {
    let mut ledger = ledger_with_one();
    let at = mined(&ledger, 4, 11);
    let mut look = seen(11, 5);
    look.receipts.insert(at.transaction, at);
    ledger.observe(0, &look);
    let mut later = seen(12, 5);
    later.blocks.insert(11, at.block_hash);
    assert_eq!(ledger.observe(1, &later), []);
    ledger.report_again(4);
    assert_eq!(ledger.observe(2, &later), [Action::Report { nonce: 4, at }]);
}

#[test]
fn a_nonce_used_by_another_is_given_up_only_when_it_is_certain() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 10, &Sent::Accepted);
    assert_eq!(ledger.observe(0, &seen(11, 5)), []);
    assert_eq!(ledger.observe(2_500, &seen(11, 5)), []);
    // A node that says otherwise in between starts the wait anew.
    assert_eq!(ledger.observe(2_600, &seen(10, 4)), [Action::Resend { nonce: 4 }]);
    assert_eq!(ledger.observe(3_000, &seen(11, 5)), []);
    assert_eq!(ledger.observe(4_000, &seen(11, 5)), []);
    let actions = ledger.observe(5_000, &seen(11, 5));
    let [Action::Save { nonce: 4 }, Action::Redo { entry }] = &actions[..] else {
        panic!("{actions:?}")
    };
    assert_eq!((entry.intent.as_str(), ledger.next_nonce(4)), ("a", 5));
}

#[test]
fn what_no_node_took_in_gives_its_nonce_back() {
    for (sent, times) in [(Sent::NoFunds, 1), (Sent::NonceTooLow, 1), (Sent::Rejected, 5)] {
        let mut ledger = ledger_with_one();
        for _ in 1..times {
            assert_eq!(ledger.on_sent(4, 0, 0, &sent), Verdict::Kept);
        }
        let verdict = ledger.on_sent(4, 0, 0, &sent);
        assert!(matches!(verdict, Verdict::Withdrawn(entry) if entry.nonce == 4), "{sent:?}");
        assert_eq!(ledger.next_nonce(4), 4);
    }
}

#[test]
fn what_a_node_may_have_keeps_its_nonce() {
    let mut ledger = ledger_with_one();
    ledger.on_sent(4, 0, 0, &Sent::Unknown);
    assert_eq!(ledger.on_sent(4, 1, 0, &Sent::NoFunds), Verdict::Kept);
    let mut recovered = Ledger::recover(vec![entry(4, "a")], POLICY);
    assert_eq!(recovered.on_sent(4, 1, 0, &Sent::NonceTooLow), Verdict::Kept);
    assert_eq!(recovered.observe(2, &seen(3, 4)), []);
}

#[test]
fn after_a_restart_everything_pending_is_sent_at_once_in_order() {
    let mut ledger = Ledger::recover(vec![entry(5, "b"), entry(4, "a")], POLICY);
    let expected = [Action::Resend { nonce: 4 }, Action::Resend { nonce: 5 }];
    assert_eq!(ledger.observe(0, &seen(9, 4)), expected);
}

#[test]
fn a_gap_is_filled_and_an_absurd_one_is_given_up() {
    let mut ledger = Ledger::recover(vec![entry(6, "a")], POLICY);
    ledger.observe(0, &seen(9, 4));
    let actions = ledger.observe(2_000, &seen(9, 4));
    let fills: Vec<&Action> =
        actions.iter().filter(|action| matches!(action, Action::Fill { .. })).collect();
    assert_eq!(fills, [&Action::Fill { nonce: 4 }, &Action::Fill { nonce: 5 }]);

    let mut ledger = Ledger::recover(vec![entry(1_000_000, "a")], POLICY);
    ledger.observe(0, &seen(9, 4));
    let actions = ledger.observe(2_000, &seen(9, 4));
    assert!(matches!(&actions[..], [.., Action::Forget { .. }, Action::Redo { .. }]));
    assert_eq!(ledger.next_nonce(4), 4);
}
