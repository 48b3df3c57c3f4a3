//! `poco order`: what the four parties sign.

use crate::context::Context;
use crate::failure::Failure;
use crate::market;
use crate::output::{Show, pairs};
use crate::price;
use anyhow::Context as _;
use clap::{Args, Subcommand, ValueEnum};
use poco_chain::{Chain, Transaction, Wallet};
use poco_core::order::{
    AppOrder, DatasetOrder, Order, OrderOperation, RequestOrder, WorkerpoolOrder,
};
use poco_core::{
    Address, Amount, AnyOrder, B256, Bytes, Call, OrderHash, OrderKind, Signed, Tag, U256,
};
use serde::Serialize;
use serde_json::Value;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum OrderCommand {
    /// Sign an order and print it
    #[command(subcommand)]
    Sign(SignCommand),
    /// Publish a signed order in the market
    Publish {
        /// File with the order; `-` reads the standard input
        file: PathBuf,
    },
    /// Take an order out of the market; whoever has a copy can still match it
    Unpublish(OrderName),
    /// Cancel an order on chain: nobody can match it any more
    Cancel {
        /// File with the order; `-` reads the standard input
        file: PathBuf,
    },
    /// Show an order of the market
    Show(OrderName),
}

#[derive(Debug, Args)]
pub(crate) struct OrderName {
    /// Whose order
    kind: Kind,
    /// Its hash
    hash: OrderHash,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    App,
    Dataset,
    Workerpool,
    Request,
}

impl From<Kind> for OrderKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::App => Self::App,
            Kind::Dataset => Self::Dataset,
            Kind::Workerpool => Self::Workerpool,
            Kind::Request => Self::Request,
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum SignCommand {
    /// Offer runs of your app
    App {
        /// The app
        app: Address,
        /// Price of a run
        #[arg(long, value_parser = price::parse, default_value = "0")]
        price: Amount,
        #[command(flatten)]
        terms: Terms,
        /// Only with this dataset (or group)
        #[arg(long, default_value_t)]
        dataset_restrict: Address,
        /// Only in this pool (or group)
        #[arg(long, default_value_t)]
        workerpool_restrict: Address,
        /// Only for this requester (or group)
        #[arg(long, default_value_t)]
        requester_restrict: Address,
    },
    /// Offer uses of your dataset
    Dataset {
        /// The dataset
        dataset: Address,
        /// Price of a use
        #[arg(long, value_parser = price::parse, default_value = "0")]
        price: Amount,
        #[command(flatten)]
        terms: Terms,
        /// Only with this app (or group)
        #[arg(long, default_value_t)]
        app_restrict: Address,
        /// Only in this pool (or group)
        #[arg(long, default_value_t)]
        workerpool_restrict: Address,
        /// Only for this requester (or group)
        #[arg(long, default_value_t)]
        requester_restrict: Address,
    },
    /// Offer your pool's work
    Workerpool(Box<SignWorkerpool>),
    /// Ask for runs of an app
    Request(Box<SignRequest>),
}

#[derive(Debug, Args)]
pub(crate) struct SignWorkerpool {
    /// The pool
    workerpool: Address,
    /// Price of a task
    #[arg(long, value_parser = price::parse)]
    price: Amount,
    #[command(flatten)]
    terms: Terms,
    /// Category of the tasks, by number
    #[arg(long, default_value_t = 0)]
    category: u64,
    /// The highest trust the pool reaches
    #[arg(long, default_value_t = 1)]
    trust: u64,
    /// Only with this app (or group)
    #[arg(long, default_value_t)]
    app_restrict: Address,
    /// Only with this dataset (or group)
    #[arg(long, default_value_t)]
    dataset_restrict: Address,
    /// Only for this requester (or group)
    #[arg(long, default_value_t)]
    requester_restrict: Address,
}

#[derive(Debug, Args)]
pub(crate) struct SignRequest {
    /// The app
    app: Address,
    /// The most to pay for a run
    #[arg(long, value_parser = price::parse, default_value = "0")]
    app_max_price: Amount,
    /// The dataset
    #[arg(long, default_value_t)]
    dataset: Address,
    /// The most to pay for a use of the dataset
    #[arg(long, value_parser = price::parse, default_value = "0")]
    dataset_max_price: Amount,
    /// Only this pool (or group)
    #[arg(long, default_value_t)]
    workerpool: Address,
    /// The most to pay the pool for a task
    #[arg(long, value_parser = price::parse)]
    workerpool_max_price: Amount,
    #[command(flatten)]
    terms: Terms,
    /// Category of the tasks, by number
    #[arg(long, default_value_t = 0)]
    category: u64,
    /// How sure the result must be
    #[arg(long, default_value_t = 1)]
    trust: u64,
    /// Only this wallet may read the result
    #[arg(long, default_value_t)]
    beneficiary: Address,
    /// The contract that receives the result
    #[arg(long, default_value_t)]
    callback: Address,
    /// Arguments, or a JSON object of parameters
    #[arg(long, default_value = "")]
    params: String,
}

