//! Whether the scheduler answers, and is the one of this pool.

use super::Check;
use crate::config::Checked;
use crate::link::challenge;
use crate::worker::identity;
use poco_chain::{Chain, Wallet};
use std::sync::Arc;

pub(super) async fn check(
    checked: &Checked,
    chain: Option<&Chain>,
    wallet: Option<Wallet>,
) -> Check {
    let url = &checked.scheduler_url;
    let identity = match (chain, wallet) {
        (Some(chain), Some(wallet)) => Some(identity(checked, chain, Arc::new(wallet))),
        (Some(_) | None, Some(_) | None) => None,
    };
    match challenge(url, identity.as_ref()).await {
        Ok(()) => Check::ok("scheduler", format!("{url} answers")),
        Err(error) => {
            let advice = "correct scheduler_url or workerpool, or ask the pool's operator";
            Check::blocks("scheduler", format!("{url}: {error}"), advice)
        }
    }
}
