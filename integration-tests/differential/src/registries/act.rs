//! What is done to registries, with entries by their number.

use alloy_primitives::{Address, U256};

/// The kinds of entries, each with its registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What runs.
    App,
    /// What it reads.
    Dataset,
    /// Who runs it.
    Pool,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::App, Self::Dataset, Self::Pool];

    /// The place of its registry.
    #[must_use]
    pub fn place(self) -> usize {
        match self {
            Self::App => 0,
            Self::Dataset => 1,
            Self::Pool => 2,
        }
    }
}

/// A transaction.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who sends it.
    pub sender: Address,
    /// What it does.
    pub act: Act,
}

/// What a transaction does. Entries are numbers, in the order of their creation; a number that no
/// entry has stands for an address that is none.
#[derive(Clone, Debug)]
pub enum Act {
    /// Makes an entry.
    Create {
        /// Of which kind.
        kind: Kind,
        /// Whose.
        owner: Address,
        /// What it is called.
        name: String,
    },
    /// Lets somebody transfer an entry.
    Approve {
        /// In which registry.
        kind: Kind,
        /// Whom.
        to: Address,
        /// Which.
        entry: usize,
    },
    /// Lets somebody transfer all of the sender's entries, or no more.
    ApproveAll {
        /// In which registry.
        kind: Kind,
        /// Whom.
        operator: Address,
        /// Whether.
        is_approved: bool,
    },
    /// Hands an entry over.
    Transfer {
        /// In which registry.
        kind: Kind,
        /// From whom, to whom.
        parties: (Address, Address),
        /// Which.
        entry: usize,
        /// How.
        how: Way,
    },
    /// Sets a pool's terms.
    ChangePolicy {
        /// Which.
        entry: usize,
        /// Percent of a reward that a worker stakes.
        worker_stake_ratio: U256,
        /// Percent of a price that the pool keeps.
        scheduler_reward_ratio: U256,
    },
    /// Says where entries are described.
    SetBaseUri {
        /// In which registry.
        kind: Kind,
        /// The beginning of the place.
        uri: String,
    },
    /// Gives a registry an owner, or none.
    Own {
        /// Which registry.
        kind: Kind,
        /// Whom; nobody renounces.
        to: Option<Address>,
    },
    /// Names the registry that came before.
    Initialize {
        /// Which registry.
        kind: Kind,
        /// Whether there was one.
        has_previous: bool,
    },
    /// Names a registry, or an entry of it, which neither side does.
    SetName {
        /// Which registry.
        kind: Kind,
        /// Which entry.
        entry: Option<usize>,
    },
    /// Initializes an entry that is there.
    InitializeEntry {
        /// Which.
        entry: usize,
    },
    /// Matches signed orders about entries, without a price.
    Match {
        /// App, dataset and pool.
        entries: (usize, Option<usize>, usize),
        /// The requester, who signs.
        requester: Address,
        /// Makes the orders others than those before.
        salt: u64,
        /// Of which entry the order is signed by somebody else.
        forged: Option<Kind>,
    },
}

/// How an entry is handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Whoever gets it.
    Plain,
    /// A contract is asked first.
    Safe,
    /// With bytes for it.
    SafeWithData,
}

impl Act {
    /// The function that is called.
    #[must_use]
    pub fn function(&self) -> &'static str {
        match self {
            Self::Create { kind: Kind::App, .. } => "createApp",
            Self::Create { kind: Kind::Dataset, .. } => "createDataset",
            Self::Create { kind: Kind::Pool, .. } => "createWorkerpool",
            Self::Approve { .. } => "approve",
            Self::ApproveAll { .. } => "setApprovalForAll",
            Self::Transfer { how: Way::Plain, .. } => "transferFrom",
            Self::Transfer { how: Way::Safe, .. } => "safeTransferFrom",
            Self::Transfer { how: Way::SafeWithData, .. } => "safeTransferFrom with data",
            Self::ChangePolicy { .. } => "changePolicy",
            Self::SetBaseUri { .. } => "setBaseURI",
            Self::Own { to: Some(_), .. } => "transferOwnership",
            Self::Own { to: None, .. } => "renounceOwnership",
            Self::Initialize { .. } => "initialize",
            Self::SetName { entry: None, .. } => "setName",
            Self::SetName { entry: Some(_), .. } => "setName of an entry",
            Self::InitializeEntry { .. } => "initialize of an entry",
            Self::Match { .. } => "matchOrders",
        }
    }
}
