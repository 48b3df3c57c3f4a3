//! Which task of which deal has an id, among those that are not made.
//!
//! A task's id is the hash of its deal and its index, so nothing need be kept for one that is not
//! made; but whoever asks for one by its id makes others compute the hash of each. That is done once
//! for each deal, when an id is first asked for that nobody knows otherwise, and two bytes of each
//! hash are kept for as long as the task is not made: two megabytes for a bag of a million. From then on
//! a look goes over these bytes and computes the hash of one task in 65 536.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Range;
use poco_core::{DealId, TaskId, U256};

/// A deal with tasks that are not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unmade {
    /// Which.
    pub deal: DealId,
    /// The index of its first task.
    pub first: U256,
    /// Which of its tasks are not made, by their distance from the first.
    pub offsets: Range<u64>,
}

impl Unmade {
    fn len(&self) -> u64 {
        self.offsets.end.saturating_sub(self.offsets.start)
    }

    fn task(&self, offset: u64) -> TaskId {
        TaskId::of_deal(self.deal, self.first.saturating_add(U256::from(offset)))
    }
}

/// Finds tasks that are not made by their ids. It takes time and memory as the module says, and
/// belongs beside the loop that drives a [`Core`](crate::Core).
#[derive(Clone, Debug, Default)]
pub struct Lookup {
    deals: BTreeMap<DealId, Prints>,
}

/// Two bytes of the id of each task of a deal, in order, from that at `next` on.
#[derive(Clone, Debug)]
struct Prints {
    first: U256,
    next: u64,
    of: Vec<u16>,
}

/// There are more tasks than are looked through, and the one asked for is not among the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this pool has more than {} tasks that are not made yet, and this may be one of them",
    Lookup::TASKS_MAX
)]
pub struct TooMany;

impl Lookup {
    /// Tasks that are looked through, those of the smallest deals first: eight megabytes, and as many
    /// hashes, once.
    pub const TASKS_MAX: u64 = 1 << 22;

    /// The deal of a task and the task's distance from the deal's first, where it is one of
    /// `unmade`. What is kept of other deals is forgotten.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn find(
        &mut self,
        task: TaskId,
        mut unmade: Vec<Unmade>,
    ) -> Result<Option<(DealId, u64)>, TooMany> {
        unmade.sort_by_key(Unmade::len);
        let all = unmade.len();
        let mut sum = 0u64;
        unmade.retain(|one| {
            sum = sum.saturating_add(one.len());
            sum <= Self::TASKS_MAX
        });
        let mut kept = core::mem::take(&mut self.deals);
        for one in &unmade {
            let prints = kept.remove(&one.deal).and_then(|prints| prints.shortened(one));
            let prints = prints.unwrap_or_else(|| Prints::of(one));
            self.deals.insert(one.deal, prints);
        }
        let found = unmade.iter().find_map(|one| {
            let prints = self.deals.get(&one.deal)?;
            Some((one.deal, prints.find(task, one)?))
        });
        if found.is_none() && unmade.len() < all { Err(TooMany) } else { Ok(found) }
    }
}

fn print_of(task: TaskId) -> u16 {
    let [.., high, low] = task.0.0;
    u16::from_be_bytes([high, low])
}

impl Prints {
    fn of(unmade: &Unmade) -> Self {
        let of = unmade.offsets.clone().map(|offset| print_of(unmade.task(offset))).collect();
        Self { first: unmade.first, next: unmade.offsets.start, of }
    }

    /// What is left of them for the tasks that are not made now; `None` where they are of others.
    fn shortened(mut self, unmade: &Unmade) -> Option<Self> {
        let made = unmade.offsets.start.checked_sub(self.next)?;
        let made = usize::try_from(made).ok().filter(|made| *made <= self.of.len())?;
        self.of.drain(..made);
        self.next = unmade.offsets.start;
        let is_same = self.first == unmade.first && self.of.len() as u64 == unmade.len();
        is_same.then_some(self)
    }

    fn find(&self, task: TaskId, unmade: &Unmade) -> Option<u64> {
        let print = print_of(task);
        let alike = (self.next..).zip(&self.of).filter(|(_, one)| **one == print);
        let mut alike = alike.map(|(offset, _)| offset);
        alike.find(|offset| unmade.task(*offset) == task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::B256;

    fn unmade(deal: u8, offsets: Range<u64>) -> Unmade {
        Unmade { deal: DealId(B256::repeat_byte(deal)), first: U256::from(7), offsets }
    }

    #[test]
    fn a_task_is_found_as_long_as_it_is_not_made() {
        let mut lookup = Lookup::default();
        let (small, large) = (unmade(1, 3..5), unmade(2, 0..70_000));
        let all = |large: &Unmade| Vec::from([large.clone(), small.clone()]);
        for (one, offset) in [(&small, 4), (&large, 0), (&large, 69_999)] {
            let found = lookup.find(one.task(offset), all(&large));
            assert_eq!(found, Ok(Some((one.deal, offset))));
        }
        for (one, offset) in [(&small, 2), (&small, 5), (&large, 70_000)] {
            assert_eq!(lookup.find(one.task(offset), all(&large)), Ok(None), "{offset}");
        }
        // Some are made; then the deal has another place, and then there is none.
        let later = Unmade { offsets: 60_000..70_000, ..large.clone() };
        assert_eq!(lookup.find(large.task(59_999), all(&later)), Ok(None));
        assert_eq!(lookup.find(large.task(60_000), all(&later)), Ok(Some((large.deal, 60_000))));
        assert_eq!(lookup.deals.get(&large.deal).unwrap().of.len(), 10_000);
        let moved = Unmade { first: U256::ZERO, ..later.clone() };
        assert_eq!(lookup.find(moved.task(60_000), all(&moved)), Ok(Some((large.deal, 60_000))));
        assert_eq!(lookup.find(later.task(69_999), all(&moved)), Ok(None));
        assert_eq!(lookup.find(small.task(3), Vec::new()), Ok(None));
        assert!(lookup.deals.is_empty());
    }

    #[test]
    fn a_bag_beyond_the_limit_is_not_looked_through_and_that_is_said() {
        let mut lookup = Lookup::default();
        let (small, huge) = (unmade(1, 0..9), unmade(2, 0..Lookup::TASKS_MAX));
        let all = || Vec::from([huge.clone(), small.clone()]);
        assert_eq!(lookup.find(small.task(8), all()), Ok(Some((small.deal, 8))));
        assert_eq!(lookup.find(huge.task(8), all()), Err(TooMany));
        assert_eq!(lookup.deals.len(), 1);
    }
}
