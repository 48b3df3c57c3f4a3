//! Plays random calls on our registries behind our hub, and on the reference's own behind the
//! reference's hub, and compares after each.
//!
//! An entry has another address on either side, as the code that creates it differs. So steps name
//! entries by their number, and answers and events are compared with these numbers in the place of
//! addresses. There is no model: what one side does, the other must do, but for the differences in
//! [`agreement`].

mod act;
mod agreement;
mod director;
mod stage;
mod tally;
mod views;

pub use act::{Act, Kind, Step};
pub use stage::Stage;
pub use tally::Tally;

use crate::cast::Cast;
use crate::chain::Answer;
use anyhow::{Result, ensure};
use director::Director;

/// Plays `calls` calls from a seed. The answer says how the sides differ, if they do.
///
/// # Errors
/// Where the machine itself fails.
pub fn play(
    start: &Stage,
    cast: &Cast,
    (seed, calls): (u64, u64),
    tally: &mut Tally,
) -> Result<Option<String>> {
    let mut stage = start.fork();
    let mut director = Director::new(seed, cast);
    for number in 0..calls {
        let step = director.next(&mut stage)?;
        if let Some(difference) = stage.step(&step, cast, tally)? {
            return Ok(Some(format!("seed {seed}, call {number}, {step:?}: {difference}")));
        }
    }
    tally.sequences += 1;
    let difference = views::everything(&mut stage, cast)?;
    Ok(difference.map(|text| format!("seed {seed}, at the end: {text}")))
}

impl Stage {
    /// Plays a step on both sides and compares what came of it and whatever it may have changed.
    fn step(&mut self, step: &Step, cast: &Cast, tally: &mut Tally) -> Result<Option<String>> {
        let kept = agreement::is_taken_by_one(self, step)?.then(|| self.fork());
        let answers = [self.ours.play(step, cast)?, self.reference.play(step, cast)?];
        tally.count(step, &answers);
        if let Some(kept) = kept {
            // One of the sides took it: both go on as if neither had.
            *self = kept;
            let [ours, reference] = &answers;
            return Ok(agreement::on_one(ours, reference).err());
        }
        let [ours, reference] = &answers;
        let is_taken = matches!((ours, reference), (Answer::Done { .. }, Answer::Done { .. }));
        if let (true, Act::Create { kind, .. }) = (is_taken, &step.act) {
            let [made, same] = [stage::made(ours)?, stage::made(reference)?];
            ensure!(self.ours.predicted == Some(made), "ours predicted another address");
            ensure!(self.reference.predicted == Some(same), "the reference predicted another");
            self.add(*kind, made, same);
        }
        if let Err(difference) = agreement::on_both(self, ours, reference) {
            return Ok(Some(difference));
        }
        if !is_taken {
            return Ok(None);
        }
        if let Act::Match { .. } = &step.act {
            return views::deal(self, ours, reference);
        }
        views::touched(self, step)
    }
}
