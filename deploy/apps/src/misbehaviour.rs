//! `misbehave`: an app that does what apps should not, for tests of those who run it.
//!
//! The arguments are steps separated by `then`, for instance `sleep 3 then exit 7`:
//!
//! | step | does |
//! |---|---|
//! | `echo TEXT` | prints TEXT and makes it part of the result |
//! | `lie TEXT` | makes TEXT part of the result, silently |
//! | `exit N` | ends at once with exit code N (0 to 255) and no result |
//! | `sleep SECONDS` | waits |
//! | `memory MIB`, `disk MIB`, `log MIB`, `threads N` | takes that much and goes on |
//! | `disagree` | adds a random number to the result: no two replicas agree |
//! | `environment` | adds the `IEXEC_…` variables to the result |
//! | `write PATH` | adds whether PATH can be written |
//! | `connect HOST:PORT` | adds whether a connection can be made |
//! | `no-computed-json`, `broken-computed-json`, `missing-path` | spoils the end |
//! | `callback HEX` | ends with these bytes as callback data |
//!
//! The result is `result.txt`.

use std::fs;
use std::io::Write;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::time::Duration;

use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

/// Bytes of one mebibyte.
const MEBIBYTE: usize = 1024 * 1024;

/// Most mebibytes that a step takes, on a machine whose limits do not hold.
const MEBIBYTES_MAX: u64 = 64 * 1024;

/// Longest sleep: a day.
const SLEEP_SECONDS_MAX: f64 = 86_400.0;

/// Most threads that a step starts, on a machine whose limits do not hold.
const THREADS_MAX: u64 = 100_000;

/// How long a connection may take before it counts as refused.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How a run ends when all steps are done.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Ending {
    /// As an app should end: `computed.json` names `result.txt`.
    Proper,
    /// There is no `computed.json`.
    NoComputedJson,
    /// `computed.json` is not JSON.
    BrokenComputedJson,
    /// `computed.json` names a file that does not exist.
    MissingPath,
    /// `computed.json` has callback data.
    Callback(Vec<u8>),
}

/// One run, with what the steps leave behind.
struct Run<'a> {
    environment: &'a Environment,
    folder: &'a Path,
    result: String,
    ending: Ending,
    /// Memory taken, held until the end.
    memory: Vec<Vec<u8>>,
}

/// Runs all steps; returns the exit code the steps ask for.
pub fn run(environment: &Environment, words: &[String]) -> Result<u8, Failure> {
    let folder = environment.require_output_folder()?;
    let mut run = Run {
        environment,
        folder,
        result: String::new(),
        ending: Ending::Proper,
        memory: Vec::new(),
    };
    for step in words.split(|word| word == "then") {
        if let Some(code) = run.step(step)? {
            return Ok(code);
        }
    }
    run.end().map(|()| 0)
}

