//! Asking the node for state, and refusing answers from one that lags.

use super::Chain;
use crate::abi::refusal::Refusal;
use crate::rpc::{Answer, RpcCall, RpcError, RpcHeader, block_of, request};
use crate::transaction::Transaction;
use alloy_primitives::U64;
use alloy_rpc_types_eth::BlockNumberOrTag;
use alloy_sol_types::SolCall;
use poco_chain_core::BlockRef;
use poco_core::{Address, Bytes};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long one read waits for a lagging node: a few blocks of a quick chain. Then the caller is
/// told and decides.
const BEHIND_WAIT: Duration = Duration::from_secs(3);
/// Pause between two looks at a lagging node.
const BEHIND_PAUSE: Duration = Duration::from_millis(100);
/// When every answer of this long was behind, it was the chain that got shorter.
const SHORTER_AFTER: Duration = Duration::from_secs(20);

/// The highest block that any node named.
#[derive(Debug, Default)]
pub(super) struct HeadSeen {
    state: Mutex<SeenState>,
}

#[derive(Debug, Default)]
struct SeenState {
    highest: u64,
    behind_since: Option<Instant>,
}

impl HeadSeen {
    /// Takes in the head of a node; the highest one seen where this node is behind it.
    pub(super) fn check(&self, head: u64) -> Result<(), u64> {
        let mut state = self.state.lock().expect("no code panics while it holds this lock");
        if head >= state.highest {
            *state = SeenState { highest: head, behind_since: None };
            return Ok(());
        }
        let since = *state.behind_since.get_or_insert_with(Instant::now);
        if since.elapsed() >= SHORTER_AFTER {
            tracing::warn!(head, highest = state.highest, "the chain got shorter");
            *state = SeenState { highest: head, behind_since: None };
            return Ok(());
        }
        Err(state.highest)
    }
}

impl HeadSeen {
    fn highest(&self) -> u64 {
        self.state.lock().expect("no code panics while it holds this lock").highest
    }

    /// The chain was rewritten, and `head` is its latest block: what was higher is gone.
    fn lower(&self, head: u64) {
        let mut state = self.state.lock().expect("no code panics while it holds this lock");
        *state = SeenState { highest: head, behind_since: None };
    }
}

/// Why a dry run did not succeed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DryRunError {
    /// The contract would refuse.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The node did not answer.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl Chain {
    /// The node's latest block.
    ///
    /// # Errors
    /// [`RpcError`] where no node answered.
    pub async fn latest(&self) -> Result<BlockRef, RpcError> {
        let [answer] = self.views([RpcCall::header(BlockNumberOrTag::Latest)]).await?;
        answer.parse::<RpcHeader>().map(|header| block_of(&header))
    }

    /// The highest block that any node named so far; 0 before the first answer. Costs no question.
    #[must_use]
    pub fn highest_seen(&self) -> u64 {
        self.inner.head.highest()
    }

    /// The latest block of whichever node answers, which may lag: for those who check links.
    pub(crate) async fn unchecked_latest(&self) -> Result<BlockRef, RpcError> {
        let call = RpcCall::header(BlockNumberOrTag::Latest);
        let block = block_of(&self.rpc().call::<RpcHeader>(call).await?);
        if self.inner.head.check(block.number).is_err() {
            self.rpc().prefer_next();
        }
        Ok(block)
    }

    /// Takes in that the chain was rewritten, and that `head` is its latest block.
    pub(crate) fn on_rewritten(&self, head: u64) {
        self.inner.head.lower(head);
    }

    /// Runs a transaction on the latest state without sending it.
    ///
    /// # Errors
    /// [`DryRunError::Refused`] where the contract would refuse, else the node's failure.
    pub async fn dry_run(&self, from: Address, tx: &Transaction) -> Result<Bytes, DryRunError> {
        let call = self.call_of(Some(from), tx.to, &tx.data);
        let [answer] = self.views([call]).await?;
        answer.parse_or_refusal()?.map_err(DryRunError::Refused)
    }

    /// One view of a contract. A contract that refuses a view is not the one it should be.
    pub(crate) async fn view<C: SolCall>(
        &self,
        to: Address,
        call: C,
    ) -> Result<C::Return, RpcError> {
        match self.try_view(to, call).await? {
            Ok(value) => Ok(value),
            Err(refusal) => Err(RpcError::unexpected(C::SIGNATURE, refusal)),
        }
    }

    /// One view of a contract that may refuse.
    pub(crate) async fn try_view<C: SolCall>(
        &self,
        to: Address,
        call: C,
    ) -> Result<Result<C::Return, Refusal>, RpcError> {
        let call = self.call_of(None, Some(to), &call.abi_encode().into());
        let [answer] = self.views([call]).await?;
        decode::<C>(answer)
    }

    /// The `eth_call` of some calldata.
    pub(crate) fn call_of(
        &self,
        from: Option<Address>,
        to: Option<Address>,
        data: &Bytes,
    ) -> RpcCall {
        RpcCall::dry_run(&request(from, to, data), self.block_tag())
    }

    /// The `eth_call` of a view.
    pub(crate) fn view_of<C: SolCall>(&self, to: Address, call: &C) -> RpcCall {
        self.call_of(None, Some(to), &call.abi_encode().into())
    }

    pub(crate) fn block_tag(&self) -> BlockNumberOrTag {
        self.at.map_or(BlockNumberOrTag::Latest, BlockNumberOrTag::Number)
    }

    /// As many answers as calls.
    pub(crate) async fn views<const N: usize>(
        &self,
        calls: [RpcCall; N],
    ) -> Result<[Answer; N], RpcError> {
        let answers = self.read(calls.into()).await?;
        <[Answer; N]>::try_from(answers)
            .map_err(|answers| RpcError::unexpected("batch", format!("{} answers", answers.len())))
    }

    /// Calls, answered by one node that knows at least what was known before.
    pub(crate) async fn read(&self, calls: Vec<RpcCall>) -> Result<Vec<Answer>, RpcError> {
        let mut batch = vec![RpcCall::block_number()];
        batch.extend(calls);
        let started = Instant::now();
        loop {
            let mut answers = self.rpc().batch(&batch).await?;
            let head = answers.remove(0).parse::<U64>()?.to::<u64>();
            let seen = self.inner.head.check(head).err().or(self.at.filter(|at| *at > head));
            let Some(seen) = seen else { return Ok(answers) };
            if started.elapsed() >= BEHIND_WAIT {
                return Err(RpcError::Behind { at: head, seen });
            }
            self.rpc().prefer_next();
            tokio::time::sleep(BEHIND_PAUSE).await;
        }
    }
}

/// What a view gave, or the contract's refusal.
pub(crate) fn decode<C: SolCall>(answer: Answer) -> Result<Result<C::Return, Refusal>, RpcError> {
    let bytes = match answer.parse_or_refusal::<Bytes>()? {
        Ok(bytes) => bytes,
        Err(refusal) => return Ok(Err(refusal)),
    };
    C::abi_decode_returns(&bytes).map(Ok).map_err(|error| RpcError::unexpected(C::SIGNATURE, error))
}

/// The answer of a contract that may be none, or another than thought: anything but "yes" is "no".
pub(crate) fn yes_or_no(answer: Answer) -> Result<bool, RpcError> {
    let yes = poco_core::B256::with_last_byte(1);
    Ok(answer.parse_or_refusal::<Bytes>()?.is_ok_and(|bytes| bytes.as_ref() == yes.as_slice()))
}
