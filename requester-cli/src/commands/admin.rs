//! `poco admin`: the marketplace itself.

use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs};
use clap::Subcommand;
use poco_chain::Addresses;
use poco_chain::deploy::{DeployPlan, deploy};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum AdminCommand {
    /// Deploy token, registries, hub and the five categories, and write the addresses file
    Deploy {
        /// The addresses file to write
        #[arg(long)]
        write: PathBuf,
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
    let AdminCommand::Deploy { write } = command;
    let rpc_url = context.global.rpc_url.clone();
    let rpc_url = rpc_url
        .ok_or_else(|| Failure::Usage("say on which chain to deploy: pass --rpc-url".to_owned()))?;
    let wallet = context.wallet()?;
    context.agree(&format!("Deploy a marketplace owned by {}?", wallet.address()))?;
    let addresses = deploy(rpc_url, wallet, DeployPlan::default()).await?;
    addresses.write(&write)?;
    context.output.answer(&Deployed(addresses))
}
