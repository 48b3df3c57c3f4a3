//! `poco task logs`: what the runs of a task print, as their pool tells it to the requester.

use super::task::{cause_name, find_pool};
use crate::context::Context;
use crate::failure::Failure;
use crate::interrupt::unless_stopped;
use crate::output::Output;
use crate::pool::Pool;
use clap::Args;
use poco_core::{Address, TaskId};
use poco_proto::v1::log_event::Kind;
use poco_proto::v1::logs_part::Body;
use poco_proto::v1::{LogEvent, LogOutput, LogsPart, LogsRequest};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Longest part of a line that waits for its end; more is shown as a line of its own.
const LINE_BYTES_MAX: usize = 8 << 10;

#[derive(Debug, Args)]
pub(crate) struct LogsArgs {
    /// The task's id
    task: TaskId,
    /// Go on until the task has ended
    #[arg(long, short)]
    follow: bool,
    /// Only of this worker's run: its two streams as they are, without a prefix
    #[arg(long, value_name = "ADDRESS", value_parser = crate::address::parse)]
    worker: Option<Address>,
}

/// Shows what is known, and with `--follow` what comes.
pub(super) async fn run(context: &Context, args: LogsArgs) -> Result<(), Failure> {
    let LogsArgs { task, follow, worker } = args;
    let chain = context.chain().await?;
    let (_, pool) = find_pool(context, &chain, task).await?;
    let pool = pool.ok_or_else(|| {
        let told = "nobody knows where the pool of this task is: say it with --pool-url";
        Failure::NotFound(told.to_owned())
    })?;
    let wallet = context.wallet()?;
    let challenge = pool.logs_challenge(chain.chain_id(), wallet.address()).await?;
    let authorization = wallet
        .answer_challenge(chain.chain_id(), &challenge)
        .ok_or_else(|| Failure::Unreachable("the pool gives no challenge to sign".to_owned()))?;
    let worker_bytes = worker.map(|worker| worker.to_vec()).unwrap_or_default();
    let request =
        LogsRequest { task: task.0.to_vec(), worker: worker_bytes, follow, authorization };
    let mut screen = Screen::new(context.output, worker.is_none());
    let told = format!("no longer following; the task goes on: `poco task show {task}`");
    unless_stopped(show(&pool, request, &mut screen), &told).await?;
    if !screen.has_shown {
        context.output.note("nothing was printed (yet), or the pool has forgotten it");
    }
    Ok(())
}

async fn show(pool: &Pool, request: LogsRequest, screen: &mut Screen) -> Result<(), Failure> {
    let is_following = request.follow;
    let mut parts = pool.read_logs(request).await?;
    let mut is_over = false;
    while let Some(part) = pool.next_logs(&mut parts).await? {
        is_over |= screen.part(part)?;
    }
    screen.flush()?;
    if is_following && !is_over {
        let told = "it ended the stream before the task has ended; follow it again";
        return Err(pool.unreachable(told));
    }
    Ok(())
}

/// What was shown so far, and the lines that are not over.
struct Screen {
    output: Output,
    json: bool,
    /// Names the worker before each line.
    has_prefix: bool,
    lines: BTreeMap<(Vec<u8>, bool), Line>,
    /// Workers whose output was shown.
    heard: BTreeSet<Vec<u8>>,
    has_shown: bool,
}

#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// The last byte was a carriage return, which ends a line on its own.
    was_return: bool,
}

impl Screen {
    fn new(output: Output, has_prefix: bool) -> Self {
        let (lines, heard) = (BTreeMap::new(), BTreeSet::new());
        Self { output, json: output.is_json(), has_prefix, lines, heard, has_shown: false }
    }

    /// Shows a part; whether it says that all is over.
    fn part(&mut self, part: LogsPart) -> Result<bool, Failure> {
        let LogsPart { worker, body } = part;
        match body {
            Some(Body::Output(output)) => self.printed(worker, &output).map(|()| false),
            Some(Body::Event(event)) => {
                let is_over = event.kind() == Kind::Over;
                self.event(worker, &event).map(|()| is_over)
            }
            // A pool that is newer says something that is not known here.
            None => Ok(false),
        }
    }

    fn printed(&mut self, worker: Vec<u8>, output: &LogOutput) -> Result<(), Failure> {
        self.has_shown = true;
        self.heard.insert(worker.clone());
        if self.json {
            let stream = if output.is_stderr { "stderr" } else { "stdout" };
            let text = String::from_utf8_lossy(&output.data);
            let worker = address(&worker);
            let lost = output.lost;
            let told = json!({ "worker": worker, "stream": stream, "text": text, "lost": lost });
            return self.output.raw(&format!("{told}\n"));
        }
        let key = (worker, output.is_stderr);
        if output.lost > 0 {
            self.end_line(&key)?;
            let told = format!("at least {} bytes are missing here", output.lost);
            self.output.note(&format!("{}: {told}", short(&key.0)));
        }
        let lines = self.lines.entry(key.clone()).or_default().take(&output.data);
        lines.iter().try_for_each(|line| self.line(&key, line))
    }

