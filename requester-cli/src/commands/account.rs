//! `poco account`: the escrow, where payments and stakes come from.

mod bond;

use crate::address;
use crate::context::Context;
use crate::failure::Failure;
use crate::output::{Show, pairs};
use crate::price;
use clap::Subcommand;
use poco_chain::{Account, Chain, Transaction};
use poco_core::{Address, Amount, B256, Call, OrderKind, U256};
use serde::Serialize;

#[derive(Debug, Subcommand)]
pub(crate) enum AccountCommand {
    /// Move tokens from the wallet into the escrow
    Deposit {
        /// For instance 2RLC
        #[arg(value_parser = price::parse_some)]
        amount: Amount,
    },
    /// Move free money from the escrow back into the wallet
    Withdraw {
        /// For instance 2RLC
        #[arg(value_parser = price::parse_some)]
        amount: Amount,
    },
    /// Show an account
    Show {
        /// Whose [default: the wallet's]
        #[arg(value_parser = address::parse)]
        address: Option<Address>,
    },
    /// Put stake aside for a pool's settlement lane, for workers
    Bond {
        /// The pool
        #[arg(value_parser = address::parse)]
        workerpool: Address,
        /// How much more, for instance 2RLC
        #[arg(value_parser = price::parse_some)]
        amount: Amount,
    },
    /// End a bond: no vote can lock it any more, and later it can be taken back
    Unbond {
        /// The pool
        #[arg(value_parser = address::parse)]
        workerpool: Address,
    },
    /// Take an ended bond back into the free stake
    WithdrawBond {
        /// The pool
        #[arg(value_parser = address::parse)]
        workerpool: Address,
    },
    /// Send tokens from the wallet to another
    Send {
        /// To whom
        #[arg(value_parser = address::parse)]
        to: Address,
        /// How many tokens, for instance 2RLC
        #[arg(value_parser = price::parse_some)]
        amount: Amount,
    },
}

#[derive(Serialize)]
struct AccountAnswer {
    address: Address,
    /// Free and frozen stake in the escrow, in nRLC.
    free: Amount,
    locked: Amount,
    /// Tokens in the wallet itself, in nRLC.
    tokens: Amount,
    /// The chain's own coin, in wei.
    gas_wei: U256,
    score: U256,
    #[serde(skip_serializing_if = "Option::is_none")]
    transaction: Option<B256>,
}

impl Show for AccountAnswer {
    fn show(&self) -> String {
        pairs(&[
            ("address", self.address.to_string()),
            ("free in escrow", self.free.to_string()),
            ("locked in escrow", self.locked.to_string()),
            ("tokens in wallet", self.tokens.to_string()),
            ("gas in wallet", format!("{} wei", self.gas_wei)),
            ("worker score", self.score.to_string()),
        ])
    }
}

pub(crate) async fn run(context: &Context, command: AccountCommand) -> Result<(), Failure> {
    let chain = context.chain().await?;
    match command {
        AccountCommand::Show { address } => {
            let address = address.map_or_else(|| context.wallet_address(), Ok)?;
            context.output.answer(&read(&chain, address, None).await?)
        }
        AccountCommand::Deposit { amount } => deposit(context, &chain, amount).await,
        AccountCommand::Withdraw { amount } => withdraw(context, &chain, amount).await,
        AccountCommand::Bond { workerpool, amount } => {
            bond::bond(context, &chain, workerpool, amount).await
        }
        AccountCommand::Unbond { workerpool } => bond::unbond(context, &chain, workerpool).await,
        AccountCommand::WithdrawBond { workerpool } => {
            bond::withdraw(context, &chain, workerpool).await
        }
        AccountCommand::Send { to, amount } => send_tokens(context, &chain, to, amount).await,
    }
}

async fn deposit(context: &Context, chain: &Chain, amount: Amount) -> Result<(), Failure> {
    let address = context.wallet_address()?;
    let tokens = chain.token_balance(address).await?;
    if tokens < amount {
        return Err(Failure::Refused(format!(
            "the wallet {address} holds {tokens}, too little to deposit {amount}"
        )));
    }
    let wallet = context.wallet()?;
    let transaction = Transaction::approve_and_deposit(chain, amount);
    let receipt = context.send(chain, &wallet, &fresh_intent("deposit"), transaction).await?;
    context.output.answer(&read(chain, address, Some(receipt.transaction)).await?)
}

async fn withdraw(context: &Context, chain: &Chain, amount: Amount) -> Result<(), Failure> {
    let address = context.wallet_address()?;
    let Account { free, locked } = chain.account(address).await?;
    if free < amount {
        let locked = if locked.is_zero() {
            String::new()
        } else {
            format!("; {locked} are locked, by tasks that have not ended or in bonds")
        };
        return Err(Failure::Refused(format!(
            "{free} are free in the escrow of {address}, too little to withdraw {amount}{locked}"
        )));
    }
    let wallet = context.wallet()?;
    let transaction = Transaction::hub(chain, &Call::Withdraw { amount });
    let receipt = context.send(chain, &wallet, &fresh_intent("withdraw"), transaction).await?;
    context.output.answer(&read(chain, address, Some(receipt.transaction)).await?)
}

async fn send_tokens(
    context: &Context,
    chain: &Chain,
    to: Address,
    amount: Amount,
) -> Result<(), Failure> {
    refuse_hole(chain, to)?;
    let address = context.wallet_address()?;
    let tokens = chain.token_balance(address).await?;
    if tokens < amount {
        return Err(Failure::Refused(format!(
            "the wallet {address} holds {tokens}, too little to send {amount}"
        )));
    }
    context.agree(&format!("Send {amount} from {address} to {to}?"))?;
    let wallet = context.wallet()?;
    let transaction = Transaction::token_transfer(chain, to, amount);
    let receipt = context.send(chain, &wallet, &fresh_intent("send"), transaction).await?;
    context.output.answer(&read(chain, address, Some(receipt.transaction)).await?)
}

/// Tokens sent to the marketplace's own contracts, or to nobody, are lost.
fn refuse_hole(chain: &Chain, to: Address) -> Result<(), Failure> {
    let registries = [OrderKind::App, OrderKind::Dataset, OrderKind::Workerpool]
        .map(|kind| chain.registry(kind));
    let what = if to.is_zero() {
        "nobody's"
    } else if to == chain.hub() {
        "the hub's, for which there is `poco account deposit`"
    } else if to == chain.token() {
        "the token's own"
    } else if registries.contains(&to) {
        "a registry's"
    } else {
        return Ok(());
    };
    Err(Failure::Refused(format!("the address {to} is {what}: tokens sent there would be lost")))
}

/// Two deposits of the same amount are two wishes, so each gets a name of its own.
fn fresh_intent(what: &str) -> String {
    format!("{what} {:x}", rand::random::<u128>())
}

async fn read(
    chain: &Chain,
    address: Address,
    transaction: Option<B256>,
) -> Result<AccountAnswer, Failure> {
    let (account, tokens, gas_wei, score) = tokio::try_join!(
        chain.account(address),
        chain.token_balance(address),
        chain.gas_balance(address),
        chain.score(address),
    )?;
    Ok(AccountAnswer {
        address,
        free: account.free,
        locked: account.locked,
        tokens,
        gas_wei,
        score,
        transaction,
    })
}