/// What all orders have in common.
#[derive(Clone, Debug, Args)]
pub(crate) struct Terms {
    /// How many units the order covers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=9_007_199_254_740_991))]
    volume: u64,
    /// What is needed or offered: names (tee, scone, gramine, tdx, gpu) joined by commas, or 0x…
    #[arg(long, default_value = "none", value_parser = parse_tag)]
    tag: Tag,
    /// Publish the order at once
    #[arg(long)]
    publish: bool,
}

/// A signed order, as it is printed: the order itself and nothing around it.
#[derive(Serialize)]
#[serde(transparent)]
struct OrderText<O>(Signed<O>);

impl<O: Serialize> Show for OrderText<O> {
    fn show(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(transparent)]
struct Record(Value);

impl Show for Record {
    fn show(&self) -> String {
        serde_json::to_string_pretty(&self.0).unwrap_or_default()
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    order_hash: OrderHash,
    transaction: B256,
}

impl Show for Cancelled {
    fn show(&self) -> String {
        pairs(&[
            ("cancelled", self.order_hash.to_string()),
            ("transaction", self.transaction.to_string()),
        ])
    }
}

pub(crate) async fn run(context: &Context, command: OrderCommand) -> Result<(), Failure> {
    match command {
        OrderCommand::Sign(command) => sign(context, command).await,
        OrderCommand::Publish { file } => {
            let order = read(&file)?;
            let chain = context.chain().await?;
            let wallet = context.wallet()?;
            let market = context.market(&chain)?;
            let record = match &order {
                AnyOrder::App(order) => market.publish(&wallet, order).await,
                AnyOrder::Dataset(order) => market.publish(&wallet, order).await,
                AnyOrder::Workerpool(order) => market.publish(&wallet, order).await,
                AnyOrder::Request(order) => market.publish(&wallet, order).await,
            }?;
            context.output.answer(&Record(record))
        }
        OrderCommand::Unpublish(name) => {
            let chain = context.chain().await?;
            let wallet = context.wallet()?;
            let market = context.market(&chain)?;
            let record = market.unpublish(&wallet, name.kind.into(), name.hash).await?;
            context.output.answer(&Record(record))
        }
        OrderCommand::Cancel { file } => cancel(context, &file).await,
        OrderCommand::Show(name) => {
            let chain = context.chain().await?;
            let record = context.market(&chain)?.order(name.kind.into(), name.hash).await?;
            context.output.answer(&Record(record))
        }
    }
}

async fn sign(context: &Context, command: SignCommand) -> Result<(), Failure> {
    let salt = B256::from(rand::random::<[u8; 32]>());
    match command {
        SignCommand::App {
            app,
            price,
            terms,
            dataset_restrict,
            workerpool_restrict,
            requester_restrict,
        } => {
            let volume = U256::from(terms.volume);
            let order = AppOrder {
                app,
                price,
                volume,
                tag: terms.tag,
                dataset_restrict,
                workerpool_restrict,
                requester_restrict,
                salt,
            };
            finish(context, OrderKind::App, app, order, terms.publish).await
        }
        SignCommand::Dataset {
            dataset,
            price,
            terms,
            app_restrict,
            workerpool_restrict,
            requester_restrict,
        } => {
            let volume = U256::from(terms.volume);
            let order = DatasetOrder {
                dataset,
                price,
                volume,
                tag: terms.tag,
                app_restrict,
                workerpool_restrict,
                requester_restrict,
                salt,
            };
            finish(context, OrderKind::Dataset, dataset, order, terms.publish).await
        }
        SignCommand::Workerpool(offer) => {
            let (workerpool, publish) = (offer.workerpool, offer.terms.publish);
            let order = workerpool_order(*offer, salt);
            finish(context, OrderKind::Workerpool, workerpool, order, publish).await
        }
        SignCommand::Request(request) => {
            let requester = context.wallet_address()?;
            let publish = request.terms.publish;
            let order = request_order(*request, requester, salt);
            finish(context, OrderKind::Request, requester, order, publish).await
        }
    }
}

fn workerpool_order(offer: SignWorkerpool, salt: B256) -> WorkerpoolOrder {
    WorkerpoolOrder {
        workerpool: offer.workerpool,
        price: offer.price,
        volume: U256::from(offer.terms.volume),
        tag: offer.terms.tag,
        category: U256::from(offer.category),
        trust: U256::from(offer.trust),
        app_restrict: offer.app_restrict,
        dataset_restrict: offer.dataset_restrict,
        requester_restrict: offer.requester_restrict,
        salt,
    }
}

fn request_order(request: SignRequest, requester: Address, salt: B256) -> RequestOrder {
    RequestOrder {
        app: request.app,
        app_price_max: request.app_max_price,
        dataset: request.dataset,
        dataset_price_max: request.dataset_max_price,
        workerpool: request.workerpool,
        workerpool_price_max: request.workerpool_max_price,
        requester,
        volume: U256::from(request.terms.volume),
        tag: request.terms.tag,
        category: U256::from(request.category),
        trust: U256::from(request.trust),
        beneficiary: request.beneficiary,
        callback: request.callback,
        params: request.params,
        salt,
    }
}

/// Checks that the wallet may sign, signs, and publishes where that was asked for.
async fn finish<O: market::Listed>(
    context: &Context,
    kind: OrderKind,
    subject: Address,
    order: O,
    publish: bool,
) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let wallet = context.wallet()?;
    refuse_stranger(&chain, kind, subject, &wallet).await?;
    let signed = sign_order(&chain, &wallet, order);
    if publish {
        let record = context.market(&chain)?.publish(&wallet, &signed).await?;
        return context.output.answer(&Record(record));
    }
    context.output.answer(&OrderText(signed))
}

/// Signs an order for this chain's hub.
pub(crate) fn sign_order<O: Order>(chain: &Chain, wallet: &Wallet, order: O) -> Signed<O> {
    let hash = order.hash(chain.domain_separator());
    let sign = wallet.sign_hash(hash.0);
    Signed { order, sign }
}

async fn refuse_stranger(
    chain: &Chain,
    kind: OrderKind,
    subject: Address,
    wallet: &Wallet,
) -> Result<(), Failure> {
    let owner = match kind {
        OrderKind::App => chain.app(subject).await?.map(|entry| entry.owner),
        OrderKind::Dataset => chain.dataset(subject).await?.map(|entry| entry.owner),
        OrderKind::Workerpool => chain.workerpool(subject).await?.map(|entry| entry.owner),
        OrderKind::Request => Some(subject),
    };
    let owner = owner.ok_or_else(|| super::resource::unknown(kind, subject))?;
    if owner == wallet.address() {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "{subject} belongs to {owner}: an order signed by {} would be worth nothing",
        wallet.address()
    )))
}

