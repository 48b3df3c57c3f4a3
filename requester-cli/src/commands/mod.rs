//! The commands, one file each.

pub(crate) mod account;
pub(crate) mod admin;
mod audit;
mod bound;
pub(crate) mod claim;
pub(crate) mod deal;
pub(crate) mod explain;
pub(crate) mod fetch;
pub(crate) mod follow;
pub(crate) mod group;
pub(crate) mod keeper;
mod logs;
pub(crate) mod order;
pub(crate) mod orderbook;
mod place;
pub(crate) mod resource;
pub(crate) mod result;
pub(crate) mod run;
pub(crate) mod select;
pub(crate) mod task;
pub(crate) mod wallet;

use crate::cli::{Cli, Command};
use crate::context::Context;
use crate::failure::Failure;
use crate::output::Output;
use clap::CommandFactory;

/// Does what the command line asks.
pub(crate) async fn run(cli: Cli, output: Output) -> Result<(), Failure> {
    let context = Context::new(cli.global, output);
    match cli.command {
        Command::Wallet(command) => wallet::run(&context, command),
        Command::Account(command) => account::run(&context, command).await,
        Command::App(command) => resource::run_app(&context, command).await,
        Command::Dataset(command) => resource::run_dataset(&context, command).await,
        Command::Workerpool(command) => resource::run_workerpool(&context, command).await,
        Command::Order(command) => order::run(&context, command).await,
        Command::Group(command) => group::run(&context, command).await,
        Command::Orderbook(args) => orderbook::run(&context, args).await,
        Command::Run(args) => run::run(&context, *args).await,
        Command::Deal(command) => deal::run(&context, command).await,
        Command::Task(command) => task::run(&context, command).await,
        Command::Explain(args) => explain::run(&context, args).await,
        Command::Result(command) => result::run(&context, command).await,
        Command::Claim(args) => claim::run(&context, args).await,
        Command::Admin(command) => admin::run(&context, command).await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "poco", &mut script);
            context.output.raw(&String::from_utf8_lossy(&script))
        }
    }
}
