//! One step of a sequence: somebody does something at some time, or the world changes.

use crate::abi::{Entries, Pool, Registry, Token};
use crate::encode;
use crate::stage::Places;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_sol_types::SolCall;
use poco_core::hub::{BoostCall, OwnerCall, Policy, SideCall, TokenCall};
use poco_core::lane::LaneCall;
use poco_core::{Call, OrderKind};

/// A step. Steps stand on their own: a sequence with some of them left out can be played too.
#[derive(Clone, Debug)]
pub struct Step {
    /// The block's time, in seconds.
    pub at: u64,
    /// Who sends.
    pub sender: Address,
    /// What is done.
    pub act: Act,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Act {
    /// A call of the hub.
    Hub(Call),
    /// A call of the hub beside those.
    Side(SideCall),
    /// A configuration of the hub.
    Owner(OwnerCall),
    /// A call of the token.
    Token(TokenCall),
    /// A call of a registry or an entry.
    Registry(RegistryAct),
    /// A call of the boost lane.
    Boost(BoostCall),
    /// A call of the settlement lane, which ours alone has.
    Lane(LaneCall),
    /// Bytes to the hub that are refused in any state.
    Refused {
        /// The call.
        data: Bytes,
        /// The words of the refusal; `None` where it has none.
        words: Option<&'static str>,
    },
    /// A change of the world around the contracts, without a transaction.
    World(Change),
}

/// A call of a registry or an entry.
#[derive(Clone, Debug)]
pub enum RegistryAct {
    /// Creates an entry.
    Create {
        /// In which registry.
        kind: OrderKind,
        /// Its owner.
        owner: Address,
        /// What it is called, which makes its address.
        name: String,
        /// Its address.
        resource: Address,
    },
    /// Hands an entry over.
    Transfer {
        /// In which registry.
        kind: OrderKind,
        /// The entry.
        resource: Address,
        /// From whom.
        from: Address,
        /// To whom.
        to: Address,
    },
    /// Changes a pool's terms.
    ChangePolicy {
        /// The pool.
        workerpool: Address,
        /// Its terms.
        policy: Policy,
    },
}

/// A change of the world.
#[derive(Clone, Debug)]
pub enum Change {
    /// A wallet accepts a signature from now on.
    Accept {
        /// The wallet.
        wallet: Address,
        /// What is signed.
        hash: B256,
        /// The signature.
        sign: Bytes,
    },
    /// Somebody is in a group, or no more.
    Member {
        /// The group.
        group: Address,
        /// Who.
        member: Address,
        /// Whether.
        is_in: bool,
    },
    /// A group vouches for an enclave's key.
    Enclave {
        /// The group.
        group: Address,
        /// The key.
        key: Address,
    },
    /// An account with a key has a wallet's code as well, or no more.
    Code {
        /// The account.
        account: Address,
        /// Whether.
        has: bool,
    },
    /// The earlier hub knows a score.
    OldScore {
        /// Whose.
        worker: Address,
        /// How much.
        score: U256,
    },
}

impl Act {
    /// What it is, where the function has no name of the hub's.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Hub(_) | Self::Side(_) | Self::Owner(_) | Self::Boost(_) | Self::Lane(_) => {
                "the hub"
            }
            Self::Token(TokenCall::Transfer { .. }) => "token: transfer()",
            Self::Token(TokenCall::ApproveHub { .. }) => "token: approve()",
            Self::Token(TokenCall::ApproveHubAndCall { .. }) => "token: approveAndCall()",
            Self::Registry(RegistryAct::Create { kind, .. }) => match kind {
                OrderKind::App => "registry: createApp()",
                OrderKind::Dataset => "registry: createDataset()",
                OrderKind::Workerpool | OrderKind::Request => "registry: createWorkerpool()",
            },
            Self::Registry(RegistryAct::Transfer { .. }) => "registry: transferFrom()",
            Self::Registry(RegistryAct::ChangePolicy { .. }) => "pool: changePolicy()",
            Self::Refused { .. } => "no function",
            Self::World(_) => "the world",
        }
    }

    /// Where the transaction goes and what it says; `None` for a change of the world.
    #[must_use]
    pub fn transaction(&self, places: &Places) -> Option<(Address, Bytes)> {
        Some(match self {
            Self::Hub(call) => (places.hub, encode::hub(call)),
            Self::Side(call) => (places.hub, encode::side(call, places)),
            Self::Owner(call) => (places.hub, encode::owner(call, places)),
            Self::Token(call) => (places.token, token(call, places)),
            Self::Registry(act) => act.transaction(places),
            Self::Boost(call) => (places.hub, encode::boost(call)),
            Self::Lane(call) => (places.hub, encode::lane(call)),
            Self::Refused { data, .. } => (places.hub, data.clone()),
            Self::World(_) => return None,
        })
    }
}

