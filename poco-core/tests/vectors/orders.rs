//! Orders of each kind with their hashes, ordinary and extreme.

use crate::{address, decimal, word};
use poco_core::eip712::Domain;
use poco_core::order::{Order, OrderOperation};
use poco_core::{
    Address, Amount, AppOrder, B256, DatasetOrder, RequestOrder, Tag, U256, WorkerpoolOrder,
    keccak256,
};
use serde_json::{Map, Value, json};

const CHAIN_ID: u64 = 31337;
const HUB: Address = Address::new(*b"hub of the vectors!!");

/// A text that is long, of several alphabets and full of what JSON must escape.
fn long_params() -> String {
    let odd = "{\"iexec_args\":\"--name 'É 漢字 🦀' \\\\ \\\"\\n\\t\"}";
    odd.repeat(20)
}

pub(crate) fn vectors() -> Value {
    let domain = Domain::of_hub(CHAIN_ID, HUB);
    let separator = domain.separator();
    json!({
        "appOrders": app_orders().iter().map(|order| app(order, separator)).collect::<Vec<_>>(),
        "chainId": decimal(U256::from(CHAIN_ID)),
        "datasetOrders":
            dataset_orders().iter().map(|order| dataset(order, separator)).collect::<Vec<_>>(),
        "domainName": domain.name,
        "domainSeparator": separator,
        "domainVersion": domain.version,
        "hub": HUB,
        "requestOrders":
            request_orders().iter().map(|order| request(order, separator)).collect::<Vec<_>>(),
        "workerpoolOrders":
            workerpool_orders().iter().map(|order| workerpool(order, separator)).collect::<Vec<_>>(),
    })
}

fn app_orders() -> [AppOrder; 4] {
    let ordinary = AppOrder {
        app: address("app"),
        price: Amount::from_nano(1_500_000_000),
        volume: U256::from(1_000),
        tag: Tag::NONE,
        salt: word("app salt"),
        ..AppOrder::default()
    };
    let restricted = AppOrder {
        tag: Tag::TEE | Tag::TDX,
        dataset_restrict: address("dataset"),
        workerpool_restrict: address("workerpool"),
        requester_restrict: address("requester"),
        ..ordinary.clone()
    };
    let largest = AppOrder {
        app: LAST_ADDRESS,
        price: Amount(U256::MAX),
        volume: U256::MAX,
        tag: Tag(B256::repeat_byte(0xff)),
        dataset_restrict: LAST_ADDRESS,
        workerpool_restrict: LAST_ADDRESS,
        requester_restrict: LAST_ADDRESS,
        salt: B256::repeat_byte(0xff),
    };
    [AppOrder::default(), ordinary, restricted, largest]
}

const LAST_ADDRESS: Address = Address::repeat_byte(0xff);

fn dataset_orders() -> [DatasetOrder; 4] {
    let ordinary = DatasetOrder {
        dataset: address("dataset"),
        price: Amount::from_nano(7),
        volume: U256::from(12),
        tag: Tag::NONE,
        salt: word("dataset salt"),
        ..DatasetOrder::default()
    };
    let restricted = DatasetOrder {
        tag: Tag::TEE | Tag::SCONE,
        app_restrict: address("app"),
        workerpool_restrict: address("workerpool"),
        requester_restrict: address("requester"),
        ..ordinary.clone()
    };
    let largest = DatasetOrder {
        dataset: LAST_ADDRESS,
        price: Amount(U256::MAX),
        volume: U256::MAX,
        tag: Tag(B256::repeat_byte(0xff)),
        app_restrict: LAST_ADDRESS,
        workerpool_restrict: LAST_ADDRESS,
        requester_restrict: LAST_ADDRESS,
        salt: B256::repeat_byte(0xff),
    };
    [DatasetOrder::default(), ordinary, restricted, largest]
}

