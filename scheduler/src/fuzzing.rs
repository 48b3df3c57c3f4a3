//! What decodes the words of workers, clients and operators and what was stored, open to those who put it
//! to the test with anything.

use crate::access::Challenges;
use crate::config::Config;
use crate::pricing::{PriceAsked, PriceOrder, Prices};
use crate::transcripts::Transcripts;
use crate::{explaining, http, placement, store, translate};
use poco_core::{Address, B256};
use poco_proto::v1::worker_message::Body;
use poco_proto::v1::{ExplainRequest, UploadPart, WorkerMessage, upload_part};
use poco_proto::{pool_url, words};
use poco_result::digest::digest_of_zip;
use poco_result::{Cid, Limits};
use prost::Message as _;
use std::io::Cursor;

/// A message of a worker's stream.
pub fn worker_message(bytes: &[u8]) {
    let Ok(message) = WorkerMessage::decode(bytes) else { return };
    let worker = Address::repeat_byte(1);
    match message.body {
        Some(Body::Login(login)) => {
            let _ = words::address("worker", &login.worker);
            let live = translate::live_told(&login.live);
            assert!(live.len() <= login.live.len());
            if let Some(capacity) = login.capacity.as_ref().and_then(translate::capacity) {
                assert_eq!(capacity.slots, login.capacity.unwrap_or_default().slots);
            }
        }
        Some(Body::Report(report)) => {
            if let Some((task, _)) = translate::report(report.clone()) {
                assert_eq!(report.task, task.0.as_slice());
            }
        }
        Some(Body::Ballot(ballot)) => {
            let _ = translate::ballot(ballot, worker, B256::ZERO);
        }
        Some(Body::Disclosure(disclosure)) => {
            let _ = translate::disclosure(disclosure, worker);
        }
        Some(Body::Printed(printed)) => {
            if let Ok(task) = words::task(&printed.task) {
                let _ = Transcripts::default().take(worker, task, printed);
            }
        }
        Some(Body::Heartbeat(_) | Body::Ack(_)) | None => {}
    }
}

/// A question of a requester's, and a part of an upload.
pub fn question(bytes: &[u8]) {
    if let Ok(request) = ExplainRequest::decode(bytes) {
        let _ = explaining::subject(request);
    }
    if let Ok(UploadPart { body: Some(upload_part::Body::Header(header)) }) =
        UploadPart::decode(bytes)
    {
        let _ = (words::task(&header.task), words::word("session", &header.session));
    }
}

/// An uploaded result, and the text of a CID.
pub fn result(bytes: &[u8]) {
    let limits = Limits { bytes_max: 1 << 20, ..Limits::default() };
    let _ = digest_of_zip(Cursor::new(bytes), &limits);
    if let Some(cid) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<Cid>().ok()) {
        assert_eq!(cid.to_string().parse(), Ok(cid));
        assert_eq!(Cid::from_location(&cid.location()), Ok(cid));
    }
}

/// A value of the store, whichever family it is from.
pub fn stored(bytes: &[u8]) {
    store::fuzzing::read_all(bytes);
}

/// A configuration: what is read and printed is read again as the same.
pub fn config(text: &str) {
    let Ok(config) = toml::from_str::<Config>(text) else { return };
    if let Ok(printed) = toml::to_string(&config) {
        let again = toml::from_str::<Config>(&printed).expect("what is printed can be read");
        assert_eq!(again, config);
    }
    let _ = config.check();
}

/// What a request over HTTP may carry: a range, params, the answer to a challenge.
pub fn http(text: &str) {
    let _ = http::range_of(text);
    let _ = placement::parse(text);
    let challenges = Challenges::new(1);
    challenges.issue(Address::ZERO);
    assert_eq!(challenges.close(text), None, "nobody has its key");
}

/// An order of the operator's about prices, from a program.
pub fn admin(bytes: &[u8]) {
    let Ok(asked) = serde_json::from_slice::<PriceAsked>(bytes) else { return };
    let mut prices = Prices::default();
    let order = PriceOrder { category: 0, sale: Some(asked.into()) };
    let is_falling = asked.price_full_nano.is_some_and(|full| full < asked.price_nano);
    assert_eq!(prices.apply(order).is_err(), is_falling);
}

/// A certificate.
pub fn certificate(bytes: &[u8]) {
    let _ = (pool_url::Pin::of_certificate(bytes), pool_url::expires(bytes));
}
