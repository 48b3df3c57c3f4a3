//! The stake that a worker puts aside for a pool: no more than is free, ended once, and taken back
//! in its time.

use crate::stage::{NOBODY, NOBODY_SHOWN, Turn, address_of, refused, shown};
use anyhow::{Context, Result};
use poco_integration_tests::world::{Answer, Party};
use serde_json::{Value, json};

/// A worker that no other test of this world has anything to do with.
const WORKER: Party = Party::Worker(4);
/// Ten clocks of the longest category: from its end on until a bond may be taken back.
const RELEASE_SECONDS: u64 = 10 * 36_000;
const NANO: u64 = 1_000_000_000;

/// `poco account WORDS` for the stage's pool, as the worker.
fn account(turn: &Turn, command: &str, amount: &[&str]) -> Result<Answer> {
    turn.poco(WORKER, &[&["account", command, &turn.pool], amount].concat())
}

/// What a bond came to: all of it, what of it is locked, and when it may be taken back.
fn bond(answer: &Answer) -> Result<(u64, u64, u64)> {
    let answer = answer.json()?;
    let field = |name: &str| answer[name].as_u64().with_context(|| format!("{name}: {answer}"));
    Ok((field("total")?, field("locked")?, field("release")?))
}

/// The worker's free and its locked stake.
fn stake(turn: &Turn) -> Result<(Value, Value)> {
    let account = turn.poco(WORKER, &["account", "show"])?.json()?;
    Ok((account["free"].clone(), account["locked"].clone()))
}

async fn time(turn: &Turn) -> Result<u64> {
    let block = turn.ask("eth_getBlockByNumber", json!(["latest", false])).await?;
    let time = block["timestamp"].as_str().and_then(|hex| hex.strip_prefix("0x"));
    Ok(u64::from_str_radix(time.context("a time")?, 16)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bond_is_ended_once_and_taken_back_in_its_time() -> Result<()> {
    let turn = Turn::take().await?;
    turn.world.fund(WORKER, "10RLC")?;
    let pool = shown(&turn.pool);
    let nothing = format!("nothing is bonded for pool {pool}");

    turn.begin_anew().await?;
    let unknown = format!(
        "no pool {NOBODY_SHOWN} in the registry of this hub: check the address, and --addresses"
    );
    refused(&turn.poco(WORKER, &["account", "bond", NOBODY, "1RLC"])?, 4, &unknown);
    let few = "10 RLC are free in the escrow, too little to bond 10.000000001 RLC";
    refused(&account(&turn, "bond", &["10.000000001RLC"])?, 3, few);
    let zero = account(&turn, "bond", &["0"])?;
    assert_eq!(zero.code, 2, "{zero:?}");
    assert!(zero.stderr.contains("nothing would be moved"), "{zero:?}");
    refused(&account(&turn, "unbond", &[])?, 3, &nothing);
    refused(&account(&turn, "withdraw-bond", &[])?, 3, &nothing);
    turn.assert_untouched().await?;

    assert_eq!(bond(&account(&turn, "bond", &["4RLC"])?)?, (4 * NANO, 0, 0));
    assert_eq!(stake(&turn)?, (json!(6 * NANO), json!(4 * NANO)));
    turn.begin_anew().await?;
    let few = "6 RLC are free in the escrow, too little to bond 7 RLC";
    refused(&account(&turn, "bond", &["7RLC"])?, 3, few);
    let worker = address_of(WORKER)?;
    let locked = format!(
        "6 RLC are free in the escrow of {worker}, too little to withdraw 7 RLC; 4 RLC are locked, by tasks that have not ended or in bonds"
    );
    refused(&turn.poco(WORKER, &["account", "withdraw", "7RLC"])?, 3, &locked);
    let serves =
        "of 4 RLC bonded 0 RLC are locked, and it still serves; `poco account unbond` ends it";
    refused(&account(&turn, "withdraw-bond", &[])?, 3, serves);
    turn.assert_untouched().await?;

    let (total, locked, release) = bond(&account(&turn, "unbond", &[])?)?;
    let ended = time(&turn).await?;
    assert_eq!((total, locked, release), (4 * NANO, 0, ended + RELEASE_SECONDS));
    turn.begin_anew().await?;
    let twice = format!(
        "the bond was ended already and may be taken back from {release} on; to end it once more would put that off"
    );
    refused(&account(&turn, "unbond", &[])?, 3, &twice);
    let early =
        format!("of 4 RLC bonded 0 RLC are locked, and it may be taken back from {release} on");
    refused(&account(&turn, "withdraw-bond", &[])?, 3, &early);
    turn.assert_untouched().await?;

    // More of it serves again, and is ended anew.
    assert_eq!(bond(&account(&turn, "bond", &["1RLC"])?)?, (5 * NANO, 0, 0));
    let (_, _, release) = bond(&account(&turn, "unbond", &[])?)?;
    // A block of the second before, then one of that second: there are no others meanwhile.
    turn.ask("evm_setNextBlockTimestamp", json!([release - 1])).await?;
    turn.ask("anvil_mine", json!(["0x1"])).await?;
    let answer = account(&turn, "withdraw-bond", &[])?;
    assert_eq!(answer.code, 3, "{answer:?}");
    turn.ask("evm_setNextBlockTimestamp", json!([release])).await?;
    turn.ask("anvil_mine", json!(["0x1"])).await?;
    assert_eq!(bond(&account(&turn, "withdraw-bond", &[])?)?, (0, 0, 0));
    assert_eq!(stake(&turn)?, (json!(10 * NANO), json!(0)));
    refused(&account(&turn, "withdraw-bond", &[])?, 3, &nothing);
    Ok(())
}
