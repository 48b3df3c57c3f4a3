//! The book against the rules of listing, and against a model that sorts and filters everything.

use super::*;
use crate::record::PublicationTime;
use poco_core::{B256, Conditions, OrderMark};
use proptest::prelude::*;

const NOBODY: Address = Address::ZERO;

fn address(byte: u8) -> Address {
    if byte == 0 { NOBODY } else { Address::repeat_byte(byte) }
}

fn tag(bits: u64) -> Tag {
    Tag(B256::from(U256::from(bits)))
}

fn entry(kind: OrderKind, number: u64) -> Entry {
    Entry {
        hash: OrderHash(B256::from(U256::from(number))),
        kind,
        signer: address(1),
        published: PublicationTime(0),
        remaining: U256::ONE,
        price: U256::ZERO,
        app_price_max: U256::ZERO,
        dataset_price_max: U256::ZERO,
        tag: Tag::NONE,
        category: U256::ZERO,
        trust: U256::ZERO,
        app: NOBODY,
        dataset: NOBODY,
        workerpool: NOBODY,
        requester: NOBODY,
        beneficiary: NOBODY,
        mark: None,
    }
}

fn book(entries: impl IntoIterator<Item = Entry>) -> Book {
    let mut book = Book::default();
    entries.into_iter().for_each(|entry| book.insert(entry));
    book
}

fn numbers(listing: &Listing) -> Vec<u64> {
    listing.items.iter().map(|hash| U256::from_be_bytes(hash.0.0).to()).collect()
}

fn list(book: &Book, query: &OrderQuery) -> Vec<u64> {
    numbers(&book.list(query, Page::default()))
}

fn marked(kind: OrderKind, number: u64, expiry: u64, epoch: u16) -> Entry {
    let expiry = (expiry != 0).then_some(Timestamp(expiry));
    let mark = OrderMark::new(Conditions::NONE, expiry, epoch, address(9)).unwrap();
    Entry { mark: Some(mark), ..entry(kind, number) }
}

fn hashes(numbers: impl IntoIterator<Item = u64>) -> Vec<OrderHash> {
    numbers.into_iter().map(|number| OrderHash(B256::from(U256::from(number)))).collect()
}

#[test]
fn orders_expire_in_the_second_that_they_name() {
    let kind = OrderKind::App;
    let mut book = book([marked(kind, 1, 100, 0), marked(kind, 2, 90, 0), marked(kind, 3, 0, 0)]);
    book.insert(entry(kind, 4));
    assert_eq!(book.expired(Timestamp(89)), []);
    assert_eq!(book.expired(Timestamp(90)), hashes([2]));
    assert_eq!(book.expired(Timestamp(u64::MAX)), hashes([2, 1]));
    book.remove(hashes([2])[0]);
    book.insert(marked(kind, 1, 200, 0));
    assert_eq!(book.expired(Timestamp(199)), []);
}

#[test]
fn an_epoch_ends_the_marked_orders_of_one_account_of_whatever_kind() {
    let kinds = [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool, OrderKind::Request];
    let mut book = Book::default();
    for (number, kind) in (1..).zip(kinds) {
        book.insert(marked(kind, number, 0, 3));
        book.insert(entry(kind, 10 + number));
        book.insert(marked(kind, 20 + number, 0, 4));
        book.insert(Entry { signer: address(2), ..marked(kind, 30 + number, 0, 3) });
    }
    assert_eq!(book.of_other_epoch(address(1), 4), hashes([1, 2, 3, 4]));
    assert_eq!(book.of_other_epoch(address(3), 4), []);
}

#[test]
fn a_book_of_a_hub_that_heeds_no_marks_keeps_none() {
    let mut book = Book::new(false);
    book.insert(marked(OrderKind::App, 1, 100, 3));
    assert_eq!(book.expired(Timestamp(u64::MAX)), []);
    assert_eq!(book.of_other_epoch(address(1), 4), []);
    assert_eq!(list(&book, &OrderQuery::all(OrderKind::App)), [1]);
}

