//! `poco app|dataset|workerpool`: entries in the registries.

use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs};
use clap::Subcommand;
use poco_chain::{AppEntry, DatasetEntry, NewResource, Transaction, WorkerpoolEntry};
use poco_core::{Address, B256, Bytes, OrderKind, U256};
use poco_sandbox::input::Source;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum AppCommand {
    /// Put an app into the registry
    Deploy {
        /// What people call it
        #[arg(long)]
        name: String,
        /// The image as docker names it, without tag or digest: registry/repository
        #[arg(long)]
        image: String,
        /// The digest that a pull of the image prints: sha256:… or 0x…
        #[arg(long, value_parser = parse_checksum)]
        checksum: B256,
        /// Kind of app
        #[arg(long, default_value = "DOCKER")]
        kind: String,
    },
    /// Show an app
    Show {
        /// Its address
        #[arg(value_parser = address::parse)]
        app: Address,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum DatasetCommand {
    /// Put a dataset into the registry
    Deploy {
        /// What people call it
        #[arg(long)]
        name: String,
        /// Where the file is: a url or /ipfs/…
        #[arg(long)]
        url: String,
        /// sha256 of the file: 0x…
        #[arg(long, value_parser = parse_checksum)]
        checksum: B256,
    },
    /// Show a dataset
    Show {
        /// Its address
        #[arg(value_parser = address::parse)]
        dataset: Address,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum WorkerpoolCommand {
    /// Put a pool into the registry
    Deploy {
        /// What people call it
        #[arg(long)]
        description: String,
    },
    /// Show a pool
    Show {
        /// Its address
        #[arg(value_parser = address::parse)]
        workerpool: Address,
    },
    /// Hold what a pool promised in its signed profile against what the chain says it did
    Audit {
        /// The pool
        #[arg(value_parser = address::parse)]
        workerpool: Address,
        /// Tasks that were opened from this block on
        #[arg(long, default_value_t = 0)]
        from_block: u64,
    },
    /// Set what workers stake and what the pool keeps, for deals to come
    Policy {
        /// The pool
        #[arg(value_parser = address::parse)]
        workerpool: Address,
        /// Percentage of the price that a worker stakes per task
        #[arg(long)]
        worker_stake: u64,
        /// Percentage of the reward that the pool keeps, at most 100
        #[arg(long, value_parser = clap::value_parser!(u64).range(0..=100))]
        scheduler_reward: u64,
    },
}

#[derive(Serialize)]
struct ResourceAnswer {
    address: Address,
    owner: Address,
    name: String,
    #[serde(flatten)]
    about: About,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum About {
    App { kind: String, multiaddr: String, checksum: B256 },
    Dataset { multiaddr: String, checksum: B256 },
    Workerpool { worker_stake_ratio: U256, scheduler_reward_ratio: U256 },
}

impl Show for ResourceAnswer {
    fn show(&self) -> String {
        let mut rows = vec![
            ("address", self.address.to_string()),
            ("owner", self.owner.to_string()),
            ("name", self.name.clone()),
        ];
        match &self.about {
            About::App { kind, multiaddr, checksum } => rows.extend([
                ("kind", kind.clone()),
                ("image", multiaddr.clone()),
                ("checksum", checksum.to_string()),
            ]),
            About::Dataset { multiaddr, checksum } => {
                rows.extend([("file", multiaddr.clone()), ("checksum", checksum.to_string())]);
            }
            About::Workerpool { worker_stake_ratio, scheduler_reward_ratio } => rows.extend([
                ("worker stake", format!("{worker_stake_ratio} % of the price")),
                ("pool keeps", format!("{scheduler_reward_ratio} % of the reward")),
            ]),
        }
        pairs(&rows)
    }
}

pub(crate) async fn run_app(context: &Context, command: AppCommand) -> Result<(), Failure> {
    match command {
        AppCommand::Show { app } => show(context, OrderKind::App, app, None).await,
        AppCommand::Deploy { name, image, checksum, kind } => {
            if image.contains('@') {
                return Err(Failure::Usage(format!(
                    "{image}: leave the digest out of --image and give it as --checksum"
                )));
            }
            let resource = NewResource::App {
                name,
                kind,
                multiaddr: Bytes::from(image.into_bytes()),
                checksum,
                mrenclave: Bytes::new(),
            };
            deploy(context, OrderKind::App, &resource).await
        }
    }
}

pub(crate) async fn run_dataset(context: &Context, command: DatasetCommand) -> Result<(), Failure> {
    match command {
        DatasetCommand::Show { dataset } => show(context, OrderKind::Dataset, dataset, None).await,
        DatasetCommand::Deploy { name, url, checksum } => {
            url.parse::<Source>().map_err(|error| Failure::Usage(error.to_string()))?;
            let multiaddr = Bytes::from(url.into_bytes());
            let resource = NewResource::Dataset { name, multiaddr, checksum };
            deploy(context, OrderKind::Dataset, &resource).await
        }
    }
}

pub(crate) async fn run_workerpool(
    context: &Context,
    command: WorkerpoolCommand,
) -> Result<(), Failure> {
    match command {
        WorkerpoolCommand::Show { workerpool } => {
            show(context, OrderKind::Workerpool, workerpool, None).await
        }
        WorkerpoolCommand::Deploy { description } => {
            deploy(context, OrderKind::Workerpool, &NewResource::Workerpool { description }).await
        }
        WorkerpoolCommand::Audit { workerpool, from_block } => {
            super::audit::run(context, workerpool, from_block).await
        }
        WorkerpoolCommand::Policy { workerpool, worker_stake, scheduler_reward } => {
            let chain = context.chain().await?;
            let entry = chain.workerpool(workerpool).await?;
            let entry = entry.ok_or_else(|| unknown(OrderKind::Workerpool, workerpool))?;
            let wallet = context.wallet()?;
            if entry.owner != wallet.address() {
                return Err(Failure::Refused(format!(
                    "the pool {workerpool} belongs to {}, the wallet is {}",
                    entry.owner,
                    wallet.address()
                )));
            }
            let transaction = Transaction::change_policy(
                workerpool,
                U256::from(worker_stake),
                U256::from(scheduler_reward),
            );
            let intent = format!("policy {workerpool} {worker_stake} {scheduler_reward}");
            let receipt = context.send(&chain, &wallet, &intent, transaction).await?;
            show(context, OrderKind::Workerpool, workerpool, Some(receipt.transaction)).await
        }
    }
}

/// Creates an entry, or says that the same owner has made the same entry before.
async fn deploy(context: &Context, kind: OrderKind, resource: &NewResource) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let owner = context.wallet_address()?;
    let address = chain.predict(resource, owner).await?;
    if exists(&chain, kind, address).await? {
        context.output.note("this entry exists already: nothing was sent");
        return show(context, kind, address, None).await;
    }
    let wallet = context.wallet()?;
    let transaction = Transaction::create(&chain, resource, owner);
    let receipt = context.send(&chain, &wallet, &format!("create {address}"), transaction).await?;
    show(context, kind, address, Some(receipt.transaction)).await
}

async fn exists(
    chain: &poco_chain::Chain,
    kind: OrderKind,
    address: Address,
) -> Result<bool, Failure> {
    Ok(match kind {
        OrderKind::App => chain.app(address).await?.is_some(),
        OrderKind::Dataset => chain.dataset(address).await?.is_some(),
        OrderKind::Workerpool => chain.workerpool(address).await?.is_some(),
        OrderKind::Request => false,
    })
}

async fn show(
    context: &Context,
    kind: OrderKind,
    address: Address,
    transaction: Option<B256>,
) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let missing = || unknown(kind, address);
    let (owner, name, about) = match kind {
        OrderKind::App => app_parts(chain.app(address).await?.ok_or_else(missing)?),
        OrderKind::Dataset => dataset_parts(chain.dataset(address).await?.ok_or_else(missing)?),
        OrderKind::Workerpool => {
            workerpool_parts(chain.workerpool(address).await?.ok_or_else(missing)?)
        }
        OrderKind::Request => return Err(missing()),
    };
    context.output.answer(&ResourceAnswer { address, owner, name, about, transaction })
}

fn app_parts(entry: AppEntry) -> (Address, String, About) {
    let multiaddr = show_multiaddr(&entry.multiaddr);
    let about = About::App { kind: entry.kind, multiaddr, checksum: entry.checksum };
    (entry.owner, entry.name, about)
}

fn dataset_parts(entry: DatasetEntry) -> (Address, String, About) {
    let multiaddr = show_multiaddr(&entry.multiaddr);
    (entry.owner, entry.name, About::Dataset { multiaddr, checksum: entry.checksum })
}

fn workerpool_parts(entry: WorkerpoolEntry) -> (Address, String, About) {
    let about = About::Workerpool {
        worker_stake_ratio: entry.worker_stake_ratio,
        scheduler_reward_ratio: entry.scheduler_reward_ratio,
    };
    (entry.owner, entry.description, about)
}

/// The "no such entry" of a registry.
pub(crate) fn unknown(kind: OrderKind, address: Address) -> Failure {
    let what = match kind {
        OrderKind::App => "app",
        OrderKind::Dataset => "dataset",
        OrderKind::Workerpool => "pool",
        OrderKind::Request => "requester",
    };
    Failure::NotFound(format!(
        "no {what} {address} in the registry of this hub: check the address, and --addresses"
    ))
}

/// A multiaddr as people read it: text, or hex where it is binary.
fn show_multiaddr(bytes: &Bytes) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        Ok(_) | Err(_) => bytes.to_string(),
    }
}

fn parse_checksum(text: &str) -> Result<B256, String> {
    let digits = text.strip_prefix("sha256:").or_else(|| text.strip_prefix("0x")).unwrap_or(text);
    digits.parse().map_err(|_| format!("{text} is no checksum: write sha256: and 64 hex digits"))
}
