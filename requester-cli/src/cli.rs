//! The words of the command line.

use crate::address;
use crate::commands::{
    account, admin, claim, deal, explain, group, order, orderbook, resource, result, run, task,
    wallet,
};
use crate::failure::Failure;
use crate::output::Output;
use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use poco_core::Address;
use std::path::PathBuf;
use std::process::ExitCode;
use url::Url;

/// Buy, offer and follow verified computation.
#[derive(Debug, Parser)]
#[command(
    name = "poco",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    args_override_self = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command understands.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Answer in JSON on the standard output
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say more on the standard error; twice for the details of each call
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// File with the addresses of the contracts [default: deploy/devnet/addresses.toml, if there]
    #[arg(long, global = true, env = "POCO_ADDRESSES", value_name = "FILE")]
    pub(crate) addresses: Option<PathBuf>,
    /// The chain's JSON-RPC, in place of the one in the addresses file
    #[arg(long, global = true, env = "POCO_RPC_URL", value_name = "URL")]
    pub(crate) rpc_url: Option<Url>,
    /// The hub's address, in place of the one in the addresses file
    #[arg(long, global = true, env = "POCO_HUB", value_name = "ADDRESS", value_parser = address::parse)]
    pub(crate) hub: Option<Address>,
    /// Refuse to work on any other chain than this
    #[arg(long, global = true, env = "POCO_CHAIN_ID", value_name = "ID")]
    pub(crate) chain_id: Option<u64>,
    /// The market's API
    #[arg(
        long,
        global = true,
        env = "POCO_MARKET_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:3000"
    )]
    pub(crate) market_url: Url,
    /// The pool's API, in place of the one that the market names
    #[arg(long, global = true, env = "POCO_POOL_URL", value_name = "URL")]
    pub(crate) pool_url: Option<Url>,
    /// Folder of the keystores [default: ~/.ethereum/keystore]
    #[arg(long, global = true, env = "POCO_KEYSTORE_DIR", value_name = "DIR")]
    pub(crate) keystore_dir: Option<PathBuf>,
    /// Which wallet: its address, or its keystore file [default: the only one in the folder]
    #[arg(long, global = true, env = "POCO_WALLET", value_name = "ADDRESS|FILE")]
    pub(crate) wallet: Option<String>,
    /// File whose first line is the keystore's password [default: $POCO_KEYSTORE_PASSWORD, or a prompt]
    #[arg(long, global = true, env = "POCO_KEYSTORE_PASSWORD_FILE", value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
    /// Do not ask before signing and sending
    #[arg(long, short = 'y', global = true)]
    pub(crate) yes: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Create, import and show wallets
    #[command(subcommand)]
    Wallet(wallet::WalletCommand),
    /// Put money into the escrow, take it out, look at it
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Deploy and show apps
    #[command(subcommand)]
    App(resource::AppCommand),
    /// Deploy and show datasets
    #[command(subcommand)]
    Dataset(resource::DatasetCommand),
    /// Deploy and show pools, change their policy
    #[command(subcommand)]
    Workerpool(resource::WorkerpoolCommand),
    /// Sign, publish, withdraw, cancel and show orders
    #[command(subcommand)]
    Order(order::OrderCommand),
    /// Create groups of accounts, change and show them
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// Show what is on offer, and what is asked for
    Orderbook(orderbook::OrderbookArgs),
    /// Buy runs of an app at the best price, follow them and fetch the results
    Run(Box<run::RunArgs>),
    /// Show deals: what was bought, and how its tasks stand
    #[command(subcommand)]
    Deal(deal::DealCommand),
    /// Show and follow tasks
    #[command(subcommand)]
    Task(task::TaskCommand),
    /// Ask a pool why a task, a worker, an order or the pool itself is where it is
    Explain(explain::ExplainArgs),
    /// Fetch results
    #[command(subcommand)]
    Result(result::ResultCommand),
    /// Get the money back for tasks that missed their final deadline
    Claim(claim::ClaimArgs),
    /// Deploy the marketplace itself
    #[command(subcommand)]
    Admin(admin::AdminCommand),
    /// Print a completion script for a shell
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },
}

/// The words of the command line and of the environment.
///
/// # Errors
/// The exit code, where help was asked for or the words make no sense; all is said by then.
pub(crate) fn read() -> Result<Cli, ExitCode> {
    Cli::try_parse().map_err(|error| {
        // Help, asked for or shown because no command is there.
        let is_help = error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
        if is_help || !error.use_stderr() {
            // Whoever closed our output hears nothing.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX));
        }
        let wants_json = std::env::args_os().any(|word| word == "--json");
        let told = format!("{}; --help says more", one_line(&error.to_string()));
        Output::new(wants_json).failure(&Failure::Usage(told))
    })
}

/// What is wrong, without the advice for people that follows it.
fn one_line(text: &str) -> String {
    let told = text.split("\n\nUsage:").next().unwrap_or(text);
    let told = told.split("\n\nFor more information").next().unwrap_or(told);
    let told = told.strip_prefix("error: ").unwrap_or(told);
    let lines = told.lines().map(str::trim).filter(|line| !line.is_empty());
    // No command here takes words after `--`.
    let lines = lines.filter(|line| !line.starts_with("tip: to pass"));
    lines.collect::<Vec<_>>().join(" ").replace(" tip: ", "; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_of_an_app_may_begin_with_a_hyphen() {
        let app = "0x1111111111111111111111111111111111111111";
        for option in ["--args", "--params"] {
            Cli::try_parse_from(["poco", "run", app, option, "--paths 1000"]).unwrap();
        }
    }

    #[test]
    fn advice_that_does_not_help_is_left_out() {
        let error = Cli::try_parse_from(["poco", "account", "deposit", "-5RLC"]).unwrap_err();
        let told = one_line(&error.to_string());
        assert_eq!(told, "unexpected argument '-5' found");
    }

    #[test]
    fn every_command_and_every_word_is_explained() {
        fn check(command: &clap::Command, path: &str) {
            assert!(command.get_about().is_some(), "{path}");
            for argument in command.get_arguments() {
                let name = argument.get_id();
                let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
                assert!(!help.is_empty(), "{path}: {name}");
                assert!(!help.ends_with('.'), "{path}: {name}: {help}");
            }
            for inner in command.get_subcommands() {
                check(inner, &format!("{path} {}", inner.get_name()));
            }
        }
        let command = Cli::command();
        command.clone().debug_assert();
        check(&command, "poco");
    }

    #[test]
    fn usage_errors_fit_one_line() {
        let text = "error: the following required arguments were not provided:\n  <APP>\n\nUsage: poco run <APP>\n\nFor more information, try '--help'.\n";
        assert_eq!(one_line(text), "the following required arguments were not provided: <APP>");
        let text = "error: unrecognized subcommand 'rum'\n\n  tip: a similar subcommand exists: 'run'\n\nUsage: poco [OPTIONS] <COMMAND>\n";
        let line = "unrecognized subcommand 'rum'; a similar subcommand exists: 'run'";
        assert_eq!(one_line(text), line);
    }
}
