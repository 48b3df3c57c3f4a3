//! `poco-worker statement`: what this wallet earned and lost for each task, and why, from the chain
//! alone: no pool is asked.

use crate::cli::{Cli, StatementForm};
use crate::output;
use anyhow::Context as _;
use poco_chain::config::ConfigProblems;
use poco_chain::keystore::{KeystoreConfig, list_keystores};
use poco_chain::{Chain, ChainSettings, Party, TaskEnd};
use poco_core::statement::{Line, Statement, Verdict};
use poco_core::{Address, Amount, DealId, TaskId, U256};
use serde::{Serialize, Serializer};
use std::process::ExitCode;

/// One task in the statement. Amounts are in nRLC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Entry {
    pub(crate) block: u64,
    /// Seconds since 1970, by the chain's clock.
    pub(crate) time: u64,
    pub(crate) task: TaskId,
    pub(crate) deal: DealId,
    pub(crate) workerpool: Address,
    /// Why the wallet got what it got.
    pub(crate) verdict: &'static str,
    /// What the pool was paid for the task.
    pub(crate) price: Amount,
    /// Stakes of those at fault, shared out with the price.
    pub(crate) forfeited: Amount,
    /// What the pool's owner kept of both, and its percentage by the deal.
    pub(crate) fee: Amount,
    pub(crate) fee_percent: u64,
    /// What the kitty gave to the pool's owner; none of it is the workers'.
    pub(crate) kitty: Amount,
    /// The wallet's part of the workers' reward: this of these.
    pub(crate) share: u64,
    pub(crate) shares: u64,
    pub(crate) stake: Amount,
    pub(crate) reward: Amount,
    pub(crate) lost: Amount,
    /// Paid for the gas of its own transactions about the task, in wei.
    #[serde(serialize_with = "decimal")]
    pub(crate) gas_fees_wei: U256,
}

fn decimal<S: Serializer>(wei: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(wei)
}

/// Prints the statement of this worker's wallet, or of another.
///
/// # Errors
/// One line that says what the operator can do.
pub(crate) async fn statement(
    cli: &Cli,
    worker: Option<Address>,
    from_block: u64,
    form: StatementForm,
) -> anyhow::Result<ExitCode> {
    let config = cli.config()?;
    let settings = config.chain.settings().map_err(ConfigProblems::from)?;
    let worker = match worker {
        Some(worker) => worker,
        None => address(&config.keystore, cli.options.password_fd)?,
    };
    let chain = Chain::connect(&ChainSettings { confirmations: 0, ..settings }).await?;
    let mut entries = Vec::new();
    for end in chain.ends(Party::Worker(worker), from_block).await? {
        entries.extend(entry(&chain, worker, &end).await?);
    }
    match form {
        StatementForm::Text => output::text(&text(&entries)),
        StatementForm::Json => output::text(&serde_json::to_string_pretty(&entries)?),
        StatementForm::Csv => output::text(&csv(&entries)),
    }
    Ok(ExitCode::SUCCESS)
}

/// Whose keystore is configured: by its file's word, or where it has none by opening it.
fn address(keystore: &KeystoreConfig, password_fd: Option<u32>) -> anyhow::Result<Address> {
    let path = keystore.path.as_ref().context(
        "no wallet is set: --worker ADDRESS, or keystore.path, --keystore or POCO_KEYSTORE",
    )?;
    let folder = path.parent().unwrap_or(path);
    let named = list_keystores(folder)
        .ok()
        .and_then(|files| files.into_iter().find(|file| file.path == *path)?.address);
    match named {
        Some(address) => Ok(address),
        None => Ok(keystore.open(password_fd)?.address()),
    }
}

/// The worker's line of a task that has ended; `None` where the task is another's after all.
async fn entry(chain: &Chain, worker: Address, end: &TaskEnd) -> anyhow::Result<Option<Entry>> {
    let told = chain.statement(end).await.context("cannot read the chain")?;
    let told = told.with_context(|| format!("the end of task {} cannot be explained", end.task))?;
    let Some(line) = told.workers.iter().find(|line| line.worker == worker) else {
        return Ok(None);
    };
    let gas_fees_wei = chain.fees_paid(worker, &end.transactions).await?;
    Ok(Some(of_line(end, &told, line, gas_fees_wei)))
}

