//! Looks at the chain from time to time for what no event tells: whether it can be read at all, what
//! the pool's owner has left, and whether somebody else uses its key.

use crate::arrival::{Arrival, Arrivals};
use crate::rival::Watchman;
use poco_chain::Purse;
use poco_scheduler_core::{Funds, Input};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// Between two looks: balances change with each transaction, and nobody must know it sooner.
const PERIOD: Duration = Duration::from_secs(5);
/// After a look that failed.
const PERIOD_IN_TROUBLE: Duration = Duration::from_secs(1);
/// A chain that was not read for this long counts as out of reach: two looks and a slow node.
const OUT_OF_REACH: Duration = Duration::from_secs(15);

/// What was seen last, and when.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    pub(crate) purse: Purse,
    pub(crate) seen: Instant,
    /// Why later looks failed.
    pub(crate) error: Option<String>,
}

impl Outlook {
    pub(crate) fn new(purse: Purse) -> Self {
        Self { purse, seen: Instant::now(), error: None }
    }

    /// Why the chain cannot be read, where that has lasted.
    pub(crate) fn out_of_reach(&self) -> Option<String> {
        let since = self.seen.elapsed();
        let error = self.error.as_deref().unwrap_or("the node does not answer");
        (since >= OUT_OF_REACH)
            .then(|| format!("the chain was not read for {} s: {error}", since.as_secs()))
    }
}

/// What the core is told of a purse.
pub(crate) fn funds(purse: &Purse) -> Funds {
    Funds {
        gas_wei: purse.gas_wei,
        gas_price_wei: purse.gas_price_wei,
        stake_free: purse.account.free,
        stake_locked: purse.account.locked,
    }
}

/// Looks until the loop is gone.
pub(crate) async fn look_out(
    mut watchman: Watchman,
    shown: watch::Sender<Outlook>,
    arrivals: Arrivals,
) {
    loop {
        let is_in_trouble = shown.borrow().error.is_some();
        sleep(if is_in_trouble { PERIOD_IN_TROUBLE } else { PERIOD }).await;
        match watchman.purse().await {
            Ok(purse) => {
                shown.send_replace(Outlook::new(purse));
                let input = Input::Funds(funds(&purse));
                let rival = watchman.look(&purse).await.ok().flatten();
                let fatal = rival.map(|rival| Arrival::Fatal(watchman.told(rival)));
                for arrival in [Some(Arrival::Core(input)), fatal].into_iter().flatten() {
                    if arrivals.send(arrival).await.is_err() {
                        return;
                    }
                }
            }
            // The streams that need the node say so in the log.
            Err(error) => shown.send_modify(|outlook| outlook.error = Some(error.to_string())),
        }
    }
}
