//! What is written is read back, indices follow, and a draft takes along what depends on a change.

use super::*;
use crate::book::{Book, Entry, OrderQuery, Page};
use crate::deal::{DealRecord, Place, Trait};
use crate::draft::{Draft, Notice};
use crate::record::{self, PublicationTime};
use poco_core::category::Category;
use poco_core::{
    Amount, AnyOrder, AppOrder, B256, Bytes, CategoryId, Deal, DealId, OrderKind, RequestOrder,
    Signed, Timestamp, U256, WorkerpoolOrder,
};

const HUB: Address = Address::repeat_byte(0x11);
const OWNER: Address = Address::repeat_byte(1);
const APP: Address = Address::repeat_byte(7);

fn identity() -> Identity {
    Identity { chain_id: 31337, hub: HUB }
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn signed<O>(order: O) -> Signed<O> {
    Signed { order, sign: Bytes::from(vec![0xab; 65]) }
}

fn app_order(salt: u8, price: u64) -> AnyOrder {
    AnyOrder::App(signed(AppOrder {
        app: APP,
        price: Amount::from_nano(price),
        volume: U256::from(10),
        salt: B256::repeat_byte(salt),
        ..AppOrder::default()
    }))
}

fn request_order(price_max: u64) -> AnyOrder {
    AnyOrder::Request(signed(RequestOrder {
        app: APP,
        app_price_max: Amount::from_nano(price_max),
        requester: OWNER,
        volume: U256::from(10),
        params: "some text".into(),
        ..RequestOrder::default()
    }))
}

fn record(order: AnyOrder) -> Record {
    Record {
        hash: record::hash(&order, B256::ZERO),
        remaining: record::volume(&order),
        order,
        status: Status::Open,
        published: PublicationTime(1_700_000_000_000),
        signer: OWNER,
        known_at: 5,
    }
}

fn deal(number: u64, app: Address) -> DealRecord {
    let mut deal = Deal { requester: OWNER, ..Deal::default() };
    deal.app.pointer = app;
    DealRecord {
        id: DealId(B256::from(U256::from(number))),
        deal,
        app_order: OrderHash(B256::repeat_byte(1)),
        dataset_order: OrderHash(B256::repeat_byte(2)),
        workerpool_order: OrderHash(B256::repeat_byte(3)),
        request_order: OrderHash(B256::repeat_byte(4)),
        volume: U256::ONE,
        place: Place {
            block: number / 2,
            timestamp: Timestamp(1_700_000_000 + number),
            transaction: B256::repeat_byte(9),
            log_index: number % 2,
        },
    }
}

/// Writes what `change` does to an empty draft over the store's open orders.
fn draft(
    store: &Store,
    block: u64,
    change: impl FnOnce(&mut Draft<'_>) -> anyhow::Result<()>,
) -> Vec<Notice> {
    let mut book = Book::default();
    store.open_orders().unwrap().iter().for_each(|record| book.insert(Entry::of(record)));
    let mut draft = Draft::new(&mut book, store, block);
    change(&mut draft).unwrap();
    store.commit(&draft.batch).unwrap();
    let notices = draft.notices;
    let open: Vec<_> = store.open_orders().unwrap().iter().map(|record| record.hash).collect();
    let mut listed: Vec<_> = crate::meters::KINDS
        .into_iter()
        .flat_map(|kind| book.list(&OrderQuery::all(kind), Page { skip: 0, size: 1000 }).items)
        .collect();
    listed.sort();
    assert_eq!(listed, open, "the book is what a restart would load");
    notices
}

#[test]
fn what_is_committed_survives_a_restart() {
    let folder = folder();
    let published = record(app_order(1, 5));
    let store = Store::open(folder.path(), identity()).unwrap();
    let cursor = Cursor::start_at(7);
    let category = CategoryRecord {
        id: CategoryId(0),
        category: Category {
            name: "XS".into(),
            description: String::new(),
            work_clock_time_ref_seconds: 300,
        },
        place: deal(1, APP).place,
    };
    let batch = Batch {
        cursor: Some(cursor.clone()),
        orders: [(published.hash, Some(published.clone()))].into(),
        deals: vec![deal(1, APP)],
        categories: vec![category.clone()],
        ..Batch::default()
    };
    store.commit(&batch).unwrap();
    drop(store);
    let store = Store::open(folder.path(), identity()).unwrap();
    assert_eq!(store.cursor().unwrap(), Some(cursor));
    assert_eq!(store.open_orders().unwrap(), std::slice::from_ref(&published));
    assert_eq!(store.order(published.hash).unwrap(), Some(published));
    assert_eq!(store.deal(deal(1, APP).id).unwrap(), Some(deal(1, APP)));
    assert_eq!(store.categories().unwrap(), [category]);
}

#[test]
fn orders_of_every_kind_are_read_back() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let pool = AnyOrder::Workerpool(signed(WorkerpoolOrder::default()));
    let dataset = AnyOrder::Dataset(signed(poco_core::DatasetOrder::default()));
    for order in [app_order(1, 5), dataset, pool, request_order(5)] {
        let record = record(order);
        let orders = [(record.hash, Some(record.clone()))].into();
        store.commit(&Batch { orders, ..Batch::default() }).unwrap();
        assert_eq!(store.order(record.hash).unwrap(), Some(record));
    }
}

#[test]
fn a_folder_is_used_by_one_process_and_for_one_hub() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let second = Store::open(folder.path(), identity()).unwrap_err().to_string();
    assert!(second.contains("in use by another process"), "{second}");
    drop(store);
    let other = Identity { chain_id: 1, ..identity() };
    let other = Store::open(folder.path(), other).unwrap_err().to_string();
    assert!(other.contains("on chain 31337") && other.contains("choose another"), "{other}");
}

