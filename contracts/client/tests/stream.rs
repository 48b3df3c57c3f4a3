//! The event stream over a real chain: rewrites, restarts, long ranges, failing and lagging nodes.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "the helpers of a test are part of it"
)]

mod common;

use common::proxy::{Fault, Proxy};
use common::{World, wallet};
use poco_chain::{
    Blocks, Chain, ChainSettings, Cursor, EventStream, Interest, StreamItem, Transaction,
};
use poco_core::{Amount, Call, Event};
use serde_json::json;
use std::time::{Duration, Instant};

/// What a consumer derives from a stream: it adds, and takes back.
#[derive(Default)]
struct Derived {
    events: Vec<(u64, Event)>,
    height: u64,
    rollbacks: usize,
}

impl Derived {
    fn take(&mut self, item: StreamItem) {
        match item {
            StreamItem::Blocks(Blocks { to, events, .. }) => {
                assert!(to.number > self.height, "blocks come in order");
                self.height = to.number;
                for located in events {
                    assert!(located.block.number <= to.number);
                    self.events.push((located.block.number, located.event));
                }
            }
            StreamItem::Rollback { to, .. } => {
                self.rollbacks += 1;
                self.height = to.number;
                self.events.retain(|(number, _)| *number <= to.number);
            }
        }
    }

    async fn read_to(&mut self, stream: &mut EventStream, height: u64) {
        while self.height < height {
            let item = tokio::time::timeout(Duration::from_secs(30), stream.next()).await;
            self.take(item.expect("the stream goes on"));
        }
    }

    /// Amounts of the stake transfers that it knows of.
    fn moved(&self) -> Vec<u64> {
        let amount = |(_, event): &(u64, Event)| match event {
            Event::Transfer { amount, .. } => Some(amount.0.to::<u64>()),
            _ => None,
        };
        self.events.iter().filter_map(amount).collect()
    }
}

/// Puts stake into account 0: one event each.
async fn deposit(world: &World, nano: u64) {
    let tx = Transaction::approve_and_deposit(&world.chain, Amount::from_nano(nano));
    world.sender(0).await.send(&format!("deposit {nano}"), tx).await.unwrap();
}

fn stream_of(chain: &Chain, cursor: Cursor) -> EventStream {
    EventStream::new(chain.clone(), Interest::everything(), cursor)
}

#[tokio::test]
async fn events_come_in_order_and_soon() {
    let world = World::start().await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    deposit(&world, 1).await;
    deposit(&world, 2).await;
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!(derived.moved(), [1, 2]);

    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    for nano in 3..8 {
        let waiting = async {
            derived.read_to(&mut stream, derived.height + 1).await;
            Instant::now()
        };
        let sending = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            deposit(&world, nano).await;
            Instant::now()
        };
        let (heard, sent) = tokio::join!(waiting, sending);
        slowest = slowest.max(heard.saturating_duration_since(sent));
    }
    assert_eq!(derived.moved(), [1, 2, 3, 4, 5, 6, 7]);
    assert!(slowest < Duration::from_millis(400), "{slowest:?} of {:?}", started.elapsed());
}

#[tokio::test]
async fn a_reorg_is_rolled_back_and_read_again() {
    let world = World::start().await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    deposit(&world, 1).await;
    world.anvil.mine(3).await;
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!(derived.moved(), [1]);

    // The block with the deposit is replaced by one without.
    world.anvil.ask("anvil_reorg", json!([5, []])).await;
    world.anvil.mine(1).await;
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!((derived.rollbacks, derived.moved().len()), (1, 0));
    deposit(&world, 2).await;
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!(derived.moved(), [2]);
}

#[tokio::test]
async fn a_chain_that_was_set_back_is_followed_once_it_grows() {
    let world = World::start().await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    let snapshot = world.anvil.ask("evm_snapshot", json!([])).await;
    deposit(&world, 1).await;
    derived.read_to(&mut stream, world.anvil.height().await).await;
    world.anvil.ask("evm_revert", json!([snapshot])).await;
    world.anvil.ask("evm_increaseTime", json!([1000])).await;
    world.anvil.mine(2).await;
    derived.read_to(&mut stream, world.anvil.height().await).await;
    while derived.rollbacks == 0 {
        derived.take(stream.next().await);
    }
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!((derived.rollbacks, derived.moved().len()), (1, 0));
}

