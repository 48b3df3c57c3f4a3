//! What decodes the words of nodes and contracts, open to those who put it to the test with anything.

use crate::abi::refusal::Refusal;
use crate::abi::{self, events, views};
use crate::contracts::Contracts;
use alloy_primitives::{Log, LogData};
use alloy_sol_types::SolValue as _;
use poco_core::{Address, B256, Bytes, Event};

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
