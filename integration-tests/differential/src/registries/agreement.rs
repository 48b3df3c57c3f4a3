//! When both sides have done the same: by other words, where ours has an error of its own.

use super::act::{Act, Step};
use super::stage::{Side, Stage};
use crate::chain::Answer;
use crate::refusals;
use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use anyhow::Result;
use poco_core::rules::WORKER_STAKE_RATIO_MAX;

/// The words of the reference's refusals, and what ours says: an error, or the same words.
pub(super) const WORDS: [(&str, &[&str]); 21] = [
    ("ERC721: operator query for nonexistent token", &["UnknownToken(uint256)"]),
    ("ERC721: owner query for nonexistent token", &["UnknownToken(uint256)"]),
    ("ERC721: transfer caller is not owner nor approved", &["NotAllowed(address,uint256)"]),
    ("ERC721: approve caller is not owner nor approved for all", &["NotAllowed(address,uint256)"]),
    ("ERC721: transfer of token that is not own", &["WrongOwner(address,uint256)"]),
    ("ERC721: transfer to the zero address", &["ZeroAddress()"]),
    ("ERC721: mint to the zero address", &["ZeroAddress()"]),
    ("ERC721: transfer to non ERC721Receiver implementer", &["ReceiverRefused(address)", ""]),
    ("Create2: Failed on deploy", &["RecordExists(bytes32)"]),
    // What only the reference refuses.
    ("ERC721: approval to current owner", &[]),
    ("ERC721: approve to caller", &[]),
    ("", &["already initialized", "scheduler reward ratio above 100"]),
    ("Ownable: caller is not the owner", &["Ownable: caller is not the owner"]),
    ("Ownable: new owner is the zero address", &["Ownable: new owner is the zero address"]),
    ("Operation not supported on this chain", &["Operation not supported on this chain"]),
    ("caller is not the owner", &["caller is not the owner"]),
    ("already initialized", &["already initialized"]),
    ("iExecV5-matchOrders-0x21", &["iExecV5-matchOrders-0x21"]),
    ("iExecV5-matchOrders-0x31", &["iExecV5-matchOrders-0x31"]),
    ("iExecV5-matchOrders-0x41", &["iExecV5-matchOrders-0x41"]),
    ("iExecV5-matchOrders-0x60", &["iExecV5-matchOrders-0x60"]),
];

/// The words of a refusal; nothing where it has none.
pub(super) fn words(data: &Bytes) -> String {
    refusals::words(data).unwrap_or_default()
}

/// Whether only one side takes a step: ours an approval of the owner itself, the reference a stake
/// that does not fit ours.
pub(super) fn is_taken_by_one(stage: &mut Stage, step: &Step) -> Result<bool> {
    Ok(match &step.act {
        Act::Approve { kind, to, entry } => {
            let owner = stage.reference.owner(*kind, *entry)?;
            // The reference looks at this before it looks at the sender.
            owner == Some(*to)
        }
        Act::ApproveAll { operator, .. } => *operator == step.sender,
        Act::ChangePolicy { entry, worker_stake_ratio, scheduler_reward_ratio } => {
            let is_large = *worker_stake_ratio > U256::from(WORKER_STAKE_RATIO_MAX);
            let owner = stage.reference.owner(super::Kind::Pool, *entry)?;
            is_large && owner == Some(step.sender) && *scheduler_reward_ratio <= U256::from(100)
        }
        Act::Create { .. }
        | Act::Transfer { .. }
        | Act::SetBaseUri { .. }
        | Act::Own { .. }
        | Act::Initialize { .. }
        | Act::SetName { .. }
        | Act::InitializeEntry { .. }
        | Act::Match { .. } => false,
    })
}

/// Whether a step that one side alone takes came to what it must.
pub(super) fn on_one(ours: &Answer, reference: &Answer) -> Result<(), String> {
    let is_known = match (ours, reference) {
        (Answer::Refused(data), Answer::Done { .. }) => {
            is_error(data, "PolicyTooLarge(uint256,uint256)")
        }
        (ours, Answer::Refused(data)) => {
            let is_owner = words(data) == "ERC721: approval to current owner";
            // Somebody else than the owner is refused by ours too.
            let is_stranger = matches!(ours, Answer::Refused(data)
                if is_error(data, "NotAllowed(address,uint256)"));
            let is_taken = matches!(ours, Answer::Done { .. });
            (is_owner && (is_taken || is_stranger))
                || (is_taken && words(data) == "ERC721: approve to caller")
        }
        (Answer::Done { .. }, Answer::Done { .. }) => false,
    };
    if is_known { Ok(()) } else { Err(format!("{ours:?} by ours, {reference:?} by the reference")) }
}

/// Whether both sides did the same, with numbers for entries.
pub(super) fn on_both(stage: &Stage, ours: &Answer, reference: &Answer) -> Result<(), String> {
    let is_same = match (ours, reference) {
        (Answer::Done { logs, .. }, Answer::Done { logs: theirs, .. }) => {
            let ours = stage.ours.named_logs(logs);
            let theirs = without_clearing(stage.reference.named_logs(theirs));
            let (orders, same): (Vec<B256>, Vec<B256>) = (topics(&ours), topics(&theirs));
            // Ids of orders and deals differ with the addresses in them.
            ours == theirs || (orders.contains(&matched()) && orders == same)
        }
        (Answer::Refused(ours), Answer::Refused(reference)) => {
            ours == reference || is_translation(&words(reference), ours)
        }
        (Answer::Done { .. }, Answer::Refused(_)) | (Answer::Refused(_), Answer::Done { .. }) => {
            false
        }
    };
    if is_same {
        return Ok(());
    }
    let shown = |side: &Side, answer: &Answer| match answer {
        Answer::Done { logs, .. } => format!("{:?}", side.named_logs(logs)),
        Answer::Refused(data) => format!("refused, \"{}\" {data}", words(data)),
    };
    Err(format!(
        "{} by ours, {} by the reference",
        shown(&stage.ours, ours),
        shown(&stage.reference, reference)
    ))
}

fn is_translation(theirs: &str, ours: &Bytes) -> bool {
    WORDS.iter().filter(|(words, _)| *words == theirs).any(|(_, known)| {
        known.iter().any(|text| {
            if text.contains('(') { is_error(ours, text) } else { words(ours) == *text }
        })
    })
}

fn is_error(data: &Bytes, signature: &str) -> bool {
    data.get(..4) == keccak256(signature).get(..4)
}

/// Without the reference's word, before each transfer, that nobody is approved any more: a transfer
/// says so by itself (EIP-721).
fn without_clearing(logs: Vec<Log>) -> Vec<Log> {
    let approval = keccak256("Approval(address,address,uint256)");
    let transfer = keccak256("Transfer(address,address,uint256)");
    let is_cleared = |log: &Log, next: Option<&Log>| {
        let topics = log.data.topics();
        topics.first() == Some(&approval)
            && topics.get(2) == Some(&Address::ZERO.into_word())
            && next.is_some_and(|next| next.data.topics().first() == Some(&transfer))
    };
    let mut kept = Vec::new();
    for (place, log) in logs.iter().enumerate() {
        if !is_cleared(log, logs.get(place + 1)) {
            kept.push(log.clone());
        }
    }
    kept
}

fn topics(logs: &[Log]) -> Vec<B256> {
    logs.iter().filter_map(|log| log.data.topics().first().copied()).collect()
}

fn matched() -> B256 {
    keccak256("OrdersMatched(bytes32,bytes32,bytes32,bytes32,bytes32,uint256)")
}
