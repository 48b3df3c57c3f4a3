//! Decisions in pools of all sizes.

use super::*;
use crate::clock::{Head, Moment};
use crate::core::Core;
use crate::input::{ChainEvent, DealFacts, Input, Login};
use crate::settings::Settings;
use crate::words::Capacity;
use alloc::boxed::Box;
use poco_core::{Deal, DealId, Event, Resource, TaskId, Timestamp, keccak256};

const POOL: Address = Address::repeat_byte(1);

fn wallet(number: u32) -> Address {
    Address::from_slice(keccak256(number.to_be_bytes()).get(..20).unwrap())
}

/// A pool whose workers logged in before its deal, of which those that `is_busy` says are busy.
fn core(workers: u32, is_busy: impl Fn(u32) -> bool) -> (Core, DealId) {
    let mut core = Core::new(Settings::new(POOL, POOL), Vec::new(), 0, Moment(0));
    core.handle(Moment(0), Input::Head(Head { number: 1, timestamp: Timestamp(9) }));
    for number in 0..workers {
        let worker = wallet(number);
        let score = U256::from(number % 60);
        let capacity = Capacity { slots: 1, ..Capacity::default() };
        let login = Login { worker, capacity, score, bond: None, live: Vec::new() };
        core.handle(Moment(0), Input::Connected(login));
    }
    let id = DealId(B256::repeat_byte(3));
    let event = Event::SchedulerNotice { workerpool: POOL, deal: id };
    let (block_hash, time) = (B256::repeat_byte(4), Timestamp(9));
    let event = ChainEvent { block: 2, block_hash, time, event };
    let to = Head { number: 2, timestamp: time };
    core.handle(Moment(0), Input::Events { to, events: Vec::from([event]) });
    let pool = Resource { pointer: POOL, owner: POOL, ..Resource::default() };
    let trust = U256::from(100);
    let deal = Deal { workerpool: pool, trust, start_time: time, ..Deal::default() };
    let facts = DealFacts {
        deal,
        work_clock_time_ref_seconds: 300,
        conditions: Some(Default::default()),
        placement: Some(Placement::default()),
    };
    let facts = Some(Box::new(facts));
    core.handle(Moment(0), Input::DealRead { deal: id, epoch: 0, facts });
    for number in 0..workers {
        core.workers.place(wallet(number), usize::from(is_busy(number)));
    }
    (core, id)
}

fn task(number: u64) -> Task {
    let id = TaskId::of_deal(DealId::ZERO, U256::from(number));
    let mut task = Task::new(id, DealId::ZERO, number, Default::default());
    task.phase = Phase::Active { votes: Vec::new() };
    task
}

fn names(decision: &Decision) -> Vec<Address> {
    decision.chosen().map(|candidate| candidate.worker).collect()
}

#[test]
fn a_choice_looks_at_no_more_workers_in_a_large_pool() {
    for workers in [100, 1_000, 10_000] {
        for busy in [0, 90, 99] {
            let (core, deal) = core(workers, |number| number % 100 < busy);
            let sight = core.sight(deal).unwrap();
            let most = (0..50).map(|number| {
                let decision = Question::new(sight, &task(number)).decide(Depth::Enough);
                assert!(decision.set.is_some());
                decision.trace.looked_at
            });
            let most = most.max().unwrap();
            assert!(most <= 2 * WINDOW, "{most} of {workers} workers, {busy} % busy");
        }
    }
}

#[test]
fn who_looks_at_all_finds_the_same_workers() {
    for (workers, busy) in [(7, 0), (60, 50), (300, 0), (300, 97), (1_000, 80)] {
        let (core, deal) = core(workers, |number| number % 100 < busy);
        let sight = core.sight(deal).unwrap();
        for number in 0..40 {
            let task = task(number);
            let question = Question::new(sight, &task);
            let [now, enough, whole] =
                [Depth::Now, Depth::Enough, Depth::Whole].map(|depth| question.decide(depth));
            assert_eq!((names(&now), names(&enough)), (names(&whole), names(&whole)));
            assert_eq!(whole.trace.looked_at, workers as usize);
        }
    }
}

#[test]
fn few_and_many_stand_in_the_same_order() {
    let (core, deal) = core(400, |_| false);
    let sight = core.sight(deal).unwrap();
    let task = task(1);
    let question = Question::new(sight, &task);
    let ranks: Vec<u32> = question.drawn(true, |_| true).filter_map(|one| one.rank).collect();
    assert!(ranks.into_iter().eq(0..400), "found by rank");
    let few = |class: &Class| class.is_newcomer;
    let few: Vec<Drawn<'_>> = question.drawn(true, few).collect();
    assert!((1..128).contains(&few.len()) && few.is_sorted_by_key(|one| one.rank), "ranked");
    for one in few {
        let draw = &question.lottery().draw;
        assert_eq!(one.rank, draw.rank(one.known.place.number));
    }
}
