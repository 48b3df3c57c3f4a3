//! The two sides: our hub with our registries, and the reference's hub with its own.

use super::act::{Act, Kind, Step, Way};
use crate::abi::{Entries, Hub, Pool, Registry, Safe};
use crate::artifacts::{self, Wiring};
use crate::cast::Cast;
use crate::chain::{Answer, Chain};
use crate::stage::{self, Places, START};
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_sol_types::{SolCall, SolValue};
use anyhow::{Context as _, Result, bail};
use poco_core::category;
use poco_core::order::{AppOrder, DatasetOrder, Order, RequestOrder, Signed, WorkerpoolOrder};

/// Takes every token that is handed over safely.
pub(super) const KEEPER: Address = Address::repeat_byte(0x6b);
/// Stands for an entry that there is none of.
const NO_ENTRY: Address = Address::repeat_byte(0x77);
/// Answers `onERC721Received` with its selector.
const KEEPER_CODE: [u8; 16] = alloy_primitives::hex!("63150b7a0260e01b60005260206000f3");

/// Both sides.
pub struct Stage {
    pub(super) ours: Side,
    pub(super) reference: Side,
}

/// A chain with a hub and its registries.
pub(super) struct Side {
    pub(super) chain: Chain,
    pub(super) places: Places,
    /// The registries that came before, each with an entry.
    pub(super) old: [(Address, Address); 3],
    /// In the order of their creation.
    entries: Vec<(Kind, Address)>,
    /// What stands for each address that only this side has.
    names: Vec<(Address, Address)>,
    separator: B256,
    /// Where the last entry that was to be made was to be.
    pub(super) predicted: Option<Address>,
}

impl Stage {
    /// Deploys everything.
    ///
    /// # Errors
    /// Where an artifact is missing or a deployment fails.
    pub fn build(cast: &Cast) -> Result<Self> {
        let ours = Side::build(cast, artifacts::our_registries()?, stage::ours_hub)?;
        let theirs = Wiring::read()?.registries()?;
        let reference = Side::build(cast, theirs, stage::reference_hub)?;
        Ok(Self { ours, reference })
    }

    /// A copy that goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { ours: self.ours.fork(), reference: self.reference.fork() }
    }

    /// The next number is that of an entry that was made.
    pub(super) fn add(&mut self, kind: Kind, ours: Address, reference: Address) {
        self.ours.add(kind, ours);
        self.reference.add(kind, reference);
    }

    /// Numbers of the entries of a kind.
    pub(super) fn numbers(&self, kind: Kind) -> Vec<usize> {
        let entries = self.ours.entries.iter().enumerate();
        entries.filter(|(_, (of, _))| *of == kind).map(|(number, _)| number).collect()
    }

    /// How many entries there are.
    pub(super) fn count(&self) -> usize {
        self.ours.entries.len()
    }
}

impl Side {
    fn build(
        cast: &Cast,
        registries: [Bytes; 3],
        hub: impl FnOnce(&mut Chain, Address, Address) -> Result<Bytes>,
    ) -> Result<Self> {
        let (mut chain, places) = stage::deploy(cast, registries.clone(), hub)?;
        let owner = cast.hub_owner;
        let (name, _) = category::INITIAL[0];
        let create = Hub::createCategoryCall {
            name: name.into(),
            description: "{}".into(),
            workClockTimeRef: U256::from(300),
        };
        stage::done(chain.send(owner, places.hub, create.abi_encode().into())?)?;
        let mut old = [(Address::ZERO, Address::ZERO); 3];
        for (kind, (registry, code)) in Kind::ALL.into_iter().zip(old.iter_mut().zip(registries)) {
            let at = chain.create(owner, code)?;
            let (create, _) = creation(kind, cast.app_owner, "old");
            *registry = (at, made(&chain.send(owner, at, create)?)?);
        }
        chain.set_code(KEEPER, Bytes::from_static(&KEEPER_CODE));
        let asked = Hub::eip712domain_separatorCall {}.abi_encode().into();
        let answered = stage::done(chain.ask(places.hub, asked)?)?;
        let separator = Hub::eip712domain_separatorCall::abi_decode_returns(&answered)?;
        let (entries, names) = (Vec::new(), Vec::new());
        let mut side = Self { chain, places, old, entries, names, separator, predicted: None };
        let known = old.into_iter().flat_map(|(registry, entry)| [registry, entry]);
        for (place, address) in places.registries.into_iter().chain(known).enumerate() {
            side.names.push((address, name_of(0xed, place)));
        }
        side.names.push((places.hub, name_of(0xec, 0)));
        Ok(side)
    }

