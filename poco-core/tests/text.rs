//! How orders and all else are written: the market's JSON, and binary.
#![cfg(feature = "serde")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use poco_core::call::{Call, SignedTerms};
use poco_core::event::AnyOrder;
use poco_core::order::OrderOperation;
use poco_core::task::{ContributionView, TaskView};
use poco_core::{
    Address, Amount, AppOrder, B256, Bytes, DatasetOrder, Deal, Event, OrderHash, OrderKind,
    RequestOrder, Signed, Tag, U256, WorkerpoolOrder,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::fmt::Debug;

/// A workerpool order as the market shows it and clients send it.
fn workerpool_order_json() -> Value {
    json!({
        "workerpool": "0x4FDcCAB25fa1e0317Da1188108f7d2dEe14902FB",
        "workerpoolprice": 20_000_000_000u64,
        "volume": 3,
        "tag": "0x0000000000000000000000000000000000000000000000000000000000000100",
        "category": 4,
        "trust": 5,
        "apprestrict": "0x0000000000000000000000000000000000000000",
        "datasetrestrict": "0x0000000000000000000000000000000000000000",
        "requesterrestrict": "0x0000000000000000000000000000000000000000",
        "salt": "0xabababababababababababababababababababababababababababababababab",
        "sign": "0x1234",
    })
}

fn request_order() -> Signed<RequestOrder> {
    Signed {
        order: RequestOrder {
            app: Address::repeat_byte(1),
            app_price_max: Amount(U256::MAX),
            volume: U256::from(u64::MAX),
            trust: U256::from(7),
            params: "{\"iexec_args\":\"é\"}".into(),
            salt: B256::repeat_byte(2),
            ..RequestOrder::default()
        },
        sign: Bytes::from_static(&[3; 65]),
    }
}

fn app_order() -> Signed<AppOrder> {
    Signed { order: AppOrder { tag: Tag::TEE, ..AppOrder::default() }, sign: Bytes::new() }
}

fn is_read_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let text = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&text).unwrap(), *value, "JSON {text}");
    let tree = serde_json::to_value(value).unwrap();
    assert_eq!(serde_json::from_value::<T>(tree).unwrap(), *value, "JSON tree");
    let bytes = postcard::to_allocvec(value).unwrap();
    assert_eq!(postcard::from_bytes::<T>(&bytes).unwrap(), *value, "postcard");
}

#[test]
fn an_order_is_written_in_the_shape_of_the_market() {
    let json = workerpool_order_json();
    let order: Signed<WorkerpoolOrder> = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(order.order.price, Amount::from_nano(20_000_000_000));
    assert_eq!(order.order.tag, Tag::GPU);
    assert_eq!(order.sign, Bytes::from_static(&[0x12, 0x34]));
    assert_eq!(serde_json::to_value(&order).unwrap(), json);
}

#[test]
fn numbers_are_read_as_numbers_and_as_strings() {
    let mut json = workerpool_order_json();
    json["workerpoolprice"] = json!("20000000000");
    json["volume"] = json!("0x3");
    let order: Signed<WorkerpoolOrder> = serde_json::from_value(json).unwrap();
    assert_eq!(serde_json::to_value(&order).unwrap(), workerpool_order_json());
    for wrong in
        [json!(-1), json!(1.5), json!(""), json!("1e3"), json!("-1"), json!("0x"), json!(null)]
    {
        let mut json = workerpool_order_json();
        json["volume"] = wrong.clone();
        assert!(serde_json::from_value::<Signed<WorkerpoolOrder>>(json).is_err(), "{wrong}");
    }
}

#[test]
fn numbers_that_json_readers_would_round_are_written_as_strings() {
    let json = serde_json::to_value(request_order()).unwrap();
    assert_eq!(json["volume"], json!("18446744073709551615"));
    assert_eq!(json["appmaxprice"], json!(U256::MAX.to_string()));
    assert_eq!(json["trust"], json!(7));
}

