//! What each address has given into keeping in a day.

use super::{Excess, Origin};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::Instant;

/// Addresses that are remembered, some hundred bytes each; where more give on a day, they have to wait.
const ADDRESSES_MAX: usize = 10_000;
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Bytes since a moment, for a day, of each address that gave some.
#[derive(Debug, Default)]
pub(super) struct Added(BTreeMap<Origin, (Instant, u64)>);

fn is_over(since: Instant, now: Instant) -> bool {
    now.saturating_duration_since(since) >= DAY
}

impl Added {
    /// Gives so many bytes more, unless that is more than `most` in a day.
    pub(super) fn add(
        &mut self,
        origin: Origin,
        bytes: u64,
        most: u64,
        now: Instant,
    ) -> Result<(), Excess> {
        if self.0.len() >= ADDRESSES_MAX && !self.0.contains_key(&origin) {
            self.0.retain(|_, (since, _)| !is_over(*since, now));
            if self.0.len() >= ADDRESSES_MAX {
                return Err(Excess::Adders);
            }
        }
        let (since, before) = self.0.entry(origin).or_insert((now, 0));
        if is_over(*since, now) {
            (*since, *before) = (now, 0);
        }
        let all = before.saturating_add(bytes);
        if all > most {
            return Err(Excess::AddedBytes);
        }
        *before = all;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn origin(number: usize) -> Origin {
        Origin(Ipv4Addr::from(u32::try_from(number).unwrap()).into())
    }

    #[test]
    fn an_address_gives_so_many_bytes_a_day() {
        let (mut added, now) = (Added::default(), Instant::now());
        added.add(origin(1), 9_000, 10_000, now).unwrap();
        assert_eq!(added.add(origin(1), 1_001, 10_000, now), Err(Excess::AddedBytes));
        added.add(origin(1), 1_000, 10_000, now).unwrap();
        assert_eq!(added.add(origin(1), 1, 10_000, now), Err(Excess::AddedBytes));
        added.add(origin(2), 10_000, 10_000, now).unwrap();
        added.add(origin(1), 10_000, 10_000, now + DAY).unwrap();
    }

    #[test]
    fn whoever_has_many_addresses_takes_no_more_memory() {
        let (mut added, now) = (Added::default(), Instant::now());
        for number in 0..ADDRESSES_MAX {
            added.add(origin(number), 1, 1, now).unwrap();
        }
        assert_eq!(added.add(origin(ADDRESSES_MAX), 1, 1, now), Err(Excess::Adders));
        added.add(origin(ADDRESSES_MAX), 1, 1, now + DAY).unwrap();
        assert_eq!(added.0.len(), 1);
    }
}
