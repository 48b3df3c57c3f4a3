//! Points where the process can be made to die, so that tests can walk every step of a task.
//!
//! `POCO_FAILPOINTS=name` aborts the process the first time it comes by that point, `name:3` the
//! third time; several are separated by commas. Without the variable a point costs one load.

use anyhow::{Context as _, bail};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that arms points.
const VARIABLE: &str = "POCO_FAILPOINTS";

/// Every point, in the order of a task's life. Names are stable.
pub(crate) const POINTS: &[&str] = &[
    "scheduler.store.batch.before",
    "scheduler.store.batch.after",
    "scheduler.ledger.put.before",
    "scheduler.ledger.put.after",
    "scheduler.ledger.remove.before",
    "scheduler.ledger.remove.after",
    "scheduler.read.deal.before",
    "scheduler.read.deal.after",
    "scheduler.read.task.before",
    "scheduler.read.task.after",
    "scheduler.initialize.before",
    "scheduler.initialize.after",
    "scheduler.finalize.before",
    "scheduler.finalize.after",
    "scheduler.reopen.before",
    "scheduler.reopen.after",
    "scheduler.claim.before",
    "scheduler.claim.after",
    "scheduler.initialize-and-claim.before",
    "scheduler.initialize-and-claim.after",
    "scheduler.welcome.before",
    "scheduler.welcome.after",
    "scheduler.assign.before",
    "scheduler.assign.after",
    "scheduler.reveal.before",
    "scheduler.reveal.after",
    "scheduler.upload.before",
    "scheduler.upload.after",
    "scheduler.abandon.before",
    "scheduler.abandon.after",
    "scheduler.ended.before",
    "scheduler.ended.after",
    "scheduler.acknowledge.before",
    "scheduler.acknowledge.after",
    "scheduler.upload.receive.before",
    "scheduler.upload.receive.after",
    "scheduler.upload.object.before",
    "scheduler.upload.object.after",
    "scheduler.upload.receipt.before",
    "scheduler.upload.receipt.after",
    "scheduler.sweep.before",
    "scheduler.sweep.after",
];

static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();

struct Armed {
    name: String,
    passes_left: AtomicU32,
}

/// Arms what the environment names. Call it once, first.
///
/// # Errors
/// Where a name is none of [`POINTS`] or a count is no positive number.
pub(crate) fn arm() -> anyhow::Result<()> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    let armed = parse(&text)?;
    for point in &armed {
        tracing::warn!(name = point.name, "a failpoint is armed; this process will abort there");
    }
    // A second call cannot come: main calls this once.
    let _ = ARMED.set(armed);
    Ok(())
}

/// Comes by a point.
pub(crate) fn hit(name: &str) {
    debug_assert!(POINTS.contains(&name), "{name} is not listed");
    let Some(armed) = ARMED.get() else { return };
    for point in armed.iter().filter(|point| point.name == name) {
        if point.passes_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            tracing::warn!(name, "failpoint reached");
            std::process::abort();
        }
    }
}

fn parse(text: &str) -> anyhow::Result<Vec<Armed>> {
    let points = text.split(',').map(str::trim).filter(|point| !point.is_empty());
    points
        .map(|point| {
            let (name, count) = point.split_once(':').unwrap_or((point, "1"));
            if !POINTS.contains(&name) {
                bail!("{VARIABLE}: there is no failpoint {name:?}; --list-failpoints shows all");
            }
            let count: u32 = count.parse().with_context(|| format!("{VARIABLE}: {point:?}"))?;
            if count == 0 {
                bail!("{VARIABLE}: {point:?}: counts start at 1");
            }
            Ok(Armed { name: name.to_owned(), passes_left: AtomicU32::new(count) })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_come_in_pairs() {
        let names: BTreeSet<&str> = POINTS.iter().copied().collect();
        assert_eq!(names.len(), POINTS.len());
        for name in POINTS {
            let stem = name.strip_suffix(".before").or(name.strip_suffix(".after")).unwrap();
            assert!(names.contains(format!("{stem}.before").as_str()));
            assert!(names.contains(format!("{stem}.after").as_str()));
        }
    }

    #[test]
    fn unknown_names_and_counts_are_refused() {
        let armed = parse("scheduler.reveal.before, scheduler.upload.after:3").unwrap();
        let shown: Vec<(&str, u32)> = (armed.iter())
            .map(|point| (point.name.as_str(), point.passes_left.load(Ordering::SeqCst)))
            .collect();
        assert_eq!(shown, [("scheduler.reveal.before", 1), ("scheduler.upload.after", 3)]);
        for bad in ["scheduler.nowhere", "scheduler.reveal.before:0", "scheduler.reveal.before:x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
