//! The sender over a real chain: lost and dropped transactions, reorgs, restarts, refusals, fees.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "the helpers of a test are part of it"
)]

mod common;

use common::proxy::{Fault, Proxy};
use common::{Memory, World, quick_settings, wallet};
use poco_chain::{Receipt, SendError, Sender, SenderSettings, Transaction};
use poco_core::{Amount, B256, Call, DealId, U256};
use serde_json::json;
use std::time::Duration;
use tokio::task::JoinHandle;

fn deposit(world: &World, nano: u64) -> Transaction {
    Transaction::approve_and_deposit(&world.chain, Amount::from_nano(nano))
}

/// Sends in the background.
fn spawn(sender: &Sender, intent: &str, tx: Transaction) -> JoinHandle<Result<Receipt, SendError>> {
    let (sender, intent) = (sender.clone(), intent.to_owned());
    tokio::spawn(async move { sender.send(&intent, tx).await })
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(30), future).await.expect("it ends in time")
}

async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    within(async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
}

/// Hashes of account 0's transactions in the node's pool, in nonce order.
async fn pool(world: &World) -> Vec<B256> {
    let content = world.anvil.ask("txpool_content", json!([])).await;
    let address = format!("{}", wallet(0).address());
    let mut found = Vec::new();
    for part in ["pending", "queued"] {
        for (account, transactions) in content[part].as_object().unwrap() {
            if account.eq_ignore_ascii_case(&address) {
                let by_nonce = transactions.as_object().unwrap();
                let hash = |tx: &serde_json::Value| tx["hash"].as_str().unwrap().parse().unwrap();
                found.extend(by_nonce.iter().map(|(n, tx)| (n.parse::<u64>().unwrap(), hash(tx))));
            }
        }
    }
    found.sort_unstable();
    found.into_iter().map(|(_, hash)| hash).collect()
}

async fn free(world: &World) -> u64 {
    world.chain.account(wallet(0).address()).await.unwrap().free.0.to()
}

#[tokio::test]
async fn many_at_once_are_mined_in_nonce_order() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    world.anvil.automine(false).await;
    let before = world.anvil.nonce(sender.address(), "latest").await;
    let sends: Vec<_> =
        (1..=60).map(|n| spawn(&sender, &format!("deposit {n}"), deposit(&world, n))).collect();
    until(async || pool(&world).await.len() == 48).await;
    world.anvil.automine(true).await;
    world.anvil.mine(1).await;
    for send in sends {
        within(send).await.unwrap().unwrap();
    }
    assert_eq!(world.anvil.nonce(sender.address(), "latest").await, before + 60);
    assert_eq!(free(&world).await, (1..=60).sum::<u64>());
}

#[tokio::test]
async fn one_intent_is_sent_once_however_often_it_is_wanted() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    world.anvil.automine(false).await;
    let sends: Vec<_> = (0..5).map(|_| spawn(&sender, "once", deposit(&world, 7))).collect();
    until(async || !pool(&world).await.is_empty()).await;
    let late = spawn(&sender, "once", deposit(&world, 7));
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(pool(&world).await.len(), 1);
    world.anvil.mine(1).await;
    let mut receipts = Vec::new();
    for send in sends.into_iter().chain([late]) {
        receipts.push(within(send).await.unwrap().unwrap().transaction);
    }
    receipts.dedup();
    assert_eq!((receipts.len(), free(&world).await), (1, 7));
    // Once it is mined, the same words are a new wish.
    world.anvil.automine(true).await;
    within(sender.send("once", deposit(&world, 7))).await.unwrap();
    assert_eq!(free(&world).await, 14);
}

#[tokio::test]
async fn a_restart_sends_the_same_transaction_again_and_not_another() {
    let world = World::start().await;
    let ledger = Memory::default();
    let sender = world.sender_over(0, ledger.clone()).await;
    world.anvil.automine(false).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    until(async || !pool(&world).await.is_empty()).await;
    let [sent] = pool(&world).await[..] else { panic!("one transaction") };
    send.abort();
    drop(sender);
    // The node loses it while nobody is there.
    world.anvil.ask("anvil_dropTransaction", json!([sent])).await;
    assert!(pool(&world).await.is_empty());

    let sender = world.sender_over(0, ledger.clone()).await;
    until(async || pool(&world).await == [sent]).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.anvil.mine(1).await;
    let receipt = within(send).await.unwrap().unwrap();
    assert_eq!((receipt.transaction, free(&world).await), (sent, 5));
    world.anvil.mine(6).await;
    until(async || ledger.0.lock().unwrap().len() == 1).await;
}

#[tokio::test]
async fn a_transaction_mined_while_nobody_was_there_is_found() {
    let world = World::start().await;
    let ledger = Memory::default();
    let sender = world.sender_over(0, ledger.clone()).await;
    world.anvil.automine(false).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    until(async || !pool(&world).await.is_empty()).await;
    let [sent] = pool(&world).await[..] else { panic!("one transaction") };
    send.abort();
    drop(sender);
    let sender = world.sender_over(0, ledger).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    world.anvil.mine(1).await;
    let receipt = within(send).await.unwrap().unwrap();
    assert_eq!((receipt.transaction, free(&world).await), (sent, 5));
}