impl Run<'_> {
    /// Does one step; an exit code if the run ends here.
    fn step(&mut self, step: &[String]) -> Result<Option<u8>, Failure> {
        let (name, argument) = match step {
            [] => return Ok(None),
            [name, words @ ..] => (name.as_str(), words.join(" ")),
        };
        match name {
            "echo" => self.echo(&argument),
            "lie" => self.note(&argument),
            "exit" => return number(&argument, 255).map(|code| Some(code as u8)),
            "sleep" => sleep(&argument)?,
            "memory" => self.take_memory(number(&argument, MEBIBYTES_MAX)?),
            "disk" => self.fill_disk(number(&argument, MEBIBYTES_MAX)?)?,
            "log" => fill_log(number(&argument, MEBIBYTES_MAX)?)?,
            "threads" => self.start_threads(number(&argument, THREADS_MAX)?),
            "disagree" => self.disagree()?,
            "environment" => self.note_environment(),
            "write" => self.try_write(&argument),
            "connect" => self.try_connect(&argument),
            "no-computed-json" => self.ending = Ending::NoComputedJson,
            "broken-computed-json" => self.ending = Ending::BrokenComputedJson,
            "missing-path" => self.ending = Ending::MissingPath,
            "callback" => self.ending = Ending::Callback(bytes_of_hex(&argument)?),
            unknown => return Err(Failure::Usage(format!("unknown step '{unknown}'"))),
        }
        Ok(None)
    }

    fn end(&self) -> Result<(), Failure> {
        let result = self.folder.join("result.txt");
        output::write_file(&result, self.result.as_bytes())?;
        match &self.ending {
            Ending::Proper => output::declare_path(self.folder, &result),
            Ending::NoComputedJson => Ok(()),
            Ending::BrokenComputedJson => {
                output::write_file(&self.folder.join("computed.json"), b"{\"deterministic")
            }
            Ending::MissingPath => {
                output::declare_path(self.folder, &self.folder.join("does-not-exist"))
            }
            Ending::Callback(bytes) => output::declare_callback(self.folder, bytes),
        }
    }

    fn note(&mut self, line: &str) {
        self.result.push_str(line);
        self.result.push('\n');
    }

    fn echo(&mut self, text: &str) {
        // A closed stdout is one of the things a test may do to an app.
        drop(writeln!(std::io::stdout(), "{text}"));
        self.note(text);
    }

    fn take_memory(&mut self, mebibytes: u64) {
        for _ in 0..mebibytes {
            // Filled with something, because the system lends pages of zeros for nothing.
            self.memory.push(vec![0xa5; MEBIBYTE]);
        }
        self.note(&format!("took {mebibytes} MiB of memory"));
    }

    fn fill_disk(&mut self, mebibytes: u64) -> Result<(), Failure> {
        let path = self.folder.join("fill");
        let refuse = |error: std::io::Error| {
            Failure::Output(format!("cannot fill {}: {error}", path.display()))
        };
        let mut file = fs::File::create(&path).map_err(refuse)?;
        let block = vec![0xa5; MEBIBYTE];
        for _ in 0..mebibytes {
            file.write_all(&block).map_err(refuse)?;
        }
        file.sync_all().map_err(refuse)?;
        self.note(&format!("wrote {mebibytes} MiB"));
        Ok(())
    }

    fn start_threads(&mut self, count: u64) {
        let mut started = 0;
        let (stop, stopped) = std::sync::mpsc::sync_channel::<()>(0);
        let stopped = std::sync::Arc::new(std::sync::Mutex::new(stopped));
        for _ in 0..count {
            let stopped = std::sync::Arc::clone(&stopped);
            // Each thread lives until the sender is gone.
            let body = move || drop(stopped.lock().map(|receiver| receiver.recv()));
            match std::thread::Builder::new().stack_size(64 * 1024).spawn(body) {
                Ok(_) => started += 1,
                Err(_) => break,
            }
        }
        drop(stop);
        self.note(&format!("started {started} of {count} threads"));
    }

    fn disagree(&mut self) -> Result<(), Failure> {
        let path = "/proc/sys/kernel/random/uuid";
        let random = fs::read_to_string(path)
            .map_err(|error| Failure::Input(format!("cannot read {path}: {error}")))?;
        self.note(random.trim());
        Ok(())
    }

    fn note_environment(&mut self) {
        let mut variables: Vec<_> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| name.starts_with("IEXEC_"))
            .collect();
        variables.sort();
        for (name, value) in variables {
            self.note(&format!("{name}={value}"));
        }
        let inputs: Vec<_> = self.environment.inputs().map(str::to_owned).collect();
        for name in inputs {
            let length = fs::metadata(self.environment.input_folder.join(&name))
                .map_or_else(|error| error.to_string(), |file| format!("{} bytes", file.len()));
            self.note(&format!("input {name}: {length}"));
        }
    }

    fn try_write(&mut self, path: &str) {
        let outcome = fs::write(path, b"written by an app\n");
        let verdict = if outcome.is_ok() { "can" } else { "cannot" };
        self.note(&format!("{verdict} write {path}"));
    }

    fn try_connect(&mut self, address: &str) {
        let reached = address.to_socket_addrs().is_ok_and(|addresses| {
            addresses
                .into_iter()
                .any(|one| TcpStream::connect_timeout(&one, CONNECT_TIMEOUT).is_ok())
        });
        let verdict = if reached { "can" } else { "cannot" };
        self.note(&format!("{verdict} connect to {address}"));
    }
}

