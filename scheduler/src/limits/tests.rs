//! The limits, without sockets.

use super::*;

const NEAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const FAR: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));

fn limits(config: LimitsConfig) -> Limits {
    Limits::new(config, Arc::new(Meters::new().unwrap()))
}

fn small() -> LimitsConfig {
    LimitsConfig {
        connections_per_address: 2,
        requests_per_address: 3,
        workers_per_address: 1,
        ..LimitsConfig::default()
    }
}

#[test]
fn one_address_takes_nothing_of_anothers() {
    let limits = limits(small());
    let _two = [limits.enter(NEAR).unwrap(), limits.enter(NEAR).unwrap()];
    assert_eq!(limits.enter(NEAR).unwrap_err(), Excess::AddressConnections);
    let other = limits.enter(FAR).unwrap();
    drop(other);
    assert_eq!(limits.lock().connections, 2, "a refused connection is not counted");
}

#[tokio::test]
async fn what_is_over_is_given_back() {
    let limits = limits(small());
    let visit = limits.enter(NEAR).unwrap();
    for _ in 0..3 {
        let held = [visit.ask(1).await, visit.ask(1).await, visit.ask(1).await];
        assert!(held.iter().all(Result::is_ok));
        assert_eq!(visit.ask(1).await.unwrap_err(), Excess::AddressRequests);
    }
    let clone = visit.clone();
    drop(visit);
    assert_eq!(limits.lock().connections, 1);
    drop(clone);
    let all = limits.lock();
    let taken = &all.addresses[&Origin::of(NEAR)];
    assert_eq!((all.connections, taken.guests, taken.requests), (0, 0, 0));
}

#[tokio::test]
async fn a_connection_of_a_worker_is_no_guests() {
    let limits = limits(small());
    let visits = [limits.enter(NEAR).unwrap(), limits.enter(NEAR).unwrap()];
    let working = visits[0].work().unwrap();
    assert_eq!(visits[1].work().unwrap_err(), Excess::AddressWorkers);
    let third = limits.enter(NEAR).unwrap();
    assert_eq!(limits.enter(NEAR).unwrap_err(), Excess::AddressConnections);
    drop(working);
    assert_eq!(visits[0].ask(1).await.unwrap_err(), Excess::AddressConnections, "it has no place");
    drop(third);
    assert!(visits[0].ask(1).await.is_ok());
    assert_eq!(limits.enter(NEAR).unwrap_err(), Excess::AddressConnections, "it is one again");
    drop(visits);
    assert!(limits.enter(NEAR).is_ok());
}

#[tokio::test]
async fn logins_under_way_are_few_for_each_and_for_all() {
    let limits = limits(LimitsConfig::default());
    let address = |number: u32| IpAddr::V4(Ipv4Addr::from(number << 8));
    let mut held = Vec::new();
    for number in 1..=LOGINS_MAX / LOGINS_PER_ADDRESS {
        let visit = limits.enter(address(number)).unwrap();
        held.extend((0..LOGINS_PER_ADDRESS).map(|_| visit.begin_login().unwrap()));
        assert_eq!(visit.begin_login().unwrap_err(), Excess::Logins);
    }
    let fresh = limits.enter(NEAR).unwrap();
    assert_eq!(fresh.begin_login().unwrap_err(), Excess::Logins, "all together are too many");
    drop(held);
    assert!(fresh.begin_login().is_ok());
    assert_eq!(limits.lock().logins, 0);
}

#[test]
fn who_asks_too_fast_waits_and_then_is_refused() {
    let limits = limits(LimitsConfig { requests_per_second: 1, ..LimitsConfig::default() });
    let visit = limits.enter(NEAR).unwrap();
    let wait = |cost| visit.visitor.wait(cost, Excess::RequestRate);
    // The burst is 4; one may wait for 5 more.
    assert_eq!(wait(4), Ok(Duration::ZERO));
    let waited = wait(4).unwrap();
    assert!(waited > Duration::from_secs(3) && waited <= Duration::from_secs(4), "{waited:?}");
    assert_eq!(wait(40), Err(Excess::RequestRate));
    assert_eq!(limits.meters.refusals("limit-request-rate"), 1);
    assert_eq!(visit.visitor.wait(4, Excess::LoginRate), Ok(Duration::ZERO), "of its own");
}

#[tokio::test]
async fn an_unlimited_address_is_held_to_the_whole_alone() {
    let config = LimitsConfig { unlimited: vec![NEAR], ..small() };
    let limits = limits(config);
    let visits: Vec<Visit> = (0..CONNECTIONS_MAX).map(|_| limits.enter(NEAR).unwrap()).collect();
    for _ in 0..10_000 {
        drop(visits[0].ask(100).await.unwrap());
    }
    assert_eq!(limits.enter(FAR).unwrap_err(), Excess::Connections);
    drop(visits);
    assert!(limits.enter(FAR).is_ok());
}

#[test]
fn of_ipv6_the_network_counts_and_mapped_addresses_are_short_ones() {
    let of = |text: &str| Origin::of(text.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
}

#[test]
fn addresses_that_say_nothing_are_forgotten() {
    let limits = limits(LimitsConfig::default());
    let kept = limits.enter(NEAR).unwrap();
    let first = u32::from(Ipv4Addr::new(10, 0, 0, 0));
    for number in 0..30_000 {
        drop(limits.enter(Ipv4Addr::from(first + number).into()).unwrap());
    }
    assert!(limits.lock().addresses.len() <= ADDRESSES_MAX);
    assert!(limits.lock().addresses.contains_key(&Origin::of(NEAR)));
    drop(kept);
}

#[test]
fn files_of_an_address_are_few_at_a_time_and_bounded_in_a_day() {
    let limits = limits(LimitsConfig { added_bytes_per_day: 10_000, ..small() });
    let visit = limits.enter(NEAR).unwrap();
    visit.add(10_000).unwrap();
    assert_eq!(visit.add(1).unwrap_err(), Excess::AddedBytes);
    let held: Vec<Held> = (0..ADDS_PER_ADDRESS).map(|_| visit.begin_adding().unwrap()).collect();
    assert_eq!(visit.begin_adding().unwrap_err(), Excess::AddressAdds);
    drop(held);
    assert!(visit.begin_adding().is_ok());
    let here = limits.enter(IpAddr::V4(Ipv4Addr::LOCALHOST)).unwrap();
    here.add(1 << 40).unwrap();
}
