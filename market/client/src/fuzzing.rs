//! What reads the answers of markets, open to those who put it to the test with anything.

use crate::{Listed, Orders, PoolProfile, Published};
use poco_core::B256;
use poco_core::order::{AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder};

/// An answer of a market, to whatever it was asked; how many orders are in it.
#[must_use]
pub fn answer(bytes: &[u8]) -> usize {
    let _ = serde_json::from_slice::<PoolProfile>(bytes);
    page::<AppOrder>(bytes)
        + page::<DatasetOrder>(bytes)
        + page::<WorkerpoolOrder>(bytes)
        + page::<RequestOrder>(bytes)
}

/// Orders that are listed have a hash of their own, whatever the market says.
fn page<O: Listed>(bytes: &[u8]) -> usize {
    let Ok(page) = serde_json::from_slice::<Orders<Published<O>>>(bytes) else { return 0 };
    for published in &page.orders {
        let _ = published.order.order.hash(B256::ZERO);
    }
    page.orders.len()
}
