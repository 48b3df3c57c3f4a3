//! The hub through this crate: resources, orders, deals, tasks, and what each of them tells.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    reason = "the helpers of a test are part of it"
)]

mod common;

use common::{World, wallet};
use poco_chain::deploy::{DeployPlan, deploy};
use poco_chain::{
    Chain, ChainSettings, ConnectError, FoundCommit, Interest, NewResource, SendError, Transaction,
};
use poco_core::call::{Contribution, SignedTerms};
use poco_core::lane::{
    self, Ballot, Batch, Books, CommitRange, Committed, LaneCall, LaneEvent, Outcome, RowVote, Vote,
};
use poco_core::matching::{self, Terms};
use poco_core::order::{Order, OrderOperation};
use poco_core::task::{ContributionStatus, TaskStatus};
use poco_core::{
    Address, Amount, AnyOrder, AppOrder, B256, Bytes, Call, CategoryId, DatasetOrder, DealId,
    Event, OrderKind, RequestOrder, ResultDigest, ResultHash, ResultSeal, Signed, TaskId, U256,
    WorkerpoolOrder, message,
};

fn sign<O: Order>(world: &World, order: O, by: usize) -> Signed<O> {
    let hash = order.hash(world.chain.domain_separator());
    Signed { sign: wallet(by).sign_hash(hash.0), order }
}

async fn create(world: &World, by: usize, resource: NewResource) -> Address {
    let owner = wallet(by).address();
    let predicted = world.chain.predict(&resource, owner).await.unwrap();
    let sender = world.sender(by).await;
    let tx = Transaction::create(&world.chain, &resource, owner);
    let receipt = sender.send("create", tx).await.unwrap();
    let born = Event::ResourceTransfer {
        kind: resource.kind(),
        resource: predicted,
        from: Address::ZERO,
        to: owner,
    };
    assert!(receipt.events.contains(&born), "{:?}", receipt.events);
    predicted
}

fn app() -> NewResource {
    NewResource::App {
        name: "stats".into(),
        kind: "DOCKER".into(),
        multiaddr: Bytes::from_static(b"registry/app:1"),
        checksum: B256::repeat_byte(3),
        mrenclave: Bytes::new(),
    }
}

/// Accounts: 0 deployer, 1 app and dataset owner, 2 pool owner, 3 requester, 4 worker.
async fn terms(world: &World, tasks: u64, trust: u64) -> SignedTerms {
    let app = create(world, 1, app()).await;
    let dataset = NewResource::Dataset {
        name: "text".into(),
        multiaddr: Bytes::from_static(b"http://data"),
        checksum: B256::repeat_byte(4),
    };
    let dataset = create(world, 1, dataset).await;
    let pool = create(world, 2, NewResource::Workerpool { description: "pool".into() }).await;
    let volume = U256::from(tasks);
    let trust = U256::from(trust);
    let app_order = AppOrder { app, price: Amount::from_nano(5), volume, ..AppOrder::default() };
    let dataset_order =
        DatasetOrder { dataset, price: Amount::from_nano(3), volume, ..DatasetOrder::default() };
    let pool_order = WorkerpoolOrder {
        workerpool: pool,
        price: Amount::from_nano(100),
        volume,
        trust,
        ..WorkerpoolOrder::default()
    };
    let request = RequestOrder {
        app,
        app_price_max: Amount::from_nano(5),
        dataset,
        dataset_price_max: Amount::from_nano(3),
        workerpool: pool,
        workerpool_price_max: Amount::from_nano(100),
        requester: wallet(3).address(),
        volume,
        trust,
        params: "--fast".into(),
        ..RequestOrder::default()
    };
    SignedTerms {
        app: sign(world, app_order, 1),
        dataset: sign(world, dataset_order, 1),
        workerpool: sign(world, pool_order, 2),
        request: sign(world, request, 3),
    }
}

