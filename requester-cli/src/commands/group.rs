//! `poco group`: groups of accounts (ERC-734), for the restrictions of orders and as the guard of deals.

use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs, table};
use anyhow::Context as _;
use clap::{Args, Subcommand};
use poco_chain::{Chain, GroupPurpose, Transaction};
use poco_core::{Address, B256};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum GroupCommand {
    /// Create a group that belongs to the wallet
    Create,
    /// Take accounts into a group of the wallet's
    Add(Change),
    /// Take accounts out of a group of the wallet's
    Remove(Change),
    /// Show whose group it is, and which of some accounts it knows
    Show {
        /// The group
        #[arg(value_parser = address::parse)]
        group: Address,
        /// Accounts to look up
        #[arg(value_parser = address::parse)]
        accounts: Vec<Address>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Change {
    /// The group
    #[arg(value_parser = address::parse)]
    group: Address,
    /// The accounts
    #[arg(required = true, value_parser = address::parse)]
    accounts: Vec<Address>,
    /// As keys of enclaves, not as members
    #[arg(long)]
    enclaves: bool,
}

impl Change {
    fn purpose(&self) -> GroupPurpose {
        if self.enclaves { GroupPurpose::Enclave } else { GroupPurpose::Member }
    }
}

#[derive(Serialize)]
struct GroupAnswer {
    address: Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<Address>,
    accounts: Vec<Known>,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
}

#[derive(Serialize)]
struct Known {
    account: Address,
    is_member: bool,
    is_enclave: bool,
}

impl Show for GroupAnswer {
    fn show(&self) -> String {
        let owner = self.owner.map_or_else(|| "not told".to_owned(), |owner| owner.to_string());
        let head = pairs(&[("group", self.address.to_string()), ("owner", owner)]);
        if self.accounts.is_empty() {
            return head;
        }
        let word = |is: bool| if is { "yes" } else { "no" }.to_owned();
        let row = |known: &Known| {
            [known.account.to_string(), word(known.is_member), word(known.is_enclave)]
        };
        let rows = self.accounts.iter().map(row).collect();
        format!("{head}\n\n{}", table(["ACCOUNT", "MEMBER", "ENCLAVE"], rows))
    }
}

pub(crate) async fn run(context: &Context, command: GroupCommand) -> Result<(), Failure> {
    let chain = context.chain().await?;
    match command {
        GroupCommand::Create => create(context, &chain).await,
        GroupCommand::Add(change) => {
            let (keys, purpose) = (&change.accounts, change.purpose());
            let transaction = Transaction::add_to_group(change.group, keys, purpose);
            send(context, &chain, "add to", &change, transaction).await
        }
        GroupCommand::Remove(change) => {
            let (keys, purpose) = (&change.accounts, change.purpose());
            let transaction = Transaction::remove_from_group(change.group, keys, purpose);
            send(context, &chain, "remove from", &change, transaction).await
        }
        GroupCommand::Show { group, accounts } => {
            refuse_no_group(&chain, group).await?;
            context.output.answer(&look(&chain, group, &accounts, None).await?)
        }
    }
}

async fn create(context: &Context, chain: &Chain) -> Result<(), Failure> {
    let wallet = context.wallet()?;
    let owner = wallet.address();
    context.agree(&format!("Create a group that belongs to {owner}?"))?;
    // Each group is another one: the intent must not be taken for that of an earlier command.
    let intent = format!("create group {:x}", B256::from(rand::random::<[u8; 32]>()));
    let receipt = context.send(chain, &wallet, &intent, Transaction::create_group(owner)).await?;
    let group = receipt.contract.context("the node names no address for the group")?;
    context.output.answer(&look(chain, group, &[], Some(receipt.transaction)).await?)
}

async fn send(
    context: &Context,
    chain: &Chain,
    what: &str,
    change: &Change,
    transaction: Transaction,
) -> Result<(), Failure> {
    let group = change.group;
    refuse_no_group(chain, group).await?;
    let wallet = context.wallet()?;
    let owner = chain.group_owner(group).await?;
    if let Some(owner) = owner.filter(|owner| *owner != wallet.address()) {
        return Err(Failure::Refused(format!(
            "the group {group} belongs to {owner}, the wallet is {}",
            wallet.address()
        )));
    }
    let count = change.accounts.len();
    context.agree(&format!("Really {what} the group {group}: {count} of accounts?"))?;
    let intent = format!("{what} group {group:x}: {:?}", change.accounts);
    let receipt = context.send(chain, &wallet, &intent, transaction).await?;
    let answer = look(chain, group, &change.accounts, Some(receipt.transaction)).await?;
    context.output.answer(&answer)
}

async fn look(
    chain: &Chain,
    group: Address,
    accounts: &[Address],
    transaction: Option<B256>,
) -> Result<GroupAnswer, Failure> {
    let mut known = Vec::with_capacity(accounts.len());
    for account in accounts {
        known.push(Known {
            account: *account,
            is_member: chain.is_known_to(group, *account, GroupPurpose::Member).await?,
            is_enclave: chain.is_known_to(group, *account, GroupPurpose::Enclave).await?,
        });
    }
    let owner = chain.group_owner(group).await?;
    Ok(GroupAnswer { address: group, owner, accounts: known, transaction })
}

async fn refuse_no_group(chain: &Chain, group: Address) -> Result<(), Failure> {
    if chain.is_group(group).await? {
        return Ok(());
    }
    Err(Failure::NotFound(format!("there is no group at {group}")))
}
