//! How long tasks take beyond their apps' own time, and where the time goes: one task after the
//! other on an idle pool.

use super::blocks::Sighting;
use super::gas::{self, Call};
use super::scene::Scene;
use super::statistics::Summary;
use super::timeline::{CLASSIC, FAST, Point, SETTLEMENT, Timeline};
use anyhow::{Context, Result, ensure};
use poco_core::credibility::weight;
use poco_core::lane::LaneEvent;
use poco_core::{Event, TaskId, U256};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What the app does: long enough that the engine notes its start before its end.
const STEPS: &str = "sleep 0.5";
/// Longest time for one task, on a busy machine.
const TASK_MAX: Duration = Duration::from_secs(120);
/// Longest time for clearing its containers away.
const CLEAR_MAX: Duration = Duration::from_secs(60);

/// By which calls a task goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Every worker sends its votes and reveals.
    Classic,
    /// The only worker sends one call for both and the end.
    Fast,
    /// Workers sign, the scheduler sends.
    Settlement,
}

/// By which calls, and with how many workers.
#[derive(Clone, Copy, Debug)]
pub struct Lane {
    /// As tables show it.
    pub name: &'static str,
    /// How many workers vote.
    pub workers: usize,
    /// By which calls.
    pub way: Way,
}

/// The steps of one lane, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct OverheadTable {
    /// Which lane.
    pub lane: String,
    /// How many workers voted on each task.
    pub workers: usize,
    /// From each point to the next.
    pub steps: Vec<StepRow>,
    /// From the deal's block to the end.
    pub total: Summary,
    /// The app's own time, as the engine noted it; the longest of the replicas.
    pub container: Summary,
    /// The difference, task by task.
    pub overhead: Summary,
    /// Every task's overhead, in the order in which they ran.
    pub overheads: Vec<f64>,
}

/// One step of a table.
#[derive(Clone, Debug, Serialize)]
pub struct StepRow {
    /// What it leads to.
    pub step: String,
    /// Milliseconds.
    pub millis: Summary,
}

/// What was measured of one task.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Where its time went.
    pub timeline: Timeline,
    /// What its calls cost.
    pub gas: Vec<(Call, u64)>,
}

impl Lane {
    /// Runs `count` tasks, one after the other; `told` hears of each.
    ///
    /// # Errors
    /// Where a task does not end as it should.
    pub async fn play(
        self,
        scene: &Scene,
        count: usize,
        told: impl Fn(usize, &Measured),
    ) -> Result<Vec<Measured>> {
        scene.publish(count)?;
        let mut tasks = Vec::with_capacity(count);
        for number in 1..=count {
            let measured = self.one(scene).await.with_context(|| {
                format!("the scheduler said:\n{}", scene.pool.scheduler.tail(30))
            })?;
            told(number, &measured);
            tasks.push(measured);
        }
        Ok(tasks)
    }

    async fn one(self, scene: &Scene) -> Result<Measured> {
        let trust = if self.workers == 1 { 1 } else { self.trust(scene).await? };
        let bought = scene.buy_one(STEPS, trust).await?;
        let task = *bought.tasks.first().context("a deal has a task")?;
        let is_end =
            |event: &Event| matches!(event, Event::TaskFinalize { task: it, .. } if *it == task);
        scene.blocks.wait("the task to be finalized", TASK_MAX, is_end).await?;
        scene.engine.cleared(task, CLEAR_MAX).await?;
        let events = scene.blocks.all(|event| {
            task_of(event) == Some(task)
                || matches!(event, Event::OrdersMatched { deal, .. } if *deal == bought.deal)
                || matches!(event, Event::Lane(LaneEvent::Committed { deal, .. }) if *deal == bought.deal)
        });
        let gas = gas::read(&scene.world.anvil, &events).await?;
        let timeline = self.timeline(scene, task, &events)?;
        Ok(Measured { timeline, gas })
    }

    /// The trust that all workers together reach and no two of them.
    async fn trust(self, scene: &Scene) -> Result<u64> {
        let mut trust = U256::ONE;
        for number in 0..self.workers {
            let worker = crate::world::wallet(crate::world::Party::Worker(number))?.address();
            trust = trust.saturating_mul(weight(scene.chain.score(worker).await?));
        }
        Ok(trust.saturating_to())
    }

