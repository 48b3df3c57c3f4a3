//! What can be asked of the hub: its state-changing functions with their arguments.

use crate::event::AnyOrder;
use crate::order::{AppOrder, DatasetOrder, OrderOperation, RequestOrder, Signed, WorkerpoolOrder};
use crate::types::{Amount, DealId, ResultDigest, ResultHash, ResultSeal, TaskId};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use alloy_primitives::{Address, Bytes, U256};

/// A transaction to the hub. Who sends it is known beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Call {
    /// Moves tokens, allowed to the hub before, into the sender's free stake.
    Deposit {
        /// How much.
        amount: Amount,
    },
    /// Moves the sender's tokens into another's free stake.
    DepositFor {
        /// How much.
        amount: Amount,
        /// Whose stake.
        target: Address,
    },
    /// Moves the sender's tokens into the free stake of many.
    DepositForArray {
        /// How much for each.
        deposits: Vec<(Amount, Address)>,
    },
    /// Moves free stake back into tokens.
    Withdraw {
        /// How much.
        amount: Amount,
    },
    /// Moves free stake into another's tokens.
    WithdrawTo {
        /// How much.
        amount: Amount,
        /// Whose tokens.
        target: Address,
    },
    /// Credits the hub's owner with tokens sent to the hub by mistake.
    Recover,
    /// Moves free stake to another account.
    Transfer {
        /// To whom.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// Moves free stake that was allowed to the sender.
    TransferFrom {
        /// From whom.
        from: Address,
        /// To whom.
        to: Address,
        /// How much.
        amount: Amount,
    },
    /// Allows another to move the sender's free stake.
    Approve {
        /// Who may.
        spender: Address,
        /// How much.
        amount: Amount,
    },
    /// Signs or closes an order on chain; by its owner, or with the owner's signature.
    ManageOrder {
        /// The order; its own signature plays no part.
        order: Box<AnyOrder>,
        /// What to do with it.
        operation: OrderOperation,
        /// The owner's signature over the operation; empty when the owner sends.
        sign: Bytes,
    },
    /// Makes a deal that the requester pays for.
    MatchOrders(
        /// The four orders.
        Box<SignedTerms>,
    ),
    /// Makes a deal that the sender pays for.
    SponsorMatchOrders(
        /// The four orders.
        Box<SignedTerms>,
    ),
    /// Opens a task.
    Initialize {
        /// The deal.
        deal: DealId,
        /// The task's index.
        index: U256,
    },
    /// Opens many tasks, all or none.
    InitializeArray {
        /// Deal and index of each.
        tasks: Vec<(DealId, U256)>,
    },
    /// Votes for a result.
    Contribute(
        /// The vote.
        Contribution,
    ),
    /// Discloses the digest behind a vote.
    Reveal {
        /// The task.
        task: TaskId,
        /// The digest.
        digest: ResultDigest,
    },
    /// Takes contributions again after nobody revealed.
    Reopen {
        /// The task.
        task: TaskId,
    },
    /// Pays for a task.
    Finalize {
        /// The task.
        task: TaskId,
        /// Where the result is.
        results: Bytes,
        /// What the deal's callback receives.
        results_callback: Bytes,
    },
    /// Votes, reveals and pays in one, where the deal's trust is 1.
    ContributeAndFinalize(
        /// The result.
        WholeContribution,
    ),
    /// Fails a task after its final deadline.
    Claim {
        /// The task.
        task: TaskId,
    },
    /// Fails many tasks, all or none.
    ClaimArray {
        /// The tasks.
        tasks: Vec<TaskId>,
    },
    /// Opens and fails many tasks that nobody opened in time.
    InitializeAndClaimArray {
        /// Deal and index of each.
        tasks: Vec<(DealId, U256)>,
    },
    /// Adds a category; only the hub's owner may.
    CreateCategory {
        /// Its name.
        name: String,
        /// Its description.
        description: String,
        /// T, in seconds.
        work_clock_time_ref_seconds: u64,
    },
}

/// The arguments of `contribute`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Contribution {
    /// The task.
    pub task: TaskId,
    /// The vote.
    pub hash: ResultHash,
    /// The vote, bound to the worker.
    pub seal: ResultSeal,
    /// The enclave's key; zero outside enclaves.
    pub enclave_challenge: Address,
    /// The enclave's signature; empty outside enclaves.
    pub enclave_sign: Bytes,
    /// The pool's leave to contribute.
    pub authorization_sign: Bytes,
}

/// The arguments of `contributeAndFinalize`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WholeContribution {
    /// The task.
    pub task: TaskId,
    /// The digest.
    pub digest: ResultDigest,
    /// Where the result is.
    pub results: Bytes,
    /// What the deal's callback receives.
    pub results_callback: Bytes,
    /// The enclave's key; zero outside enclaves.
    pub enclave_challenge: Address,
    /// The enclave's signature; empty outside enclaves.
    pub enclave_sign: Bytes,
    /// The pool's leave to contribute.
    pub authorization_sign: Bytes,
}

/// Four signed orders. Without a dataset its order is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SignedTerms {
    /// The app's offer.
    pub app: Signed<AppOrder>,
    /// The dataset's offer.
    pub dataset: Signed<DatasetOrder>,
    /// The pool's offer.
    pub workerpool: Signed<WorkerpoolOrder>,
    /// The requester's demand.
    pub request: Signed<RequestOrder>,
}
