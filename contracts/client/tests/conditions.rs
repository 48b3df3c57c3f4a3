//! Marked orders on the real hub: epochs, conditions of deals, groups; and a hub that has none of it.
#![allow(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "the helpers of a test are part of it"
)]

mod common;

use common::{World, wallet};
use poco_chain::{Chain, ChainSettings, GroupPurpose, Receipt, SendError, Transaction};
use poco_core::call::SignedTerms;
use poco_core::mark::agreement::{Disagreement, agree};
use poco_core::mark::{Conditions, ConditionsEvent, OrderMark};
use poco_core::order::Order;
use poco_core::{
    Address, AppOrder, B256, Call, DealConditions, DealId, Event, RequestOrder, Signed, U256,
    WorkerpoolOrder,
};

fn sign<O: Order>(world: &World, order: O, by: usize) -> Signed<O> {
    let hash = order.hash(world.chain.domain_separator());
    Signed { sign: wallet(by).sign_hash(hash.0), order }
}

async fn send(world: &World, by: usize, tx: Transaction) -> Result<Receipt, SendError> {
    world.sender(by).await.send("call", tx).await
}

/// Free orders of an app of account 1 and a pool of account 2, asked for by account 3.
async fn terms(world: &World, salts: [B256; 3]) -> SignedTerms {
    let [app_salt, pool_salt, request_salt] = salts;
    let app = created(world, 1, "app").await;
    let workerpool = created(world, 2, "pool").await;
    let one = U256::ONE;
    let app_order = AppOrder { app, volume: one, salt: app_salt, ..AppOrder::default() };
    let pool =
        WorkerpoolOrder { workerpool, volume: one, salt: pool_salt, ..WorkerpoolOrder::default() };
    let requester = wallet(3).address();
    let request =
        RequestOrder { app, requester, volume: one, salt: request_salt, ..RequestOrder::default() };
    SignedTerms {
        app: sign(world, app_order, 1),
        dataset: Signed::default(),
        workerpool: sign(world, pool, 2),
        request: sign(world, request, 3),
    }
}

async fn created(world: &World, by: usize, name: &str) -> Address {
    use poco_chain::NewResource;
    let resource = match name {
        "pool" => NewResource::Workerpool { description: name.into() },
        _ => NewResource::App {
            name: name.into(),
            kind: "DOCKER".into(),
            multiaddr: "registry/app:1".into(),
            checksum: B256::repeat_byte(3),
            mrenclave: poco_core::Bytes::new(),
        },
    };
    let owner = wallet(by).address();
    let entry = world.chain.predict(&resource, owner).await.unwrap();
    if world.chain.app(entry).await.unwrap().is_none()
        && world.chain.workerpool(entry).await.unwrap().is_none()
    {
        send(world, by, Transaction::create(&world.chain, &resource, owner)).await.unwrap();
    }
    entry
}

fn salt(conditions: Conditions, epoch: u16, tail: Address) -> B256 {
    OrderMark::new(conditions, None, epoch, tail).unwrap().to_salt()
}

async fn matched(world: &World, terms: &SignedTerms) -> Result<Receipt, SendError> {
    let call = Call::MatchOrders(Box::new(terms.clone()));
    send(world, 4, Transaction::hub(&world.chain, &call)).await
}

fn deal_of(receipt: &Receipt) -> DealId {
    let found = receipt.events.iter().find_map(|event| match event {
        Event::OrdersMatched { deal, .. } => Some(*deal),
        _ => None,
    });
    found.unwrap()
}

#[tokio::test]
async fn a_deal_shows_its_conditions_as_the_agreement_says() {
    let world = World::start().await;
    let guard = Address::repeat_byte(0x77);
    let asked = Conditions::KNOWN_WORKERS | Conditions::STRICT_REVEALS;
    let marks = [B256::ZERO, salt(Conditions::OFFERED, 0, guard), salt(asked, 0, guard)];
    let terms = terms(&world, marks).await;
    let parties = world.chain.parties(&terms, wallet(3).address()).await.unwrap().unwrap();
    assert_eq!(parties.dataset, None);
    let now = world.chain.latest().await.unwrap().timestamp;
    let agreed = agree(&parties, now).unwrap();
    assert_eq!(agreed, DealConditions::new(asked, guard));

    let receipt = matched(&world, &terms).await.unwrap();
    let deal = deal_of(&receipt);
    let told = ConditionsEvent::DealConditions { deal, conditions: agreed };
    assert!(receipt.events.contains(&Event::Conditions(told)), "{:?}", receipt.events);
    assert_eq!(world.chain.deal_conditions(deal).await.unwrap(), agreed);
    let nobodys = DealId(B256::repeat_byte(1));
    assert_eq!(world.chain.deal_conditions(nobodys).await.unwrap(), DealConditions::NONE);
}