    fn event(&mut self, worker: Vec<u8>, event: &LogEvent) -> Result<(), Failure> {
        if self.json {
            return self.output.raw(&format!("{}\n", event_json(&worker, event)));
        }
        self.flush()?;
        let text = clean(&event.text);
        if worker.is_empty() {
            self.output.note(&text);
            return Ok(());
        }
        if event.kind() == Kind::Again {
            self.heard.remove(&worker);
        }
        self.output.note(&format!("{}: {text}", short(&worker)));
        // Where it was told as it was printed, the last lines have been seen.
        let last = event.failure.as_ref().filter(|_| !self.heard.contains(&worker));
        if let Some(failure) = last {
            self.has_shown = true;
            for (is_stderr, tail) in [(false, &failure.stdout_tail), (true, &failure.stderr_tail)] {
                let key = (worker.clone(), is_stderr);
                tail.lines().try_for_each(|line| self.line(&key, line.as_bytes()))?;
            }
        }
        Ok(())
    }

    /// Shows what has no end of line yet.
    fn flush(&mut self) -> Result<(), Failure> {
        let open: Vec<_> = self.lines.keys().cloned().collect();
        open.iter().try_for_each(|key| self.end_line(key))
    }

    fn end_line(&mut self, key: &(Vec<u8>, bool)) -> Result<(), Failure> {
        match self.lines.remove(key) {
            Some(line) if !line.bytes.is_empty() => self.line(key, &line.bytes),
            Some(_) | None => Ok(()),
        }
    }

    fn line(&self, (worker, is_stderr): &(Vec<u8>, bool), line: &[u8]) -> Result<(), Failure> {
        let text = clean(&String::from_utf8_lossy(line));
        match (self.has_prefix, is_stderr) {
            (true, false) => self.output.raw(&format!("{} | {text}\n", short(worker))),
            (true, true) => self.output.raw(&format!("{} ! {text}\n", short(worker))),
            (false, false) => self.output.raw(&format!("{text}\n")),
            (false, true) => {
                self.output.note(&text);
                Ok(())
            }
        }
    }
}

impl Line {
    /// The lines that end in `bytes`.
    fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        for byte in bytes {
            let was_return = std::mem::replace(&mut self.was_return, *byte == b'\r');
            match byte {
                b'\n' if was_return => {}
                b'\n' | b'\r' => lines.push(std::mem::take(&mut self.bytes)),
                other => self.bytes.push(*other),
            }
            if self.bytes.len() >= LINE_BYTES_MAX {
                lines.push(std::mem::take(&mut self.bytes));
            }
        }
        lines
    }
}

/// Without what would move a terminal's cursor or change its colours: the app is a stranger's.
fn clean(text: &str) -> String {
    let shown = |c: char| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(shown).collect()
}

fn address(worker: &[u8]) -> Option<Address> {
    Address::try_from(worker).ok()
}

fn short(worker: &[u8]) -> String {
    format!("0x{}", hex::encode(worker.get(..4).unwrap_or_default()))
}

fn event_json(worker: &[u8], event: &LogEvent) -> Value {
    let failure = event.failure.as_ref().map(|failure| {
        json!({
            "cause": cause_name(failure.cause()),
            "detail": failure.detail,
            "exit_code": failure.exit_code,
            "stdout_tail": failure.stdout_tail,
            "stderr_tail": failure.stderr_tail,
        })
    });
    let kind = match event.kind() {
        Kind::Unspecified => "unknown",
        Kind::Running => "running",
        Kind::Ended => "ended",
        Kind::Failed => "failed",
        Kind::Away => "away",
        Kind::Back => "back",
        Kind::Lost => "lost",
        Kind::Again => "again",
        Kind::Over => "over",
    };
    json!({ "worker": address(worker), "event": kind, "text": event.text, "failure": failure })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_from_parts_and_every_way_to_end_one_ends_it() {
        let mut line = Line::default();
        assert!(line.take("hal\u{fc}".as_bytes()).is_empty());
        let lines = line.take(b"f\none\r\ntwo\rthree\n\n");
        let text = |line: &Vec<u8>| String::from_utf8_lossy(line).into_owned();
        let lines: Vec<String> = lines.iter().map(text).collect();
        assert_eq!(lines, ["hal\u{fc}f", "one", "two", "three", ""]);
        assert!(line.bytes.is_empty());
        let long = line.take(&vec![b'x'; LINE_BYTES_MAX * 2 + 5]);
        assert_eq!((long.len(), line.bytes.len()), (2, 5));
    }

    #[test]
    fn an_app_cannot_write_to_the_terminal_of_its_reader() {
        assert_eq!(clean("a\tb\u{1b}[2Jc\u{7}d\u{9b}e"), "a\tb\u{fffd}[2Jc\u{fffd}d\u{fffd}e");
    }
}