    fn fork(&self) -> Self {
        Self {
            chain: self.chain.fork(),
            places: self.places,
            old: self.old,
            entries: self.entries.clone(),
            names: self.names.clone(),
            separator: self.separator,
            predicted: self.predicted,
        }
    }

    fn add(&mut self, kind: Kind, entry: Address) {
        self.names.push((entry, name_of(0xee, self.entries.len())));
        self.entries.push((kind, entry));
    }

    /// The registry of a kind.
    pub(super) fn registry(&self, kind: Kind) -> Address {
        self.places.registries[kind.place()]
    }

    /// The address of an entry; of none if there is no such number.
    pub(super) fn entry(&self, number: usize) -> Address {
        self.entries.get(number).map_or(NO_ENTRY, |(_, entry)| *entry)
    }

    pub(super) fn token(&self, number: usize) -> U256 {
        self.entry(number).into_word().into()
    }

    /// The owner of an entry, if its registry has it.
    pub(super) fn owner(&mut self, kind: Kind, number: usize) -> Result<Option<Address>> {
        let call = Registry::ownerOfCall { tokenId: self.token(number) };
        let answer = self.chain.ask(self.registry(kind), call.abi_encode().into())?;
        Ok(match answer {
            Answer::Done { output, .. } => {
                Some(Registry::ownerOfCall::abi_decode_returns(&output)?)
            }
            Answer::Refused(_) => None,
        })
    }

    /// Bytes with names in the place of addresses that only this side has.
    pub(super) fn named(&self, data: &[u8]) -> Bytes {
        let mut bytes = data.to_vec();
        for (address, name) in &self.names {
            let mut from = 0;
            let places = |bytes: &[u8], from: usize| {
                bytes.get(from..)?.windows(20).position(|window| window == address.as_slice())
            };
            while let Some(place) = places(&bytes, from) {
                let at = from + place;
                bytes.splice(at..at + 20, name.iter().copied());
                from = at + 20;
            }
        }
        bytes.into()
    }

    pub(super) fn named_logs(&self, logs: &[Log]) -> Vec<Log> {
        let one = |log: &Log| {
            let topics = log.data.topics().iter();
            let topics = topics.map(|topic| B256::from_slice(&self.named(topic.as_slice())));
            let address = Address::from_slice(&self.named(log.address.as_slice()));
            Log::new_unchecked(address, topics.collect(), self.named(&log.data.data))
        };
        logs.iter().map(one).collect()
    }

    /// Plays a step.
    pub(super) fn play(&mut self, step: &Step, cast: &Cast) -> Result<Answer> {
        self.chain.set_time(START + 10);
        if let Act::Create { kind, owner, name } = &step.act {
            let (_, predict) = creation(*kind, *owner, name);
            let answer = self.chain.ask(self.registry(*kind), predict)?;
            self.predicted = Some(made(&answer)?);
        }
        let (to, data) = self.transaction(&step.act, cast)?;
        self.chain.send(step.sender, to, data)
    }

