//! The stage of every sequence: two chains with the same contracts at the same addresses, but for
//! the hub, which is ours on one and the reference's on the other; and a model of each.

use crate::abi::{Cut, DiamondArguments, Hub, Initializer, Registry};
use crate::artifacts::{self, Wiring};
use crate::cast::Cast;
use crate::chain::{Answer, CHAIN_ID, Chain};
use crate::strangers;
use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::{SolCall, SolValue};
use anyhow::{Result, bail, ensure};
use poco_core::hub::{Config, Hub as Model, SideCall};
use poco_core::{Amount, OrderKind, Release, Rules, Timestamp};

/// When the deployment happens, in seconds.
pub const START: u64 = 1_700_000_000;
/// All tokens there are.
pub const SUPPLY: u64 = 87_000_000 * Amount::NANO_PER_RLC;

/// Where everything lies, on both chains.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// The hub.
    pub hub: Address,
    /// The token.
    pub token: Address,
    /// The registries of apps, datasets and pools.
    pub registries: [Address; 3],
    /// Hash of the constant code that creates the registries' entries.
    pub entry_code_hash: B256,
}

impl Places {
    /// The registry of a kind. Requests have none: theirs is that of pools, which refuses them.
    #[must_use]
    pub fn registry(&self, kind: OrderKind) -> Address {
        let [apps, datasets, pools] = self.registries;
        match kind {
            OrderKind::App => apps,
            OrderKind::Dataset => datasets,
            OrderKind::Workerpool | OrderKind::Request => pools,
        }
    }

    /// The call that configures a hub.
    #[must_use]
    pub fn configuration(&self, old_hub: Address) -> Hub::configureCall {
        let [appregistry, datasetregistry, workerpoolregistry] = self.registries;
        Hub::configureCall {
            token: self.token,
            name: "Staked RLC".into(),
            symbol: "SRLC".into(),
            decimals: 9,
            appregistry,
            datasetregistry,
            workerpoolregistry,
            v3Hub: old_hub,
        }
    }
}

/// A chain with a hub, and the model that says what the hub does.
pub struct Side {
    /// What it is called in a story.
    pub name: &'static str,
    /// The bytecode.
    pub chain: Chain,
    /// The model, by the rules of this hub.
    pub model: Model,
    /// To whom a contract of the world gives its stake.
    pub thief: Address,
}

impl Side {
    /// Raises an account's epoch as often as it takes, on the chain and in the model.
    fn raise_epoch(&mut self, places: &Places, account: Address, epoch: u16) -> Result<()> {
        let data = Bytes::from(Hub::raiseEpochCall {}.abi_encode());
        for _ in 0..epoch {
            done(self.chain.send(account, places.hub, data.clone())?)?;
            self.model.side_call(account, Timestamp(START), &SideCall::RaiseEpoch)?;
        }
        Ok(())
    }

    /// A copy that goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self {
            name: self.name,
            chain: self.chain.fork(),
            model: self.model.clone(),
            thief: self.thief,
        }
    }
}

/// Both sides and who plays on them.
pub struct Stage {
    /// Where everything lies.
    pub places: Places,
    /// Our hub.
    pub ours: Side,
    /// The reference's.
    pub reference: Side,
}

impl Stage {
    /// Deploys everything.
    ///
    /// # Errors
    /// Where an artifact is missing or a deployment fails.
    pub fn build(cast: &Cast) -> Result<Self> {
        let registries = artifacts::our_registries()?;
        let (ours, places) = deploy(cast, registries.clone(), ours_hub)?;
        let (reference, same) = deploy(cast, registries, reference_hub)?;
        ensure!(places.hub == same.hub && places.registries == same.registries, "two places");
        let side = |name, chain, rules| Side {
            name,
            chain,
            model: model(cast, &places, rules),
            thief: cast.thief,
        };
        let mut ours = side("ours", ours, Rules::Ours);
        for (account, epoch) in cast.epochs() {
            ours.raise_epoch(&places, account, epoch)?;
        }
        let rules = Rules::Reference(Release::V6_1_0);
        let reference = side("the reference", reference, rules);
        Ok(Self { places, ours, reference })
    }

    /// A copy that goes its own way.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { places: self.places, ours: self.ours.fork(), reference: self.reference.fork() }
    }
}