fn workerpool_orders() -> [WorkerpoolOrder; 4] {
    let ordinary = WorkerpoolOrder {
        workerpool: address("workerpool"),
        price: Amount::from_nano(20_000_000_000),
        volume: U256::from(3),
        tag: Tag::GPU,
        category: U256::from(4),
        trust: U256::from(1_000_000),
        salt: word("workerpool salt"),
        ..WorkerpoolOrder::default()
    };
    let restricted = WorkerpoolOrder {
        app_restrict: address("app"),
        dataset_restrict: address("dataset"),
        requester_restrict: address("requester"),
        ..ordinary.clone()
    };
    let largest = WorkerpoolOrder {
        workerpool: LAST_ADDRESS,
        price: Amount(U256::MAX),
        volume: U256::MAX,
        tag: Tag(B256::repeat_byte(0xff)),
        category: U256::MAX,
        trust: U256::MAX,
        app_restrict: LAST_ADDRESS,
        dataset_restrict: LAST_ADDRESS,
        requester_restrict: LAST_ADDRESS,
        salt: B256::repeat_byte(0xff),
    };
    [WorkerpoolOrder::default(), ordinary, restricted, largest]
}

fn request_orders() -> [RequestOrder; 5] {
    let ordinary = RequestOrder {
        app: address("app"),
        app_price_max: Amount::from_nano(1_500_000_000),
        dataset: address("dataset"),
        dataset_price_max: Amount::from_nano(7),
        workerpool: Address::ZERO,
        workerpool_price_max: Amount::from_nano(25_000_000_000),
        requester: address("requester"),
        volume: U256::from(10),
        tag: Tag::TEE,
        category: U256::from(4),
        trust: U256::from(5),
        beneficiary: address("beneficiary"),
        callback: Address::ZERO,
        params: r#"{"iexec_args":"--lines 10"}"#.into(),
        salt: word("request salt"),
    };
    let plain = RequestOrder {
        dataset: Address::ZERO,
        callback: address("callback"),
        params: "--lines 10".into(),
        ..ordinary.clone()
    };
    let long = RequestOrder { params: long_params(), ..ordinary.clone() };
    let largest = RequestOrder {
        app: LAST_ADDRESS,
        app_price_max: Amount(U256::MAX),
        dataset: LAST_ADDRESS,
        dataset_price_max: Amount(U256::MAX),
        workerpool: LAST_ADDRESS,
        workerpool_price_max: Amount(U256::MAX),
        requester: LAST_ADDRESS,
        volume: U256::MAX,
        tag: Tag(B256::repeat_byte(0xff)),
        category: U256::MAX,
        trust: U256::MAX,
        beneficiary: LAST_ADDRESS,
        callback: LAST_ADDRESS,
        params: String::new(),
        salt: B256::repeat_byte(0xff),
    };
    [RequestOrder::default(), ordinary, plain, long, largest]
}

fn app(order: &AppOrder, separator: B256) -> Value {
    with_hashes(
        order,
        separator,
        json!({
            "app": order.app,
            "appprice": decimal(order.price.0),
            "volume": decimal(order.volume),
            "tag": order.tag.0,
            "datasetrestrict": order.dataset_restrict,
            "workerpoolrestrict": order.workerpool_restrict,
            "requesterrestrict": order.requester_restrict,
            "salt": order.salt,
        }),
    )
}

fn dataset(order: &DatasetOrder, separator: B256) -> Value {
    with_hashes(
        order,
        separator,
        json!({
            "dataset": order.dataset,
            "datasetprice": decimal(order.price.0),
            "volume": decimal(order.volume),
            "tag": order.tag.0,
            "apprestrict": order.app_restrict,
            "workerpoolrestrict": order.workerpool_restrict,
            "requesterrestrict": order.requester_restrict,
            "salt": order.salt,
        }),
    )
}

fn workerpool(order: &WorkerpoolOrder, separator: B256) -> Value {
    with_hashes(
        order,
        separator,
        json!({
            "workerpool": order.workerpool,
            "workerpoolprice": decimal(order.price.0),
            "volume": decimal(order.volume),
            "tag": order.tag.0,
            "category": decimal(order.category),
            "trust": decimal(order.trust),
            "apprestrict": order.app_restrict,
            "datasetrestrict": order.dataset_restrict,
            "requesterrestrict": order.requester_restrict,
            "salt": order.salt,
        }),
    )
}

