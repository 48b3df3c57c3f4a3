//! Random orders of events: nothing panics, no worker gets a task twice, slots fit, and in the
//! end every task is completed or claimed. `World` checks the rules at each step.

use crate::world::{World, digest, failure, task, worker};
use poco_core::TaskId;
use poco_core::task::TaskStatus;
use poco_scheduler_core::{Cause, Command, ReportBody, Stage};
use proptest::prelude::*;

const WORKERS: u8 = 6;

#[derive(Clone, Debug)]
enum Event {
    Order { trust: u64, volume: u64 },
    Connect { name: u8, slots: u32 },
    Disconnect { name: u8 },
    Advance { name: u8, pick: usize, lies: bool },
    Fail { name: u8, pick: usize, of_the_app: bool },
    Upload { name: u8, pick: usize },
    Pass { seconds: u64 },
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    let name = || 1..=WORKERS;
    prop_oneof![
        2 => (prop_oneof![Just(1), Just(3), Just(5)], 1u64..6)
            .prop_map(|(trust, volume)| Event::Order { trust, volume }),
        4 => (name(), 1u32..4).prop_map(|(name, slots)| Event::Connect { name, slots }),
        1 => name().prop_map(|name| Event::Disconnect { name }),
        12 => (name(), any::<usize>(), prop::bool::weighted(0.1))
            .prop_map(|(name, pick, lies)| Event::Advance { name, pick, lies }),
        1 => (name(), any::<usize>(), any::<bool>())
            .prop_map(|(name, pick, of_the_app)| Event::Fail { name, pick, of_the_app }),
        6 => (name(), any::<usize>()).prop_map(|(name, pick)| Event::Upload { name, pick }),
        2 => prop_oneof![1u64..10, 10u64..400].prop_map(|seconds| Event::Pass { seconds }),
        1 => Just(Event::Restart),
    ]
}

/// What each worker holds, as its journal would.
#[derive(Default)]
struct Journals {
    held: std::collections::BTreeMap<(u8, TaskId), Stage>,
    reached: std::collections::BTreeSet<&'static str>,
}

impl Journals {
    fn tasks_of(&self, name: u8) -> Vec<TaskId> {
        self.held.keys().filter(|(who, _)| *who == name).map(|(_, task)| *task).collect()
    }

    fn obey(&mut self, world: &mut World) {
        for (who, command) in world.commands() {
            let name = who.first().copied().unwrap();
            match command {
                Command::Assign { task, .. } => {
                    self.held.entry((name, task)).or_insert(Stage::Accepted);
                }
                Command::Ballot { .. } | Command::Row { .. } => {
                    panic!("the settlement lane is off here")
                }
                Command::Abandon { task, .. } => {
                    if self.held.get(&(name, task)).is_some_and(|stage| stage.takes_slot()) {
                        self.held.remove(&(name, task));
                    }
                }
                Command::Ended(task) => {
                    self.held.remove(&(name, task));
                }
                Command::Reveal(task) => {
                    self.reached.insert("reveal");
                    if world.hub.task(task).status == TaskStatus::Revealing {
                        let _ = world.call_reveal(name, task, digest("right"));
                    }
                }
                Command::Upload(task) => {
                    self.reached.insert("upload");
                    world.store_result(name, task, digest("right"));
                }
            }
        }
    }

    fn apply(&mut self, world: &mut World, event: Event) {
        match event {
            Event::Order { trust, volume } => {
                world.order(trust, volume);
            }
            Event::Connect { name, slots } => {
                let live = self.tasks_of(name);
                let live = live.into_iter().map(|id| (id, Some(self.held[&(name, id)])));
                world.connect_with(name, slots, live.collect());
            }
            Event::Disconnect { name } => world.disconnect(name),
            Event::Advance { name, pick, lies } => {
                let tasks = self.tasks_of(name);
                if let Some(id) = tasks.get(pick % tasks.len().max(1)).copied() {
                    self.advance(world, name, id, lies);
                }
            }
            Event::Fail { name, pick, of_the_app } => {
                let tasks = self.tasks_of(name);
                if let Some(id) = tasks.get(pick % tasks.len().max(1)).copied()
                    && self.held[&(name, id)].takes_slot()
                {
                    self.held.remove(&(name, id));
                    let cause = if of_the_app { Cause::ExitCode } else { Cause::Engine };
                    world.says(name, id, failure(cause));
                    self.reached.insert("failure");
                }
            }
            Event::Upload { name, pick } => {
                let tasks = self.tasks_of(name);
                if let Some(id) = tasks.get(pick % tasks.len().max(1)).copied() {
                    world.store_result(name, id, digest("right"));
                }
            }
            Event::Pass { seconds } => world.pass(seconds),
            Event::Restart => {
                world.restart();
                self.reached.insert("restart");
            }
        }
        self.obey(world);
    }

    fn advance(&mut self, world: &mut World, name: u8, id: TaskId, lies: bool) {
        let stage = self.held[&(name, id)];
        let next = match stage {
            Stage::Promised | Stage::Accepted => Stage::Running,
            Stage::Running | Stage::Pulling | Stage::Fetching => Stage::Computed,
            Stage::Computed => {
                let result = if lies { digest("wrong") } else { digest("right") };
                if world.contribute(name, id, result).is_err() {
                    self.held.remove(&(name, id));
                    world.says(name, id, failure(Cause::Refused));
                    return;
                }
                self.reached.insert(if lies { "lie" } else { "vote" });
                Stage::Contributed
            }
            Stage::Balloted
            | Stage::Committed
            | Stage::Contributed
            | Stage::Revealed
            | Stage::Uploaded => return,
        };
        self.held.insert((name, id), next);
        if world.connected.contains(&worker(name)) {
            world.says(name, id, ReportBody::Reached(next));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_task_ends_and_no_rule_is_broken(events in prop::collection::vec(event(), 1..120)) {
        let mut world = World::with(&[(1, 30), (2, 60)], |settings| {
            settings.tasks_live_max = 12;
            settings.prune_depth_blocks = u64::MAX;
        });
        let mut journals = Journals::default();
        for event in events {
            journals.apply(&mut world, event);
        }
        // Whatever happened, ten times the category's time later nothing is left open.
        for _ in 0..12 {
            world.pass(300);
            journals.obey(&mut world);
        }
        let deals: Vec<_> = world.hub.deals().map(|(id, deal)| (id, deal.bot_size)).collect();
        for (deal, size) in deals {
            for index in 0..size.to::<u64>() {
                let id = task(deal, index);
                let view = world.hub.task(id);
                prop_assert!(
                    view.status.is_over(),
                    "{:?}: {}", view.status, world.waiting(id)
                );
            }
        }
    }
}

#[test]
fn the_interesting_states_are_reached() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut reached = std::collections::BTreeSet::new();
    let mut completed = 0;
    for _ in 0..30 {
        let strategy = prop::collection::vec(event(), 120..121);
        let events = strategy.new_tree(&mut runner).unwrap().current();
        let mut world = World::with(&[], |settings| settings.prune_depth_blocks = u64::MAX);
        let mut journals = Journals::default();
        for event in events {
            journals.apply(&mut world, event);
        }
        reached.extend(journals.reached);
        completed +=
            world.hub.tasks().filter(|(_, view)| view.status == TaskStatus::Completed).count();
    }
    let all = ["failure", "lie", "restart", "reveal", "upload", "vote"];
    assert_eq!(reached.into_iter().collect::<Vec<_>>(), all);
    assert!(completed > 20, "only {completed} tasks were completed");
}
