//! The interface that this crate was built for, as Solidity signatures: for whoever wants to know
//! whether a contract has it.

use crate::abi::{Conditions, Hub, Lane, refusal::errors::Errors};

/// The hub's functions that are called.
#[must_use]
pub fn hub_calls() -> &'static [&'static str] {
    Hub::HubCalls::SIGNATURES
}

/// Functions that only our own hub has, and that need not be there.
#[must_use]
pub fn conditions_calls() -> &'static [&'static str] {
    Conditions::ConditionsCalls::SIGNATURES
}

/// The functions of the settlement lane that are called where the hub has it.
#[must_use]
pub fn lane_calls() -> &'static [&'static str] {
    Lane::LaneCalls::SIGNATURES
}

/// The hub's events that are understood.
#[must_use]
pub fn hub_events() -> &'static [&'static str] {
    Hub::HubEvents::SIGNATURES
}

/// The errors that are shown with their names.
#[must_use]
pub fn errors() -> &'static [&'static str] {
    Errors::ErrorsErrors::SIGNATURES
}
