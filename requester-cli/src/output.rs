//! The only place that prints: tables and sentences for people, JSON for programs.

use crate::failure::Failure;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use std::io::{ErrorKind, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

/// What a command found or did.
pub(crate) trait Show: Serialize {
    /// The same for people, without a line break at the end.
    fn show(&self) -> String;
}

/// How the command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether a program reads.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person reads: JSON is not asked for and the standard error is a terminal.
    pub(crate) fn is_interactive(self) -> bool {
        !self.json && std::io::stderr().is_terminal() && std::io::stdin().is_terminal()
    }

    /// The command's answer, on the standard output.
    pub(crate) fn answer(self, answer: &impl Show) -> Result<(), Failure> {
        let text = if self.json {
            serde_json::to_string_pretty(answer).map_err(anyhow::Error::from)?
        } else {
            answer.show()
        };
        print(&format!("{text}\n"))
    }

    /// Raw text for another program, such as a completion script.
    pub(crate) fn raw(self, text: &str) -> Result<(), Failure> {
        print(text)
    }

    /// A sentence on the way, on the standard error; silent with --json.
    pub(crate) fn note(self, text: &str) {
        if !self.json {
            say(text);
        }
    }

    /// The one line that says what went wrong.
    pub(crate) fn failure(self, failure: &Failure) -> ExitCode {
        let code = failure.exit_code();
        if self.json {
            let error = failure.to_string();
            say(&serde_json::json!({ "ok": false, "error": error, "code": code }).to_string());
        } else {
            say(&format!("error: {failure}"));
        }
        ExitCode::from(code)
    }

    /// Asks a yes-or-no question; no when nobody can answer.
    pub(crate) fn confirm(self, question: &str) -> Result<bool, Failure> {
        if !self.is_interactive() {
            return Err(Failure::Usage(
                "this needs a confirmation: run it on a terminal or pass --yes".to_owned(),
            ));
        }
        drop(write!(std::io::stderr(), "{question} [y/N] "));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer).map_err(anyhow::Error::from)?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// The progress of one of several things: shown only where it is the only one.
    pub(crate) fn quiet_unless(self, is_only_one: bool) -> Progress {
        if is_only_one {
            return self.progress();
        }
        let silent = Self { json: true };
        Progress { output: silent, bar: None, last: String::new() }
    }

    /// A line that is rewritten while something goes on; plain lines where no terminal is.
    pub(crate) fn progress(self) -> Progress {
        if !self.is_interactive() {
            return Progress { output: self, bar: None, last: String::new() };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed:>4} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Progress { output: self, bar: Some(bar), last: String::new() }
    }
}

/// Prints an answer. A reader that has gone, as `head` does, has seen what it wanted.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("the answer cannot be written").into())
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Says a line on the standard error; where nobody hears it, nothing can be said about that.
fn say(line: &str) {
    drop(writeln!(std::io::stderr(), "{line}"));
}

/// A task's progress as it is seen by the user.
#[derive(Debug)]
pub(crate) struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    last: String,
}

impl Progress {
    /// Shows where things stand; the same words twice are shown once.
    pub(crate) fn set(&mut self, text: &str) {
        if self.last == text {
            return;
        }
        self.last.clear();
        self.last.push_str(text);
        match &self.bar {
            Some(bar) => bar.set_message(text.to_owned()),
            None => self.output.note(text),
        }
    }

    /// A line that stays.
    pub(crate) fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => self.output.note(text),
        }
    }

    /// Takes the changing line away.
    pub(crate) fn done(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

/// "1 task", "2 tasks".
pub(crate) fn number_of_tasks(count: u64) -> String {
    if count == 1 { "1 task".to_owned() } else { format!("{count} tasks") }
}

/// A table with a head line.
pub(crate) fn table<const N: usize>(head: [&str; N], rows: Vec<[String; N]>) -> String {
    let mut table = plain_table();
    table.set_header(head);
    for row in rows {
        table.add_row(row);
    }
    table.to_string()
}

/// Names and values, one a line.
pub(crate) fn pairs(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| format!("{name:width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

fn plain_table() -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    table
}