#[test]
fn an_order_with_an_unknown_key_is_refused_by_name() {
    let mut signed = workerpool_order_json();
    signed["workerpoolprise"] = json!(1);
    let refusal = serde_json::from_value::<Signed<WorkerpoolOrder>>(signed.clone()).unwrap_err();
    assert!(refusal.to_string().contains("unknown field `workerpoolprise`"), "{refusal}");
    // Also where the key comes after all others, in a text, and without a signature.
    let refusal = serde_json::from_str::<Signed<WorkerpoolOrder>>(&signed.to_string()).unwrap_err();
    assert!(refusal.to_string().contains("unknown field `workerpoolprise`"), "{refusal}");
    let refusal = serde_json::from_value::<WorkerpoolOrder>(workerpool_order_json()).unwrap_err();
    assert!(refusal.to_string().contains("unknown field `sign`"), "{refusal}");
}

#[test]
fn an_order_without_one_of_its_keys_is_refused_by_name() {
    let json = workerpool_order_json();
    for key in json.as_object().unwrap().keys() {
        let mut lacking = json.clone();
        lacking.as_object_mut().unwrap().remove(key);
        let refusal = serde_json::from_value::<Signed<WorkerpoolOrder>>(lacking).unwrap_err();
        assert!(refusal.to_string().contains(&format!("missing field `{key}`")), "{refusal}");
    }
}

#[test]
fn an_order_that_says_a_thing_twice_is_refused() {
    let text = workerpool_order_json().to_string();
    for twice in [r#","sign":"0x"}"#, r#","trust":6}"#] {
        let text = format!("{}{twice}", text.strip_suffix('}').unwrap());
        let refusal = serde_json::from_str::<Signed<WorkerpoolOrder>>(&text).unwrap_err();
        assert!(refusal.to_string().contains("duplicate field"), "{refusal}");
    }
}

#[test]
fn a_mistyped_address_is_refused_by_its_checksum() {
    let mut json = workerpool_order_json();
    json["workerpool"] = json!("0x4FDcCAB25fa1e0317Da1188108f7d2dEe14902Fb");
    let refusal = serde_json::from_value::<Signed<WorkerpoolOrder>>(json.clone()).unwrap_err();
    assert!(refusal.to_string().contains("is not a checksummed address"), "{refusal}");
    json["workerpool"] = json!("0x4fdccab25fa1e0317da1188108f7d2dee14902fb");
    let order: Signed<WorkerpoolOrder> = serde_json::from_value(json).unwrap();
    assert_eq!(serde_json::to_value(&order).unwrap(), workerpool_order_json());
}

#[test]
fn every_kind_of_order_is_read_back_from_json_and_binary() {
    is_read_back(&request_order());
    is_read_back(&app_order());
    is_read_back(&Signed { order: DatasetOrder::default(), sign: Bytes::new() });
    is_read_back(
        &serde_json::from_value::<Signed<WorkerpoolOrder>>(workerpool_order_json()).unwrap(),
    );
    is_read_back(&AnyOrder::Request(request_order()));
    is_read_back(&AnyOrder::App(app_order()));
}

#[test]
fn calls_events_and_views_are_read_back_from_json_and_binary() {
    let terms =
        SignedTerms { request: request_order(), app: app_order(), ..SignedTerms::default() };
    is_read_back(&Call::MatchOrders(Box::new(terms)));
    is_read_back(&Call::ManageOrder {
        order: Box::new(AnyOrder::Request(request_order())),
        operation: OrderOperation::Close,
        sign: Bytes::from_static(&[7]),
    });
    is_read_back(&Event::OrderBroadcast(Box::new(AnyOrder::App(app_order()))));
    is_read_back(&Event::OrderClosed {
        kind: OrderKind::Workerpool,
        order: OrderHash(B256::repeat_byte(9)),
    });
    is_read_back(&Deal { trust: U256::MAX, params: "é".into(), ..Deal::default() });
    is_read_back(&TaskView {
        index: U256::MAX,
        contributors: vec![Address::repeat_byte(5)],
        results: Bytes::from_static(b"r"),
        ..TaskView::default()
    });
    is_read_back(&ContributionView { weight: U256::from(6), ..ContributionView::default() });
}