#[test]
fn an_offer_under_another_guard_is_none_for_a_request() {
    let guarded = |conditions, guard| OrderMark::new(conditions, None, 0, address(guard)).ok();
    let offer = |number, price, mark| Entry {
        app: address(7),
        price: U256::from(price),
        mark,
        ..entry(OrderKind::App, number)
    };
    let request = Entry {
        app: address(7),
        app_price_max: U256::from(5),
        mark: guarded(Conditions::KNOWN_ENCLAVES, 2),
        ..entry(OrderKind::Request, 9)
    };
    let other = offer(1, 1, guarded(Conditions::KNOWN_WORKERS, 3));
    assert_eq!(book([other.clone()]).app_offer(&request), Offer::None);
    let same = offer(2, 5, guarded(Conditions::KNOWN_WORKERS, 2));
    assert_eq!(book([other.clone(), same]).app_offer(&request), Offer::Affordable);
    let plain = Entry { mark: None, ..request };
    assert_eq!(book([other]).app_offer(&plain), Offer::Affordable);
}

#[test]
fn offers_are_listed_by_price_then_publication_then_hash() {
    let offer = |number, price, published| Entry {
        price: U256::from(price),
        published: PublicationTime(published),
        ..entry(OrderKind::App, number)
    };
    let book = book([offer(1, 5, 9), offer(2, 5, 8), offer(4, 3, 7), offer(3, 5, 8)]);
    assert_eq!(list(&book, &OrderQuery::all(OrderKind::App)), [4, 2, 3, 1]);
}

#[test]
fn requests_that_pay_most_are_listed_first() {
    let request = |number, price, published| Entry {
        price: U256::from(price),
        published: PublicationTime(published),
        ..entry(OrderKind::Request, number)
    };
    let book = book([request(1, 5, 9), request(2, 7, 8), request(3, 5, 8)]);
    assert_eq!(list(&book, &OrderQuery::all(OrderKind::Request)), [2, 3, 1]);
}

#[test]
fn restrictions_let_through_what_the_selector_says() {
    let restricted = |number, to| Entry { requester: address(to), ..entry(OrderKind::App, number) };
    let book = book([restricted(1, 0), restricted(2, 7), restricted(3, 8)]);
    let select = |requester| OrderQuery { requester, ..OrderQuery::all(OrderKind::App) };
    assert_eq!(list(&book, &select(Selector::Unrestricted)), [1]);
    assert_eq!(list(&book, &select(Selector::Admitting(address(7)))), [1, 2]);
    assert_eq!(list(&book, &select(Selector::Exactly(address(7)))), [2]);
    assert_eq!(list(&book, &select(Selector::Any)), [1, 2, 3]);
}

#[test]
fn the_least_tag_asks_for_bits_and_the_greatest_forbids_others() {
    let tagged = |number, bits| Entry { tag: tag(bits), ..entry(OrderKind::Workerpool, number) };
    let book = book([tagged(1, 0b000), tagged(2, 0b001), tagged(3, 0b011), tagged(4, 0b100)]);
    let within = |tag_min, tag_max: Option<u64>| OrderQuery {
        tag_min: tag(tag_min),
        tag_max: tag_max.map(tag),
        ..OrderQuery::all(OrderKind::Workerpool)
    };
    assert_eq!(list(&book, &within(0b001, None)), [2, 3]);
    assert_eq!(list(&book, &within(0, Some(0b011))), [1, 2, 3]);
    assert_eq!(list(&book, &within(0b001, Some(0b001))), [2]);
    assert_eq!(list(&book, &within(0, Some(0))), [1]);
}