#[tokio::test]
async fn a_dropped_transaction_is_sent_again() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    world.anvil.automine(false).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    for _ in 0..3 {
        until(async || !pool(&world).await.is_empty()).await;
        world.anvil.ask("anvil_dropAllTransactions", json!([])).await;
    }
    until(async || !pool(&world).await.is_empty()).await;
    world.anvil.mine(1).await;
    within(send).await.unwrap().unwrap();
    assert_eq!(free(&world).await, 5);
}

#[tokio::test]
async fn a_transaction_that_a_reorg_took_out_is_sent_again() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    within(sender.send("a", deposit(&world, 5))).await.unwrap();
    world.anvil.ask("anvil_reorg", json!([1, []])).await;
    assert_eq!(free(&world).await, 0);
    world.anvil.mine(1).await;
    until(async || free(&world).await == 5).await;
}

#[tokio::test]
async fn a_fee_that_is_too_low_is_raised_until_a_block_takes_it() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    world.anvil.automine(false).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    until(async || !pool(&world).await.is_empty()).await;
    let [first] = pool(&world).await[..] else { panic!("one transaction") };
    // Fees are raised only while the chain goes on; until then anvil throws away what is too cheap.
    until(async || {
        world.anvil.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x174876e800"])).await;
        world.anvil.mine(1).await;
        send.is_finished()
    })
    .await;
    let receipt = within(send).await.unwrap().unwrap();
    assert_ne!(receipt.transaction, first);
    assert_eq!(free(&world).await, 5);
}

#[tokio::test]
async fn a_fee_above_the_cap_and_an_empty_wallet_are_told_before_anything_is_sent() {
    let world = World::start().await;
    world.anvil.ask("anvil_setNextBlockBaseFeePerGas", json!(["0x174876e800"])).await;
    world.anvil.mine(1).await;
    let settings = SenderSettings { fee_wei_max: 1_000_000_000, ..quick_settings() };
    let sender =
        Sender::start(world.chain.clone(), wallet(0), Memory::default(), settings).await.unwrap();
    let error = within(sender.send("a", deposit(&world, 5))).await.unwrap_err();
    assert!(matches!(error, SendError::FeeAboveCap { cap_wei: 1_000_000_000, .. }), "{error}");

    let poor = std::sync::Arc::new(poco_chain::Wallet::random());
    let settings = quick_settings();
    let sender = Sender::start(world.chain.clone(), poor.clone(), Memory::default(), settings)
        .await
        .unwrap();
    let tx = Transaction::token_approve(&world.chain, Amount::from_nano(1));
    let error = within(sender.send("a", tx)).await.unwrap_err();
    let SendError::NoGas { wallet, balance, needed } = error else { panic!("{error}") };
    assert_eq!((wallet, balance), (poor.address(), U256::ZERO));
    assert!(needed > U256::ZERO);
}

#[tokio::test]
async fn a_nonce_used_by_another_program_is_replaced() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    let other = world.sender(0).await;
    world.anvil.automine(false).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    until(async || !pool(&world).await.is_empty()).await;
    world.anvil.ask("anvil_dropAllTransactions", json!([])).await;
    let theirs = spawn(&other, "b", deposit(&world, 9));
    until(async || {
        world.anvil.mine(1).await;
        free(&world).await == 14
    })
    .await;
    within(send).await.unwrap().unwrap();
    within(theirs).await.unwrap().unwrap();
    assert_eq!(free(&world).await, 14);
}

#[tokio::test]
async fn a_refusal_when_mined_is_tried_again_and_then_told() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    within(sender.send("fund", deposit(&world, 10))).await.unwrap();
    world.anvil.automine(false).await;
    let withdraw = |nano| {
        let call = Call::Withdraw { amount: Amount::from_nano(nano) };
        Transaction::hub(&world.chain, &call)
    };
    // Each succeeds alone; the second finds too little when it is mined.
    let first = spawn(&sender, "first", withdraw(7));
    until(async || pool(&world).await.len() == 1).await;
    let second = spawn(&sender, "second", withdraw(6));
    until(async || pool(&world).await.len() == 2).await;
    world.anvil.automine(true).await;
    world.anvil.mine(1).await;
    within(first).await.unwrap().unwrap();
    let error = within(second).await.unwrap().unwrap_err();
    assert!(matches!(&error, SendError::Refused(r) if !r.reason.is_empty()), "{error}");
    assert_eq!(free(&world).await, 3);
}

