//! Who may publish what: the rules of the order book, decided from facts that others bring.

use crate::book::{Book, Entry, Offer};
use crate::record::{self, Status, kind_name};
use poco_core::mark::agreement::{Disagreement, Marked};
use poco_core::{Address, AnyOrder, OrderKind, Tag, Timestamp, U256};

/// Open orders of one kind that a wallet may have: one wallet cannot crowd out the others.
pub(crate) const OPEN_ORDERS_PER_WALLET_MAX: usize = 50;

/// Open orders of all kinds: bounds the memory of the book, some 500 bytes each.
pub(crate) const OPEN_ORDERS_MAX: usize = 200_000;

/// The largest integer that clients written in JavaScript keep exactly.
pub(crate) const SAFE_INTEGER_MAX: u64 = (1 << 53) - 1;

/// What the chain says about an order, all at one block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Who must have signed: the owner of the registered resource, or the requester. `None` where
    /// the resource is in no registry.
    pub(crate) owner: Option<Address>,
    /// Whether the owner did sign.
    pub(crate) is_signed: bool,
    /// Units of the order that are used up.
    pub(crate) consumed: U256,
    /// The owner's free stake, in nRLC; zero where the kind of order needs none.
    pub(crate) free_stake: U256,
    /// The owner's epoch; `None` where the hub heeds no marked salts.
    pub(crate) epoch: Option<u16>,
    /// The time of the block.
    pub(crate) time: Timestamp,
}

/// Why an order is not published. The texts are those that clients know.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("order already published")]
    AlreadyPublished,
    #[error("Resource not deployed")]
    NotDeployed,
    #[error("only order signer {0} can publish an order")]
    NotTheSigner(Address),
    #[error("invalid sign")]
    InvalidSign,
    #[error(
        "maximum of {OPEN_ORDERS_PER_WALLET_MAX} published open {kind} has been reached for wallet {signer}"
    )]
    TooManyOpen { kind: &'static str, signer: Address },
    #[error("maximum of {OPEN_ORDERS_MAX} published open orders has been reached")]
    BookFull,
    #[error("order already consumed")]
    AlreadyConsumed,
    /// No match of the order is possible, for what it says in its salt.
    #[error(transparent)]
    Mark(#[from] Disagreement),
    #[error("workerpool owner's stake is too low to cover required workerpool lock")]
    WorkerpoolStakeTooLow,
    #[error(
        "requester stake is too low to cover requestorder payment, minimum stake required is {0} nRLC"
    )]
    RequesterStakeTooLow(U256),
    #[error("No {}apporder published for app {app}", if *with_enclave { "tee enabled " } else { "" })]
    NoAppOrder { app: Address, with_enclave: bool },
    #[error("appmaxprice for app {app} is too low, actual best price is {best} nRLC")]
    AppPriceTooLow { app: Address, best: U256 },
    #[error("No datasetorder published for dataset {0}")]
    NoDatasetOrder(Address),
    #[error("datasetmaxprice for dataset {dataset} is too low, actual best price is {best} nRLC")]
    DatasetPriceTooLow { dataset: Address, best: U256 },
}

/// An order that may be published: whose it is and how much of it is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Publishable {
    pub(crate) signer: Address,
    pub(crate) remaining: U256,
}