async fn cancel(context: &Context, file: &Path) -> Result<(), Failure> {
    let order = read(file)?;
    let chain = context.chain().await?;
    let separator = chain.domain_separator();
    let order_hash = match &order {
        AnyOrder::App(order) => order.order.hash(separator),
        AnyOrder::Dataset(order) => order.order.hash(separator),
        AnyOrder::Workerpool(order) => order.order.hash(separator),
        AnyOrder::Request(order) => order.order.hash(separator),
    };
    let wallet = context.wallet()?;
    context.agree(&format!("Cancel order {order_hash} for good?"))?;
    let operation = OrderOperation::Close;
    let call = Call::ManageOrder { order: Box::new(order), operation, sign: Bytes::new() };
    let transaction = Transaction::hub(&chain, &call);
    let receipt =
        context.send(&chain, &wallet, &format!("cancel {order_hash}"), transaction).await?;
    context.output.answer(&Cancelled { order_hash, transaction: receipt.transaction })
}

/// Reads an order of any kind; its price field tells which.
fn read(file: &Path) -> Result<AnyOrder, Failure> {
    let mut text = String::new();
    if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text).context("cannot read the standard input")?;
    } else {
        text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read the order file {}", file.display()))?;
    }
    let name = file.display();
    let bad = |error: serde_json::Error| Failure::Usage(format!("{name} is no order: {error}"));
    let value: Value = serde_json::from_str(&text).map_err(bad)?;
    let has = |key: &str| value.get(key).is_some();
    if has("appprice") {
        serde_json::from_value(value).map(AnyOrder::App).map_err(bad)
    } else if has("datasetprice") {
        serde_json::from_value(value).map(AnyOrder::Dataset).map_err(bad)
    } else if has("workerpoolprice") {
        serde_json::from_value(value).map(AnyOrder::Workerpool).map_err(bad)
    } else if has("workerpoolmaxprice") {
        serde_json::from_value(value).map(AnyOrder::Request).map_err(bad)
    } else {
        Err(Failure::Usage(format!(
            "{name} is no order: none of appprice, datasetprice, workerpoolprice and workerpoolmaxprice is in it"
        )))
    }
}

/// Reads a tag from names or hex.
pub(crate) fn parse_tag(text: &str) -> Result<Tag, String> {
    if let Some(digits) = text.strip_prefix("0x") {
        let padded = format!("{digits:0>64}");
        return padded.parse().map(Tag).map_err(|_| format!("{text} is no tag"));
    }
    let mut tag = Tag::NONE;
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty() && *word != "none") {
        let bit = poco_core::tag::NAMED_BITS.into_iter().find(|(name, _)| *name == word);
        let (_, bit) =
            bit.ok_or_else(|| format!("{word} is no feature: tee, scone, gramine, tdx or gpu"))?;
        tag = tag | bit;
    }
    Ok(tag)
}
