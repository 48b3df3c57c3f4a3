//! What decodes the words of nodes and contracts, open to those who put it to the test with anything.

use crate::abi::refusal::Refusal;
use crate::abi::{self, events, views};
use crate::contracts::Contracts;
use crate::rpc::{MinedLog, RpcHeader, RpcReceipt, block_of, mined_at, refusal_of};
use crate::wallet::Wallet;
use alloy_json_rpc::{ResponsePacket, ResponsePayload};
use alloy_primitives::{Log, LogData, U64};
use alloy_sol_types::SolValue as _;
use poco_core::{Address, B256, Bytes, Event};
use serde_json::Value;

/// The contracts of a hub whose parts have these addresses, in the order of emitters below.
fn contracts() -> Contracts {
    Contracts {
        chain_id: 31337,
        hub: Address::repeat_byte(0),
        token: Address::repeat_byte(1),
        app_registry: Address::repeat_byte(2),
        dataset_registry: Address::repeat_byte(3),
        workerpool_registry: Address::repeat_byte(4),
        domain_separator: B256::repeat_byte(5),
    }
}

/// A log: the emitter's number, the number of topics, the topics, the data.
pub fn log(bytes: &[u8]) -> Option<Event> {
    let (&emitter, rest) = bytes.split_first()?;
    let (&count, rest) = rest.split_first()?;
    let count = usize::from(count % 5);
    let (topics, data) = rest.split_at_checked(count.checked_mul(32)?)?;
    let topics = topics.chunks_exact(32).map(B256::from_slice).collect();
    let data = LogData::new(topics, Bytes::copy_from_slice(data))?;
    events::decode(&contracts(), &Log { address: Address::repeat_byte(emitter), data })
}

/// An answer of each of the hub's views.
pub fn view(bytes: &[u8]) {
    if let Ok(view) = abi::DealView::abi_decode(bytes) {
        let _ = views::deal(view);
    }
    if let Ok(view) = abi::TaskViewAbi::abi_decode(bytes) {
        let _ = views::task(view);
    }
    if let Ok(view) = abi::ContributionAbi::abi_decode(bytes) {
        let _ = views::contribution(view);
    }
    if let Ok(view) = abi::CategoryView::abi_decode(bytes) {
        let _ = views::category(view);
    }
}

/// Why a call was refused.
#[must_use]
pub fn refusal(bytes: &[u8]) -> String {
    Refusal::decode(Bytes::copy_from_slice(bytes), "no reason").to_string()
}

/// What a node answers over HTTP, to whatever it was asked; how many answers there are.
#[must_use]
pub fn answer(bytes: &[u8]) -> usize {
    let Ok(packet) = serde_json::from_slice::<ResponsePacket>(bytes) else { return 0 };
    for response in packet.responses() {
        let result = match &response.payload {
            ResponsePayload::Success(result) => result.get(),
            ResponsePayload::Failure(error) => {
                let _ = refusal_of(error);
                continue;
            }
        };
        let _ = serde_json::from_str::<U64>(result);
        let _ = serde_json::from_str::<Bytes>(result);
        let _ =
            serde_json::from_str::<Option<RpcHeader>>(result).ok().flatten().map(|h| block_of(&h));
        let receipt = serde_json::from_str::<Option<RpcReceipt>>(result).ok().flatten();
        let _ = receipt.as_ref().and_then(mined_at);
        let logs: Vec<alloy_rpc_types_eth::Log> = serde_json::from_str(result).unwrap_or_default();
        for log in logs.into_iter().filter_map(MinedLog::of) {
            let _ = events::decode(&contracts(), &log.log);
        }
    }
    packet.responses().len()
}

/// A challenge that a service gives: what is signed is a challenge for this chain and nothing else.
pub fn challenge(bytes: &[u8]) {
    let Ok(asked) = serde_json::from_slice::<Value>(bytes) else { return };
    let wallet = Wallet::from_key(B256::repeat_byte(0x46)).expect("a valid key");
    if wallet.answer_challenge(31337, &asked).is_some() {
        let data = asked.get("data").unwrap_or(&asked);
        assert_eq!(data["primaryType"], "Challenge");
    }
}