fn model(cast: &Cast, places: &Places, rules: Rules) -> Model {
    let standard = Config::standard(rules, CHAIN_ID, places.hub, cast.hub_owner);
    let mut model = Model::new(Config { categories: Vec::new(), ..standard });
    model.mint_tokens(cast.hub_owner, Amount::from_nano(SUPPLY)).expect("the supply is small");
    let contracts = model.contracts_mut();
    for (stranger, _) in strangers::codes(places.hub, cast.thief) {
        contracts.add_wallet(stranger);
    }
    contracts.set_spender(strangers::SPENDERS[0], true);
    contracts.set_spender(strangers::SPENDERS[1], false);
    contracts.set_owner(strangers::OWNED, cast.thief);
    // These answer any question with a word of nothing, or of one.
    for stranger in [strangers::WALLET, strangers::OLD_HUB, strangers::SPENDERS[1]] {
        contracts.set_owner(stranger, Address::ZERO);
    }
    for group in strangers::GROUPS {
        contracts.set_owner(group, Address::ZERO);
    }
    contracts.set_owner(strangers::SPENDERS[0], Address::with_last_byte(1));
    contracts.add_wallet(places.token);
    for registry in places.registries {
        contracts.set_owner(registry, cast.hub_owner);
    }
    model
}

/// Everything but the hub from one account and the hub from another, so that hubs of different
/// parts have one address.
/// The registries follow no others, and are told so by nobody.
pub(crate) fn deploy(
    cast: &Cast,
    codes: [Bytes; 3],
    hub: impl FnOnce(&mut Chain, Address, Address) -> Result<Bytes>,
) -> Result<(Chain, Places)> {
    let (parts_by, hub_by) = (Address::repeat_byte(0xd1), Address::repeat_byte(0xd2));
    let mut chain = Chain::new();
    chain.set_time(START);
    let owner = cast.hub_owner;
    let token = chain.create(owner, artifacts::ours("RLC")?)?;
    let mut registries = [Address::ZERO; 3];
    for (registry, code) in registries.iter_mut().zip(codes) {
        *registry = chain.create(owner, code)?;
    }
    let code = hub(&mut chain, parts_by, owner)?;
    let hub = chain.create(hub_by, code)?;
    let asked = Registry::proxyCodeHashCall {}.abi_encode().into();
    let answered = done(chain.ask(registries[0], asked)?)?;
    let entry_code_hash = Registry::proxyCodeHashCall::abi_decode_returns(&answered)?;
    let places = Places { hub, token, registries, entry_code_hash };
    for (stranger, code) in strangers::codes(hub, cast.thief) {
        chain.set_code(stranger, code);
    }
    // Ours belongs to whoever deployed it; the reference's was given its owner.
    let transfer = Hub::transferOwnershipCall { newOwner: owner };
    let _ = chain.send(hub_by, hub, transfer.abi_encode().into())?;
    let configure = places.configuration(strangers::OLD_HUB);
    done(chain.send(owner, hub, configure.abi_encode().into())?)?;
    Ok((chain, places))
}

pub(crate) fn ours_hub(chain: &mut Chain, parts_by: Address, _owner: Address) -> Result<Bytes> {
    let views = chain.create(parts_by, artifacts::ours("HubViews")?)?;
    let mut extension = artifacts::ours("HubExtension")?.to_vec();
    extension.extend((views,).abi_encode());
    let extension = chain.create(parts_by, extension.into())?;
    let boost = chain.create(parts_by, artifacts::ours("HubBoost")?)?;
    let lane = chain.create(parts_by, artifacts::ours("HubLane")?)?;
    let mut code = artifacts::ours("Hub")?.to_vec();
    code.extend((extension, boost, lane).abi_encode());
    Ok(code.into())
}

pub(crate) fn reference_hub(chain: &mut Chain, parts_by: Address, owner: Address) -> Result<Bytes> {
    let wiring = Wiring::read()?;
    let library = chain.create(parts_by, wiring.library()?)?;
    let mut cuts = Vec::new();
    for facet in wiring.facets(library)? {
        let at = chain.create(parts_by, facet.code)?;
        cuts.push(Cut { facet: at, action: 0, selectors: facet.selectors });
    }
    let init = chain.create(parts_by, wiring.initializer()?)?;
    let init_calldata = Initializer::initCall {}.abi_encode().into();
    let arguments = DiamondArguments { owner, init, initCalldata: init_calldata };
    let mut code = wiring.diamond()?.to_vec();
    code.extend((cuts, arguments).abi_encode_params());
    Ok(code.into())
}

pub(crate) fn done(answer: Answer) -> Result<Bytes> {
    match answer {
        Answer::Done { output, .. } => Ok(output),
        Answer::Refused(data) => bail!("a call of the deployment was refused: {data}"),
    }
}
