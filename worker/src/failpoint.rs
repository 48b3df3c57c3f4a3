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
    "worker.login.before",
    "worker.login.after",
    "worker.store.accepted.before",
    "worker.store.accepted.after",
    "worker.acknowledge.before",
    "worker.acknowledge.after",
    "worker.report.before",
    "worker.report.after",
    "worker.store.pulling.before",
    "worker.store.pulling.after",
    "worker.pull.before",
    "worker.pull.after",
    "worker.store.fetching.before",
    "worker.store.fetching.after",
    "worker.fetch.before",
    "worker.fetch.after",
    "worker.container.start.before",
    "worker.container.start.after",
    "worker.store.running.before",
    "worker.store.running.after",
    "worker.container.end.before",
    "worker.container.end.after",
    "worker.collect.before",
    "worker.collect.after",
    "worker.store.computed.before",
    "worker.store.computed.after",
    "worker.store.contributing.before",
    "worker.store.contributing.after",
    "worker.contribute.before",
    "worker.contribute.after",
    "worker.contribute-and-finalize.before",
    "worker.contribute-and-finalize.after",
    "worker.store.contributed.before",
    "worker.store.contributed.after",
    "worker.store.revealing.before",
    "worker.store.revealing.after",
    "worker.reveal.before",
    "worker.reveal.after",
    "worker.store.revealed.before",
    "worker.store.revealed.after",
    "worker.upload.before",
    "worker.upload.after",
    "worker.store.uploaded.before",
    "worker.store.uploaded.after",
    "worker.store.failed.before",
    "worker.store.failed.after",
    "worker.store.forget.before",
    "worker.store.forget.after",
    "worker.ledger.put.before",
    "worker.ledger.put.after",
    "worker.ledger.remove.before",
    "worker.ledger.remove.after",
    "worker.discard.before",
    "worker.discard.after",
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
        let armed = parse("worker.reveal.before, worker.upload.after:3").unwrap();
        let shown: Vec<(&str, u32)> = (armed.iter())
            .map(|point| (point.name.as_str(), point.passes_left.load(Ordering::SeqCst)))
            .collect();
        assert_eq!(shown, [("worker.reveal.before", 1), ("worker.upload.after", 3)]);
        for bad in ["worker.nowhere", "worker.reveal.before:0", "worker.reveal.before:x"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