    fn transaction(&mut self, act: &Act, cast: &Cast) -> Result<(Address, Bytes)> {
        let registry = |kind: Kind| self.places.registries[kind.place()];
        let (to, data) = match act {
            Act::Create { kind, owner, name } => {
                (registry(*kind), creation(*kind, *owner, name).0.to_vec())
            }
            Act::Approve { kind, to, entry } => {
                let call = Registry::approveCall { to: *to, tokenId: self.token(*entry) };
                (registry(*kind), call.abi_encode())
            }
            Act::ApproveAll { kind, operator, is_approved } => {
                let (operator, approved) = (*operator, *is_approved);
                let call = Registry::setApprovalForAllCall { operator, approved };
                (registry(*kind), call.abi_encode())
            }
            Act::Transfer { kind, parties, entry, how } => {
                (registry(*kind), transfer(*parties, self.token(*entry), *how))
            }
            Act::ChangePolicy { entry, worker_stake_ratio, scheduler_reward_ratio } => {
                let call = Pool::changePolicyCall {
                    workerStakeRatio: *worker_stake_ratio,
                    schedulerRewardRatio: *scheduler_reward_ratio,
                };
                (self.entry(*entry), call.abi_encode())
            }
            Act::SetBaseUri { kind, uri } => {
                (registry(*kind), Registry::setBaseURICall { baseURI: uri.clone() }.abi_encode())
            }
            Act::Own { kind, to: Some(to) } => {
                (registry(*kind), Registry::transferOwnershipCall { newOwner: *to }.abi_encode())
            }
            Act::Own { kind, to: None } => {
                (registry(*kind), Registry::renounceOwnershipCall {}.abi_encode())
            }
            Act::Initialize { kind, has_previous } => {
                let (old, _) = self.old[kind.place()];
                let previous = if *has_previous { old } else { Address::ZERO };
                (registry(*kind), Registry::initializeCall { previous }.abi_encode())
            }
            Act::SetName { kind, entry } => {
                let to = entry.map_or(registry(*kind), |entry| self.entry(entry));
                let call = Registry::setNameCall { ens: Address::ZERO, name: "a name".into() };
                (to, call.abi_encode())
            }
            Act::InitializeEntry { entry } => {
                let kind = self.entries.get(*entry).map_or(Kind::App, |(kind, _)| *kind);
                (self.entry(*entry), initialization(kind, "another"))
            }
            Act::Match { .. } => (self.places.hub, self.matching(act, cast)?),
        };
        Ok((to, data.into()))
    }

    /// Orders about entries, each signed by whoever owns the entry here and now.
    fn matching(&mut self, act: &Act, cast: &Cast) -> Result<Vec<u8>> {
        let Act::Match { entries: (app, dataset, pool), requester, salt, forged } = act else {
            bail!("no match")
        };
        let salt = B256::from(U256::from(*salt));
        let volume = U256::ONE;
        let signer = |kind: Kind, entry: usize, side: &mut Self| -> Result<Address> {
            let owner = side.owner(kind, entry)?.unwrap_or_default();
            Ok(if *forged == Some(kind) { cast.thief } else { owner })
        };
        let signers = [
            signer(Kind::App, *app, self)?,
            dataset.map_or(Ok(Address::ZERO), |entry| signer(Kind::Dataset, entry, self))?,
            signer(Kind::Pool, *pool, self)?,
        ];
        let (app, workerpool) = (self.entry(*app), self.entry(*pool));
        let dataset = dataset.map_or(Address::ZERO, |entry| self.entry(entry));
        let (separator, requester) = (self.separator, *requester);
        let of_app = AppOrder { app, volume, salt, ..AppOrder::default() };
        let of_dataset = DatasetOrder { dataset, volume, salt, ..DatasetOrder::default() };
        let of_pool = WorkerpoolOrder { workerpool, volume, salt, ..WorkerpoolOrder::default() };
        let of_request =
            RequestOrder { app, dataset, requester, volume, salt, ..RequestOrder::default() };
        Ok(Hub::matchOrdersCall {
            appOrder: (&signed(cast, signers[0], of_app, separator)).into(),
            datasetOrder: (&signed(cast, signers[1], of_dataset, separator)).into(),
            workerpoolOrder: (&signed(cast, signers[2], of_pool, separator)).into(),
            requestOrder: (&signed(cast, requester, of_request, separator)).into(),
        }
        .abi_encode())
    }
}

