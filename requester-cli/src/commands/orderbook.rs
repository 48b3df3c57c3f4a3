//! `poco orderbook`: what is on offer, and what is asked for.

use super::resource::unknown;
use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::mark;
use crate::output::{Show, table};
use clap::{Args, Subcommand};
use poco_core::order::{AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder};
use poco_core::{Address, B256, OrderHash, OrderKind, OrderMark};
use poco_market_client::{Market, Published, open_to};
use serde::Serialize;

#[derive(Debug, Args)]
pub(crate) struct OrderbookArgs {
    #[command(subcommand)]
    side: Side,
}

#[derive(Debug, Subcommand)]
enum Side {
    /// Offers of an app, cheapest first
    App {
        /// The app
        #[arg(value_parser = address::parse)]
        app: Address,
        #[command(flatten)]
        options: Options,
    },
    /// Offers of a dataset, cheapest first
    Dataset {
        /// The dataset
        #[arg(value_parser = address::parse)]
        dataset: Address,
        #[command(flatten)]
        options: Options,
    },
    /// Offers of pools, cheapest first
    Workerpool {
        /// Only this pool
        #[arg(long, value_parser = address::parse)]
        workerpool: Option<Address>,
        /// Only this category, by number
        #[arg(long)]
        category: Option<u64>,
        /// Only pools that reach this trust
        #[arg(long)]
        min_trust: Option<u64>,
        #[command(flatten)]
        options: Options,
    },
    /// What requesters ask for, best paid first
    Request {
        /// Only this category, by number
        #[arg(long)]
        category: Option<u64>,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Clone, Debug, Args)]
struct Options {
    /// Also orders that are made for this requester
    #[arg(long, value_parser = address::parse)]
    requester: Option<Address>,
    /// At most this many
    #[arg(long, default_value_t = 20)]
    limit: usize,
}

/// One line of the book, the same for every kind.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    order_hash: OrderHash,
    subject: Address,
    price: poco_core::Amount,
    remaining: u64,
    details: String,
    signer: Address,
}

impl Show for Vec<Line> {
    fn show(&self) -> String {
        if self.is_empty() {
            return "no open order fits".to_owned();
        }
        let row = |line: &Line| {
            [
                line.price.to_string(),
                line.remaining.to_string(),
                line.subject.to_string(),
                line.details.clone(),
                line.order_hash.to_string(),
            ]
        };
        table(["PRICE", "LEFT", "OF", "TERMS", "ORDER"], self.iter().map(row).collect())
    }
}

pub(crate) async fn run(context: &Context, args: OrderbookArgs) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let market = context.market(&chain)?;
    let lines = match args.side {
        Side::App { app, options } => {
            let lines = app_lines(&market, app, &options).await?;
            if lines.is_empty() && chain.app(app).await?.is_none() {
                return Err(unknown(OrderKind::App, app));
            }
            lines
        }
        Side::Dataset { dataset, options } => {
            let lines = dataset_lines(&market, dataset, &options).await?;
            if lines.is_empty() && chain.dataset(dataset).await?.is_none() {
                return Err(unknown(OrderKind::Dataset, dataset));
            }
            lines
        }
        Side::Workerpool { workerpool, category, min_trust, options } => {
            let mut filters = requester(&options);
            filters.extend(workerpool.map(|pool| open_to("workerpool", pool)));
            filters.extend(category.map(|number| ("category", number.to_string())));
            filters.extend(min_trust.map(|trust| ("minTrust", trust.to_string())));
            workerpool_lines(&market, &filters, options.limit).await?
        }
        Side::Request { category, options } => {
            let mut filters = requester(&options);
            filters.extend(category.map(|number| ("category", number.to_string())));
            request_lines(&market, &filters, options.limit).await?
        }
    };
    context.output.answer(&lines)
}

fn requester(options: &Options) -> Vec<(&'static str, String)> {
    options.requester.map(|who| open_to("requester", who)).into_iter().collect()
}

async fn app_lines(market: &Market, app: Address, options: &Options) -> Result<Vec<Line>, Failure> {
    let mut filters = requester(options);
    filters.push(open_to("app", app));
    let orders = market.orders::<AppOrder>(&filters, options.limit).await?;
    Ok(orders
        .into_iter()
        .map(|found| {
            let order = found.order.order.clone();
            let terms = format!("tag {}{}", order.tag, marked(order.salt, "requires"));
            line(found, order.app, order.price, terms)
        })
        .collect())
}

async fn dataset_lines(
    market: &Market,
    dataset: Address,
    options: &Options,
) -> Result<Vec<Line>, Failure> {
    let mut filters = requester(options);
    filters.push(open_to("dataset", dataset));
    let orders = market.orders::<DatasetOrder>(&filters, options.limit).await?;
    Ok(orders
        .into_iter()
        .map(|found| {
            let order = found.order.order.clone();
            let terms = format!("tag {}{}", order.tag, marked(order.salt, "requires"));
            line(found, order.dataset, order.price, terms)
        })
        .collect())
}

async fn workerpool_lines(
    market: &Market,
    filters: &[(&str, String)],
    limit: usize,
) -> Result<Vec<Line>, Failure> {
    let orders = market.orders::<WorkerpoolOrder>(filters, limit).await?;
    Ok(orders
        .into_iter()
        .map(|found| {
            let order = found.order.order.clone();
            let marked = marked(order.salt, "offers");
            let WorkerpoolOrder { category, trust, tag, .. } = &order;
            let terms = format!("category {category}, trust {trust}, tag {tag}{marked}");
            line(found, order.workerpool, order.price, terms)
        })
        .collect())
}

async fn request_lines(
    market: &Market,
    filters: &[(&str, String)],
    limit: usize,
) -> Result<Vec<Line>, Failure> {
    let orders = market.orders::<RequestOrder>(filters, limit).await?;
    Ok(orders
        .into_iter()
        .map(|found| {
            let order = found.order.order.clone();
            let marked = marked(order.salt, "requires");
            let RequestOrder { category, trust, tag, .. } = &order;
            let terms = format!("category {category}, trust {trust}, tag {tag}{marked}");
            line(found, order.app, order.workerpool_price_max, terms)
        })
        .collect())
}

/// What a salt says, to stand behind the other terms; nothing where it says nothing.
fn marked(salt: B256, verb: &str) -> String {
    let Some(mark) = OrderMark::of_salt(salt) else { return String::new() };
    let mut words = String::new();
    if !mark.conditions().is_none() {
        words.push_str(&format!(", {verb} {}", mark.conditions()));
    }
    if let Some(expiry) = mark.expiry() {
        words.push_str(&format!(", until {}", mark::written(expiry)));
    }
    words
}

fn line<O>(
    found: Published<O>,
    subject: Address,
    price: poco_core::Amount,
    details: String,
) -> Line {
    Line {
        order_hash: found.order_hash,
        subject,
        price,
        remaining: found.remaining,
        details,
        signer: found.signer,
    }
}