    fn timeline(self, scene: &Scene, task: TaskId, events: &[Sighting]) -> Result<Timeline> {
        let told = scene.watch.of(task);
        let containers = scene.engine.of(task);
        ensure!(
            containers.len() == self.workers && told.assigned.len() == self.workers,
            "{} workers should have run the task, {} were assigned and {} ran it",
            self.workers,
            told.assigned.len(),
            containers.len()
        );
        let votes = times(events, |event| matches!(event, Event::TaskContribute { .. }));
        let all_of = |times: Vec<Option<Instant>>| times.into_iter().collect::<Option<Vec<_>>>();
        let started = all_of(containers.iter().map(|container| container.started).collect());
        let ended = all_of(containers.iter().map(|container| container.ended).collect());
        let ran: Option<Vec<Duration>> = containers.iter().map(|container| container.ran).collect();
        let moment = |point| match point {
            Point::Mined => {
                times(events, |event| matches!(event, Event::OrdersMatched { .. })).pop()
            }
            // A commit opens the task.
            Point::Initialized | Point::Committed => {
                times(events, |event| matches!(event, Event::TaskInitialize { .. })).pop()
            }
            Point::Assigned => told.assigned.values().copied().max(),
            Point::Started => started.iter().flatten().copied().max(),
            Point::Ended => ended.iter().flatten().copied().max(),
            Point::Contributed => votes.first().copied(),
            Point::Consensus => {
                times(events, |event| matches!(event, Event::TaskConsensus { .. })).pop()
            }
            Point::Revealed => {
                times(events, |event| matches!(event, Event::TaskReveal { .. })).pop()
            }
            Point::Uploaded => told.uploaded,
            Point::Finalized => {
                times(events, |event| matches!(event, Event::TaskFinalize { .. })).pop()
            }
        };
        let lane = match self.way {
            Way::Classic => &CLASSIC[..],
            Way::Fast => &FAST[..],
            Way::Settlement => &SETTLEMENT[..],
        };
        let seen = |point: &Point| {
            let at = moment(*point).with_context(|| format!("{point:?} was not seen"))?;
            Ok((*point, at))
        };
        let points = lane.iter().map(seen).collect::<Result<Vec<_>>>()?;
        let ran = ran.and_then(|all| all.into_iter().max());
        Ok(Timeline { points, ran: ran.context("the engine did not say how long the app ran")? })
    }
}

impl OverheadTable {
    /// The table of a lane's tasks; `None` without any.
    #[must_use]
    pub fn of(lane: Lane, tasks: &[Measured]) -> Option<Self> {
        let millis = |took: Duration| took.as_secs_f64() * 1000.0;
        let all = |part: fn(&Timeline) -> Duration| {
            Summary::of(tasks.iter().map(|task| millis(part(&task.timeline))))
        };
        let mut steps: Vec<(Point, Vec<f64>)> = Vec::new();
        for (place, (point, took)) in
            tasks.iter().flat_map(|task| task.timeline.steps().into_iter().enumerate())
        {
            match steps.get_mut(place) {
                Some((_, all)) => all.push(millis(took)),
                None => steps.push((point, vec![millis(took)])),
            }
        }
        let row = |(point, took): (Point, Vec<f64>)| {
            Some(StepRow { step: point.step().into(), millis: Summary::of(took)? })
        };
        Some(Self {
            lane: lane.name.into(),
            workers: lane.workers,
            steps: steps.into_iter().filter_map(row).collect(),
            total: all(Timeline::total)?,
            container: all(|timeline| timeline.ran)?,
            overhead: all(Timeline::overhead)?,
            overheads: tasks.iter().map(|task| millis(task.timeline.overhead())).collect(),
        })
    }
}

/// When events were seen, in the order of the chain.
fn times(events: &[Sighting], is_meant: impl Fn(&Event) -> bool) -> Vec<Instant> {
    events.iter().filter(|seen| is_meant(&seen.located.event)).map(|seen| seen.at).collect()
}

/// The task of an event of one of its calls.
fn task_of(event: &Event) -> Option<TaskId> {
    match event {
        Event::TaskInitialize { task, .. }
        | Event::TaskContribute { task, .. }
        | Event::TaskConsensus { task, .. }
        | Event::TaskReveal { task, .. }
        | Event::TaskFinalize { task, .. } => Some(*task),
        Event::Transfer { .. }
        | Event::Approval { .. }
        | Event::Lock { .. }
        | Event::Unlock { .. }
        | Event::Seize { .. }
        | Event::Reward { .. }
        | Event::SchedulerNotice { .. }
        | Event::OrdersMatched { .. }
        | Event::DealSponsored { .. }
        | Event::SchedulerNoticeBoost { .. }
        | Event::DealSponsoredBoost { .. }
        | Event::ResultPushedBoost { .. }
        | Event::OrderSigned { .. }
        | Event::OrderClosed { .. }
        | Event::OrderBroadcast(_)
        | Event::TaskReopen { .. }
        | Event::TaskClaimed { .. }
        | Event::AccurateContribution { .. }
        | Event::FaultyContribution { .. }
        | Event::CreateCategory { .. }
        | Event::ResourceTransfer { .. }
        | Event::PolicyUpdate { .. }
        | Event::OwnershipTransferred { .. }
        | Event::Conditions(_)
        | Event::Lane(_) => None,
    }
}