#[tokio::test]
async fn raising_an_epoch_cancels_marked_orders_and_no_others() {
    let world = World::start().await;
    let owner = wallet(1).address();
    let marked = [salt(Conditions::NONE, 0, Address::repeat_byte(9)), B256::ZERO, B256::ZERO];
    let terms = terms(&world, marked).await;
    assert_eq!(world.chain.epoch(owner).await.unwrap(), Some(0));
    let receipt = send(&world, 1, Transaction::raise_epoch(&world.chain)).await.unwrap();
    let raised = ConditionsEvent::EpochRaised { account: owner, epoch: 1 };
    assert_eq!(receipt.events, [Event::Conditions(raised)]);
    assert_eq!(world.chain.epoch(owner).await.unwrap(), Some(1));

    let parties = world.chain.parties(&terms, wallet(3).address()).await.unwrap().unwrap();
    let now = world.chain.latest().await.unwrap().timestamp;
    let cancelled = Disagreement::OrderOfOtherEpoch { signer: owner, epoch: 0, current: 1 };
    assert_eq!(agree(&parties, now), Err(cancelled));
    let refused = matched(&world, &terms).await.unwrap_err().to_string();
    assert!(refused.starts_with("refused: OrderOfOtherEpoch { signer: "), "{refused}");

    let plain = AppOrder { salt: B256::ZERO, ..terms.app.order.clone() };
    let terms = SignedTerms { app: sign(&world, plain, 1), ..terms };
    let deal = deal_of(&matched(&world, &terms).await.unwrap());
    assert_eq!(world.chain.deal_conditions(deal).await.unwrap(), DealConditions::NONE);
}

#[tokio::test]
async fn the_owner_of_a_group_says_who_belongs_to_it() {
    let world = World::start().await;
    let (owner, member) = (wallet(1).address(), wallet(4).address());
    let created = send(&world, 1, Transaction::create_group(owner)).await.unwrap();
    let group = created.contract.unwrap();
    let chain = &world.chain;
    assert_eq!(chain.group_owner(group).await.unwrap(), Some(owner));
    assert_eq!(chain.group_owner(member).await.unwrap(), None);
    assert!(chain.is_group(group).await.unwrap());
    for other in [member, chain.hub(), chain.token()] {
        assert!(!chain.is_group(other).await.unwrap(), "{other}");
    }
    let knows = async |purpose| chain.is_known_to(group, member, purpose).await.unwrap();
    for purpose in [GroupPurpose::Member, GroupPurpose::Enclave] {
        assert!(!knows(purpose).await);
        send(&world, 1, Transaction::add_to_group(group, &[member], purpose)).await.unwrap();
        assert!(knows(purpose).await);
    }
    assert!(chain.is_group_member(group, member).await.unwrap());
    let purpose = GroupPurpose::Member;
    let by_another = Transaction::remove_from_group(group, &[member], purpose);
    let refused = send(&world, 4, by_another.clone()).await.unwrap_err().to_string();
    assert!(refused.starts_with("refused: NotTheOwner { caller: "), "{refused}");
    send(&world, 1, by_another).await.unwrap();
    assert!(!knows(purpose).await);
    assert!(knows(GroupPurpose::Enclave).await);
}

#[tokio::test]
async fn a_hub_without_marks_has_no_epochs_and_no_conditions() {
    let world = World::start().await;
    // Once the connection is made the hub says nothing to anybody, or refuses whatever is asked.
    for code in ["00", "60006000fd"] {
        let chain = Chain::connect(&ChainSettings::from(&world.addresses)).await.unwrap();
        let before =
            world.anvil.ask("eth_getCode", serde_json::json!([chain.hub(), "latest"])).await;
        let set = serde_json::json!([chain.hub(), format!("0x{code}")]);
        world.anvil.ask("anvil_setCode", set).await;
        assert_eq!(chain.epoch(wallet(1).address()).await.unwrap(), None, "{code}");
        let deal = DealId(B256::repeat_byte(1));
        assert_eq!(chain.deal_conditions(deal).await.unwrap(), DealConditions::NONE, "{code}");
        world.anvil.ask("anvil_setCode", serde_json::json!([chain.hub(), before])).await;
    }
    assert_eq!(world.chain.epoch(wallet(1).address()).await.unwrap(), Some(0));
}
