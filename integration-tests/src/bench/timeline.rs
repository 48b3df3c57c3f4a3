//! From what was seen of a task to where its time went.

use std::time::{Duration, Instant};

/// A point in the life of a task, in the order of the lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The block with the deal.
    Mined,
    /// The block with `initialize`.
    Initialized,
    /// The scheduler shows the last of the workers.
    Assigned,
    /// The engine tells the start of the last container.
    Started,
    /// The engine tells the end of the last container.
    Ended,
    /// The block with the pool's commit of all votes.
    Committed,
    /// The block with the first vote.
    Contributed,
    /// The block with the vote that decides.
    Consensus,
    /// The block with the last reveal.
    Revealed,
    /// The scheduler shows where the result is.
    Uploaded,
    /// The block with `finalize`.
    Finalized,
}

/// The points of the classic lane.
pub const CLASSIC: [Point; 10] = [
    Point::Mined,
    Point::Initialized,
    Point::Assigned,
    Point::Started,
    Point::Ended,
    Point::Contributed,
    Point::Consensus,
    Point::Revealed,
    Point::Uploaded,
    Point::Finalized,
];

/// The points of the fast lane: the result goes first, then one call is vote, reveal and end.
pub const FAST: [Point; 7] = [
    Point::Mined,
    Point::Initialized,
    Point::Assigned,
    Point::Started,
    Point::Ended,
    Point::Uploaded,
    Point::Finalized,
];

/// The points of the settlement lane: the scheduler sends, once all votes are in.
pub const SETTLEMENT: [Point; 7] = [
    Point::Mined,
    Point::Assigned,
    Point::Started,
    Point::Ended,
    Point::Committed,
    Point::Uploaded,
    Point::Finalized,
];

impl Point {
    /// What leads to it.
    #[must_use]
    pub fn step(self) -> &'static str {
        match self {
            Self::Mined => "deal mined",
            Self::Initialized => "mined → initialized",
            Self::Assigned => "→ assigned",
            Self::Started => "→ container started",
            Self::Ended => "→ container ended",
            Self::Committed => "→ votes committed",
            Self::Contributed => "→ first contribution",
            Self::Consensus => "→ consensus",
            Self::Revealed => "→ all revealed",
            Self::Uploaded => "→ uploaded",
            Self::Finalized => "→ finalized",
        }
    }
}

/// One task's points in the order of its lane, and its containers' own time.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// The lane's points with their moments.
    pub points: Vec<(Point, Instant)>,
    /// The longest run of an app, of all replicas.
    pub ran: Duration,
}

impl Timeline {
    /// From the deal to the end.
    #[must_use]
    pub fn total(&self) -> Duration {
        match (self.points.first(), self.points.last()) {
            (Some((_, first)), Some((_, last))) => last.duration_since(*first),
            (Some(_) | None, Some(_) | None) => Duration::ZERO,
        }
    }

    /// The total without the app's own time.
    #[must_use]
    pub fn overhead(&self) -> Duration {
        self.total().saturating_sub(self.ran)
    }

    /// How much later than everything before it each point came: the steps add up to the total. A
    /// step that ran beside an earlier one and was done first took nothing.
    #[must_use]
    pub fn steps(&self) -> Vec<(Point, Duration)> {
        let mut steps = Vec::new();
        let mut latest = None;
        for (point, at) in &self.points {
            if let Some(before) = latest {
                steps.push((*point, at.saturating_duration_since(before)));
            }
            latest = latest.max(Some(*at));
        }
        steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_add_up_and_one_that_ran_beside_another_took_nothing() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let points = vec![
            (Point::Mined, at(0)),
            (Point::Initialized, at(100)),
            (Point::Revealed, at(400)),
            (Point::Uploaded, at(300)),
            (Point::Finalized, at(450)),
        ];
        let timeline = Timeline { points, ran: Duration::from_millis(200) };
        let millis: Vec<u128> = timeline.steps().iter().map(|(_, took)| took.as_millis()).collect();
        assert_eq!(millis, [100, 300, 0, 50]);
        assert_eq!(timeline.total().as_millis(), millis.iter().sum());
        assert_eq!(timeline.overhead(), Duration::from_millis(250));
    }

    #[test]
    fn each_lane_goes_from_the_deal_to_the_end() {
        for lane in [&CLASSIC[..], &FAST[..], &SETTLEMENT[..]] {
            assert_eq!((lane.first(), lane.last()), (Some(&Point::Mined), Some(&Point::Finalized)));
        }
        assert!(CLASSIC.is_sorted(), "the order of the variants is the order of the lane");
    }
}