#[test]
fn deals_are_listed_newest_first_by_all_their_traits() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let other = Address::repeat_byte(8);
    let deals = (1..=25).map(|number| deal(number, if number % 5 == 0 { other } else { APP }));
    let batch = Batch { deals: deals.collect(), ..Batch::default() };
    store.commit(&batch).unwrap();
    store.commit(&batch).unwrap();
    let list = |traits: &[Trait], page| {
        let listing = store.deals(traits, page).unwrap();
        let ids: Vec<u64> =
            listing.items.iter().map(|deal| U256::from_be_bytes(deal.id.0.0).to()).collect();
        (ids, listing.count, listing.next_page)
    };
    let page = Page { skip: 0, size: 10 };
    let all: Vec<u64> = (1..=25).rev().collect();
    assert_eq!(list(&[], page), (all[..10].to_vec(), 25, Some(10)));
    assert_eq!(list(&[], Page { skip: 20, size: 10 }), (all[20..].to_vec(), 25, None));
    assert_eq!(list(&[Trait::App(other)], page), (vec![25, 20, 15, 10, 5], 5, None));
    let both = [Trait::Requester(OWNER), Trait::App(other)];
    assert_eq!(list(&both, Page { skip: 4, size: 10 }), (vec![5], 5, None));
    assert_eq!(list(&[Trait::Requester(other)], page), (vec![], 0, None));
}

#[test]
fn deals_of_lost_blocks_are_forgotten_with_all_their_traits() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let deals = (1..=6).map(|number| deal(number, APP)).collect();
    store.commit(&Batch { deals, ..Batch::default() }).unwrap();
    let deals_gone = store.deals_after(1).unwrap();
    assert_eq!(deals_gone.len(), 3, "those of blocks 2 and 3");
    store.commit(&Batch { deals_gone, ..Batch::default() }).unwrap();
    for traits in [vec![], vec![Trait::App(APP)], vec![Trait::Requester(OWNER)]] {
        assert_eq!(store.deals(&traits, Page::default()).unwrap().count, 3);
    }
    assert_eq!(store.deal(deal(6, APP).id).unwrap(), None);
}