fn request(order: &RequestOrder, separator: B256) -> Value {
    with_hashes(
        order,
        separator,
        json!({
            "app": order.app,
            "appmaxprice": decimal(order.app_price_max.0),
            "dataset": order.dataset,
            "datasetmaxprice": decimal(order.dataset_price_max.0),
            "workerpool": order.workerpool,
            "workerpoolmaxprice": decimal(order.workerpool_price_max.0),
            "requester": order.requester,
            "volume": decimal(order.volume),
            "tag": order.tag.0,
            "category": decimal(order.category),
            "trust": decimal(order.trust),
            "beneficiary": order.beneficiary,
            "callback": order.callback,
            "params": order.params,
            "salt": order.salt,
        }),
    )
}

/// Adds the order's hashes to its members, all sorted by key.
fn with_hashes(order: &impl Order, separator: B256, members: Value) -> Value {
    let hashes = json!({
        "closeHash": order.operation_hash(OrderOperation::Close, separator),
        "orderHash": order.hash(separator).0,
        "signHash": order.operation_hash(OrderOperation::Sign, separator),
        "structHash": order.struct_hash(),
    });
    let (Value::Object(members), Value::Object(hashes)) = (members, hashes) else {
        unreachable!("both are written as objects above");
    };
    let mut all: Vec<_> = members.into_iter().chain(hashes).collect();
    all.sort_by(|(left, _), (right, _)| left.cmp(right));
    Value::Object(Map::from_iter(all))
}

#[test]
fn type_hashes_are_those_of_the_deployed_contracts() {
    // From ethers 6: TypedDataEncoder.from(types).encodeType(name), then keccak256.
    let known = [
        (AppOrder::TYPE_TEXT, "0x60815a0eeec47dddf1615fe53b31d016c31444e01b9d796db365443a6445d008"),
        (
            DatasetOrder::TYPE_TEXT,
            "0x6cfc932a5a3d22c4359295b9f433edff52b60703fa47690a04a83e40933dd47c",
        ),
        (
            WorkerpoolOrder::TYPE_TEXT,
            "0xaa3429fb281b34691803133d3d978a75bb77c617ed6bc9aa162b9b30920022bb",
        ),
        (
            RequestOrder::TYPE_TEXT,
            "0xf24e853034a3a450aba845a82914fbb564ad85accca6cf62be112a154520fae0",
        ),
    ];
    for (text, hash) in known {
        assert_eq!(keccak256(text).to_string(), hash, "{text}");
    }
}

#[test]
fn the_ordinary_orders_hash_as_another_implementation_says() {
    // From ethers 6: TypedDataEncoder.hash(domain, types, order) of the second order of each kind.
    let separator = Domain::of_hub(CHAIN_ID, HUB).separator();
    assert_eq!(
        separator.to_string(),
        "0xe0f3524c542c3af92f4af6a969a9c65148db22d973958312e9bb6ddf4e5cd33c"
    );
    let [_, app, ..] = app_orders();
    let [_, dataset, ..] = dataset_orders();
    let [_, workerpool, ..] = workerpool_orders();
    let [_, request, ..] = request_orders();
    assert_eq!(
        app.hash(separator).to_string(),
        "0xd2f2fa93e58b8d4d9d44f724216a5176fb785ccce9a939460edaa941cbe850e5"
    );
    assert_eq!(
        dataset.hash(separator).to_string(),
        "0xa26aa23def74c53b324a5b05a9c8c7ded46e59a574fc5a99992cf361775103a3"
    );
    assert_eq!(
        workerpool.hash(separator).to_string(),
        "0xec76edd3bef76e98821aa20090b14dca678184ca5074e1b93225bb0c5789fdbb"
    );
    assert_eq!(
        request.hash(separator).to_string(),
        "0x000ad4e3f78cb438d89c2cefa0ed3ebe9c93545d6384ce9e1e940797de5c1e12"
    );
    let close = request.operation_hash(OrderOperation::Close, separator);
    assert_eq!(
        close.to_string(),
        "0x0ad32d0a383e0bdbae94de2a59be6e829b349b3c7dd57e3d422ee858cca2d20d"
    );
}
