//! Points where a process can be made to die, so that tests can walk every step of a task.
//!
//! `POCO_FAILPOINTS=name` aborts the process the first time it comes by that point, `name:3` the
//! third time; several are separated by commas. Without the variable a point costs one load. Each
//! binary lists its own points and calls [`arm`] first; the sender's are every binary's.

use anyhow::{Context as _, bail};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// The variable that arms points.
const VARIABLE: &str = "POCO_FAILPOINTS";

/// The points that a process with a [`crate::Sender`] comes by besides its own. What the sender
/// stores, its ledger's store can tell; that it gives a transaction to a node, only it.
const SENDER: [&str; 2] = ["sender.broadcast.before", "sender.broadcast.after"];

static ARMED: OnceLock<Vec<Armed>> = OnceLock::new();

struct Armed {
    name: String,
    passes_left: AtomicU32,
}

/// Every point of a binary with these `own` ones. Names are stable.
pub fn names<'a>(own: &[&'a str]) -> Vec<&'a str> {
    own.iter().copied().chain(SENDER).collect()
}

/// Arms what the environment names. Call it once, first.
///
/// # Errors
/// Where a name is none of [`names`] or a count is no positive number.
pub fn arm(own: &[&str]) -> anyhow::Result<()> {
    let Ok(text) = std::env::var(VARIABLE) else { return Ok(()) };
    let armed = parse(&text, &names(own))?;
    for point in &armed {
        tracing::warn!(name = point.name, "a failpoint is armed; this process will abort there");
    }
    // A second call cannot come: main calls this once.
    let _ = ARMED.set(armed);
    Ok(())
}

/// Comes by a point. The process ends here if it is armed: at once, as by a power cut.
pub fn hit(name: &str) {
    let Some(armed) = ARMED.get() else { return };
    for point in armed.iter().filter(|point| point.name == name) {
        if point.passes_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            tracing::warn!(name, "failpoint reached");
            std::process::abort();
        }
    }
}

fn parse(text: &str, names: &[&str]) -> anyhow::Result<Vec<Armed>> {
    let points = text.split(',').map(str::trim).filter(|point| !point.is_empty());
    points
        .map(|point| {
            let (name, count) = point.split_once(':').unwrap_or((point, "1"));
            if !names.contains(&name) {
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

    #[test]
    fn unknown_names_and_counts_are_refused() {
        let known = names(&["worker.reveal.before", "worker.upload.after"]);
        let armed = parse("worker.reveal.before, worker.upload.after:3", &known).unwrap();
        let shown: Vec<(&str, u32)> = (armed.iter())
            .map(|point| (point.name.as_str(), point.passes_left.load(Ordering::SeqCst)))
            .collect();
        assert_eq!(shown, [("worker.reveal.before", 1), ("worker.upload.after", 3)]);
        assert!(parse("sender.broadcast.after", &known).is_ok());
        for bad in ["worker.nowhere", "worker.reveal.before:0", "worker.reveal.before:x"] {
            assert!(parse(bad, &known).is_err(), "{bad}");
        }
    }
}
