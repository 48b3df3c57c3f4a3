//! Places: the list of workers by login, over which tasks draw their order.
//!
//! A place is kept while its worker is connected, and after that until too many are away; then it
//! goes to the next that logs in. Since when a worker has its place says for which deals it counts.

use crate::clock::Moment;
use crate::limits::ABSENT_MAX;
use crate::record::MemberRecord;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use poco_core::Address;

/// Where a worker stands in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) number: u32,
    /// The latest block when it got the place.
    pub(crate) since_block: u64,
}

#[derive(Clone, Copy, Debug)]
struct Member {
    place: Place,
    away_since: Option<Moment>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    places: Vec<Option<Address>>,
    empty: BTreeSet<u32>,
    members: BTreeMap<Address, Member>,
    /// Those that are away, the longest first.
    away: BTreeSet<(Moment, Address)>,
}

impl Roster {
    /// A worker as it was stored, away since `now`. Of two that had a place the later one has it.
    pub(crate) fn restore(&mut self, record: &MemberRecord, now: Moment) {
        let MemberRecord { worker, place: number, since_block } = *record;
        if self.members.get(&worker).is_some_and(|known| known.place.since_block >= since_block) {
            return;
        }
        self.forget(worker);
        let index = number as usize;
        while self.places.len() <= index {
            self.empty.insert(u32::try_from(self.places.len()).unwrap_or(u32::MAX));
            self.places.push(None);
        }
        if let Some(place) = self.places.get_mut(index) {
            *place = Some(worker);
        }
        self.empty.remove(&number);
        let place = Place { number, since_block };
        self.members.insert(worker, Member { place, away_since: Some(now) });
        self.away.insert((now, worker));
    }

    /// Gives a worker its place, or one that is empty. `true` where it is new to it.
    pub(crate) fn join(&mut self, worker: Address, block: u64) -> (Place, bool) {
        if let Some(member) = self.members.get_mut(&worker) {
            if let Some(since) = member.away_since.take() {
                self.away.remove(&(since, worker));
            }
            return (member.place, false);
        }
        let number = self.empty.pop_first().unwrap_or_else(|| {
            self.places.push(None);
            u32::try_from(self.places.len().saturating_sub(1)).unwrap_or(u32::MAX)
        });
        if let Some(place) = self.places.get_mut(number as usize) {
            *place = Some(worker);
        }
        let place = Place { number, since_block: block };
        self.members.insert(worker, Member { place, away_since: None });
        (place, true)
    }

    /// A worker goes; its place is kept while not too many are away.
    pub(crate) fn leave(&mut self, worker: Address, now: Moment) {
        let Some(member) = self.members.get_mut(&worker) else { return };
        if member.away_since.is_none() {
            member.away_since = Some(now);
            self.away.insert((now, worker));
        }
        if self.away.len() > ABSENT_MAX
            && let Some((_, longest)) = self.away.first().copied()
        {
            self.forget(longest);
        }
    }

    fn forget(&mut self, worker: Address) {
        let Some(member) = self.members.remove(&worker) else { return };
        if let Some(since) = member.away_since {
            self.away.remove(&(since, worker));
        }
        if let Some(place) = self.places.get_mut(member.place.number as usize) {
            *place = None;
            self.empty.insert(member.place.number);
        }
    }

    /// Whose place it is.
    pub(crate) fn at(&self, number: u32) -> Option<Address> {
        self.places.get(number as usize).copied().flatten()
    }

    pub(crate) fn place_of(&self, worker: Address) -> Option<Place> {
        self.members.get(&worker).map(|member| member.place)
    }

    /// Who has which place, in the order of the places.
    pub(crate) fn members(&self) -> impl Iterator<Item = MemberRecord> {
        self.places.iter().flatten().filter_map(|worker| {
            let Place { number, since_block } = self.place_of(*worker)?;
            Some(MemberRecord { worker: *worker, place: number, since_block })
        })
    }

    /// How many places there are.
    pub(crate) fn len(&self) -> u32 {
        u32::try_from(self.places.len()).unwrap_or(u32::MAX)
    }

    /// How many places there are up to the last that somebody had before `block`.
    pub(crate) fn len_before(&self, block: u64) -> u32 {
        let is_before = |number: &u32| {
            let member = self.at(*number).and_then(|worker| self.place_of(worker));
            member.is_some_and(|place| place.since_block < block)
        };
        (0..self.len()).rev().find(is_before).map_or(0, |last| last.saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wallet(number: u64) -> Address {
        Address::left_padding_from(&number.to_be_bytes())
    }

    #[test]
    fn a_worker_that_comes_back_has_its_place() {
        let mut roster = Roster::default();
        let (first, is_new) = roster.join(wallet(1), 5);
        assert_eq!((first, is_new), (Place { number: 0, since_block: 5 }, true));
        roster.leave(wallet(1), Moment(1));
        assert_eq!(roster.join(wallet(2), 6).0.number, 1);
        assert_eq!(roster.join(wallet(1), 9), (first, false));
        assert_eq!((roster.len_before(5), roster.len_before(6), roster.len_before(7)), (0, 1, 2));
    }

    #[test]
    fn wallets_without_end_do_not_fill_the_list() {
        let mut roster = Roster::default();
        for number in 0..3 * ABSENT_MAX as u64 {
            roster.join(wallet(number), number);
            roster.leave(wallet(number), Moment(number));
        }
        assert!(roster.len() as usize <= ABSENT_MAX + 1);
        assert!(roster.members.len() <= ABSENT_MAX);
    }

    #[test]
    fn a_place_that_was_given_on_belongs_to_the_last_after_a_restart() {
        let record = |number, place, since_block| MemberRecord {
            worker: wallet(number),
            place,
            since_block,
        };
        let mut roster = Roster::default();
        roster.restore(&record(1, 3, 5), Moment(0));
        // It was forgotten once, and came back to another place.
        roster.restore(&record(1, 1, 9), Moment(0));
        assert_eq!(roster.at(1), Some(wallet(1)));
        assert_eq!((roster.at(3), roster.len()), (None, 4));
        assert_eq!(roster.join(wallet(2), 10).0.number, 0);
    }
}