#[tokio::test]
async fn a_lost_answer_and_a_failing_node_are_waited_out() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    let sender =
        Sender::start(chain, wallet(0), Memory::default(), quick_settings()).await.unwrap();
    proxy.set(Fault::LosesSendAnswers);
    within(sender.send("a", deposit(&world, 1))).await.unwrap();
    assert_eq!((free(&world).await, proxy.faults() > 0), (1, true));
    for (fault, nano) in [(Fault::Hangup, 2), (Fault::Garbage, 4), (Fault::ErrorObjects, 8)] {
        proxy.set(fault);
        let send = spawn(&sender, &format!("{nano}"), deposit(&world, nano));
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!send.is_finished());
        proxy.set(Fault::None);
        within(send).await.unwrap().unwrap();
    }
    assert_eq!(free(&world).await, 15);
}

#[tokio::test]
async fn what_became_deep_while_no_node_answered_is_told() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    let settings = SenderSettings { confirmations: 2, ..quick_settings() };
    let ledger = Memory::default();
    let sender = Sender::start(chain, wallet(0), ledger.clone(), settings).await.unwrap();
    world.anvil.automine(false).await;
    let sends = ["a", "b"].map(|intent| spawn(&sender, intent, deposit(&world, 5)));
    until(async || pool(&world).await.len() == 2).await;
    world.anvil.mine(1).await;
    let is_seen = || {
        let records = ledger.0.lock().unwrap();
        let is_mined = |record: &Vec<u8>| String::from_utf8_lossy(record).contains("Mined");
        records.values().filter(|record| is_mined(record)).count() == 2
    };
    until(async || is_seen()).await;
    proxy.set(Fault::Hangup);
    world.anvil.mine(10).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(sends.iter().all(|send| !send.is_finished()));
    proxy.set(Fault::None);
    for send in sends {
        within(send).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_node_that_names_too_high_a_nonce_delays_but_loses_nothing() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    let sender =
        Sender::start(chain, wallet(0), Memory::default(), quick_settings()).await.unwrap();
    let nonce = world.anvil.nonce(sender.address(), "latest").await;
    proxy.set(Fault::NonceTooHigh(2));
    let send = spawn(&sender, "a", deposit(&world, 5));
    until(async || !pool(&world).await.is_empty()).await;
    proxy.set(Fault::None);
    within(send).await.unwrap().unwrap();
    assert_eq!(world.anvil.nonce(sender.address(), "latest").await, nonce + 3);
    assert_eq!(free(&world).await, 5);
}

#[tokio::test]
async fn what_the_hub_refuses_is_not_sent() {
    let world = World::start().await;
    let sender = world.sender(0).await;
    let before = world.anvil.nonce(sender.address(), "pending").await;
    let call = Call::Initialize { deal: DealId(B256::ZERO), index: U256::ZERO };
    let error = within(sender.send("a", Transaction::hub(&world.chain, &call))).await.unwrap_err();
    assert!(error.to_string().contains("UnknownDeal"), "{error}");
    assert_eq!(world.anvil.nonce(sender.address(), "pending").await, before);
}

#[tokio::test]
async fn a_block_that_comes_once_a_second_takes_all_that_waits() {
    let world = World::start().await;
    world.anvil.block_every(1).await;
    let sender = world.sender(0).await;
    let before = world.anvil.nonce(sender.address(), "latest").await;
    let sends: Vec<_> =
        (1..=30).map(|n| spawn(&sender, &format!("deposit {n}"), deposit(&world, n))).collect();
    let mut blocks = std::collections::BTreeSet::new();
    for send in sends {
        blocks.insert(within(send).await.unwrap().unwrap().block.number);
    }
    assert_eq!(world.anvil.nonce(sender.address(), "latest").await, before + 30);
    assert_eq!(free(&world).await, (1..=30).sum::<u64>());
    // One transaction a block would be a sender that waits for each before it sends the next.
    assert!(blocks.len() <= 10, "{} blocks", blocks.len());
    // What depends on the one before waits for its block and no longer.
    for nano in [100, 200, 300] {
        within(sender.send("one by one", deposit(&world, nano))).await.unwrap();
    }
    assert_eq!(free(&world).await, (1..=30).sum::<u64>() + 600);
}

#[tokio::test]
async fn between_slow_blocks_nothing_is_sent_twice_and_nothing_is_told_early() {
    let world = World::start().await;
    let settings = SenderSettings { confirmations: 2, ..quick_settings() };
    let sender =
        Sender::start(world.chain.clone(), wallet(0), Memory::default(), settings).await.unwrap();
    world.anvil.automine(false).await;
    let send = spawn(&sender, "a", deposit(&world, 5));
    until(async || !pool(&world).await.is_empty()).await;
    let [sent] = pool(&world).await[..] else { panic!("one transaction") };
    let height = world.anvil.height().await;
    for passed in 0..3 {
        // Long enough for it to be sent again, and for higher fees if time alone asked for them.
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert!(!send.is_finished(), "told after {passed} blocks");
        assert_eq!(pool(&world).await, if passed == 0 { vec![sent] } else { vec![] });
        world.anvil.slow_block().await;
    }
    let receipt = within(send).await.unwrap().unwrap();
    assert_eq!((receipt.transaction, receipt.block.number), (sent, height + 1));
    assert_eq!(free(&world).await, 5);
}
