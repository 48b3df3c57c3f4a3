//! `poco run`: from a wish to checked results, in one command.

mod wish;

use super::deal::tasks;
use super::fetch::{self, Fetched, Reader};
use super::follow::{Ended, until_ended};
use super::keeper::Keeper;
use super::order::sign::{Require, parse_tag, sign_order};
use super::{place, select};
use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::unless_stopped;
use crate::mark::{self, Expiry};
use crate::output::{Show, number_of_tasks, pairs, table};
use crate::pool::Pool;
use crate::price;
use clap::Args;
use futures::StreamExt;
use poco_chain::{Chain, Transaction, Wallet};
use poco_core::call::SignedTerms;
use poco_core::{Address, Amount, B256, Call, DealId, Event, OrderKind, Tag, TaskId, U256};
use poco_market_client::Market;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Tasks that are followed at the same time.
const FOLLOWED_MAX: usize = 16;

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    /// The app
    #[arg(value_parser = address::parse)]
    app: Address,
    /// The dataset
    #[arg(long, default_value_t, value_parser = address::parse)]
    dataset: Address,
    /// Only this pool (or group of pools)
    #[arg(long, default_value_t, value_parser = address::parse)]
    workerpool: Address,
    /// Arguments of the app, as a shell would split them
    #[arg(long, conflicts_with = "params", allow_hyphen_values = true)]
    args: Option<String>,
    /// A file that the app gets as input, http(s)://… or /ipfs/<cid>; may be repeated
    #[arg(long = "input-file", value_name = "URL", conflicts_with = "params")]
    input_files: Vec<String>,
    /// The request's parameters as they are: arguments, or a JSON object
    #[arg(long, allow_hyphen_values = true)]
    params: Option<String>,
    /// Category, by name (XS, S, M, L, XL) or number
    #[arg(long, default_value = "XS")]
    category: String,
    /// How sure the result must be; more workers must agree
    #[arg(long, default_value_t = 1)]
    trust: u64,
    /// How many tasks
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..=1000))]
    volume: u64,
    /// What is needed: names (tee, gpu, …) joined by commas, or 0x…
    #[arg(long, default_value = "none", value_parser = parse_tag)]
    tag: Tag,
    /// The most to pay for one task, all parts together
    #[arg(long, value_parser = price::parse)]
    max_price: Option<Amount>,
    /// Only this wallet may read the results
    #[arg(long, default_value_t, value_parser = address::parse)]
    beneficiary: Address,
    /// The contract that receives the results
    #[arg(long, default_value_t, value_parser = address::parse)]
    callback: Address,
    /// When the request stops to match, should the match not come about: 7d, 12h, 30m, 90s, a time as 2027-01-31T12:00:00Z, or never
    #[arg(long, value_name = "TIME", value_parser = mark::parse_expiry)]
    expires: Option<Expiry>,
    #[command(flatten)]
    require: Require,
    /// Folder for the results [default: result-<task> each]
    #[arg(long, short)]
    output: Option<PathBuf>,
    /// Do not wait for the results
    #[arg(long)]
    detach: bool,
}

#[derive(Serialize)]
struct RunAnswer {
    deal: DealId,
    transaction: B256,
    price_per_task: Amount,
    tasks: Vec<TaskId>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    results: Vec<Fetched>,
}

impl Show for RunAnswer {
    fn show(&self) -> String {
        let head = pairs(&[
            ("deal", self.deal.to_string()),
            (
                "price",
                format!(
                    "{} a task, {}",
                    self.price_per_task,
                    number_of_tasks(self.tasks.len() as u64)
                ),
            ),
        ]);
        if self.results.is_empty() {
            let tasks = self.tasks.iter().map(|task| [task.to_string()]);
            return format!("{head}\n\n{}", table(["TASK"], tasks.collect()));
        }
        let row = |result: &Fetched| {
            [
                result.task.to_string(),
                result.digest.to_string(),
                result.folder.display().to_string(),
            ]
        };
        let results = self.results.iter().map(row).collect();
        format!("{head}\n\n{}", table(["TASK", "DIGEST (AS ON CHAIN)", "RESULT"], results))
    }
}

