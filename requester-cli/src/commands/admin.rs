//! `poco admin`: the marketplace itself.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs};
use anyhow::Context as _;
use clap::Subcommand;
use poco_chain::deploy::{DeployPlan, deploy};
use poco_chain::{Addresses, ConnectError, RpcError, SendError};
use poco_core::Address;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Deploy registries, hub and the five categories, and write the addresses file
    Deploy {
        /// The addresses file to write
        #[arg(long)]
        write: PathBuf,
        /// The token that stake is in; without it, and without --previous, a test token is deployed
        #[arg(long)]
        token: Option<Address>,
        /// An older hub that this one comes after: its token, its categories and the entries of its
        /// registries, and scores that workers bring along
        #[arg(long, value_name = "HUB")]
        previous: Option<Address>,
    },
}

#[derive(Serialize)]
#[serde(transparent)]
struct Deployed(Addresses);

impl Show for Deployed {
    fn show(&self) -> String {
        let addresses = &self.0;
        pairs(&[
            ("hub", addresses.hub.to_string()),
            ("token", addresses.token.to_string()),
            ("app registry", addresses.app_registry.to_string()),
            ("dataset registry", addresses.dataset_registry.to_string()),
            ("workerpool registry", addresses.workerpool_registry.to_string()),
            ("chain", format!("{} at {}", addresses.chain_id, addresses.rpc_url)),
        ])
    }
}

pub(crate) async fn run(context: &Context, command: AdminCommand) -> Result<(), Failure> {
    let AdminCommand::Deploy { write, token, previous } = command;
    let rpc_url = context.global.rpc_url.clone();
    let rpc_url = rpc_url
        .ok_or_else(|| Failure::Usage("say on which chain to deploy: pass --rpc-url".to_owned()))?;
    refuse_unwritable(&write)?;
    let wallet = context.wallet()?;
    let replaced =
        if write.exists() { format!(" and replace {}", write.display()) } else { String::new() };
    let after = previous.map(|hub| format!(" that comes after {hub}")).unwrap_or_default();
    let owner = wallet.address();
    context.agree(&format!("Deploy a marketplace owned by {owner}{after}{replaced}?"))?;
    let mut plan = DeployPlan { token, chain_id: context.global.chain_id, ..DeployPlan::default() };
    if previous.is_some() {
        plan = DeployPlan { previous, categories: Vec::new(), ..plan };
    }
    let addresses = deploy(rpc_url, wallet, plan).await.map_err(of_deployment)?;
    addresses.write(&write)?;
    context.output.answer(&Deployed(addresses))
}

/// Contracts whose addresses cannot be written down would be lost: that is found out before.
fn refuse_unwritable(file: &Path) -> Result<(), Failure> {
    let file = &std::path::absolute(file).context("the current folder is gone")?;
    let cannot =
        || format!("the addresses cannot be written to {}: choose another --write", file.display());
    if file.is_dir() {
        return Err(anyhow::anyhow!("it is a folder").context(cannot()).into());
    }
    // Missing folders are made when it is written.
    let folder = file.ancestors().skip(1).find(|folder| folder.symlink_metadata().is_ok());
    tempfile::tempfile_in(folder.unwrap_or(file)).with_context(cannot)?;
    Ok(())
}

fn of_deployment(error: anyhow::Error) -> Failure {
    let is_silent = error.chain().any(|cause| cause.is::<RpcError>() || cause.is::<ConnectError>());
    if is_silent {
        return Failure::Unreachable(format!("{error:#}"));
    }
    match error.chain().find_map(|cause| cause.downcast_ref::<SendError>()) {
        Some(SendError::Refused(_) | SendError::NoGas { .. } | SendError::FeeAboveCap { .. }) => {
            Failure::Refused(format!("{error:#}"))
        }
        Some(SendError::Stopped) | None => Failure::Local(error),
    }
}
