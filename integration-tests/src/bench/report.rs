//! What the bench found, for programs as JSON and for people as tables.

use super::gas::GasTable;
use super::machine::Machine;
use super::memory::MemoryReport;
use super::overhead::OverheadTable;
use super::reference::{MEMORY, OVERHEAD_SECONDS};
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;
use std::fmt;

const MIB: f64 = 1_048_576.0;

/// Everything that was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where.
    pub machine: Machine,
    /// Tasks of each lane.
    pub runs: usize,
    /// Time, lane by lane.
    pub overhead: Vec<OverheadTable>,
    /// Gas, lane by lane.
    pub gas: Vec<GasTable>,
    /// Memory.
    pub memory: MemoryReport,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine)?;
        writeln!(f, "{} tasks of each lane, one after the other; optimised binaries;", self.runs)?;
        writeln!(f, "anvil with a block for each transaction; containers with the usual limits;")?;
        writeln!(f, "ratios are ours to the reference's.")?;
        for table in &self.overhead {
            writeln!(f, "\nTime of a task, {}, in ms\n{}", table.lane, steps(table))?;
        }
        let (least, most) = OVERHEAD_SECONDS;
        writeln!(
            f,
            "\nOverhead of a task beyond its app's own time, in ms. iExec's scheduler takes"
        )?;
        writeln!(f, "{least} to {most} s; the ratio is to the lesser.\n{}", self.overheads())?;
        writeln!(f, "\nGas of a task, medians, beside iExec PoCo 6.1.0\n{}", self.gas_table())?;
        let MemoryReport { tasks, workers, .. } = &self.memory;
        writeln!(
            f,
            "\nMemory in MiB with {workers} workers, idle and with {tasks} tasks live, that is,"
        )?;
        writeln!(
            f,
            "initialized, open at the scheduler, container running; ratio of live to idle."
        )?;
        writeln!(f, "{MEMORY}\n{}", self.memory_table())
    }
}

fn steps(table: &OverheadTable) -> Table {
    let mut rows = new_table(&["step", "median", "p90"]);
    for row in &table.steps {
        rows.add_row([row.step.clone(), millis(row.millis.median), millis(row.millis.p90)]);
    }
    for (name, summary) in [
        ("total", table.total),
        ("- container's own run", table.container),
        ("= overhead", table.overhead),
    ] {
        rows.add_row([name.to_owned(), millis(summary.median), millis(summary.p90)]);
    }
    align(rows)
}

impl Report {
    fn overheads(&self) -> Table {
        let mut rows = new_table(&["lane", "median", "p90", "reference", "ratio"]);
        let reference = OVERHEAD_SECONDS.0 * 1000.0;
        for table in &self.overhead {
            let median = table.overhead.median;
            rows.add_row([
                table.lane.clone(),
                millis(median),
                millis(table.overhead.p90),
                millis(reference),
                format!("{:.3}", median / reference),
            ]);
        }
        align(rows)
    }

    fn gas_table(&self) -> Table {
        let mut rows = new_table(&["lane", "call", "ours", "reference", "ratio"]);
        for (table, row) in
            self.gas.iter().flat_map(|table| table.rows.iter().map(move |row| (table, row)))
        {
            let reference = row.reference.map_or_else(|| "-".into(), |gas| gas.to_string());
            let ratio = row
                .reference
                .map_or_else(|| "-".into(), |gas| format!("{:.2}", row.gas / gas as f64));
            let gas = format!("{:.0}", row.gas);
            rows.add_row([table.lane.clone(), row.call.clone(), gas, reference, ratio]);
        }
        align(rows)
    }

    fn memory_table(&self) -> Table {
        let header = ["process", "idle RSS", "idle PSS", "live RSS", "live PSS", "ratio of PSS"];
        let mut rows = new_table(&header);
        for process in &self.memory.processes {
            let (idle, live) = (process.idle, process.live);
            rows.add_row([
                process.name.clone(),
                mib(idle.rss_bytes),
                mib(idle.pss_bytes),
                mib(live.rss_bytes),
                mib(live.pss_bytes),
                ratio(live.pss_bytes, idle.pss_bytes),
            ]);
        }
        rows.add_row(self.together());
        align(rows)
    }

    /// All processes but the chain. Resident pages that are shared would count several times.
    fn together(&self) -> [String; 6] {
        let ours = || self.memory.processes.iter().filter(|process| process.is_ours);
        let idle: u64 = ours().map(|process| process.idle.pss_bytes).sum();
        let live: u64 = ours().map(|process| process.live.pss_bytes).sum();
        let none = || "-".to_owned();
        ["all but anvil".into(), none(), mib(idle), none(), mib(live), ratio(live, idle)]
    }
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN).set_header(header.to_vec());
    table
}

/// Numbers to the right; the columns before them are words.
fn align(mut table: Table) -> Table {
    let is_number = |text: &str| text == "-" || text.parse::<f64>().is_ok();
    for index in 0..table.column_count() {
        let mut cells = table.column_cells_iter(index).flatten();
        let holds_numbers = cells.all(|cell| is_number(&cell.content()));
        if let Some(column) = table.column_mut(index).filter(|_| holds_numbers) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / MIB)
}

/// How many times the second the first is.
fn ratio(first: u64, second: u64) -> String {
    format!("{:.2}", first as f64 / second.max(1) as f64)
}

fn millis(millis: f64) -> String {
    format!("{millis:.0}")
}