async fn fund(world: &World, index: usize, nano: u64) {
    let (amount, to) = (Amount::from_nano(nano), wallet(index).address());
    let tx = Transaction::token_transfer(&world.chain, to, amount);
    world.sender(0).await.send("fund", tx).await.unwrap();
    let before = world.chain.account(to).await.unwrap();
    let tx = Transaction::approve_and_deposit(&world.chain, amount);
    world.sender(index).await.send("deposit", tx).await.unwrap();
    let account = world.chain.account(to).await.unwrap();
    assert_eq!(Some(account.free), before.free.checked_add(amount));
}

async fn send(world: &World, by: usize, call: Call) -> Result<Vec<Event>, SendError> {
    let tx = Transaction::hub(&world.chain, &call);
    world.sender(by).await.send("call", tx).await.map(|receipt| receipt.events)
}

#[tokio::test]
async fn a_deal_is_made_and_a_task_runs_to_its_payment() {
    let world = World::start().await;
    let chain = &world.chain;
    fund(&world, 2, 1_000).await;
    fund(&world, 3, 1_000).await;
    fund(&world, 4, 1_000).await;
    let terms = terms(&world, 2, 1).await;

    let facts = chain.match_facts(&terms).await.unwrap();
    let bare = Terms {
        app: &terms.app.order,
        dataset: &terms.dataset.order,
        workerpool: &terms.workerpool.order,
        request: &terms.request.order,
    };
    assert_eq!(matching::check(&bare, &facts), Ok(U256::from(2)));

    let events = send(&world, 0, Call::MatchOrders(Box::new(terms.clone()))).await.unwrap();
    let domain = chain.domain_separator();
    let id = DealId::of_match(terms.request.order.hash(domain), U256::ZERO);
    let pool = terms.workerpool.order.workerpool;
    assert!(events.contains(&Event::SchedulerNotice { workerpool: pool, deal: id }));
    let deal = chain.deal(id).await.unwrap().expect("the deal is there");
    assert_eq!((deal.workerpool.pointer, deal.params.as_str()), (pool, "--fast"));
    assert_eq!((deal.bot_size, deal.trust), (U256::from(2), U256::ONE));
    assert_eq!(chain.deal(DealId(B256::repeat_byte(1))).await.unwrap(), None);
    let facts = chain.match_facts(&terms).await.unwrap();
    assert_eq!(matching::check(&bare, &facts), Err(matching::Mismatch::NothingLeft));

    let task = TaskId::of_deal(id, U256::ZERO);
    assert_eq!(chain.task(task).await.unwrap().status, TaskStatus::Unset);
    send(&world, 0, Call::Initialize { deal: id, index: U256::ZERO }).await.unwrap();
    assert_eq!(chain.task(task).await.unwrap().status, TaskStatus::Active);

    let worker = wallet(4).address();
    let digest = ResultDigest(B256::repeat_byte(9));
    let authorization = message::authorization_hash(worker, task, Address::ZERO);
    let contribution = Contribution {
        task,
        hash: ResultHash::of(task, digest),
        seal: ResultSeal::of(worker, task, digest),
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign: wallet(2).sign_hash(authorization),
    };
    let events = send(&world, 4, Call::Contribute(contribution.clone())).await.unwrap();
    let consensus = Event::TaskConsensus { task, consensus: contribution.hash };
    assert!(events.contains(&consensus), "{events:?}");
    let view = chain.contribution(task, worker).await.unwrap();
    assert_eq!((view.status, view.seal), (ContributionStatus::Contributed, contribution.seal));

    send(&world, 4, Call::Reveal { task, digest }).await.unwrap();
    let finalize =
        Call::Finalize { task, results: Bytes::from_static(b"{}"), results_callback: Bytes::new() };
    send(&world, 2, finalize).await.unwrap();
    let view = chain.task(task).await.unwrap();
    assert_eq!((view.status, view.digest), (TaskStatus::Completed, digest));
    assert_eq!(view.contributors, [worker]);

    let height = world.anvil.height().await;
    let all = chain.events(&Interest::everything(), 1, height).await.unwrap();
    assert!(all.is_sorted_by_key(|event| (event.block.number, event.log_index)));
    assert!(all.iter().any(|e| e.event == Event::TaskReveal { task, worker, digest }));
    let own = chain.events(&Interest::pool(pool), 1, height).await.unwrap();
    assert!(own.iter().any(|e| matches!(e.event, Event::TaskFinalize { .. })));
    let other = chain.events(&Interest::pool(Address::repeat_byte(1)), 1, height).await.unwrap();
    assert!(!other.iter().any(|e| matches!(e.event, Event::SchedulerNotice { .. })));
}

