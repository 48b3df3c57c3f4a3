//! The report for people: plain text, 78 columns.

use std::fmt::Write;

use super::{Examined, Statistics};

/// Columns of the widest bar.
const BAR_COLUMNS: u64 = 40;

/// Letters shown with a bar; the table in JSON has more.
const LETTERS_SHOWN: usize = 26;

/// Renders the report of all inputs, with a total where there are several.
pub(super) fn render(examined: &[Examined], total: &Statistics, top: usize) -> String {
    let mut report = String::new();
    for one in examined {
        section(&mut report, &one.name, &one.statistics, top);
    }
    if examined.len() > 1 {
        let title = format!("All {} inputs", examined.len());
        section(&mut report, &title, total, top);
    }
    report
}

fn section(report: &mut String, title: &str, statistics: &Statistics, top: usize) {
    let mut line = |text: String| {
        // Writing to a String cannot fail.
        let _ = writeln!(report, "{}", text.trim_end());
    };
    line(title.to_owned());
    line("=".repeat(title.chars().count().min(78)));
    for (name, value) in facts(statistics) {
        line(format!("{name:<18}{value}"));
    }
    line(String::new());
    line("Most frequent words".to_owned());
    let words = statistics.top_words(top);
    let most = words.first().map_or(1, |(_, count)| *count);
    for (word, count) in &words {
        line(format!("{count:>10}  {word:<24}{}", bar(*count, most)));
    }
    line(String::new());
    line("Letters".to_owned());
    let letters = statistics.top_letters();
    let most = letters.first().map_or(1, |(_, count)| *count);
    let sum: u64 = statistics.letters.values().sum();
    for (letter, count) in letters.iter().take(LETTERS_SHOWN) {
        let share = percent(*count, sum);
        line(format!("{count:>10}  {letter}  {share:>6}  {}", bar(*count, most)));
    }
    line(String::new());
}

fn facts(statistics: &Statistics) -> Vec<(&'static str, String)> {
    let longest = &statistics.longest_line;
    let distinct = grouped(statistics.word_counts.len() as u64);
    let distinct = match statistics.unlisted_words {
        0 => distinct,
        _ => format!("at least {distinct} (the list is full)"),
    };
    let mut facts = vec![
        ("bytes", grouped(statistics.bytes)),
        ("characters", grouped(statistics.characters)),
        ("lines", grouped(statistics.lines)),
        ("blank lines", grouped(statistics.blank_lines)),
        ("words", grouped(statistics.words)),
        ("distinct words", distinct),
        ("seen only once", grouped(statistics.words_seen_once())),
        ("sentences", grouped(statistics.sentences)),
        ("letters a word", tenths(statistics.word_characters, statistics.words)),
        ("words a sentence", tenths(statistics.words, statistics.sentences)),
        ("reading time", duration(statistics.reading_seconds())),
        ("longest word", statistics.longest_word().unwrap_or("none").to_owned()),
    ];
    if longest.number > 0 {
        let length = grouped(longest.characters);
        facts.push(("longest line", format!("number {}, {length} characters:", longest.number)));
        facts.push(("", longest.excerpt.clone()));
    }
    facts
}

/// A bar of `#` whose length is to the widest as `count` is to `most`, at least one.
fn bar(count: u64, most: u64) -> String {
    let columns = u128::from(count) * u128::from(BAR_COLUMNS) / u128::from(most.max(1));
    "#".repeat(columns.max(1) as usize)
}

/// Digits in groups of three.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// `part / whole` with one decimal, rounded half up, in integers so that no digit depends
/// on how a machine rounds.
fn tenths(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    let (part, whole) = (u128::from(part), u128::from(whole));
    let tenths = (part * 20 + whole) / (whole * 2);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn percent(part: u64, whole: u64) -> String {
    format!("{} %", tenths(part.saturating_mul(100), whole))
}

fn duration(seconds: u64) -> String {
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_for_people() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(1_234_567), "1 234 567");
        assert_eq!(tenths(1, 3), "0.3");
        assert_eq!(tenths(19, 20), "1.0");
        assert_eq!(tenths(5, 0), "none");
        assert_eq!(duration(59), "59 s");
        assert_eq!(duration(61), "1 min 1 s");
        assert_eq!(duration(7_261), "2 h 1 min");
    }

    #[test]
    fn the_report_of_a_text_is_this() {
        let statistics = super::super::examine("so it goes. so it.\n".as_bytes()).unwrap();
        let examined = [Examined { name: "a.txt".into(), statistics: statistics.clone() }];
        let report = render(&examined, &statistics, 2);
        let head: Vec<_> = report.lines().take(16).collect();
        assert_eq!(head[..2], ["a.txt", "====="]);
        assert!(head.contains(&"words             5"), "{report}");
        assert!(head.contains(&"words a sentence  2.5"), "{report}");
        assert!(head.contains(&"                  so it goes. so it."), "{report}");
        assert!(report.contains(&format!("         2  {:<24}{}", "it", "#".repeat(40))));
        assert!(!report.contains("All 1"), "{report}");
    }
}
