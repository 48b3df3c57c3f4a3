//! `poco order`: what the four parties sign.

pub(crate) mod sign;
mod standing;

use crate::context::Context;
use crate::failure::Failure;
use crate::mark;
use crate::output::{Show, pairs};
use clap::{Args, Subcommand, ValueEnum};
use poco_chain::{Chain, Transaction, Wallet};
use poco_core::mark::ConditionsEvent;
use poco_core::order::OrderOperation;
use poco_core::{Address, AnyOrder, B256, Bytes, Call, Event, OrderHash, OrderKind};
use serde::Serialize;
use serde_json::Value;
use sign::SignCommand;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
    /// Cancel all your marked orders on chain at once: those signed with --expires, --require or --offer
    CancelAll,
    /// Show an order of the market, and what its salt says
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

/// What `cancel-all` does not reach.
const UNMARKED_STAY: &str =
    "Orders without a mark stay valid: cancel each of them with `poco order cancel FILE`.";

#[derive(Serialize)]
struct AllCancelled {
    account: Address,
    epoch: u16,
    transaction: B256,
}

impl Show for AllCancelled {
    fn show(&self) -> String {
        let rows = pairs(&[
            (
                "cancelled",
                format!("all marked orders of {} before epoch {}", self.account, self.epoch),
            ),
            ("transaction", self.transaction.to_string()),
        ]);
        format!("{rows}\n{UNMARKED_STAY}")
    }
}

pub(crate) async fn run(context: &Context, command: OrderCommand) -> Result<(), Failure> {
    match command {
        OrderCommand::Sign(command) => sign::run(context, command).await,
        OrderCommand::Publish { file } => publish(context, &file).await,
        OrderCommand::Unpublish(name) => {
            let chain = context.chain().await?;
            let wallet = context.wallet()?;
            let market = context.market(&chain)?;
            let record = market.unpublish(&wallet, name.kind.into(), name.hash).await?;
            context.output.answer(&Record(record))
        }
        OrderCommand::Cancel { file } => cancel(context, &file).await,
        OrderCommand::CancelAll => cancel_all(context).await,
        OrderCommand::Show(name) => {
            let chain = context.chain().await?;
            let record = context.market(&chain)?.order(name.kind.into(), name.hash).await?;
            context.output.answer(&Record(with_mark(record)))
        }
    }
}

async fn publish(context: &Context, file: &Path) -> Result<(), Failure> {
    let order = standing::read_file(file)?;
    let chain = context.chain().await?;
    let standing = standing::read(&chain, &order).await?;
    standing::refuse_unbacked(&chain, &order, standing.owner, standing.consumed).await?;
    let wallet = signer(context, standing.owner, "publish")?;
    let market = context.market(&chain)?;
    let record = match &order {
        AnyOrder::App(order) => market.publish(&wallet, order).await,
        AnyOrder::Dataset(order) => market.publish(&wallet, order).await,
        AnyOrder::Workerpool(order) => market.publish(&wallet, order).await,
        AnyOrder::Request(order) => market.publish(&wallet, order).await,
    }?;
    context.output.answer(&Record(record))
}

/// A changed file names another order than the one that was signed: cancelling it would leave the
/// signed one valid, so it is refused like every order that is none.
async fn cancel(context: &Context, file: &Path) -> Result<(), Failure> {
    let order = standing::read_file(file)?;
    let chain = context.chain().await?;
    let standing::Standing { hash, owner, .. } = standing::read(&chain, &order).await?;
    let wallet = signer(context, owner, "cancel")?;
    context.agree(&format!("Cancel order {hash} for good?"))?;
    let transaction = close(&chain, order);
    let receipt = context.send(&chain, &wallet, &format!("cancel {hash}"), transaction).await?;
    context.output.answer(&Cancelled { order_hash: hash, transaction: receipt.transaction })
}

async fn cancel_all(context: &Context) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let wallet = context.wallet()?;
    let account = wallet.address();
    let epoch = mark::epoch(&chain, account).await?;
    context.agree(&format!(
        "Cancel for good all marked orders that {account} has signed (with --expires, --require or --offer)? {UNMARKED_STAY}"
    ))?;
    let intent = format!("raise epoch {epoch}");
    let transaction = Transaction::raise_epoch(&chain);
    let receipt = context.send(&chain, &wallet, &intent, transaction).await?;
    let raised = receipt.events.iter().find_map(raised_to);
    let epoch = raised.ok_or_else(|| {
        anyhow::anyhow!("transaction {} was mined without a new epoch", receipt.transaction)
    })?;
    context.output.answer(&AllCancelled { account, epoch, transaction: receipt.transaction })
}

fn raised_to(event: &Event) -> Option<u16> {
    let Event::Conditions(ConditionsEvent::EpochRaised { epoch, .. }) = event else { return None };
    Some(*epoch)
}

/// A market's record with what the order's salt says beside it.
fn with_mark(mut record: Value) -> Value {
    let salt = record.pointer("/order/salt").and_then(Value::as_str);
    let told = salt.and_then(|salt| salt.parse().ok()).and_then(mark::told);
    if let (Some(told), Some(fields)) = (told, record.as_object_mut()) {
        fields.insert("mark".to_owned(), told);
    }
    record
}

fn close(chain: &Chain, order: AnyOrder) -> Transaction {
    let operation = OrderOperation::Close;
    let call = Call::ManageOrder { order: Box::new(order), operation, sign: Bytes::new() };
    Transaction::hub(chain, &call)
}

/// The wallet, if it is the one that signed.
fn signer(context: &Context, owner: Address, what: &str) -> Result<Arc<Wallet>, Failure> {
    let wallet = context.wallet()?;
    if wallet.address() == owner {
        return Ok(wallet);
    }
    Err(Failure::Refused(format!(
        "the order is one of {owner}, the wallet is {}: only its signer can {what} it",
        wallet.address()
    )))
}
