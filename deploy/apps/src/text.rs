//! `text-stats`: what can be said about texts by reading them once.
//!
//! Files stream through a fixed buffer, so their size does not matter. What grows with the
//! text, the table of words, has a limit, and the report says when it was reached. Words
//! are runs of letters and digits with inner apostrophes, compared in lower case; no
//! language is assumed beyond that.

mod decoder;
mod report;
mod statistics;

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::json;

use crate::arguments::Arguments;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output;

use decoder::Decoder;
pub use statistics::{Counter, Statistics};

/// Bytes read at a time.
const BUFFER_BYTES: usize = 64 * 1024;

/// Words listed when `--top` does not say otherwise.
const TOP_WORDS: usize = 20;

/// The longest list of words that `--top` may ask for.
const TOP_WORDS_MAX: usize = 1000;

/// The statistics of one input, under its file name.
pub struct Examined {
    /// The input's file name.
    pub name: String,
    /// What was counted.
    pub statistics: Statistics,
}

/// Runs the app: reads every input, writes `stats/report.txt` and `stats/stats.json`, and
/// returns the report for stdout.
pub fn run(environment: &Environment, words: Vec<String>) -> Result<String, Failure> {
    let arguments = Arguments::parse(words, &[], &["--top"])?;
    let top = arguments.number("--top", TOP_WORDS, (1, TOP_WORDS_MAX))?;
    let folder = environment.require_output_folder()?;
    if environment.inputs().next().is_none() {
        return Err(Failure::Usage("no input: give the request an input file or a dataset".into()));
    }
    let mut examined = Vec::new();
    let mut total = Statistics::default();
    for name in environment.inputs() {
        let statistics = examine_file(&environment.input_folder.join(name))?;
        total.merge(&statistics);
        examined.push(Examined { name: name.to_owned(), statistics });
    }
    let report = report::render(&examined, &total, top);
    let inputs: Vec<_> = examined
        .iter()
        .map(|one| json!({ "name": one.name, "statistics": one.statistics.to_json(top) }))
        .collect();
    let stats = json!({ "inputs": inputs, "total": total.to_json(top) });
    let results = folder.join("stats");
    output::write_file(&results.join("report.txt"), report.as_bytes())?;
    output::write_file(&results.join("stats.json"), format!("{stats:#}\n").as_bytes())?;
    output::declare_path(folder, &results)?;
    Ok(report)
}

/// Counts one file.
pub fn examine_file(path: &Path) -> Result<Statistics, Failure> {
    let refuse =
        |error: std::io::Error| Failure::Input(format!("cannot read {}: {error}", path.display()));
    examine(File::open(path).map_err(refuse)?).map_err(refuse)
}

/// Counts everything a reader gives.
pub fn examine(mut reader: impl Read) -> std::io::Result<Statistics> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut decoder = Decoder::default();
    let mut counter = Counter::default();
    loop {
        let count = match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        counter.add_bytes(count as u64);
        decoder.push(&buffer[..count], &mut |character| counter.add(character));
    }
    decoder.finish(&mut |character| counter.add(character));
    Ok(counter.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::tests::Folder;
    use std::fs;

    fn environment(folder: &Folder, inputs: &[&str]) -> Environment {
        let input_folder = folder.0.join("in");
        fs::create_dir_all(&input_folder).unwrap();
        let mut environment = Environment::read(|_| None).unwrap();
        environment.input_folder = input_folder;
        environment.output_folder = Some(folder.0.join("out"));
        environment.input_files = inputs.iter().map(|name| (*name).to_owned()).collect();
        environment
    }

    #[test]
    fn two_files_give_a_report_a_table_and_a_total() {
        let folder = Folder::new();
        let environment = environment(&folder, &["a.txt", "b.txt"]);
        fs::write(environment.input_folder.join("a.txt"), "one two two\n").unwrap();
        fs::write(environment.input_folder.join("b.txt"), "two three\n\n").unwrap();
        let summary = run(&environment, vec![]).unwrap();
        let stats = fs::read_to_string(folder.0.join("out/stats/stats.json")).unwrap();
        let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
        assert_eq!(stats["inputs"][0]["statistics"]["words"], 3);
        assert_eq!(stats["total"]["words"], 5);
        assert_eq!(stats["total"]["lines"], 3);
        assert_eq!(stats["total"]["distinct_words"], 3);
        assert_eq!(stats["total"]["top_words"][0], json!({ "word": "two", "count": 3 }));
        let report = fs::read_to_string(folder.0.join("out/stats/report.txt")).unwrap();
        assert_eq!(report, summary);
        let computed = fs::read_to_string(folder.0.join("out/computed.json")).unwrap();
        assert!(computed.contains("/out/stats\""), "{computed}");
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let read = || {
            let folder = Folder::new();
            let environment = environment(&folder, &["a"]);
            fs::write(environment.input_folder.join("a"), "b a c b\nxyz ".repeat(99)).unwrap();
            run(&environment, vec![]).unwrap();
            let stats = folder.0.join("out/stats");
            (
                fs::read(stats.join("stats.json")).unwrap(),
                fs::read(stats.join("report.txt")).unwrap(),
            )
        };
        assert_eq!(read(), read());
    }

    #[test]
    fn no_input_and_a_missing_input_are_told_apart() {
        let folder = Folder::new();
        let nothing = run(&environment(&folder, &[]), vec![]).unwrap_err();
        assert!(matches!(nothing, Failure::Usage(_)), "{nothing}");
        let missing = run(&environment(&folder, &["absent"]), vec![]).unwrap_err();
        assert!(matches!(missing, Failure::Input(_)), "{missing}");
        assert!(!folder.0.join("out/computed.json").exists());
    }

    #[test]
    fn the_size_of_the_reads_does_not_change_the_counts() {
        struct Dripping<'a>(&'a [u8]);
        impl Read for Dripping<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
                let count = self.0.len().min(1);
                buffer[..count].copy_from_slice(&self.0[..count]);
                self.0 = &self.0[count..];
                Ok(count)
            }
        }
        let text = "Größe, naïve — “don’t” 🦀 \u{fffd} ends\r\nwithout newline".as_bytes();
        let whole = examine(text).unwrap();
        let dripped = examine(Dripping(text)).unwrap();
        assert_eq!(whole.to_json(50), dripped.to_json(50));
        assert_eq!(whole.words, 6);
    }
}
