//! Everything that is decoded from outside, each as a function that takes any bytes and must neither panic
//! nor take in what it would write otherwise. `fuzz/` feeds them what its engine makes up; the seeds there
//! are fed to them in `tests/`.

use poco_core::order::{AppOrder, DatasetOrder, RequestOrder, Signed, WorkerpoolOrder};
use poco_proto::pool_url::PoolUrl;
use poco_proto::v1::SchedulerMessage;
use poco_worker_core::Record;
use prost::Message as _;

/// A target by its name, which is that of its folder of seeds and of its program in `fuzz/`.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 10] = [
    ("worker_messages", worker_messages),
    ("scheduler_messages", scheduler_messages),
    ("questions", questions),
    ("chain", chain),
    ("stored", stored),
    ("orders", orders),
    ("config", config),
    ("requests", requests),
    ("answers", answers),
    ("results", results),
];

/// What workers send to a scheduler.
pub fn worker_messages(bytes: &[u8]) {
    poco_scheduler::fuzzing::worker_message(bytes);
}

/// What a scheduler sends to a worker: bytes become a message, and the message the same again.
pub fn scheduler_messages(bytes: &[u8]) {
    let Ok(message) = SchedulerMessage::decode(bytes) else { return };
    let again = SchedulerMessage::decode(message.encode_to_vec().as_slice());
    assert_eq!(again.expect("what is encoded can be decoded"), message);
}

/// What requesters ask, and what begins an upload.
pub fn questions(bytes: &[u8]) {
    poco_scheduler::fuzzing::question(bytes);
}

/// Logs, views and refusals of contracts.
pub fn chain(bytes: &[u8]) {
    let _ = poco_chain::fuzzing::log(bytes);
    poco_chain::fuzzing::view(bytes);
    let _ = poco_chain::fuzzing::refusal(bytes);
}

/// Values of the scheduler's store, of the worker's journal and of the sender's ledger.
pub fn stored(bytes: &[u8]) {
    poco_scheduler::fuzzing::stored(bytes);
    if let Ok(record) = postcard::from_bytes::<Record>(bytes) {
        let written = postcard::to_allocvec(&record).expect("a record can be written");
        let again: Record = postcard::from_bytes(&written).expect("what is written can be read");
        assert_eq!(again, record);
    }
}

/// Orders as JSON, of each kind: what is read and written is read again as the same.
pub fn orders(bytes: &[u8]) {
    macro_rules! each {
        ($($kind:ty),*) => {$(
            if let Ok(order) = serde_json::from_slice::<Signed<$kind>>(bytes) {
                let written = serde_json::to_vec(&order).expect("an order can be written");
                let again: Signed<$kind> =
                    serde_json::from_slice(&written).expect("what is written can be read");
                assert_eq!(again, order);
            }
        )*};
    }
    each!(AppOrder, DatasetOrder, WorkerpoolOrder, RequestOrder);
}

/// The scheduler's configuration.
pub fn config(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        poco_scheduler::fuzzing::config(text);
    }
}

/// What requests over HTTP carry, those of operators too, urls of pools and certificates.
pub fn requests(bytes: &[u8]) {
    poco_scheduler::fuzzing::certificate(bytes);
    poco_scheduler::fuzzing::admin(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    poco_scheduler::fuzzing::http(text);
    if let Ok(url) = text.parse::<url::Url>() {
        let _ = PoolUrl::try_from(url);
    }
}

/// Zips of results, and names of files.
pub fn results(bytes: &[u8]) {
    poco_scheduler::fuzzing::result(bytes);
}

/// What nodes and markets answer over HTTP.
pub fn answers(bytes: &[u8]) {
    let _ = (poco_chain::fuzzing::answer(bytes), poco_market_client::fuzzing::answer(bytes));
    poco_chain::fuzzing::challenge(bytes);
}
