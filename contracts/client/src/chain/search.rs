//! A search through the logs of one filter, in ranges that the node accepts.

use super::{Chain, parse_logs};
use crate::rpc::{MinedLog, RpcCall, RpcError};
use alloy_rpc_types_eth::Filter;
use poco_chain_core::range::RangeSize;

/// Refused ranges in one search before it is given up: halving 32 000 blocks down to one takes 15.
const REFUSALS_MAX: u32 = 32;

/// Goes on where it stands each time, so that whoever has found what it wants reads no further.
#[derive(Debug)]
pub(crate) struct LogSearch {
    filter: Filter,
    next: u64,
    last: u64,
    size: RangeSize,
    refusals: u32,
}

impl LogSearch {
    pub(crate) fn new(filter: Filter, first: u64, last: u64) -> Self {
        Self { filter, next: first, last, size: RangeSize::default(), refusals: 0 }
    }

    /// The logs of the next range, in the order of the chain; `None` at the end.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered, or ranges of any size are too large for it.
    pub(crate) async fn next(&mut self, chain: &Chain) -> Result<Option<Vec<MinedLog>>, RpcError> {
        while self.next <= self.last {
            let to = self.next.saturating_add(self.size.blocks().saturating_sub(1)).min(self.last);
            let call = RpcCall::logs(&self.filter.clone().select(self.next..=to));
            match chain.read(vec![call]).await.and_then(parse_logs) {
                Ok(logs) => {
                    self.size.on_answered();
                    self.next = to.saturating_add(1);
                    return Ok(Some(logs));
                }
                Err(error) => {
                    self.refusals = self.refusals.saturating_add(1);
                    if self.refusals > REFUSALS_MAX || !self.size.on_refused() {
                        return Err(error);
                    }
                }
            }
        }
        Ok(None)
    }
}