#[test]
fn consumption_lowers_what_remains_until_the_order_is_filled() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let order = record(app_order(1, 5));
    let hash = order.hash;
    draft(&store, 5, |draft| {
        draft.publish(order.clone());
        Ok(())
    });
    let notices = draft(&store, 9, |draft| draft.consumed(hash, U256::from(4)));
    let updated = store.order(hash).unwrap().unwrap();
    assert_eq!(
        (updated.status, updated.remaining, updated.known_at),
        (Status::Open, U256::from(6), 9)
    );
    assert_eq!(notices, [Notice::Updated(Box::new(updated))]);
    assert_eq!(draft(&store, 10, |draft| draft.consumed(hash, U256::from(4))), []);
    let notices = draft(&store, 11, |draft| draft.consumed(hash, U256::from(10)));
    assert_eq!(notices, [Notice::Unpublished(OrderKind::App, hash)]);
    let filled = store.order(hash).unwrap().unwrap();
    assert_eq!((filled.status, filled.remaining), (Status::Filled, U256::ZERO));
    // A lost block gives some back.
    draft(&store, 10, |draft| draft.judged(filled, Status::Open, U256::from(6)));
    assert_eq!(store.open_orders().unwrap().len(), 1);
    assert_eq!(store.orders_known_at(11..=u64::MAX).unwrap(), []);
    assert_eq!(store.orders_known_at(10..=10).unwrap().len(), 1);
}

#[test]
fn closing_an_offer_cancels_it_and_kills_the_requests_that_need_it() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let (offer, request) = (record(app_order(1, 5)), record(request_order(5)));
    let (offer_hash, request_hash) = (offer.hash, request.hash);
    draft(&store, 5, |draft| {
        draft.publish(offer);
        draft.publish(request);
        Ok(())
    });
    let notices = draft(&store, 6, |draft| draft.closed(offer_hash));
    assert_eq!(
        notices,
        [
            Notice::Unpublished(OrderKind::App, offer_hash),
            Notice::Unpublished(OrderKind::Request, request_hash)
        ]
    );
    let status = |hash| store.order(hash).unwrap().unwrap().status;
    assert_eq!((status(offer_hash), status(request_hash)), (Status::Canceled, Status::Dead));
    // Closing consumed the whole volume; that does not make the order a filled one.
    assert_eq!(draft(&store, 7, |draft| draft.consumed(offer_hash, U256::from(10))), []);
    assert_eq!(status(offer_hash), Status::Canceled);
}

#[test]
fn an_order_whose_owner_or_stake_is_lost_is_dead() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let (offer, request) = (record(app_order(1, 5)), record(request_order(5)));
    let (offer_hash, request_hash) = (offer.hash, request.hash);
    draft(&store, 5, |draft| {
        draft.publish(offer);
        draft.publish(request);
        Ok(())
    });
    let status = |hash| store.order(hash).unwrap().unwrap().status;
    draft(&store, 6, |draft| draft.staked(OWNER, U256::from(50)));
    assert_eq!(status(request_hash), Status::Open, "5 nRLC for each of ten tasks");
    draft(&store, 7, |draft| draft.staked(OWNER, U256::from(49)));
    assert_eq!((status(request_hash), status(offer_hash)), (Status::Dead, Status::Open));
    draft(&store, 8, |draft| draft.owned(OrderKind::App, APP, OWNER));
    assert_eq!(status(offer_hash), Status::Open, "sold to whom it belongs");
    draft(&store, 8, |draft| draft.owned(OrderKind::App, APP, HUB));
    assert_eq!(status(offer_hash), Status::Dead);
}

#[test]
fn an_unpublished_order_is_forgotten() {
    let folder = folder();
    let store = Store::open(folder.path(), identity()).unwrap();
    let offer = record(app_order(1, 5));
    let hash = offer.hash;
    draft(&store, 5, |draft| {
        draft.publish(offer);
        Ok(())
    });
    let notices = draft(&store, 5, |draft| draft.unpublish(hash));
    assert_eq!(notices, [Notice::Unpublished(OrderKind::App, hash)]);
    assert_eq!(store.order(hash).unwrap(), None);
    assert_eq!(store.orders_known_at(0..=u64::MAX).unwrap(), []);
}

#[test]
fn a_folder_of_another_form_is_named() {
    let error = decode::<u64>(&[FORM + 1, 0]).unwrap_err().to_string();
    assert!(error.contains("form 2"), "{error}");
}
