//! `poco order sign`: the four kinds of orders.

use super::Record;
use super::standing;
use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::mark::{self, Condition, Expiry, Wish};
use crate::output::Show;
use crate::price;
use clap::{Args, Subcommand};
use poco_chain::{Chain, Wallet};
use poco_core::order::{AppOrder, DatasetOrder, Order, RequestOrder, WorkerpoolOrder};
use poco_core::{Address, Amount, AnyOrder, B256, Bytes, Conditions, Signed, Tag, U256};
use poco_market_client::Listed;
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum SignCommand {
    /// Offer runs of your app
    App {
        /// The app
        #[arg(value_parser = address::parse)]
        app: Address,
        /// Price of a run
        #[arg(long, value_parser = price::parse, default_value = "0")]
        price: Amount,
        #[command(flatten)]
        terms: Terms,
        /// Only with this dataset (or group)
        #[arg(long, default_value_t, value_parser = address::parse)]
        dataset_restrict: Address,
        /// Only in this pool (or group)
        #[arg(long, default_value_t, value_parser = address::parse)]
        workerpool_restrict: Address,
        /// Only for this requester (or group)
        #[arg(long, default_value_t, value_parser = address::parse)]
        requester_restrict: Address,
        #[command(flatten)]
        require: Require,
    },
    /// Offer uses of your dataset
    Dataset {
        /// The dataset
        #[arg(value_parser = address::parse)]
        dataset: Address,
        /// Price of a use
        #[arg(long, value_parser = price::parse, default_value = "0")]
        price: Amount,
        #[command(flatten)]
        terms: Terms,
        /// Only with this app (or group)
        #[arg(long, default_value_t, value_parser = address::parse)]
        app_restrict: Address,
        /// Only in this pool (or group)
        #[arg(long, default_value_t, value_parser = address::parse)]
        workerpool_restrict: Address,
        /// Only for this requester (or group)
        #[arg(long, default_value_t, value_parser = address::parse)]
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
    #[arg(value_parser = address::parse)]
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
    #[arg(long, default_value_t, value_parser = address::parse)]
    app_restrict: Address,
    /// Only with this dataset (or group)
    #[arg(long, default_value_t, value_parser = address::parse)]
    dataset_restrict: Address,
    /// Only for this requester (or group)
    #[arg(long, default_value_t, value_parser = address::parse)]
    requester_restrict: Address,
    /// A condition that runs may ask for, or several joined by commas: bound-results, strict-reveals, known-workers=GROUP, known-enclaves=GROUP
    #[arg(long, value_name = "CONDITION", value_delimiter = ',', value_parser = mark::parse_condition)]
    offer: Vec<Condition>,
}

#[derive(Debug, Args)]
pub(crate) struct SignRequest {
    /// The app
    #[arg(value_parser = address::parse)]
    app: Address,
    /// The most to pay for a run
    #[arg(long, value_parser = price::parse, default_value = "0")]
    app_max_price: Amount,
    /// The dataset
    #[arg(long, default_value_t, value_parser = address::parse)]
    dataset: Address,
    /// The most to pay for a use of the dataset
    #[arg(long, value_parser = price::parse, default_value = "0")]
    dataset_max_price: Amount,
    /// Only this pool (or group)
    #[arg(long, default_value_t, value_parser = address::parse)]
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
    #[arg(long, default_value_t, value_parser = address::parse)]
    beneficiary: Address,
    /// The contract that receives the result
    #[arg(long, default_value_t, value_parser = address::parse)]
    callback: Address,
    /// Arguments, or a JSON object of parameters
    #[arg(long, default_value = "")]
    params: String,
    #[command(flatten)]
    require: Require,
}

/// What the requester or the app's owner asks for.
#[derive(Clone, Debug, Args)]
pub(crate) struct Require {
    /// A condition that every deal of the order keeps, or several joined by commas: sponsor-only (requests), bound-results, strict-reveals, known-workers=GROUP, known-enclaves=GROUP
    #[arg(long, value_name = "CONDITION", value_delimiter = ',', value_parser = mark::parse_condition)]
    pub(crate) require: Vec<Condition>,
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
    /// When the order stops to match: 7d, 12h, 30m, 90s from now, a time as 2027-01-31T12:00:00Z, or never; it can be cancelled by `poco order cancel-all` then
    #[arg(long, value_name = "TIME", value_parser = mark::parse_expiry)]
    expires: Option<Expiry>,
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

pub(super) async fn run(context: &Context, command: SignCommand) -> Result<(), Failure> {
    let chain = context.chain().await?;
    let signer = context.wallet_address()?;
    let wish = wish(&command)?;
    let signing = Signing { salt: wish.salt(&chain, signer).await?, chain };
    match command {
        SignCommand::App {
            app,
            price,
            terms,
            dataset_restrict,
            workerpool_restrict,
            requester_restrict,
            require: _,
        } => {
            let order = AppOrder {
                app,
                price,
                volume: U256::from(terms.volume),
                tag: terms.tag,
                dataset_restrict,
                workerpool_restrict,
                requester_restrict,
                salt: signing.salt,
            };
            signing.finish(context, order, terms.publish, AnyOrder::App).await
        }
        SignCommand::Dataset {
            dataset,
            price,
            terms,
            app_restrict,
            workerpool_restrict,
            requester_restrict,
        } => {
            let order = DatasetOrder {
                dataset,
                price,
                volume: U256::from(terms.volume),
                tag: terms.tag,
                app_restrict,
                workerpool_restrict,
                requester_restrict,
                salt: signing.salt,
            };
            signing.finish(context, order, terms.publish, AnyOrder::Dataset).await
        }
        SignCommand::Workerpool(offer) => {
            let publish = offer.terms.publish;
            let order = workerpool_order(*offer, signing.salt);
            signing.finish(context, order, publish, AnyOrder::Workerpool).await
        }
        SignCommand::Request(request) => {
            let publish = request.terms.publish;
            let order = request_order(*request, signer, signing.salt);
            signing.finish(context, order, publish, AnyOrder::Request).await
        }
    }
}

/// What the order is to say in its salt, if an order of its kind can.
fn wish(command: &SignCommand) -> Result<Wish, Failure> {
    let (terms, conditions) = match command {
        SignCommand::App { terms, require, .. } => (terms, require.require.clone()),
        SignCommand::Dataset { terms, .. } => (terms, Vec::new()),
        SignCommand::Workerpool(offer) => (&offer.terms, offer.offer.clone()),
        SignCommand::Request(request) => (&request.terms, request.require.require.clone()),
    };
    let wish = Wish { expires: terms.expires, conditions };
    match command {
        SignCommand::App { .. } | SignCommand::Workerpool(_) => {
            wish.refuse(Conditions::SPONSOR_ONLY, "only a request says who pays")?;
        }
        SignCommand::Dataset { .. } | SignCommand::Request(_) => {}
    }
    Ok(wish)
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

/// Where an order is signed, and the salt that it gets.
struct Signing {
    chain: Chain,
    salt: B256,
}

impl Signing {
    /// Checks that the wallet may sign, signs, and publishes where that was asked for.
    async fn finish<O: Listed>(
        &self,
        context: &Context,
        order: O,
        publish: bool,
        any: fn(Signed<O>) -> AnyOrder,
    ) -> Result<(), Failure> {
        let chain = &self.chain;
        let subject = any(Signed { order: order.clone(), sign: Bytes::new() });
        let owner = standing::owner(chain, &subject).await?;
        let wallet = context.wallet()?;
        if owner != wallet.address() {
            return Err(Failure::Refused(format!(
                "{} belongs to {owner}: an order signed by {} would be worth nothing",
                standing::subject(&subject).1,
                wallet.address()
            )));
        }
        let signed = sign_order(chain, &wallet, order);
        if publish {
            standing::refuse_unbacked(chain, &any(signed.clone()), owner, U256::ZERO).await?;
            let record = context.market(chain)?.publish(&wallet, &signed).await?;
            return context.output.answer(&Record(record));
        }
        context.output.answer(&OrderText(signed))
    }
}

/// Signs an order for this chain's hub.
pub(crate) fn sign_order<O: Order>(chain: &Chain, wallet: &Wallet, order: O) -> Signed<O> {
    let hash = order.hash(chain.domain_separator());
    let sign = wallet.sign_hash(hash.0);
    Signed { order, sign }
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
