//! What can be sent: calls of the hub, the registries, the token and groups, as calldata.

use crate::abi::{Conditions, Group, Registry, Token, Workerpool, calls, lane};
use crate::chain::Chain;
use crate::deploy;
use alloy_sol_types::{SolCall, SolValue};
use poco_chain_core::ledger::Payload;
use poco_core::lane::LaneCall;
use poco_core::{Address, Amount, B256, Bytes, Call, OrderKind, U256};
use serde::{Deserialize, Serialize};

/// A transaction without nonce, gas and signature. It never carries value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// The contract; `None` creates one.
    pub to: Option<Address>,
    /// Calldata, or the code that creates.
    pub data: Bytes,
}

/// A resource to be put in its registry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum NewResource {
    /// An app.
    App {
        /// Its name.
        name: String,
        /// Its kind, as `DOCKER`.
        kind: String,
        /// Where the image is.
        multiaddr: Bytes,
        /// The image's registry digest.
        checksum: B256,
        /// What enclaves measure; empty without.
        mrenclave: Bytes,
    },
    /// A dataset.
    Dataset {
        /// Its name.
        name: String,
        /// Where it is.
        multiaddr: Bytes,
        /// sha256 of the file.
        checksum: B256,
    },
    /// A pool.
    Workerpool {
        /// Its description.
        description: String,
    },
}

impl NewResource {
    /// Which registry takes it.
    #[must_use]
    pub const fn kind(&self) -> OrderKind {
        match self {
            Self::App { .. } => OrderKind::App,
            Self::Dataset { .. } => OrderKind::Dataset,
            Self::Workerpool { .. } => OrderKind::Workerpool,
        }
    }
}

/// What a key in a group is for (ERC-734).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupPurpose {
    /// It belongs to the group.
    Member,
    /// It is the key of an enclave that the group's owner vouches for.
    Enclave,
}

impl GroupPurpose {
    pub(crate) const fn number(self) -> U256 {
        let number = match self {
            Self::Member => 4,
            Self::Enclave => 5,
        };
        U256::from_limbs([number, 0, 0, 0])
    }
}

impl Transaction {
    /// A call of the hub.
    #[must_use]
    pub fn hub(chain: &Chain, call: &Call) -> Self {
        Self::to(chain.hub(), calls::encode(call))
    }

    /// A call of a hub that has the settlement lane ([`Chain::has_lane`]).
    #[must_use]
    pub fn lane(chain: &Chain, call: &LaneCall) -> Self {
        Self::to(chain.hub(), lane::encode(call))
    }

    /// Puts a resource in its registry, owned by `owner`.
    #[must_use]
    pub fn create(chain: &Chain, resource: &NewResource, owner: Address) -> Self {
        let data = match resource.clone() {
            NewResource::App { name, kind, multiaddr, checksum, mrenclave } => {
                Registry::createAppCall { owner, name, kind, multiaddr, checksum, mrenclave }
                    .abi_encode()
            }
            NewResource::Dataset { name, multiaddr, checksum } => {
                Registry::createDatasetCall { owner, name, multiaddr, checksum }.abi_encode()
            }
            NewResource::Workerpool { description } => {
                Registry::createWorkerpoolCall { owner, description }.abi_encode()
            }
        };
        Self::to(chain.registry(resource.kind()), data.into())
    }

    /// Moves tokens of the sender into its free stake, in one transaction.
    #[must_use]
    pub fn approve_and_deposit(chain: &Chain, amount: Amount) -> Self {
        let call = Token::approveAndCallCall {
            spender: chain.hub(),
            amount: amount.0,
            data: Bytes::new(),
        };
        Self::to(chain.token(), call.abi_encode().into())
    }

    /// Moves tokens outside the hub.
    #[must_use]
    pub fn token_transfer(chain: &Chain, recipient: Address, amount: Amount) -> Self {
        let call = Token::transferCall { recipient, amount: amount.0 };
        Self::to(chain.token(), call.abi_encode().into())
    }

    /// Lets the hub take tokens of the sender, for `Call::Deposit` and its kin.
    #[must_use]
    pub fn token_approve(chain: &Chain, amount: Amount) -> Self {
        let call = Token::approveCall { spender: chain.hub(), amount: amount.0 };
        Self::to(chain.token(), call.abi_encode().into())
    }

    /// Sets a pool's policy for deals to come, in percent.
    #[must_use]
    pub fn change_policy(pool: Address, stake_ratio: U256, reward_ratio: U256) -> Self {
        let call = Workerpool::changePolicyCall {
            newWorkerStakeRatioPolicy: stake_ratio,
            newSchedulerRewardRatioPolicy: reward_ratio,
        };
        Self::to(pool, call.abi_encode().into())
    }

    /// Gives a resource of the sender `from` to another.
    #[must_use]
    pub fn transfer_resource(
        chain: &Chain,
        kind: OrderKind,
        resource: Address,
        (from, to): (Address, Address),
    ) -> Self {
        let token_id = U256::from_be_slice(resource.as_slice());
        let call = Registry::safeTransferFromCall { from, to, tokenId: token_id };
        Self::to(chain.registry(kind), call.abi_encode().into())
    }

    /// Cancels every marked order that the sender has signed before. iExec's own hub refuses it.
    #[must_use]
    pub fn raise_epoch(chain: &Chain) -> Self {
        Self::to(chain.hub(), Conditions::raiseEpochCall {}.abi_encode().into())
    }

    /// Creates a group of accounts, for restrictions and as a guard; `owner` says who belongs to it.
    #[must_use]
    pub fn create_group(owner: Address) -> Self {
        let mut code = deploy::group_code().to_vec();
        code.extend((owner,).abi_encode());
        Self { to: None, data: code.into() }
    }

    /// Takes keys into a group of the sender's.
    #[must_use]
    pub fn add_to_group(group: Address, keys: &[Address], purpose: GroupPurpose) -> Self {
        let call = Group::addKeysCall { keys: keys.to_vec(), purpose: purpose.number() };
        Self::to(group, call.abi_encode().into())
    }

    /// Takes keys out of a group of the sender's.
    #[must_use]
    pub fn remove_from_group(group: Address, keys: &[Address], purpose: GroupPurpose) -> Self {
        let call = Group::removeKeysCall { keys: keys.to_vec(), purpose: purpose.number() };
        Self::to(group, call.abi_encode().into())
    }

    const fn to(contract: Address, data: Bytes) -> Self {
        Self { to: Some(contract), data }
    }
}

impl From<Transaction> for Payload {
    fn from(tx: Transaction) -> Self {
        Self { to: tx.to, data: tx.data }
    }
}

impl From<Payload> for Transaction {
    fn from(payload: Payload) -> Self {
        Self { to: payload.to, data: payload.data }
    }
}