pub(crate) async fn run(context: &Context, args: RunArgs) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let market = context.market(&chain)?;
    let requester = context.wallet_address()?;
    refuse_unknown(&chain, &args).await?;
    refuse_unwritable(&args)?;
    let wish = wish::request(&chain, &args, requester).await?;
    let mut terms = select::cheapest(context, &chain, &market, &wish).await?;
    let price_per_task = price_per_task(&terms)?;
    refuse_unpayable(&chain, &args, requester, price_per_task).await?;
    show_choice(context, &terms, price_per_task, args.volume);
    context.agree("Sign the request and match the orders?")?;

    let wallet = context.wallet()?;
    terms.request = sign_order(&chain, &wallet, terms.request.order);
    let intent = format!("match {}", request_hash(&chain, &terms));
    let transaction = Transaction::hub(&chain, &Call::MatchOrders(Box::new(terms.clone())));
    let receipt = context.send(&chain, &wallet, &intent, transaction).await?;
    let id = receipt.events.iter().find_map(matched).ok_or_else(|| {
        anyhow::anyhow!("transaction {} was mined without a deal", receipt.transaction)
    })?;
    let bought = Bought { wallet, id, transaction: receipt.transaction, price_per_task };
    // From here on there is a deal: whatever fails, its owner must learn how to find it.
    bought.deliver(context, &chain, &market, &args).await.map_err(|failure| {
        failure.and(&format!("the deal is made and stays: `poco deal show {id}`"))
    })
}

/// A deal that was just made.
#[derive(Debug)]
struct Bought {
    wallet: Arc<Wallet>,
    id: DealId,
    transaction: B256,
    price_per_task: Amount,
}

impl Bought {
    /// Follows the deal's tasks and fetches their results, unless nobody here is to have them.
    async fn deliver(
        &self,
        context: &Context,
        chain: &Chain,
        market: &Market,
        args: &RunArgs,
    ) -> Result<(), Failure> {
        let keeper = Keeper { context, chain, wallet: &self.wallet, deal: self.id };
        let told = "no longer following; the tasks go on";
        let deal = unless_stopped(keeper.find(), told).await?;
        let mut answer = RunAnswer {
            deal: self.id,
            transaction: self.transaction,
            price_per_task: self.price_per_task,
            tasks: tasks(self.id, &deal).map(|(_, task)| task).collect(),
            results: Vec::new(),
        };
        if args.detach {
            return context.output.answer(&answer);
        }
        let count = number_of_tasks(answer.tasks.len() as u64);
        context.output.note(&format!("deal {}: {count}", self.id));
        // A market that is away hides where the pool is; the chain tells how the tasks end.
        let pool = Pool::find(context, market, deal.workerpool.pointer).await;
        let following =
            follow(context, chain, pool.as_ref().ok().cloned().flatten(), &answer.tasks);
        let ended = unless_stopped(keeper.keep_while(following), told).await?;
        if !deal.beneficiary.is_zero() && deal.beneficiary != deal.requester {
            context.output.note("only the beneficiary can fetch the results");
            context.output.answer(&answer)?;
            return first_failure(ended, self.id).map_or(Ok(()), Err);
        }
        if ended.iter().all(|(_, ended)| matches!(ended, Ended::Failed(_))) {
            return first_failure(ended, self.id).map_or(Ok(()), Err);
        }
        let by_hand = "fetch the results with `poco result download --pool-url URL`";
        let pool = pool.map_err(|failure| failure.and(by_hand))?.ok_or_else(|| {
            Failure::NotFound(format!("the market does not know the pool's API: {by_hand}"))
        })?;
        let wallet = (!deal.beneficiary.is_zero()).then(|| self.wallet.clone());
        let reader = Reader { pool, wallet };
        let failure = collect(chain, &reader, ended, &mut answer, args.output.as_deref()).await;
        if !answer.results.is_empty() {
            context.output.answer(&answer)?;
        }
        failure.map_or(Ok(()), Err)
    }
}

/// Fetches the results of the tasks that completed; tells the first failure. One bad result does
/// not keep the others away.
async fn collect(
    chain: &Chain,
    reader: &Reader,
    ended: Vec<(TaskId, Ended)>,
    answer: &mut RunAnswer,
    output: Option<&Path>,
) -> Option<Failure> {
    let mut failure = None;
    for (task, ended) in ended {
        match ended {
            Ended::Completed(view) => {
                let folder = folder(output, task, &answer.tasks);
                match fetch::completed(chain, reader, task, *view, &folder).await {
                    Ok(fetched) => answer.results.push(fetched),
                    Err(stop @ Failure::Cancelled(_)) => return failure.or(Some(stop)),
                    Err(why) => failure = failure.or(Some(why)),
                }
            }
            Ended::Failed(_) => failure = failure.or(ended.into_result(task, answer.deal).err()),
        }
    }
    failure
}

fn first_failure(ended: Vec<(TaskId, Ended)>, deal: DealId) -> Option<Failure> {
    ended.into_iter().find_map(|(task, ended)| ended.into_result(task, deal).err())
}