impl RegistryAct {
    fn transaction(&self, places: &Places) -> (Address, Bytes) {
        match self {
            Self::Create { kind, owner, name, .. } => {
                (places.registry(*kind), create(*kind, *owner, name))
            }
            Self::Transfer { kind, resource, from, to } => {
                let token_id = resource.into_word().into();
                let call = Registry::transferFromCall { from: *from, to: *to, tokenId: token_id };
                (places.registry(*kind), call.abi_encode().into())
            }
            Self::ChangePolicy { workerpool, policy } => {
                let call = Pool::changePolicyCall {
                    workerStakeRatio: policy.worker_stake_ratio,
                    schedulerRewardRatio: policy.scheduler_reward_ratio,
                };
                (*workerpool, call.abi_encode().into())
            }
        }
    }
}

/// The call that creates an entry of this name.
fn create(kind: OrderKind, owner: Address, name: &str) -> Bytes {
    let (name, multiaddr) = (name.to_owned(), Bytes::from_static(b"\x01\x02"));
    match kind {
        OrderKind::App => Registry::createAppCall {
            owner,
            name,
            kind: "DOCKER".into(),
            multiaddr,
            checksum: B256::ZERO,
            mrenclave: Bytes::new(),
        }
        .abi_encode(),
        OrderKind::Dataset => {
            Registry::createDatasetCall { owner, name, multiaddr, checksum: B256::ZERO }
                .abi_encode()
        }
        OrderKind::Workerpool | OrderKind::Request => {
            Registry::createWorkerpoolCall { owner, description: name }.abi_encode()
        }
    }
    .into()
}

fn token(call: &TokenCall, places: &Places) -> Bytes {
    match *call {
        TokenCall::Transfer { to, amount } => {
            Token::transferCall { to, amount: amount.0 }.abi_encode()
        }
        TokenCall::ApproveHub { amount } => {
            Token::approveCall { spender: places.hub, amount: amount.0 }.abi_encode()
        }
        TokenCall::ApproveHubAndCall { amount } => {
            Token::approveAndCallCall { spender: places.hub, amount: amount.0, data: Bytes::new() }
                .abi_encode()
        }
    }
    .into()
}

/// What salts the address of an entry: its initialize call and its owner.
#[must_use]
pub fn salt(kind: OrderKind, owner: Address, name: &str) -> B256 {
    let (name, multiaddr) = (name.to_owned(), Bytes::from_static(b"\x01\x02"));
    let mut bytes = match kind {
        OrderKind::App => Entries::initialize_0Call {
            name,
            kind: "DOCKER".into(),
            multiaddr,
            checksum: B256::ZERO,
            mrenclave: Bytes::new(),
        }
        .abi_encode(),
        OrderKind::Dataset => {
            Entries::initialize_1Call { name, multiaddr, checksum: B256::ZERO }.abi_encode()
        }
        OrderKind::Workerpool | OrderKind::Request => {
            Entries::initialize_2Call { description: name }.abi_encode()
        }
    };
    bytes.extend(owner.as_slice());
    keccak256(bytes)
}