#[test]
fn trust_volume_category_and_owner_narrow_a_list() {
    let pool = |number, trust, remaining, category, signer| Entry {
        trust: U256::from(trust),
        remaining: U256::from(remaining),
        category: U256::from(category),
        signer: address(signer),
        ..entry(OrderKind::Workerpool, number)
    };
    let book = book([pool(1, 1, 1, 0, 1), pool(2, 5, 1, 0, 1), pool(3, 5, 9, 2, 2)]);
    let all = OrderQuery::all(OrderKind::Workerpool);
    assert_eq!(list(&book, &OrderQuery { trust_min: U256::from(5), ..all.clone() }), [2, 3]);
    assert_eq!(list(&book, &OrderQuery { trust_max: Some(U256::from(4)), ..all.clone() }), [1]);
    assert_eq!(list(&book, &OrderQuery { volume_min: U256::from(2), ..all.clone() }), [3]);
    assert_eq!(list(&book, &OrderQuery { category: Some(U256::ZERO), ..all.clone() }), [1, 2]);
    assert_eq!(list(&book, &OrderQuery { signer: Some(address(2)), ..all }), [3]);
}

#[test]
fn a_full_page_names_the_next_one_and_every_page_counts_all() {
    let book = book((0..25).map(|number| entry(OrderKind::App, number)));
    let query = OrderQuery::all(OrderKind::App);
    let page = |skip, size| book.list(&query, Page { skip, size });
    let first = page(0, 10);
    assert_eq!((numbers(&first), first.count, first.next_page), ((0..10).collect(), 25, Some(10)));
    let last = page(20, 10);
    assert_eq!((numbers(&last), last.count, last.next_page), ((20..25).collect(), 25, None));
    let beyond = page(u64::MAX, 10);
    assert_eq!((numbers(&beyond), beyond.count, beyond.next_page), (vec![], 25, None));
}

#[test]
fn the_stake_of_a_pool_is_floored_for_one_task_and_then_multiplied() {
    let pool = Entry {
        price: U256::from(9),
        remaining: U256::from(10),
        ..entry(OrderKind::Workerpool, 1)
    };
    assert_eq!(pool.stake_needed(), Some(U256::from(20)), "floor(2.7) * 10");
    let book = book([pool]);
    assert_eq!(book.uncovered(address(1), U256::from(20)), []);
    assert_eq!(book.uncovered(address(1), U256::from(19)).len(), 1);
    assert_eq!(book.uncovered(address(2), U256::ZERO), [], "another account");
}

#[test]
fn a_request_needs_stake_for_all_three_prices_and_all_that_remains() {
    let request = Entry {
        price: U256::from(5),
        app_price_max: U256::from(2),
        dataset_price_max: U256::from(3),
        remaining: U256::from(4),
        ..entry(OrderKind::Request, 1)
    };
    assert_eq!(request.stake_needed(), Some(U256::from(40)));
    let beyond = Entry { price: U256::MAX, ..request };
    assert_eq!(book([beyond]).uncovered(address(1), U256::MAX).len(), 1, "no stake covers that");
}

#[test]
fn only_orders_of_the_former_owner_are_disowned() {
    let offer = |number, app, signer| Entry {
        app: address(app),
        signer: address(signer),
        ..entry(OrderKind::App, number)
    };
    // A pool order restricted to the app is none of the app's orders.
    let restricted = Entry { app: address(7), ..entry(OrderKind::Workerpool, 9) };
    let book = book([offer(1, 7, 1), offer(2, 7, 2), offer(3, 8, 1), restricted]);
    let disowned = book.disowned(OrderKind::App, address(7), address(2));
    assert_eq!(disowned, [entry(OrderKind::App, 1).hash]);
    assert_eq!(book.disowned(OrderKind::Workerpool, address(7), address(2)), []);
}

fn request_for(app: u8, dataset: u8, price_max: u64) -> Entry {
    Entry {
        app: address(app),
        dataset: address(dataset),
        app_price_max: U256::from(price_max),
        dataset_price_max: U256::from(price_max),
        requester: address(9),
        ..entry(OrderKind::Request, 100)
    }
}