/// Follows every task to its end.
async fn follow(
    context: &Context,
    chain: &Chain,
    pool: Option<Pool>,
    tasks: &[TaskId],
) -> Result<Vec<(TaskId, Ended)>, Failure> {
    let mut overall = context.output.progress();
    let count = tasks.len();
    let tasks_in_all = number_of_tasks(count as u64);
    overall.set(&format!("0 of {tasks_in_all} ended"));
    let mut running = futures::stream::iter(tasks.iter().copied().enumerate())
        .map(|(index, task)| {
            let pool = pool.clone();
            async move {
                // Each task of several keeps quiet on its own: the common line counts.
                let mut progress = context.output.quiet_unless(count == 1);
                let ended = until_ended(chain, pool, task, &mut progress, "").await;
                progress.done();
                ended.map(|ended| (index, task, ended))
            }
        })
        .buffer_unordered(FOLLOWED_MAX);
    let mut ended = Vec::with_capacity(count);
    while let Some(one) = running.next().await {
        let (index, task, how) = one?;
        if count > 1 {
            overall.line(&format!("task {index}: {how}"));
        }
        ended.push((index, task, how));
        overall.set(&format!("{} of {tasks_in_all} ended", ended.len()));
    }
    overall.done();
    ended.sort_by_key(|(index, _, _)| *index);
    Ok(ended.into_iter().map(|(_, task, how)| (task, how)).collect())
}

fn folder(output: Option<&Path>, task: TaskId, tasks: &[TaskId]) -> PathBuf {
    match (output, tasks) {
        (Some(folder), [_]) => folder.to_owned(),
        (Some(folder), several) => {
            let index = several.iter().position(|one| *one == task).unwrap_or(0);
            folder.join(format!("{index}"))
        }
        (None, _) => super::result::default_folder(task),
    }
}

async fn refuse_unknown(chain: &Chain, args: &RunArgs) -> Result<(), Failure> {
    if chain.app(args.app).await?.is_none() {
        return Err(super::resource::unknown(OrderKind::App, args.app));
    }
    if !args.dataset.is_zero() && chain.dataset(args.dataset).await?.is_none() {
        return Err(super::resource::unknown(OrderKind::Dataset, args.dataset));
    }
    Ok(())
}

/// What is paid for must have somewhere to go.
fn refuse_unwritable(args: &RunArgs) -> Result<(), Failure> {
    match &args.output {
        _ if args.detach => Ok(()),
        Some(output) => place::refuse_unwritable(output),
        None => place::refuse_unwritable(&super::result::default_folder(TaskId::ZERO)),
    }
}

fn price_per_task(terms: &SignedTerms) -> Result<Amount, Failure> {
    let request = &terms.request.order;
    request
        .app_price_max
        .checked_add(request.dataset_price_max)
        .and_then(|sum| sum.checked_add(request.workerpool_price_max))
        .ok_or_else(|| Failure::Refused("the prices exceed any amount of money".to_owned()))
}

async fn refuse_unpayable(
    chain: &Chain,
    args: &RunArgs,
    requester: Address,
    price_per_task: Amount,
) -> Result<(), Failure> {
    if let Some(limit) = args.max_price.filter(|limit| price_per_task > *limit) {
        return Err(Failure::Refused(format!(
            "the cheapest offers cost {price_per_task} a task, your limit is {limit}"
        )));
    }
    let total = price_per_task.checked_mul(U256::from(args.volume));
    let total = total.ok_or_else(|| Failure::Refused("the price exceeds any amount".to_owned()))?;
    let free = chain.account(requester).await?.free;
    match total.checked_sub(free) {
        None | Some(Amount::ZERO) => Ok(()),
        Some(missing) => Err(Failure::Refused(format!(
            "this costs {total}, {free} are free in the escrow of {requester}: deposit {missing} more with `poco account deposit`"
        ))),
    }
}

fn show_choice(context: &Context, terms: &SignedTerms, price_per_task: Amount, volume: u64) {
    let request = &terms.request.order;
    let mut rows = vec![
        ("app", format!("{}, {}", request.app, request.app_price_max)),
        ("pool", format!("{}, {}", request.workerpool, request.workerpool_price_max)),
        ("trust", request.trust.to_string()),
        ("price", format!("{price_per_task} a task, {}", number_of_tasks(volume))),
    ];
    if !request.dataset.is_zero() {
        rows.insert(1, ("dataset", format!("{}, {}", request.dataset, request.dataset_price_max)));
    }
    context.output.note(&pairs(&rows));
}

fn request_hash(chain: &Chain, terms: &SignedTerms) -> poco_core::OrderHash {
    use poco_core::order::Order;
    terms.request.order.hash(chain.domain_separator())
}

fn matched(event: &Event) -> Option<DealId> {
    if let Event::OrdersMatched { deal, .. } = event { Some(*deal) } else { None }
}
