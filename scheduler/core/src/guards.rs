//! Whom the guards of deals know: the chain is asked before a task is given away, since the hub
//! would refuse the vote of a stranger.

use crate::clock::Moment;
use crate::limits::{GUARD_ANSWERS_MAX, GUARD_SECONDS};
use alloc::collections::BTreeMap;
use poco_core::Address;

/// What the chain said lately, or was asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guards {
    answers: BTreeMap<(Address, Address), Answer>,
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    /// `None` while the question is under way.
    is_known: Option<bool>,
    at: Moment,
}

impl Answer {
    fn is_fresh(&self, now: Moment) -> bool {
        self.at.after(GUARD_SECONDS) > now
    }
}

impl Guards {
    /// Whether the guard knows the worker, as far as was heard lately.
    pub(crate) fn knows(&self, guard: Address, worker: Address, now: Moment) -> bool {
        let fresh = self.answers.get(&(guard, worker)).filter(|answer| answer.is_fresh(now));
        fresh.is_some_and(|answer| answer.is_known == Some(true))
    }

    /// Whether the guard was heard lately, and does not know the worker.
    pub(crate) fn denies(&self, guard: Address, worker: Address, now: Moment) -> bool {
        let fresh = self.answers.get(&(guard, worker)).filter(|answer| answer.is_fresh(now));
        fresh.is_some_and(|answer| answer.is_known == Some(false))
    }

    /// Whether the chain is to be asked; it counts as asked from then on.
    pub(crate) fn ask(&mut self, guard: Address, worker: Address, now: Moment) -> bool {
        let pair = (guard, worker);
        if self.answers.get(&pair).is_some_and(|answer| answer.is_fresh(now)) {
            return false;
        }
        if self.answers.len() >= GUARD_ANSWERS_MAX {
            self.answers.clear();
        }
        self.answers.insert(pair, Answer { is_known: None, at: now });
        true
    }

    pub(crate) fn on_answer(
        &mut self,
        guard: Address,
        worker: Address,
        is_known: bool,
        now: Moment,
    ) {
        self.answers.insert((guard, worker), Answer { is_known: Some(is_known), at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUARD: Address = Address::repeat_byte(1);
    const WORKER: Address = Address::repeat_byte(2);

    #[test]
    fn an_answer_is_believed_for_a_while_and_asked_for_once() {
        let mut guards = Guards::default();
        let now = Moment(1_000);
        assert!(guards.ask(GUARD, WORKER, now));
        assert!(!guards.ask(GUARD, WORKER, now));
        assert!(!guards.knows(GUARD, WORKER, now));
        guards.on_answer(GUARD, WORKER, true, now);
        assert!(guards.knows(GUARD, WORKER, now));
        assert!(!guards.knows(WORKER, WORKER, now));
        let later = now.after(GUARD_SECONDS);
        assert!(!guards.knows(GUARD, WORKER, later));
        assert!(guards.ask(GUARD, WORKER, later));
        guards.on_answer(GUARD, WORKER, false, later);
        assert!(!guards.knows(GUARD, WORKER, later));
        assert!(guards.denies(GUARD, WORKER, later));
        assert!(!guards.denies(GUARD, WORKER, later.after(GUARD_SECONDS)));
    }

    #[test]
    fn wallets_without_end_do_not_fill_the_memory() {
        let mut guards = Guards::default();
        let wallets = (0..=GUARD_ANSWERS_MAX as u64)
            .map(|number| Address::left_padding_from(&number.to_be_bytes()));
        for wallet in wallets {
            assert!(guards.ask(GUARD, wallet, Moment(0)));
        }
        assert!(guards.answers.len() <= GUARD_ANSWERS_MAX);
    }
}