#[test]
fn a_request_depends_on_the_last_offer_that_it_can_pay() {
    let offer = |number, price| Entry {
        app: address(7),
        price: U256::from(price),
        ..entry(OrderKind::App, number)
    };
    let mut book = book([offer(1, 5), offer(2, 6), offer(3, 99), request_for(7, 0, 6)]);
    for (number, dependants) in [(1, 0), (2, 1)] {
        let gone = book.remove(entry(OrderKind::App, number).hash).unwrap();
        assert_eq!(book.dependants(&gone).len(), dependants, "after offer {number}");
    }
    let request = request_for(7, 0, 6);
    assert_eq!(book.app_offer(&request), Offer::TooDear(U256::from(99)));
    assert_eq!(book.dataset_offer(&request), Offer::Affordable, "it needs none");
}

#[test]
fn offers_restricted_to_others_or_without_the_enclave_do_not_count() {
    let offer = Entry { app: address(7), ..entry(OrderKind::App, 1) };
    let request = request_for(7, 0, 6);
    for (offer, expected) in [
        (Entry { requester: address(9), ..offer.clone() }, Offer::Affordable),
        (Entry { requester: address(8), ..offer.clone() }, Offer::None),
        (Entry { workerpool: address(8), ..offer.clone() }, Offer::None),
        (Entry { dataset: address(8), ..offer.clone() }, Offer::None),
        (Entry { app: address(8), ..offer.clone() }, Offer::None),
    ] {
        assert_eq!(book([offer.clone()]).app_offer(&request), expected, "{offer:?}");
    }
    let in_enclave = Entry { tag: Tag::TEE, ..request };
    assert_eq!(book([offer.clone()]).app_offer(&in_enclave), Offer::None);
    let made_for_it = Entry { tag: Tag::TEE | Tag::SCONE, ..offer };
    assert_eq!(book([made_for_it]).app_offer(&in_enclave), Offer::Affordable);
}

#[test]
fn a_request_depends_on_its_dataset_too() {
    let app = Entry { app: address(7), ..entry(OrderKind::App, 1) };
    let dataset =
        Entry { dataset: address(5), price: U256::from(6), ..entry(OrderKind::Dataset, 2) };
    let mut book = book([app, dataset.clone(), request_for(7, 5, 6), request_for(7, 0, 6)]);
    book.remove(dataset.hash);
    assert_eq!(book.dataset_offer(&request_for(7, 5, 6)), Offer::None);
    // The second request has the hash of the first and took its place: it needs no dataset.
    assert_eq!(book.dependants(&dataset), []);
    book.insert(request_for(7, 5, 6));
    assert_eq!(book.dependants(&dataset).len(), 1);
}

#[test]
fn the_newest_of_a_wallet_s_orders_for_a_resource_comes_first() {
    let offer = |number, published, app| Entry {
        app: address(app),
        published: PublicationTime(published),
        ..entry(OrderKind::App, number)
    };
    let book = book([offer(1, 5, 7), offer(2, 9, 7), offer(3, 10, 8)]);
    let found = book.published_by(OrderKind::App, address(1), address(7));
    let listing = Listing { items: found, count: 2, next_page: None };
    assert_eq!(numbers(&listing), [2, 1]);
    assert_eq!(book.published_by(OrderKind::App, address(2), address(7)), []);
    assert_eq!(book.open_count_of(OrderKind::App, address(1)), 3);
}

prop_compose! {
    fn any_entry()(
        kind in prop::sample::select(vec![
            OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool, OrderKind::Request,
        ]),
        number in 0_u64..40,
        price in 0_u64..4,
        published in 0_u64..4,
        parties in prop::array::uniform6(0_u8..3),
        terms in prop::array::uniform4(0_u64..4),
    ) -> Entry {
        let [signer, app, dataset, workerpool, requester, beneficiary] = parties.map(address);
        let [tag_bits, category, trust, remaining] = terms;
        // As in real requests, the signer is the requester.
        let signer = if kind == OrderKind::Request { requester } else { signer };
        Entry {
            published: PublicationTime(published),
            price: U256::from(price),
            signer,
            app,
            dataset,
            workerpool,
            requester,
            beneficiary,
            tag: tag(tag_bits),
            category: U256::from(category),
            trust: U256::from(trust),
            remaining: U256::from(remaining),
            ..entry(kind, number)
        }
    }
}