/// Whether `wallet` may publish `order`, given where an earlier publication of it stands.
///
/// # Errors
/// The first rule that the publication breaks.
pub(crate) fn check_publication(
    order: &AnyOrder,
    wallet: Address,
    earlier: Option<Status>,
    standing: &Standing,
    book: &Book,
) -> Result<Publishable, Refusal> {
    match earlier {
        None | Some(Status::Dead) => {}
        Some(Status::Open | Status::Filled | Status::Canceled) => {
            return Err(Refusal::AlreadyPublished);
        }
    }
    let signer = standing.owner.ok_or(Refusal::NotDeployed)?;
    if signer != wallet {
        return Err(Refusal::NotTheSigner(signer));
    }
    if !standing.is_signed {
        return Err(Refusal::InvalidSign);
    }
    let mut entry = Entry::of_order(order);
    if book.open_count_of(entry.kind, signer) >= OPEN_ORDERS_PER_WALLET_MAX {
        return Err(Refusal::TooManyOpen { kind: kind_name(entry.kind), signer });
    }
    if book.len() >= OPEN_ORDERS_MAX {
        return Err(Refusal::BookFull);
    }
    entry.remaining = entry.remaining.saturating_sub(standing.consumed);
    if entry.remaining.is_zero() {
        return Err(Refusal::AlreadyConsumed);
    }
    check_mark(order, signer, standing)?;
    check_stake(&entry, standing.free_stake)?;
    check_offers(&entry, book)?;
    Ok(Publishable { signer, remaining: entry.remaining })
}

/// Where a published order stands, judged anew from what the chain says, and what remains of it.
///
/// An order that its owner closed looks like a used one from here; `was` keeps the two apart.
pub(crate) fn judge_again(
    order: &AnyOrder,
    signer: Address,
    was: Status,
    standing: &Standing,
    book: &Book,
) -> (Status, U256) {
    let mut entry = Entry::of_order(order);
    entry.remaining = entry.remaining.saturating_sub(standing.consumed);
    if entry.remaining.is_zero() {
        let status = match was {
            Status::Canceled => Status::Canceled,
            Status::Open | Status::Filled | Status::Dead => Status::Filled,
        };
        return (status, U256::ZERO);
    }
    // Of a resource that was sold the epoch is another's.
    let is_owner = standing.owner == Some(signer);
    let mark = if is_owner { check_mark(order, signer, standing) } else { Ok(()) };
    if matches!(mark, Err(Disagreement::OrderOfOtherEpoch { .. })) {
        return (Status::Canceled, U256::ZERO);
    }
    let stands = is_owner
        && standing.is_signed
        && mark.is_ok()
        && check_stake(&entry, standing.free_stake).is_ok()
        && check_offers(&entry, book).is_ok();
    (if stands { Status::Open } else { Status::Dead }, entry.remaining)
}

fn check_mark(order: &AnyOrder, signer: Address, standing: &Standing) -> Result<(), Disagreement> {
    let Some(epoch) = standing.epoch else { return Ok(()) };
    let marked = Marked { salt: record::salt(order), signer, epoch };
    marked.check_alone(record::kind(order), standing.time)
}

fn check_stake(entry: &Entry, free_stake: U256) -> Result<(), Refusal> {
    let needed = entry.stake_needed();
    if needed.is_some_and(|needed| free_stake >= needed) {
        return Ok(());
    }
    match entry.kind {
        OrderKind::App | OrderKind::Dataset => Ok(()),
        OrderKind::Workerpool => Err(Refusal::WorkerpoolStakeTooLow),
        OrderKind::Request => Err(Refusal::RequesterStakeTooLow(needed.unwrap_or(U256::MAX))),
    }
}

/// A request is published only while the app and the dataset it asks for are on offer.
fn check_offers(entry: &Entry, book: &Book) -> Result<(), Refusal> {
    match entry.kind {
        OrderKind::App | OrderKind::Dataset | OrderKind::Workerpool => return Ok(()),
        OrderKind::Request => {}
    }
    let Entry { app, dataset, .. } = *entry;
    match book.app_offer(entry) {
        Offer::Affordable => {}
        Offer::TooDear(best) => return Err(Refusal::AppPriceTooLow { app, best }),
        Offer::None => {
            let with_enclave = entry.tag.contains(Tag::TEE);
            return Err(Refusal::NoAppOrder { app, with_enclave });
        }
    }
    match book.dataset_offer(entry) {
        Offer::Affordable => Ok(()),
        Offer::TooDear(best) => Err(Refusal::DatasetPriceTooLow { dataset, best }),
        Offer::None => Err(Refusal::NoDatasetOrder(dataset)),
    }
}

