//! Choosing the cheapest orders that fit a wish, with the rules that the contract applies.

use crate::context::Context;
use crate::failure::Failure;
use poco_chain::Chain;
use poco_core::call::SignedTerms;
use poco_core::mark::agreement;
use poco_core::order::{AppOrder, DatasetOrder, RequestOrder, WorkerpoolOrder};
use poco_core::{Address, Amount, OrderKind, OrderMark, Signed};
use poco_market_client::{Market, Published, Unfit, any, open_to, unfit};
use std::collections::BTreeMap;

/// Offers of each kind that are tried, cheapest first.
const OFFERS_MAX: usize = 20;
/// Offers of pools that are looked through for those that offer what the request requires: the
/// largest page that a market gives.
const POOLS_MAX: usize = 1000;
/// Combinations that are checked against the chain before giving up.
const COMBINATIONS_MAX: usize = 60;

/// The offers that a request can be matched with.
struct Offers {
    apps: Vec<Published<AppOrder>>,
    datasets: Vec<Option<Published<DatasetOrder>>>,
    pools: Vec<Published<WorkerpoolOrder>>,
}

/// The cheapest combination whose orders all fit `request`, whose prices the request takes over.
///
/// The request comes back unsigned, its maximum prices set to what the chosen offers ask for.
///
/// # Errors
/// `Refused` with what removed how many combinations, where none fits.
pub(crate) async fn cheapest(
    context: &Context,
    chain: &Chain,
    market: &Market,
    request: &RequestOrder,
) -> Result<SignedTerms, Failure> {
    let offers = find(context, market, request).await?;
    let mut removed: BTreeMap<Unfit, usize> = BTreeMap::new();
    for (app, dataset, pool) in by_price(&offers).into_iter().take(COMBINATIONS_MAX) {
        let terms = take_prices(request, app, dataset, pool);
        let volume = terms.request.order.volume;
        // The requester signs once the choice is made.
        match unfit(chain, &terms, Some(OrderKind::Request), volume).await? {
            None => return Ok(terms),
            Some(why) => *removed.entry(why).or_default() += 1,
        }
    }
    let reasons = removed.iter().map(|(why, count)| match count {
        1 => format!("{why} (1 combination)"),
        count => format!("{why} ({count} combinations)"),
    });
    Err(Failure::Refused(format!(
        "no open orders fit together: {}; `poco orderbook` shows what is on offer",
        reasons.collect::<Vec<_>>().join("; ")
    )))
}

async fn find(
    context: &Context,
    market: &Market,
    request: &RequestOrder,
) -> Result<Offers, Failure> {
    let for_me = open_to("requester", request.requester);
    let app_filters =
        [open_to("app", request.app), for_me.clone(), any("dataset"), any("workerpool")];
    let apps = market.orders::<AppOrder>(&app_filters, OFFERS_MAX).await?;
    let apps = within(apps, request.app_price_max, |order| order.price);
    refuse_empty(&apps, OrderKind::App, request.app)?;

    let datasets = if request.dataset.is_zero() {
        vec![None]
    } else {
        let filters =
            [open_to("dataset", request.dataset), for_me.clone(), any("app"), any("workerpool")];
        let found = market.orders::<DatasetOrder>(&filters, OFFERS_MAX).await?;
        let found = within(found, request.dataset_price_max, |order| order.price);
        refuse_empty(&found, OrderKind::Dataset, request.dataset)?;
        found.into_iter().map(Some).collect()
    };

    let mut pool_filters = vec![
        ("category", request.category.to_string()),
        ("minTrust", request.trust.to_string()),
        ("minTag", format!("0x{:x}", request.tag.0)),
        for_me,
        any("app"),
        any("dataset"),
    ];
    if !request.workerpool.is_zero() {
        pool_filters.push(open_to("workerpool", request.workerpool));
    }
    let pools = market.orders::<WorkerpoolOrder>(&pool_filters, POOLS_MAX).await?;
    let pools = within(pools, request.workerpool_price_max, |order| order.price);
    refuse_empty(&pools, OrderKind::Workerpool, request.workerpool)?;
    let pools = offering(context, pools, request)?;
    Ok(Offers { apps, datasets, pools })
}