fn any_selector() -> impl Strategy<Value = Selector> {
    (0_u8..4, 0_u8..3).prop_map(|(form, byte)| match form {
        0 => Selector::Any,
        1 => Selector::Exactly(address(byte)),
        2 => Selector::Unrestricted,
        _ => Selector::Admitting(address(byte)),
    })
}

prop_compose! {
    fn any_query()(
        kind in prop::sample::select(vec![
            OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool, OrderKind::Request,
        ]),
        selectors in prop::array::uniform5(any_selector()),
        signer in prop::option::of(0_u8..3),
        category in prop::option::of(0_u64..4),
        tag_min in 0_u64..4,
        tag_max in prop::option::of(0_u64..4),
        trust_min in 0_u64..3,
        trust_max in prop::option::of(0_u64..4),
        volume_min in 0_u64..3,
    ) -> OrderQuery {
        let [app, dataset, workerpool, requester, beneficiary] = selectors;
        OrderQuery {
            kind,
            app,
            dataset,
            workerpool,
            requester,
            beneficiary,
            signer: signer.map(address),
            category: category.map(U256::from),
            tag_min: tag(tag_min),
            tag_max: tag_max.map(tag),
            trust_min: U256::from(trust_min),
            trust_max: trust_max.map(U256::from),
            volume_min: U256::from(volume_min),
        }
    }
}

#[test]
fn orders_without_a_category_are_listed_under_category_zero() {
    let book = book([entry(OrderKind::App, 13), entry(OrderKind::Dataset, 14)]);
    for kind in [OrderKind::App, OrderKind::Dataset] {
        let query = OrderQuery { category: Some(U256::ZERO), ..OrderQuery::all(kind) };
        assert_eq!(book.list(&query, Page::default()).count, 1);
    }
}

proptest! {
    /// Whatever was inserted and removed, a list is what sorting and filtering everything gives:
    /// no index hides or repeats an order, and the pages together are the list.
    #[test]
    fn lists_are_the_sorted_and_filtered_orders(
        entries in prop::collection::vec(any_entry(), 0..60),
        removed in prop::collection::vec(0_u64..40, 0..10),
        query in any_query(),
        size in 1_u64..7,
    ) {
        let mut book = Book::default();
        let mut model = BTreeMap::new();
        for entry in entries {
            model.insert(entry.hash, entry.clone());
            book.insert(entry);
        }
        for number in removed {
            let hash = entry(OrderKind::App, number).hash;
            prop_assert_eq!(book.remove(hash), model.remove(&hash));
        }
        let mut expected: Vec<_> = model
            .values()
            .filter(|entry| entry.kind == query.kind && query.takes(entry))
            .collect();
        expected.sort_by_key(|entry| entry.rank());
        let expected: Vec<_> = expected.into_iter().map(|entry| entry.hash).collect();
        let mut listed = Vec::new();
        let mut next = Some(0);
        while let Some(skip) = next {
            let page = book.list(&query, Page { skip, size });
            prop_assert_eq!(page.count, expected.len() as u64);
            listed.extend(page.items);
            next = page.next_page;
        }
        prop_assert_eq!(listed, expected);
        prop_assert_eq!(book.len(), model.len());
    }

    /// After everything is removed no index is left behind.
    #[test]
    fn an_emptied_book_holds_nothing(entries in prop::collection::vec(any_entry(), 0..40)) {
        let mut book = book(entries.clone());
        for entry in entries {
            book.remove(entry.hash);
        }
        prop_assert!(book.entries.is_empty() && book.ranked.is_empty());
    }
}