async fn send_lane(world: &World, by: usize, call: LaneCall) -> Result<Vec<Event>, SendError> {
    let tx = Transaction::lane(&world.chain, &call);
    world.sender(by).await.send("call", tx).await.map(|receipt| receipt.events)
}

/// A lane's vote of each worker for each task of a deal, with its ballot.
fn ballot(world: &World, deal: DealId, by: usize, tasks: u64) -> Ballot {
    let worker = wallet(by).address();
    let vote = |index| lane_vote(worker, TaskId::of_deal(deal, U256::from(index))).blinded();
    let entries: Vec<_> = (0..tasks).map(vote).collect();
    let hash = lane::ballot_hash(world.chain.domain_separator(), deal, U256::ZERO, &entries);
    Ballot { worker, first: U256::ZERO, entries, sign: wallet(by).sign_hash(hash) }
}

fn lane_vote(worker: Address, task: TaskId) -> Vote {
    let digest = ResultDigest(B256::repeat_byte(9));
    Vote::of(
        worker,
        task,
        digest,
        lane::nonce_of(lane::NonceSecret(B256::repeat_byte(3)), task, digest),
    )
}

/// Votes of accounts 0 and 4 for two tasks of a deal of trust 3, committed; and their bonds.
async fn committed(world: &World, terms: &SignedTerms) -> (FoundCommit, Vec<Event>) {
    let pool = terms.workerpool.order.workerpool;
    send(world, 0, Call::MatchOrders(Box::new(terms.clone()))).await.unwrap();
    let id = DealId::of_match(terms.request.order.hash(world.chain.domain_separator()), U256::ZERO);
    for by in [0, 4] {
        let amount = Amount::from_nano(200);
        let events =
            send_lane(world, by, LaneCall::Bond { workerpool: pool, amount }).await.unwrap();
        let bonded = LaneEvent::Bonded { worker: wallet(by).address(), workerpool: pool, amount };
        assert!(events.contains(&Event::Lane(bonded)), "{events:?}");
    }
    let mut ballots: Vec<Ballot> = [0, 4].map(|by| ballot(world, id, by, 2)).into();
    ballots.sort_by_key(|ballot| ballot.worker);
    assert_eq!(world.chain.find_commit(id, U256::ONE, 0).await.unwrap(), None);
    let commit = LaneCall::Commit { deal: id, first: U256::ZERO, count: 2, ballots };
    let events = send_lane(world, 2, commit).await.unwrap();
    let found = world.chain.find_commit(id, U256::ONE, 0).await.unwrap();
    (found.expect("the task is committed"), events)
}