/// The first number of an order that clients could not keep exactly, or a volume of zero.
///
/// # Errors
/// A sentence that names the field.
pub(crate) fn check_numbers(order: &AnyOrder) -> Result<(), String> {
    let entry = Entry::of_order(order);
    let (trust, category) = ("trust", "category");
    let numbers = match entry.kind {
        OrderKind::App => vec![("appprice", entry.price)],
        OrderKind::Dataset => vec![("datasetprice", entry.price)],
        OrderKind::Workerpool => {
            vec![("workerpoolprice", entry.price), (category, entry.category), (trust, entry.trust)]
        }
        OrderKind::Request => vec![
            ("appmaxprice", entry.app_price_max),
            ("datasetmaxprice", entry.dataset_price_max),
            ("workerpoolmaxprice", entry.price),
            (category, entry.category),
            (trust, entry.trust),
        ],
    };
    if entry.remaining.is_zero() {
        return Err("order.volume must be greater than or equal to 1".into());
    }
    numbers
        .into_iter()
        .chain([("volume", entry.remaining)])
        .find(|(_, number)| *number > U256::from(SAFE_INTEGER_MAX))
        .map_or(Ok(()), |(name, _)| {
            Err(format!("order.{name} must be less than or equal to {SAFE_INTEGER_MAX}"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::{
        Amount, AppOrder, Bytes, Conditions, OrderMark, RequestOrder, Signed, WorkerpoolOrder,
    };

    const OWNER: Address = Address::repeat_byte(1);
    const NOW: Timestamp = Timestamp(1_700_000_000);

    fn marked(conditions: Conditions, expiry: Option<Timestamp>, epoch: u16) -> AnyOrder {
        let mark = OrderMark::new(conditions, expiry, epoch, Address::repeat_byte(9)).unwrap();
        let salt = mark.to_salt();
        let volume = U256::from(10);
        AnyOrder::App(signed(AppOrder { volume, salt, ..AppOrder::default() }))
    }

    fn signed<O>(order: O) -> Signed<O> {
        Signed { order, sign: Bytes::new() }
    }

    fn app_order() -> AnyOrder {
        AnyOrder::App(signed(AppOrder { volume: U256::from(10), ..AppOrder::default() }))
    }

    fn pool_order() -> AnyOrder {
        AnyOrder::Workerpool(signed(WorkerpoolOrder {
            price: Amount::from_nano(10),
            volume: U256::from(10),
            ..WorkerpoolOrder::default()
        }))
    }

    fn standing() -> Standing {
        Standing {
            owner: Some(OWNER),
            is_signed: true,
            consumed: U256::ZERO,
            free_stake: U256::from(30),
            epoch: Some(0),
            time: NOW,
        }
    }

    fn publish(
        order: &AnyOrder,
        earlier: Option<Status>,
        standing: &Standing,
    ) -> Result<Publishable, Refusal> {
        check_publication(order, OWNER, earlier, standing, &Book::default())
    }

    #[test]
    fn only_dead_orders_are_published_twice() {
        for (earlier, is_allowed) in [
            (None, true),
            (Some(Status::Dead), true),
            (Some(Status::Open), false),
            (Some(Status::Filled), false),
            (Some(Status::Canceled), false),
        ] {
            let result = publish(&app_order(), earlier, &standing());
            assert_eq!(result.is_ok(), is_allowed, "{earlier:?}");
        }
    }

    #[test]
    fn stake_is_needed_for_what_remains_only() {
        assert_eq!(
            publish(&pool_order(), None, &Standing { free_stake: U256::from(29), ..standing() }),
            Err(Refusal::WorkerpoolStakeTooLow)
        );
        let used = Standing { consumed: U256::from(5), free_stake: U256::from(15), ..standing() };
        let publishable = Publishable { signer: OWNER, remaining: U256::from(5) };
        assert_eq!(publish(&pool_order(), None, &used), Ok(publishable));
    }

    #[test]
    fn what_was_closed_stays_canceled_and_what_was_used_is_filled() {
        let judge = |was, standing: &Standing| {
            judge_again(&pool_order(), OWNER, was, standing, &Book::default())
        };
        let used = Standing { consumed: U256::from(10), ..standing() };
        assert_eq!(judge(Status::Canceled, &used), (Status::Canceled, U256::ZERO));
        assert_eq!(judge(Status::Open, &used), (Status::Filled, U256::ZERO));
        // The block with the closing is lost.
        assert_eq!(judge(Status::Canceled, &standing()), (Status::Open, U256::from(10)));
        for lost in [
            Standing { owner: Some(Address::repeat_byte(2)), ..standing() },
            Standing { owner: None, ..standing() },
            Standing { is_signed: false, ..standing() },
            Standing { free_stake: U256::from(29), ..standing() },
        ] {
            assert_eq!(judge(Status::Open, &lost), (Status::Dead, U256::from(10)), "{lost:?}");
        }
    }

    #[test]
    fn a_marked_order_is_published_while_some_match_of_it_is_possible() {
        let text = |order: &AnyOrder, standing: &Standing| {
            publish(order, None, standing).map(drop).map_err(|refusal| refusal.to_string())
        };
        let soon = marked(Conditions::NONE, Some(NOW.after(1)), 0);
        assert_eq!(text(&soon, &standing()), Ok(()));
        let later = Standing { time: NOW.after(1), ..standing() };
        let expired = format!("the order of {OWNER} expired at second 1700000001");
        assert_eq!(text(&soon, &later), Err(expired));
        let cancelled = format!(
            "the order of {OWNER} is one of epoch 1, and {OWNER} is in epoch 0: it was cancelled"
        );
        assert_eq!(text(&marked(Conditions::NONE, None, 1), &standing()), Err(cancelled));
        let odd = marked(Conditions::SPONSOR_ONLY, None, 0);
        let unknown =
            format!("the order of {OWNER} says what no order of its kind can: sponsor-only");
        assert_eq!(text(&odd, &standing()), Err(unknown));
        // A hub that heeds no marks matches all of them.
        let plain = Standing { epoch: None, time: Timestamp(u64::MAX), ..standing() };
        for order in [soon, odd, marked(Conditions::NONE, None, 1)] {
            assert_eq!(text(&order, &plain), Ok(()));
        }
    }

    #[test]
    fn what_its_time_or_its_epoch_ended_is_judged_so_and_comes_back_with_a_lost_block() {
        let order = marked(Conditions::NONE, Some(NOW.after(1)), 0);
        let judge =
            |was, standing: &Standing| judge_again(&order, OWNER, was, standing, &Book::default());
        let ten = U256::from(10);
        let later = Standing { time: NOW.after(1), ..standing() };
        assert_eq!(judge(Status::Open, &later), (Status::Dead, ten));
        assert_eq!(judge(Status::Dead, &standing()), (Status::Open, ten));
        let raised = Standing { epoch: Some(1), ..standing() };
        assert_eq!(judge(Status::Open, &raised), (Status::Canceled, U256::ZERO));
        assert_eq!(judge(Status::Canceled, &standing()), (Status::Open, ten));
    }

    #[test]
    fn numbers_that_clients_cannot_keep_are_named() {
        let too_large = U256::from(SAFE_INTEGER_MAX) + U256::ONE;
        let request = |trust| {
            let volume = U256::ONE;
            AnyOrder::Request(signed(RequestOrder { trust, volume, ..RequestOrder::default() }))
        };
        assert_eq!(check_numbers(&request(U256::from(SAFE_INTEGER_MAX))), Ok(()));
        let text = check_numbers(&request(too_large)).unwrap_err();
        assert_eq!(text, "order.trust must be less than or equal to 9007199254740991");
    }
}