#[tokio::test]
async fn a_stored_cursor_goes_on_and_notices_a_reorg_of_the_meantime() {
    let world = World::start().await;
    let mut derived = Derived::default();
    deposit(&world, 1).await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    derived.read_to(&mut stream, world.anvil.height().await).await;
    let stored = serde_json::to_vec(stream.cursor()).unwrap();
    drop(stream);

    deposit(&world, 2).await;
    let mut stream = stream_of(&world.chain, serde_json::from_slice(&stored).unwrap());
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!(derived.moved(), [1, 2]);
    let stored = serde_json::to_vec(stream.cursor()).unwrap();
    drop(stream);

    world.anvil.ask("anvil_reorg", json!([1, []])).await;
    world.anvil.mine(1).await;
    let mut stream = stream_of(&world.chain, serde_json::from_slice(&stored).unwrap());
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!((derived.moved(), derived.rollbacks), (vec![1], 1));
}

#[tokio::test]
async fn confirmations_hold_events_back() {
    let world = World::start().await;
    let settings = ChainSettings { confirmations: 3, ..ChainSettings::from(&world.addresses) };
    let chain = Chain::connect(&settings).await.unwrap();
    let mut stream = stream_of(&chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    deposit(&world, 1).await;
    let height = world.anvil.height().await;
    derived.read_to(&mut stream, height - 3).await;
    let early = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
    assert!(early.is_err() && derived.moved().is_empty());
    world.anvil.mine(3).await;
    derived.read_to(&mut stream, height).await;
    assert_eq!(derived.moved(), [1]);
}

#[tokio::test]
async fn what_lies_around_a_long_empty_stretch_is_found() {
    let world = World::start().await;
    deposit(&world, 1).await;
    world.anvil.mine(1_200).await;
    deposit(&world, 2).await;
    let height = world.anvil.height().await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    derived.read_to(&mut stream, height).await;
    assert_eq!(derived.moved(), [1, 2]);
    let stored = serde_json::to_vec(stream.cursor()).unwrap();
    assert!(stored.len() < 16_000, "the cursor has {} bytes", stored.len());
}

/// Anvil needs minutes to mine so many blocks, so the proxy invents them; what is measured is the
/// stream and its requests.
#[tokio::test]
async fn a_million_empty_blocks_are_caught_up_with_in_seconds() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    proxy.set(Fault::EmptyBlocksUpTo(1_000_000));
    let mut stream = stream_of(&chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    let started = Instant::now();
    derived.read_to(&mut stream, 1_000_000).await;
    let rate = 1_000_000.0 / started.elapsed().as_secs_f64();
    println!("{rate:.0} empty blocks a second");
    assert!(rate > 20_000.0, "{rate:.0} blocks a second");
}

#[tokio::test]
async fn a_node_that_refuses_long_ranges_is_asked_for_shorter_ones() {
    let world = World::start().await;
    deposit(&world, 1).await;
    world.anvil.mine(1_000).await;
    let proxy = Proxy::start(&world.anvil.url).await;
    proxy.set(Fault::RefuseRangesAbove(100));
    let chain = proxy.connect(&world).await;
    let mut stream = stream_of(&chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!(derived.moved(), [1]);
    assert!(proxy.faults() > 0, "nothing was refused");
}

#[tokio::test]
async fn a_node_that_lags_is_waited_for_and_never_believed() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    let mut stream = stream_of(&chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    derived.read_to(&mut stream, world.anvil.height().await).await;
    let known = derived.height;
    // The node shows its head, has no later block, and would say "no logs" about them.
    proxy.set(Fault::LacksBlocksAbove(known));
    deposit(&world, 1).await;
    let early = tokio::time::timeout(Duration::from_secs(1), stream.next()).await;
    assert!(early.is_err(), "{early:?}");
    assert!(proxy.faults() > 0);
    proxy.set(Fault::None);
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!(derived.moved(), [1]);

    let behind = world.anvil.height().await;
    deposit(&world, 2).await;
    chain.latest().await.unwrap();
    proxy.set(Fault::ShowsHead(behind));
    let error = chain.account(wallet(0).address()).await.unwrap_err();
    assert!(matches!(error, poco_chain::RpcError::Behind { .. }), "{error}");
    proxy.set(Fault::None);
    assert!(chain.account(wallet(0).address()).await.is_ok());
}

#[tokio::test]
async fn a_node_that_fails_is_waited_out_and_another_one_takes_over() {
    let world = World::start().await;
    let proxy = Proxy::start(&world.anvil.url).await;
    let chain = proxy.connect(&world).await;
    let mut stream = stream_of(&chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    for fault in [Fault::Hangup, Fault::Garbage, Fault::ErrorObjects, Fault::TooManyRequests] {
        proxy.set(fault);
        deposit(&world, 1).await;
        let height = world.anvil.height().await;
        let early = tokio::time::timeout(Duration::from_millis(700), stream.next()).await;
        assert!(early.is_err(), "{fault:?}: {early:?}");
        proxy.set(Fault::None);
        derived.read_to(&mut stream, height).await;
    }
    assert_eq!(derived.moved(), [1, 1, 1, 1]);

    let settings = ChainSettings {
        rpc_urls: vec![proxy.url.clone(), world.anvil.url.clone()],
        ..ChainSettings::from(&world.addresses)
    };
    let chain = Chain::connect(&settings).await.unwrap();
    let mut stream = stream_of(&chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    proxy.set(Fault::Garbage);
    derived.read_to(&mut stream, world.anvil.height().await).await;
    assert_eq!(derived.moved(), [1, 1, 1, 1]);
}

#[tokio::test]
async fn dropping_next_loses_nothing() {
    let world = World::start().await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    let sending = async {
        for nano in 1..=10 {
            deposit(&world, nano).await;
        }
        world.anvil.height().await
    };
    tokio::pin!(sending);
    let mut millis = 0;
    let height = loop {
        millis = (millis + 1) % 20;
        tokio::select! {
            height = &mut sending => break height,
            item = stream.next() => derived.take(item),
            () = tokio::time::sleep(Duration::from_millis(millis)) => {}
        }
    };
    derived.read_to(&mut stream, height).await;
    assert_eq!(derived.moved(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
    // The token's own calls are of no interest; those of the hub are.
    let withdraw = Call::Withdraw { amount: Amount::from_nano(55) };
    let tx = Transaction::hub(&world.chain, &withdraw);
    world.sender(0).await.send("withdraw", tx).await.unwrap();
    derived.read_to(&mut stream, height + 1).await;
    assert_eq!(derived.moved().last(), Some(&55));
}

#[tokio::test]
async fn blocks_that_come_by_the_clock_are_told_in_order_empty_ones_too() {
    let world = World::start().await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    derived.read_to(&mut stream, world.anvil.height().await).await;
    world.anvil.block_every(1).await;
    let known = derived.height;
    let sender = world.sender(0).await;
    let sending = async {
        for nano in 1..=3 {
            let tx = Transaction::approve_and_deposit(&world.chain, Amount::from_nano(nano));
            sender.send(&format!("deposit {nano}"), tx).await.unwrap();
        }
        world.anvil.height().await
    };
    let ((), height) = tokio::join!(derived.read_to(&mut stream, known + 3), sending);
    // The blocks after it are empty, and are told all the same.
    derived.read_to(&mut stream, height + 2).await;
    assert_eq!((derived.moved(), derived.rollbacks), (vec![1, 2, 3], 0));
}

#[tokio::test]
async fn slow_blocks_carry_their_own_time() {
    let world = World::start().await;
    let mut stream = stream_of(&world.chain, Cursor::start_at(1));
    let mut derived = Derived::default();
    derived.read_to(&mut stream, world.anvil.height().await).await;
    world.anvil.automine(false).await;
    let sender = world.sender(0).await;
    let tx = Transaction::approve_and_deposit(&world.chain, Amount::from_nano(4));
    let sending = tokio::spawn(async move { sender.send("deposit", tx).await });
    let mut times = Vec::new();
    for _ in 0..4 {
        let early = tokio::time::timeout(Duration::from_millis(300), stream.next()).await;
        assert!(early.is_err(), "no block, no item: {early:?}");
        world.anvil.slow_block().await;
        let item = tokio::time::timeout(Duration::from_secs(30), stream.next()).await.unwrap();
        if let StreamItem::Blocks(Blocks { to, .. }) = &item {
            times.push(to.timestamp.0);
        }
        derived.take(item);
    }
    assert_eq!(times.len(), 4);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] >= 12), "{times:?}");
    assert_eq!(derived.moved(), [4]);
    sending.await.unwrap().unwrap();
}