fn number(text: &str, most: u64) -> Result<u64, Failure> {
    text.parse()
        .ok()
        .filter(|value| *value <= most)
        .ok_or_else(|| Failure::Usage(format!("'{text}' is not a number from 0 to {most}")))
}

#[allow(clippy::disallowed_methods, reason = "this app has one thread, and idling is its purpose")]
fn sleep(text: &str) -> Result<(), Failure> {
    let seconds: f64 = text
        .parse()
        .ok()
        .filter(|seconds| (0.0..=SLEEP_SECONDS_MAX).contains(seconds))
        .ok_or_else(|| Failure::Usage(format!("'{text}' is not a number of seconds")))?;
    std::thread::sleep(Duration::from_secs_f64(seconds));
    Ok(())
}

fn fill_log(mebibytes: u64) -> Result<(), Failure> {
    let mut line = vec![b'x'; 1023];
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    for _ in 0..mebibytes * 1024 {
        stdout
            .write_all(&line)
            .map_err(|error| Failure::Output(format!("cannot write to stdout: {error}")))?;
    }
    Ok(())
}

fn bytes_of_hex(text: &str) -> Result<Vec<u8>, Failure> {
    let refuse = || Failure::Usage(format!("'{text}' is not an even number of hex digits"));
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(refuse());
    }
    digits
        .chunks(2)
        .map(|pair| {
            let high = char::from(pair[0]).to_digit(16).ok_or_else(refuse)?;
            let low = char::from(pair[1]).to_digit(16).ok_or_else(refuse)?;
            Ok((high * 16 + low) as u8)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Folder;

    fn misbehave(folder: &Folder, line: &str) -> Result<u8, Failure> {
        let mut environment = Environment::read(|_| None).unwrap();
        environment.output_folder = Some(folder.0.clone());
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        run(&environment, &words)
    }

    fn result(folder: &Folder) -> String {
        fs::read_to_string(folder.0.join("result.txt")).unwrap()
    }

    #[test]
    fn steps_run_one_after_the_other_and_exit_ends_them() {
        let folder = Folder::new();
        assert_eq!(misbehave(&folder, "echo one two then sleep 0 then lie three"), Ok(0));
        assert_eq!(result(&folder), "one two\nthree\n");
        assert!(folder.0.join("computed.json").exists());
        let folder = Folder::new();
        assert_eq!(misbehave(&folder, "lie x then exit 7 then echo never"), Ok(7));
        assert!(!folder.0.join("result.txt").exists());
    }

    #[test]
    fn each_spoilt_end_is_spoilt_in_its_way() {
        let computed = |line: &str| {
            let folder = Folder::new();
            assert_eq!(misbehave(&folder, line), Ok(0));
            fs::read_to_string(folder.0.join("computed.json")).ok()
        };
        assert_eq!(computed("no-computed-json"), None);
        let broken = computed("broken-computed-json").unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&broken).is_err());
        assert!(computed("missing-path").unwrap().contains("does-not-exist"));
        assert_eq!(computed("callback 0x01ff").unwrap(), "{\"callback-data\":\"0x01ff\"}\n");
    }

    #[test]
    fn two_runs_that_disagree_have_different_results() {
        let (first, second) = (Folder::new(), Folder::new());
        assert_eq!(misbehave(&first, "disagree"), Ok(0));
        assert_eq!(misbehave(&second, "disagree"), Ok(0));
        assert_ne!(result(&first), result(&second));
    }

    #[test]
    fn what_is_taken_is_what_was_asked_for() {
        let folder = Folder::new();
        let line = "memory 2 then disk 3 then threads 4 then write /proc/nowhere";
        assert_eq!(misbehave(&folder, line), Ok(0));
        assert_eq!(fs::metadata(folder.0.join("fill")).unwrap().len(), 3 * MEBIBYTE as u64);
        let text = result(&folder);
        assert!(text.contains("started 4 of 4 threads"), "{text}");
        assert!(text.contains("cannot write /proc/nowhere"), "{text}");
    }

    #[test]
    fn nonsense_is_refused() {
        for line in ["dance", "exit 256", "sleep -1", "sleep long", "callback 0x1", "callback zz"] {
            let folder = Folder::new();
            assert!(matches!(misbehave(&folder, line), Err(Failure::Usage(_))), "{line}");
        }
    }
}