fn of_line(end: &TaskEnd, told: &Statement, line: &Line, gas_fees_wei: U256) -> Entry {
    let shares = if line.verdict == Verdict::Proved { line.log_weight } else { 0 };
    Entry {
        block: end.block.number,
        time: end.block.timestamp.0,
        task: told.task,
        deal: told.deal,
        workerpool: told.workerpool,
        verdict: line.verdict.name(),
        price: told.price,
        forfeited: told.forfeited,
        fee: told.fee,
        fee_percent: told.fee_percent.saturating_to(),
        kitty: told.kitty,
        share: shares,
        shares: told.log_weights,
        stake: line.stake,
        reward: line.reward,
        lost: line.lost,
        gas_fees_wei,
    }
}

/// One paragraph a task, and what it comes to.
fn text(entries: &[Entry]) -> String {
    let paragraph = |entry: &Entry| {
        let Entry { task, block, time, verdict, price, forfeited, .. } = entry;
        let Entry { fee, fee_percent, share, shares, stake, reward, lost, .. } = entry;
        let why = format!(
            "price {price} + forfeited {forfeited} - fee {fee} ({fee_percent} %), share {share} of {shares}"
        );
        let gas = format!("gas fees {} wei", entry.gas_fees_wei);
        format!(
            "{task}  block {block}  time {time}\n  {verdict}: earned {reward}, lost {lost} of stake {stake}\n  {why}\n  {gas}\n"
        )
    };
    let sum = |amount: fn(&Entry) -> Amount| {
        let add = |sum: Amount, entry| sum.checked_add(amount(entry)).unwrap_or(sum);
        entries.iter().fold(Amount::ZERO, add)
    };
    let (earned, lost) = (sum(|entry| entry.reward), sum(|entry| entry.lost));
    let gas = entries.iter().fold(U256::ZERO, |sum, entry| sum.saturating_add(entry.gas_fees_wei));
    let paragraphs: String = entries.iter().map(paragraph).collect();
    let count = entries.len();
    format!("{paragraphs}{count} tasks: earned {earned}, lost {lost}, gas fees {gas} wei")
}

/// A line a task behind a line of names. No value has a comma, a quote or a line break.
fn csv(entries: &[Entry]) -> String {
    let head = "block,time,task,deal,workerpool,verdict,price_nrlc,forfeited_nrlc,fee_nrlc,\
        fee_percent,kitty_nrlc,share,shares,stake_nrlc,reward_nrlc,lost_nrlc,gas_fees_wei";
    let row = |entry: &Entry| {
        [
            entry.block.to_string(),
            entry.time.to_string(),
            entry.task.to_string(),
            entry.deal.to_string(),
            entry.workerpool.to_string(),
            entry.verdict.to_owned(),
            entry.price.0.to_string(),
            entry.forfeited.0.to_string(),
            entry.fee.0.to_string(),
            entry.fee_percent.to_string(),
            entry.kitty.0.to_string(),
            entry.share.to_string(),
            entry.shares.to_string(),
            entry.stake.0.to_string(),
            entry.reward.0.to_string(),
            entry.lost.0.to_string(),
            entry.gas_fees_wei.to_string(),
        ]
        .join(",")
    };
    let rows = entries.iter().map(row);
    std::iter::once(head.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::B256;

    fn entry(verdict: Verdict, reward: u64, lost: u64) -> Entry {
        Entry {
            block: 5,
            time: 1000,
            task: TaskId(B256::repeat_byte(1)),
            deal: DealId(B256::repeat_byte(2)),
            workerpool: Address::repeat_byte(3),
            verdict: verdict.name(),
            price: Amount::from_nano(100),
            forfeited: Amount::from_nano(30),
            fee: Amount::from_nano(2),
            fee_percent: 1,
            kitty: Amount::ZERO,
            share: 1,
            shares: 2,
            stake: Amount::from_nano(30),
            reward: Amount::from_nano(reward),
            lost: Amount::from_nano(lost),
            gas_fees_wei: U256::from(7),
        }
    }

    #[test]
    fn a_statement_adds_up_and_every_row_has_a_value_under_each_name() {
        let entries = [entry(Verdict::Proved, 64, 0), entry(Verdict::Outvoted, 0, 30)];
        let told = text(&entries);
        let last = told.lines().last().unwrap();
        let (earned, lost) = (Amount::from_nano(64), Amount::from_nano(30));
        assert_eq!(last, format!("2 tasks: earned {earned}, lost {lost}, gas fees 14 wei"));
        let rows = csv(&entries);
        let counts: Vec<usize> = rows.lines().map(|row| row.split(',').count()).collect();
        assert_eq!(counts, [17, 17, 17]);
        assert!(rows.lines().nth(1).unwrap().ends_with(",proved,100,30,2,1,0,1,2,30,64,0,7"));
        let json = serde_json::to_value(&entries).unwrap();
        assert_eq!(json[1]["verdict"], "outvoted");
    }
}
