//! What was measured, beside what it should be.

use crate::scene::Filled;
use comfy_table::{CellAlignment, Table, presets};
use std::fmt;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) rows: Vec<Row>,
    pub(crate) curve: Vec<Point>,
    /// Of one signature.
    pub(crate) signature: Duration,
    /// Of the scheduler for one task, without its signature, once it is known.
    pub(crate) task_cpu: Option<Duration>,
    /// Of one page written and synced.
    pub(crate) fsync: Duration,
}

/// One row of the table.
#[derive(Debug)]
pub(crate) struct Row {
    name: &'static str,
    target: String,
    measured: String,
    /// `None` without a target.
    is_met: Option<bool>,
    note: String,
}

/// One point of the curve.
#[derive(Debug)]
pub(crate) struct Point(pub(crate) Filled);

impl Row {
    pub(crate) fn at_most(name: &'static str, target: f64, value: f64, unit: &str) -> Self {
        Self {
            name,
            target: format!("at most {} {unit}", rounded(target)),
            measured: format!("{} {unit}", rounded(value)),
            is_met: Some(value <= target),
            note: String::new(),
        }
    }

    pub(crate) fn at_least(name: &'static str, target: f64, value: f64, unit: &str) -> Self {
        Self {
            target: format!("at least {} {unit}", rounded(target)),
            is_met: Some(value >= target),
            ..Self::at_most(name, target, value, unit)
        }
    }

    /// What is only told.
    pub(crate) fn told(name: &'static str, value: f64, unit: &str) -> Self {
        Self { target: String::new(), is_met: None, ..Self::at_most(name, 0.0, value, unit) }
    }

    pub(crate) fn seconds(name: &'static str, target: f64, value: Duration) -> Self {
        Self::at_most(name, target, value.as_secs_f64(), "s")
    }

    pub(crate) fn with(self, note: String) -> Self {
        Self { note, ..self }
    }
}

fn rounded(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        writeln!(f, "load {} on {cores} cores; fsync {:.1?}", load.trim(), self.fsync)?;
        let mut table = Table::new();
        table.load_style(presets::ASCII_MARKDOWN);
        table.set_header(["what", "target", "measured", "met", "more"]);
        for row in &self.rows {
            let met = match row.is_met {
                Some(true) => "yes",
                Some(false) => "no",
                None => "",
            };
            table.add_row([row.name, &row.target, &row.measured, met, &row.note]);
        }
        writeln!(f, "{table}\n")?;
        let mut curve = Table::new();
        curve.load_style(presets::ASCII_MARKDOWN);
        curve.set_header([
            "tasks",
            "workers",
            "tasks/s",
            "CPU a task",
            "of the driver",
            "bytes a task",
            "calls a task",
            "seconds",
        ]);
        for Point(filled) in &self.curve {
            let each = filled.driver_cpu / u32::try_from(filled.tasks).unwrap_or(u32::MAX);
            curve.add_row([
                filled.tasks.to_string(),
                filled.workers.to_string(),
                format!("{:.0}", filled.per_second()),
                format!("{:.0} µs", filled.cpu_each().as_secs_f64() * 1e6),
                format!("{:.0} µs", each.as_secs_f64() * 1e6),
                filled.bytes_each.to_string(),
                format!("{:.2}", filled.calls as f64 / filled.tasks as f64),
                format!("{:.2}", filled.whole.as_secs_f64()),
            ]);
        }
        for column in curve.column_iter_mut() {
            column.set_cell_alignment(CellAlignment::Right);
        }
        writeln!(f, "{curve}")
    }
}
