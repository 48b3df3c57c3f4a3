//! How many requests an address may make. Pure: the time is given.

use std::collections::HashMap;
use std::net::IpAddr;

/// Length of the window in which requests are counted.
const WINDOW_MILLISECONDS: u64 = 60_000;

/// Addresses counted at a time: bounds the memory; beyond, new ones share one counter.
const ADDRESSES_MAX: usize = 100_000;

/// Counts requests by address in windows of a minute.
#[derive(Debug)]
pub(crate) struct RateLimit {
    per_minute: u32,
    windows: HashMap<Caller, Window>,
}

/// Who is counted as one: an IPv4 address, or the /64 that one IPv6 customer gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Caller {
    V4([u8; 4]),
    V6([u8; 8]),
    Others,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends: u64,
    requests: u32,
}

impl RateLimit {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, windows: HashMap::new() }
    }

    /// Counts a request; whether it may be answered. Loopback always may.
    pub(crate) fn allow(&mut self, address: IpAddr, now: u64) -> bool {
        let address = address.to_canonical();
        if address.is_loopback() {
            return true;
        }
        let mut caller = Caller::of(address);
        if self.windows.len() >= ADDRESSES_MAX && !self.windows.contains_key(&caller) {
            self.windows.retain(|_, window| window.ends > now);
            if self.windows.len() >= ADDRESSES_MAX {
                caller = Caller::Others;
            }
        }
        let fresh = Window { ends: now.saturating_add(WINDOW_MILLISECONDS), requests: 0 };
        let window = self.windows.entry(caller).or_insert(fresh);
        if window.ends <= now {
            *window = fresh;
        }
        window.requests = window.requests.saturating_add(1);
        window.requests <= self.per_minute
    }
}

impl Caller {
    fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h, ..] = address.octets();
                Self::V6([a, b, c, d, e, f, g, h])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_gets_its_requests_each_minute_and_no_more() {
        let mut limit = RateLimit::new(2);
        let stranger = address("203.0.113.7");
        assert!(limit.allow(stranger, 0) && limit.allow(stranger, 1));
        assert!(!limit.allow(stranger, WINDOW_MILLISECONDS - 1));
        assert!(limit.allow(address("203.0.113.8"), 2), "others are counted on their own");
        assert!(limit.allow(stranger, WINDOW_MILLISECONDS));
    }

    #[test]
    fn loopback_is_exempt_also_as_mapped_ipv6() {
        let mut limit = RateLimit::new(0);
        for text in ["127.0.0.1", "::1", "::ffff:127.0.0.1"] {
            assert!(limit.allow(address(text), 0), "{text}");
        }
        assert!(!limit.allow(address("203.0.113.7"), 0));
    }

    #[test]
    fn one_ipv6_customer_is_one_caller() {
        let mut limit = RateLimit::new(1);
        assert!(limit.allow(address("2001:db8::1"), 0));
        assert!(!limit.allow(address("2001:db8::2"), 0));
        assert!(limit.allow(address("2001:db8:0:1::1"), 0));
    }

    #[test]
    fn counters_are_bounded_and_expired_ones_make_room() {
        let mut limit = RateLimit::new(1);
        for number in 0..ADDRESSES_MAX + 10 {
            let octets = u32::try_from(number).unwrap().to_be_bytes();
            limit.allow(IpAddr::from([20, octets[1], octets[2], octets[3]]), 0);
        }
        assert!(limit.windows.len() <= ADDRESSES_MAX + 1);
        assert!(limit.allow(address("203.0.113.7"), WINDOW_MILLISECONDS));
        assert_eq!(limit.windows.len(), 1);
    }
}