#[tokio::test]
async fn the_settlement_lane_pays_what_the_model_says() {
    let world = World::start().await;
    let chain = &world.chain;
    assert!(chain.has_lane().await.unwrap());
    for account in [0, 2, 3, 4] {
        fund(&world, account, 1_000).await;
    }
    let terms = terms(&world, 2, 3).await;
    let pool = terms.workerpool.order.workerpool;
    let (commit, events) = committed(&world, &terms).await;
    let workers: Vec<Address> = commit.rows[0].0.iter().map(|entry| entry.worker).collect();
    let told = FoundCommit::of(events.last().unwrap(), commit.block, commit.transaction);
    assert_eq!(told.as_ref(), Some(&commit));
    let (row, range) = commit.task(U256::ONE).unwrap();
    let task = TaskId::of_deal(commit.deal, U256::ONE);
    assert_eq!(row.vote_of(workers[1]), Some(lane_vote(workers[1], task).blinded()));
    assert_eq!((range.rows_before.len(), range.rows_after.len()), (1, 0));
    assert!(commit.task(U256::from(2)).is_none());
    let bond = chain.bond(workers[0], pool).await.unwrap().unwrap();
    assert_eq!(bond.free(), Amount::from_nano(200 - 2 * 30));

    let digest = ResultDigest(B256::repeat_byte(9));
    let outcome = |index: u64| Outcome {
        present: 3,
        agreeing: 3,
        digest,
        nonces: (workers.iter())
            .map(|worker| lane_vote(*worker, TaskId::of_deal(commit.deal, U256::from(index))).nonce)
            .collect(),
        results: Bytes::from_static(b"{}"),
        ..Outcome::default()
    };
    let range = CommitRange { rows_before: Vec::new(), ..range };
    let batch = Batch { range, workers: workers.clone(), outcomes: vec![outcome(0), outcome(1)] };
    let books = Books {
        deal: chain.deal(commit.deal).await.unwrap().unwrap(),
        conditions: poco_core::DealConditions::NONE,
        clock_seconds: 300,
        commit: Some(lane::commit_hash(commit.rows.iter().map(lane::Row::hash))),
        kitty: Amount::ZERO,
        scores: std::collections::BTreeMap::new(),
        tasks: [0, 1]
            .map(|index| (TaskId::of_deal(commit.deal, U256::from(index)), Committed::default()))
            .into(),
    };
    let owner = wallet(2).address();
    let expected = lane::settle(&books, &batch, owner, commit.block.timestamp).unwrap();
    let mut before = Vec::new();
    for worker in &workers {
        before.push(chain.account(*worker).await.unwrap());
    }
    send_lane(&world, 2, LaneCall::Settle { batches: vec![batch] }).await.unwrap();

    let view = chain.task(task).await.unwrap();
    assert_eq!((view.status, view.digest, view.winner_count), (TaskStatus::Completed, digest, 2));
    for (worker, before) in workers.iter().zip(before) {
        let net = expected.net.workers[worker];
        let free = before.free.checked_add(net.reward).unwrap();
        assert_eq!(chain.account(*worker).await.unwrap().free, free);
        assert_eq!(chain.score(*worker).await.unwrap(), net.score);
        let bond = chain.bond(*worker, pool).await.unwrap().unwrap();
        assert_eq!((bond.total, bond.locked), (Amount::from_nano(200), Amount::ZERO));
    }
    let height = world.anvil.height().await;
    let told = chain.events(&Interest::pool(pool), 1, height).await.unwrap();
    let of_lane = |event: &&poco_chain::LocatedEvent| matches!(event.event, Event::Lane(_));
    assert_eq!(told.iter().filter(of_lane).count(), 3);
}

#[tokio::test]
async fn a_committed_vote_is_disclosed_and_its_task_closed() {
    let world = World::start().await;
    for account in [0, 2, 3, 4] {
        fund(&world, account, 1_000).await;
    }
    let terms = terms(&world, 2, 3).await;
    let (commit, _) = committed(&world, &terms).await;
    let (row, range) = commit.task(U256::ONE).unwrap();
    let task = TaskId::of_deal(commit.deal, U256::ONE);
    let votes = (row.0.iter().zip(0u64..))
        .map(|(entry, position)| RowVote { position, vote: lane_vote(entry.worker, task) })
        .collect();
    let disclose = LaneCall::Disclose { range: range.clone(), row: row.clone(), votes };
    send_lane(&world, 4, disclose).await.unwrap();
    let worker = row.0[0].worker;
    let view = world.chain.contribution(task, worker).await.unwrap();
    assert_eq!(view.status, ContributionStatus::Contributed);
    let close = LaneCall::Close { range, row: row.clone() };
    let events = send_lane(&world, 4, close.clone()).await.unwrap();
    assert!(events.contains(&Event::Lane(LaneEvent::Closed { task })), "{events:?}");
    assert_eq!(world.chain.task(task).await.unwrap().status, TaskStatus::Revealing);
    let refused = send_lane(&world, 4, close).await.unwrap_err().to_string();
    assert!(refused.starts_with("refused: TaskNotCommitted"), "{refused}");

    let pool = terms.workerpool.order.workerpool;
    send_lane(&world, 4, LaneCall::Unbond { workerpool: pool }).await.unwrap();
    let bond = world.chain.bond(wallet(4).address(), pool).await.unwrap().unwrap();
    assert_eq!(bond.free(), Amount::ZERO);
    let early =
        send_lane(&world, 4, LaneCall::WithdrawBond { workerpool: pool }).await.unwrap_err();
    assert!(early.to_string().starts_with("refused: BondStillNeeded"), "{early}");
}

