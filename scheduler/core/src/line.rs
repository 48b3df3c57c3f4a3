//! The line of tasks that want workers: fair between requesters, by deadline within one.
//!
//! The next task is always one of the requester with the fewest tasks that are being computed, so
//! that neither many deals nor a large bag push others aside. Of one requester's tasks comes first
//! what ends first; of one deal, what has begun before what has not.

use crate::index::Index;
use alloc::collections::{BTreeMap, BTreeSet};
use core::ops::Bound;
use poco_core::{Address, DealId, TaskId, Timestamp};

/// A task's place among those of its requester.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket {
    pub(crate) deadline: Timestamp,
    pub(crate) deal: DealId,
    /// Nobody was given it yet: what one task of the deal does not find, the next does not either.
    pub(crate) is_fresh: bool,
    pub(crate) offset: u64,
    pub(crate) task: TaskId,
}

/// Tasks that more workers would help.
#[derive(Clone, Debug, Default)]
pub(crate) struct Line {
    of: BTreeMap<Address, BTreeSet<Ticket>>,
    tickets: BTreeMap<TaskId, (Address, Ticket)>,
}

impl Line {
    /// `true` where the task was not there, or elsewhere.
    pub(crate) fn insert(&mut self, requester: Address, ticket: Ticket) -> bool {
        if self.tickets.get(&ticket.task) == Some(&(requester, ticket)) {
            return false;
        }
        self.remove(ticket.task);
        self.tickets.insert(ticket.task, (requester, ticket));
        self.of.entry(requester).or_default().insert(ticket)
    }

    pub(crate) fn remove(&mut self, task: TaskId) {
        let Some((requester, ticket)) = self.tickets.remove(&task) else { return };
        if let Some(tickets) = self.of.get_mut(&requester) {
            tickets.remove(&ticket);
            if tickets.is_empty() {
                self.of.remove(&requester);
            }
        }
    }

    pub(crate) fn contains(&self, task: TaskId) -> bool {
        self.tickets.contains_key(&task)
    }

    pub(crate) fn len(&self) -> usize {
        self.tickets.len()
    }

    /// The first waiting task of a deal that nobody was given yet.
    pub(crate) fn fresh_in(&self, requester: Address, deal: DealId) -> Option<TaskId> {
        let mut tickets = self.of.get(&requester)?.iter();
        tickets.find(|ticket| ticket.deal == deal && ticket.is_fresh).map(|ticket| ticket.task)
    }

    /// The first waiting task of each deal: what it waits for, the others do as well.
    pub(crate) fn first_of_deals(&self) -> impl Iterator<Item = TaskId> {
        let mut last = None;
        let tickets = self.of.values().flatten();
        tickets.filter_map(move |ticket| {
            let is_first = last.replace(ticket.deal) != Some(ticket.deal);
            is_first.then_some(ticket.task)
        })
    }
}

/// One time through the line.
#[derive(Debug)]
pub(crate) struct Pass {
    /// By the tasks that are computed, then by the deadline of the next.
    turns: BTreeSet<(usize, Ticket, Address)>,
}

impl Pass {
    pub(crate) fn new(line: &Line, index: &Index) -> Self {
        let turn = |(requester, tickets): (&Address, &BTreeSet<Ticket>)| {
            Some((index.computing_for(*requester), *tickets.first()?, *requester))
        };
        Self { turns: line.of.iter().filter_map(turn).collect() }
    }

    /// Whose task is next.
    pub(crate) fn next(&mut self) -> Option<(Address, Ticket)> {
        self.turns.pop_first().map(|(_, ticket, requester)| (requester, ticket))
    }

    /// Goes on behind a task. Where it found nobody, with what may differ from it.
    pub(crate) fn go_on(
        &mut self,
        (requester, ticket): (Address, Ticket),
        has_found: bool,
        (line, index): (&Line, &Index),
    ) {
        let Some(tickets) = line.of.get(&requester) else { return };
        let behind = if ticket.is_fresh && !has_found {
            // The last of its deal: an offset that no task has.
            Ticket { offset: u64::MAX, task: TaskId(poco_core::B256::repeat_byte(0xff)), ..ticket }
        } else {
            ticket
        };
        let mut rest = tickets.range((Bound::Excluded(behind), Bound::Unbounded));
        if let Some(next) = rest.next() {
            self.turns.insert((index.computing_for(requester), *next, requester));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use poco_core::{B256, U256};

    fn ticket(deadline: u64, deal: u8, offset: u64, is_fresh: bool) -> Ticket {
        let deal = DealId(B256::repeat_byte(deal));
        let task = TaskId::of_deal(deal, U256::from(offset));
        Ticket { deadline: Timestamp(deadline), deal, is_fresh, offset, task }
    }

    fn requester(name: u8) -> Address {
        Address::repeat_byte(name)
    }

    fn served(line: &Line, finds: impl Fn(&Ticket) -> bool) -> Vec<(u8, u64)> {
        let (index, mut served) = (Index::default(), Vec::new());
        let mut pass = Pass::new(line, &index);
        while let Some((who, ticket)) = pass.next() {
            served.push((who.first().copied().unwrap_or_default(), ticket.offset));
            pass.go_on((who, ticket), finds(&ticket), (line, &index));
        }
        served
    }

    #[test]
    fn within_a_requester_the_first_deadline_comes_first_and_what_began_before_what_did_not() {
        let mut line = Line::default();
        for ticket in [ticket(9, 1, 0, true), ticket(5, 2, 1, true), ticket(5, 2, 2, false)] {
            assert!(line.insert(requester(1), ticket));
            assert!(!line.insert(requester(1), ticket));
        }
        assert_eq!(served(&line, |_| true), [(1, 2), (1, 1), (1, 0)]);
        assert_eq!(line.first_of_deals().count(), 2);
    }

    #[test]
    fn what_finds_nobody_stands_in_the_way_of_its_own_deal_alone() {
        let mut line = Line::default();
        for offset in 0..3 {
            line.insert(requester(1), ticket(5, 1, offset, true));
        }
        line.insert(requester(1), ticket(9, 2, 7, true));
        line.insert(requester(2), ticket(99, 3, 8, true));
        assert_eq!(served(&line, |ticket| ticket.offset > 2), [(1, 0), (1, 7), (2, 8)]);
        line.remove(ticket(5, 1, 0, true).task);
        assert_eq!(line.len(), 4);
    }
}