/// An order with its signature; with one of nobody where the signer has no key.
fn signed<O: Order>(cast: &Cast, signer: Address, order: O, separator: B256) -> Signed<O> {
    let sign = cast.sign(signer, order.hash(separator).0).unwrap_or_else(|| vec![1; 65].into());
    Signed { order, sign }
}

/// The address that a creation or a prediction answers with.
pub(super) fn made(answer: &Answer) -> Result<Address> {
    match answer {
        Answer::Done { output, .. } => Address::abi_decode(output).context("no address"),
        Answer::Refused(data) => bail!("refused: {data}"),
    }
}

/// The calls that make and predict an entry of this name.
fn creation(kind: Kind, owner: Address, name: &str) -> (Bytes, Bytes) {
    let (name, multiaddr, checksum) =
        (name.to_owned(), Bytes::from_static(b"\x01\x02"), B256::ZERO);
    let (kind_of_app, mrenclave) = ("DOCKER".to_owned(), Bytes::from_static(b"{}"));
    let (create, predict) = match kind {
        Kind::App => {
            let (kind, again) = (kind_of_app.clone(), name.clone());
            let (address, enclave) = (multiaddr.clone(), mrenclave.clone());
            let create =
                Registry::createAppCall { owner, name, kind, multiaddr, checksum, mrenclave };
            let predict = Registry::predictAppCall {
                owner,
                name: again,
                kind: kind_of_app,
                multiaddr: address,
                checksum,
                mrenclave: enclave,
            };
            (create.abi_encode(), predict.abi_encode())
        }
        Kind::Dataset => {
            let (again, address) = (name.clone(), multiaddr.clone());
            let create = Registry::createDatasetCall { owner, name, multiaddr, checksum };
            let predict =
                Registry::predictDatasetCall { owner, name: again, multiaddr: address, checksum };
            (create.abi_encode(), predict.abi_encode())
        }
        Kind::Pool => {
            let description = name.clone();
            let create = Registry::createWorkerpoolCall { owner, description: name };
            let predict = Registry::predictWorkerpoolCall { owner, description };
            (create.abi_encode(), predict.abi_encode())
        }
    };
    (create.into(), predict.into())
}

fn initialization(kind: Kind, name: &str) -> Vec<u8> {
    let (name, multiaddr, checksum) = (name.to_owned(), Bytes::new(), B256::ZERO);
    match kind {
        Kind::App => {
            let (kind, mrenclave) = ("DOCKER".into(), Bytes::new());
            Entries::initialize_0Call { name, kind, multiaddr, checksum, mrenclave }.abi_encode()
        }
        Kind::Dataset => Entries::initialize_1Call { name, multiaddr, checksum }.abi_encode(),
        Kind::Pool => Entries::initialize_2Call { description: name }.abi_encode(),
    }
}

fn transfer((from, to): (Address, Address), token: U256, how: Way) -> Vec<u8> {
    match how {
        Way::Plain => Registry::transferFromCall { from, to, tokenId: token }.abi_encode(),
        Way::Safe => Safe::safeTransferFrom_0Call { from, to, tokenId: token }.abi_encode(),
        Way::SafeWithData => {
            let data = Bytes::from_static(b"hello");
            Safe::safeTransferFrom_1Call { from, to, tokenId: token, data }.abi_encode()
        }
    }
}

/// What stands for an address: a sort of them and a number.
fn name_of(sort: u8, number: usize) -> Address {
    let mut name = [sort; 20];
    let number = u64::try_from(number).expect("a length fits").to_be_bytes();
    name[12..].copy_from_slice(&number);
    name.into()
}