#[tokio::test]
async fn refusals_come_with_the_contracts_own_words_and_nothing_is_sent() {
    let world = World::start().await;
    let before = world.anvil.nonce(wallet(3).address(), "latest").await;

    let terms = terms(&world, 1, 1).await;
    let mut spoiled = terms.clone();
    spoiled.workerpool.sign = terms.app.sign.clone();
    let refused = send(&world, 3, Call::MatchOrders(Box::new(spoiled.clone()))).await.unwrap_err();
    assert_eq!(refused.to_string(), "refused: iExecV5-matchOrders-0x41");
    let facts = world.chain.match_facts(&spoiled).await.unwrap();
    assert!(facts.app.is_signed && facts.request.is_signed && !facts.workerpool.is_signed);

    let unfunded = send(&world, 3, Call::MatchOrders(Box::new(terms))).await.unwrap_err();
    assert_eq!(unfunded.to_string(), "refused: IexecEscrow: Transfer amount exceeds balance");

    let unknown = Call::Initialize { deal: DealId(B256::repeat_byte(1)), index: U256::ZERO };
    let error = send(&world, 3, unknown).await.unwrap_err().to_string();
    assert!(error.starts_with("refused: UnknownDeal { dealid: 0x0101"), "{error}");
    assert_eq!(world.anvil.nonce(wallet(3).address(), "latest").await, before);
}

#[tokio::test]
async fn orders_are_signed_and_closed_on_chain() {
    let world = World::start().await;
    let app = create(&world, 1, app()).await;
    let order = AppOrder { app, volume: U256::from(7), ..AppOrder::default() };
    let hash = order.hash(world.chain.domain_separator());
    let owner = wallet(1).address();
    assert!(!world.chain.is_signed(owner, hash, &Bytes::new()).await.unwrap());
    let manage = |operation| Call::ManageOrder {
        order: Box::new(AnyOrder::App(Signed { order: order.clone(), sign: Bytes::new() })),
        operation,
        sign: Bytes::new(),
    };
    let events = send(&world, 1, manage(OrderOperation::Sign)).await.unwrap();
    assert_eq!(events, [Event::OrderSigned { kind: OrderKind::App, order: hash }]);
    assert!(world.chain.is_signed(owner, hash, &Bytes::new()).await.unwrap());
    let events = send(&world, 1, manage(OrderOperation::Close)).await.unwrap();
    assert_eq!(events, [Event::OrderClosed { kind: OrderKind::App, order: hash }]);
    assert_eq!(world.chain.consumed(hash).await.unwrap(), U256::from(7));
}

#[tokio::test]
async fn resources_and_categories_are_shown_or_are_not_there() {
    let world = World::start().await;
    let chain = &world.chain;
    let app = create(&world, 1, app()).await;
    let entry = chain.app(app).await.unwrap().expect("the app is registered");
    assert_eq!((entry.owner, entry.name.as_str()), (wallet(1).address(), "stats"));
    assert_eq!(entry.checksum, B256::repeat_byte(3));
    assert_eq!(chain.app(wallet(0).address()).await.unwrap(), None);
    assert_eq!(chain.dataset(app).await.unwrap(), None);
    let pool = create(&world, 2, NewResource::Workerpool { description: "p".into() }).await;
    let tx = Transaction::change_policy(pool, U256::from(35), U256::from(5));
    let receipt = world.sender(2).await.send("policy", tx).await.unwrap();
    assert!(
        matches!(receipt.events[..], [Event::PolicyUpdate { workerpool, .. }] if workerpool == pool)
    );
    let entry = chain.workerpool(pool).await.unwrap().expect("the pool is registered");
    assert_eq!(entry.worker_stake_ratio, U256::from(35));
    let (owner, buyer) = (wallet(1).address(), wallet(3).address());
    let tx = Transaction::transfer_resource(chain, OrderKind::App, app, (owner, buyer));
    world.sender(1).await.send("sell", tx).await.unwrap();
    assert_eq!(chain.app(app).await.unwrap().map(|entry| entry.owner), Some(buyer));

    assert_eq!(chain.category_count().await.unwrap(), 5);
    let category = chain.category(CategoryId(4)).await.unwrap().expect("there are five");
    assert_eq!((category.name.as_str(), category.work_clock_time_ref_seconds), ("XL", 36000));
    assert_eq!(chain.category(CategoryId(5)).await.unwrap(), None);
    assert!(!chain.is_group_member(owner, buyer).await.unwrap());
}