/// The cheapest of the pools' orders that offer what the request requires; says how many do not.
fn offering(
    context: &Context,
    mut pools: Vec<Published<WorkerpoolOrder>>,
    request: &RequestOrder,
) -> Result<Vec<Published<WorkerpoolOrder>>, Failure> {
    let mark = OrderMark::of_salt(request.salt);
    let found = pools.len();
    pools.retain(|pool| {
        let offered = OrderMark::of_salt(pool.order.order.salt);
        agreement::offers(offered, None, mark).is_ok()
    });
    let removed = found.saturating_sub(pools.len());
    let required = mark.map_or_else(String::new, |mark| mark.conditions().to_string());
    if pools.is_empty() {
        return Err(Failure::NotFound(format!(
            "no pool offers {required} as you require it: {removed} orders of pools would fit otherwise"
        )));
    }
    if removed > 0 {
        context.output.note(&format!(
            "{removed} of {found} orders of pools do not offer {required} as you require it"
        ));
    }
    pools.truncate(OFFERS_MAX);
    Ok(pools)
}

fn within<O>(
    offers: Vec<Published<O>>,
    price_max: Amount,
    price: impl Fn(&O) -> Amount,
) -> Vec<Published<O>> {
    offers.into_iter().filter(|offer| price(&offer.order.order) <= price_max).collect()
}

fn refuse_empty<O>(
    offers: &[Published<O>],
    kind: OrderKind,
    subject: Address,
) -> Result<(), Failure> {
    if !offers.is_empty() {
        return Ok(());
    }
    Err(Failure::NotFound(match kind {
        OrderKind::App => format!("nobody offers the app {subject} to you within your price"),
        OrderKind::Dataset => {
            format!("nobody offers the dataset {subject} to you within your price")
        }
        OrderKind::Workerpool | OrderKind::Request => {
            "no pool offers this category, trust and tag to you within your price: `poco orderbook workerpool` shows what is on offer".to_owned()
        }
    }))
}

type Combination<'a> =
    (&'a Published<AppOrder>, Option<&'a Published<DatasetOrder>>, &'a Published<WorkerpoolOrder>);

/// Every combination, the cheapest first.
fn by_price(offers: &Offers) -> Vec<Combination<'_>> {
    let mut all = Vec::new();
    for app in &offers.apps {
        for dataset in &offers.datasets {
            for pool in &offers.pools {
                all.push((app, dataset.as_ref(), pool));
            }
        }
    }
    all.sort_by_key(|(app, dataset, pool)| {
        let dataset = dataset.map_or(Amount::ZERO, |dataset| dataset.order.order.price);
        let sum = app.order.order.price.checked_add(dataset);
        // A sum beyond 256 bits is dearer than anything.
        let sum = sum.and_then(|sum| sum.checked_add(pool.order.order.price));
        (sum.is_none(), sum)
    });
    all
}

fn take_prices(
    request: &RequestOrder,
    app: &Published<AppOrder>,
    dataset: Option<&Published<DatasetOrder>>,
    pool: &Published<WorkerpoolOrder>,
) -> SignedTerms {
    let dataset = dataset.map(|found| found.order.clone()).unwrap_or_default();
    let mut order = request.clone();
    order.app_price_max = app.order.order.price;
    order.dataset_price_max = dataset.order.price;
    order.workerpool_price_max = pool.order.order.price;
    order.workerpool = pool.order.order.workerpool;
    SignedTerms {
        app: app.order.clone(),
        dataset,
        workerpool: pool.order.clone(),
        request: Signed { order, sign: poco_core::Bytes::new() },
    }
}
