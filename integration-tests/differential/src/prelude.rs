//! What every sequence begins with: categories, money for the cast, and entries of all owners.

use crate::cast::{Cast, WORKERS};
use crate::director::entry_address;
use crate::stage::{Places, START};
use crate::step::{Act, RegistryAct, Step};
use crate::strangers::{RETURNER, WALLET};
use alloy_primitives::{Address, U256};
use poco_core::hub::{OwnerCall, Policy, SideCall, TokenCall};
use poco_core::{Amount, Call, OrderKind, category};

/// RLC that a party deposits.
const PARTY_RLC: u64 = 200_000;
/// RLC that one of the crowd deposits.
const CROWD_RLC: u64 = 10_000;

/// The steps.
#[must_use]
pub fn steps(cast: &Cast, places: &Places) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut step = |sender, act| steps.push(Step { at: START + 1, sender, act });
    let owner = cast.hub_owner;
    for (name, seconds) in category::INITIAL {
        let call = Call::CreateCategory {
            name: name.into(),
            description: "{}".into(),
            work_clock_time_ref_seconds: seconds,
        };
        step(owner, Act::Hub(call));
    }
    let gas = OwnerCall::SetCallbackGas { gas: U256::from(200_000) };
    step(owner, Act::Owner(gas));

    let parties = cast.requesters.into_iter().chain(cast.pool_owners).chain([cast.sponsor]);
    let rich = parties.map(|party| (party, PARTY_RLC));
    let workers = cast.workers.iter().enumerate();
    let poor = workers
        .map(|(place, worker)| (*worker, if place < WORKERS { PARTY_RLC } else { CROWD_RLC }));
    for (party, rlc) in rich.chain(poor).chain([(cast.thief, 10)]) {
        let amount = Amount::from_nano(rlc * Amount::NANO_PER_RLC);
        // A little stays in tokens.
        let all = Amount::from_nano((rlc + rlc / 10) * Amount::NANO_PER_RLC);
        step(owner, Act::Token(TokenCall::Transfer { to: party, amount: all }));
        step(party, Act::Token(TokenCall::ApproveHubAndCall { amount }));
    }
    let all = Amount::from_nano(2_000_000 * Amount::NANO_PER_RLC);
    step(owner, Act::Token(TokenCall::ApproveHub { amount: all }));
    // Requesters let the hub take what is left: it can come with a match.
    for requester in cast.requesters {
        step(requester, Act::Token(TokenCall::ApproveHub { amount: all }));
    }
    for target in [WALLET, RETURNER, owner] {
        let amount = Amount::from_nano(PARTY_RLC * Amount::NANO_PER_RLC);
        step(owner, Act::Hub(Call::DepositFor { amount, target }));
    }
    // A spender takes approvals, one allowance stands.
    let call = SideCall::IncreaseAllowance {
        spender: cast.sponsor,
        added: Amount::from_nano(5 * Amount::NANO_PER_RLC),
    };
    step(cast.requesters[0], Act::Side(call));

    for (kind, owner, name) in entries(cast) {
        let resource = entry_address(places, kind, owner, name);
        let name = name.to_owned();
        step(owner, Act::Registry(RegistryAct::Create { kind, owner, name, resource }));
    }
    let workerpool =
        entry_address(places, OrderKind::Workerpool, cast.pool_owners[0], "the first pool");
    let policy =
        Policy { worker_stake_ratio: U256::from(35), scheduler_reward_ratio: U256::from(5) };
    step(cast.pool_owners[0], Act::Registry(RegistryAct::ChangePolicy { workerpool, policy }));
    steps
}

fn entries(cast: &Cast) -> [(OrderKind, Address, &'static str); 8] {
    [
        (OrderKind::App, cast.app_owner, "an app"),
        (OrderKind::App, WALLET, "a wallet's app"),
        (OrderKind::Dataset, cast.dataset_owner, "a dataset"),
        (OrderKind::Dataset, WALLET, "a wallet's dataset"),
        (OrderKind::Workerpool, cast.pool_owners[0], "the first pool"),
        (OrderKind::Workerpool, cast.pool_owners[1], "the second pool"),
        (OrderKind::Workerpool, cast.pool_owners[1], "the third pool"),
        (OrderKind::Workerpool, WALLET, "a wallet's pool"),
    ]
}

/// Gives the entries and the strangers names, for the story.
pub fn name_all(cast: &mut Cast, places: &Places) {
    for (kind, owner, name) in entries(cast) {
        let entry = entry_address(places, kind, owner, name);
        cast.call(entry, name);
    }
    let strangers = [
        (WALLET, "wallet"),
        (RETURNER, "returner"),
        (crate::strangers::GROUPS[0], "group 1"),
        (crate::strangers::GROUPS[1], "group 2"),
        (crate::strangers::LISTENER, "listener"),
        (crate::strangers::REFUSER, "refuser"),
        (crate::strangers::GLUTTON, "glutton"),
        (crate::strangers::OLD_HUB, "old hub"),
        (crate::strangers::OWNED, "owned"),
        (poco_core::payout::KITTY, "kitty"),
        (Address::ZERO, "nobody"),
        (places.hub, "hub"),
        (places.token, "token"),
    ];
    for (account, name) in strangers {
        cast.call(account, name);
    }
}