#[tokio::test]
async fn a_wrong_chain_hub_or_url_is_named_in_one_line() {
    let world = World::start().await;
    let right = ChainSettings::from(&world.addresses);
    let connect =
        async |settings: ChainSettings| poco_chain::Chain::connect(&settings).await.unwrap_err();
    let wrong = connect(ChainSettings { chain_id: Some(1), ..right.clone() }).await;
    assert!(matches!(wrong, ConnectError::WrongChain { expected: 1, found: 31337, .. }));
    let wrong = connect(ChainSettings { hub: wallet(0).address(), ..right.clone() }).await;
    assert!(matches!(wrong, ConnectError::NoHub { .. }), "{wrong}");
    let wrong = connect(ChainSettings { hub: world.addresses.token, ..right.clone() }).await;
    assert!(matches!(wrong, ConnectError::NotAHub { .. }), "{wrong}");
    let nowhere = vec!["http://127.0.0.1:1".parse().unwrap()];
    let wrong = connect(ChainSettings { rpc_urls: nowhere.clone(), ..right.clone() }).await;
    assert!(matches!(wrong, ConnectError::Unreachable(_)), "{wrong}");
    assert!(!wrong.to_string().contains('\n'));

    let mut several = right;
    several.rpc_urls.insert(0, nowhere[0].clone());
    let chain = Chain::connect(&several).await.unwrap();
    assert_eq!(chain.category_count().await.unwrap(), 5);
}

#[tokio::test]
async fn a_deployer_with_a_history_deploys_as_well() {
    let world = World::start().await;
    assert!(world.anvil.nonce(wallet(0).address(), "latest").await > 0);
    let url = world.anvil.url.clone();
    let second = deploy(url, wallet(0), DeployPlan::default()).await.unwrap();
    assert_ne!(second.hub, world.addresses.hub);
    let supply = world.chain.token_balance(wallet(0).address()).await.unwrap();
    assert_eq!(supply, Amount(U256::from(87_000_000u64) * U256::from(Amount::NANO_PER_RLC)));
}

#[tokio::test]
async fn a_new_hub_takes_over_from_an_older_one() {
    let world = World::start().await;
    let app = create(&world, 1, app()).await;
    let nobody = Address::repeat_byte(0x77);
    let (url, old) = (world.anvil.url.clone(), world.addresses.hub);
    let plan = |previous, token| DeployPlan {
        previous: Some(previous),
        token,
        categories: Vec::new(),
        chain_id: None,
    };
    let none = deploy(url.clone(), wallet(0), plan(old, Some(nobody))).await;
    assert!(none.unwrap_err().to_string().contains("no token is at"));
    let none = deploy(url.clone(), wallet(0), plan(nobody, None)).await;
    assert!(none.unwrap_err().to_string().contains("the hub before cannot be read"));

    let second = deploy(url, wallet(0), plan(old, None)).await.unwrap();
    assert_ne!(second.hub, old);
    assert_eq!(second.token, world.addresses.token);
    let chain = Chain::connect(&ChainSettings::from(&second)).await.unwrap();
    assert_eq!(chain.category_count().await.unwrap(), 5);
    // Its registry knows what the older one made, under its old address and owner.
    assert_eq!(chain.app(app).await.unwrap().unwrap().owner, wallet(1).address());
}
