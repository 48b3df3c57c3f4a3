//! Counting: one character at a time, in memory that does not grow without bound.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Distinct words remembered; a long novel has 20 000. Words beyond are counted, not listed.
const DISTINCT_WORDS_MAX: usize = 400_000;

/// Letters remembered of a word; longer ones (encoded data) are listed by their beginning.
const WORD_CHARACTERS_MAX: usize = 48;

/// Characters kept of the longest line, for showing it.
const EXCERPT_CHARACTERS: usize = 60;

/// Words a minute of silent reading: mean of adults reading English non-fiction
/// (Brysbaert, "How many words do we read per minute?", 2019).
const READING_WORDS_PER_MINUTE: u64 = 238;

/// Letters listed in the table of frequencies.
const LETTERS_MAX: usize = 60;

/// What was counted in one text, or in several after [`Statistics::merge`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Bytes read.
    pub bytes: u64,
    /// Characters, line ends included.
    pub characters: u64,
    /// Lines; the last one counts even without a line end.
    pub lines: u64,
    /// Lines without anything but white space.
    pub blank_lines: u64,
    /// Words.
    pub words: u64,
    /// Sum of the characters of all words.
    pub word_characters: u64,
    /// Sentences: a word followed by `.`, `!` or `?` and anything that is not a word.
    pub sentences: u64,
    /// The first of the longest lines.
    pub longest_line: Line,
    /// How often each word occurs, up to the limit.
    pub word_counts: BTreeMap<String, u64>,
    /// Occurrences of words that no longer fitted in `word_counts`.
    pub unlisted_words: u64,
    /// How often each letter occurs, without regard to case.
    pub letters: BTreeMap<char, u64>,
}

/// A line of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Line {
    /// Number of the line in its text, from 1; 0 when there is none.
    pub number: u64,
    /// Characters, without the line end.
    pub characters: u64,
    /// Its beginning.
    pub excerpt: String,
}

impl Statistics {
    /// Adds what was counted in another text.
    pub fn merge(&mut self, other: &Statistics) {
        self.bytes += other.bytes;
        self.characters += other.characters;
        self.lines += other.lines;
        self.blank_lines += other.blank_lines;
        self.words += other.words;
        self.word_characters += other.word_characters;
        self.sentences += other.sentences;
        self.unlisted_words += other.unlisted_words;
        if other.longest_line.characters > self.longest_line.characters {
            self.longest_line = other.longest_line.clone();
        }
        for (word, count) in &other.word_counts {
            self.list_word(word, *count);
        }
        for (letter, count) in &other.letters {
            *self.letters.entry(*letter).or_default() += count;
        }
    }

    /// The most frequent words, ties in alphabetical order.
    pub fn top_words(&self, limit: usize) -> Vec<(&str, u64)> {
        most_frequent(self.word_counts.iter().map(|(word, count)| (word.as_str(), *count)), limit)
    }

    /// The most frequent letters, ties in alphabetical order.
    pub fn top_letters(&self) -> Vec<(char, u64)> {
        most_frequent(self.letters.iter().map(|(letter, count)| (*letter, *count)), LETTERS_MAX)
    }

    /// The longest word listed, the first in alphabetical order of several.
    pub fn longest_word(&self) -> Option<&str> {
        let longest = self.word_counts.keys().map(|word| word.chars().count()).max()?;
        self.word_counts.keys().find(|word| word.chars().count() == longest).map(String::as_str)
    }

    /// Words that occur once.
    pub fn words_seen_once(&self) -> u64 {
        self.word_counts.values().filter(|count| **count == 1).count() as u64
    }

    /// Seconds an adult takes to read the text, rounded up.
    pub fn reading_seconds(&self) -> u64 {
        (self.words * 60).div_ceil(READING_WORDS_PER_MINUTE)
    }

    /// Everything as JSON, with the `top` most frequent words.
    pub fn to_json(&self, top: usize) -> Value {
        let words: Vec<_> = self
            .top_words(top)
            .into_iter()
            .map(|(word, count)| json!({ "word": word, "count": count }))
            .collect();
        let letters: Vec<_> = self
            .top_letters()
            .into_iter()
            .map(|(letter, count)| json!({ "letter": letter, "count": count }))
            .collect();
        json!({
            "bytes": self.bytes,
            "characters": self.characters,
            "lines": self.lines,
            "blank_lines": self.blank_lines,
            "longest_line": {
                "number": self.longest_line.number,
                "characters": self.longest_line.characters,
                "excerpt": self.longest_line.excerpt,
            },
            "words": self.words,
            "distinct_words": self.word_counts.len(),
            "distinct_words_complete": self.unlisted_words == 0,
            "words_seen_once": self.words_seen_once(),
            "longest_word": self.longest_word(),
            "sentences": self.sentences,
            "reading_seconds": self.reading_seconds(),
            "top_words": words,
            "letters": letters,
        })
    }

    fn list_word(&mut self, word: &str, count: u64) {
        if let Some(known) = self.word_counts.get_mut(word) {
            *known += count;
        } else if self.word_counts.len() < DISTINCT_WORDS_MAX {
            self.word_counts.insert(word.to_owned(), count);
        } else {
            self.unlisted_words += count;
        }
    }
}

fn most_frequent<T: Ord + Copy>(
    counts: impl Iterator<Item = (T, u64)>,
    limit: usize,
) -> Vec<(T, u64)> {
    let mut sorted: Vec<_> = counts.collect();
    sorted.sort_by(|(name, count), (other_name, other)| {
        other.cmp(count).then_with(|| name.cmp(other_name))
    });
    sorted.truncate(limit);
    sorted
}

/// Takes a text character by character.
#[derive(Debug, Default)]
pub struct Counter {
    statistics: Statistics,
    line: Line,
    line_has_text: bool,
    word: Word,
    /// The last word may end a sentence: only punctuation came after it.
    sentence_open: bool,
}

/// The word being read.
#[derive(Debug, Default)]
struct Word {
    text: String,
    characters: u64,
    /// An apostrophe after a letter, which belongs to the word if a letter follows.
    apostrophe: bool,
}

impl Counter {
    /// Takes note of `count` bytes read.
    pub fn add_bytes(&mut self, count: u64) {
        self.statistics.bytes += count;
    }

    /// Takes the next character.
    pub fn add(&mut self, character: char) {
        self.statistics.characters += 1;
        self.add_to_word(character);
        if character == '\n' {
            self.end_line();
        } else if character != '\r' {
            self.line.characters += 1;
            self.line_has_text |= !character.is_whitespace();
            if self.line.characters <= EXCERPT_CHARACTERS as u64 {
                self.line.excerpt.push(if character.is_control() { ' ' } else { character });
            }
        }
    }

    /// Takes the end of the text.
    pub fn finish(mut self) -> Statistics {
        self.end_word();
        if self.line.characters > 0 {
            self.end_line();
        }
        self.statistics
    }

    fn add_to_word(&mut self, character: char) {
        if character.is_alphanumeric() {
            if std::mem::take(&mut self.word.apostrophe) {
                self.word.push('\'');
            }
            for lower in character.to_lowercase() {
                self.word.push(lower);
                if lower.is_alphabetic() {
                    *self.statistics.letters.entry(lower).or_default() += 1;
                }
            }
        } else if matches!(character, '\'' | '’') && self.word.is_open() && !self.word.apostrophe
        {
            self.word.apostrophe = true;
        } else {
            self.end_word();
            if matches!(character, '.' | '!' | '?') && std::mem::take(&mut self.sentence_open) {
                self.statistics.sentences += 1;
            }
        }
    }

    fn end_word(&mut self) {
        if !self.word.is_open() {
            return;
        }
        let word = std::mem::take(&mut self.word);
        self.statistics.words += 1;
        self.statistics.word_characters += word.characters;
        self.statistics.list_word(&word.text, 1);
        self.sentence_open = true;
    }

    fn end_line(&mut self) {
        self.statistics.lines += 1;
        let mut line = std::mem::take(&mut self.line);
        line.number = self.statistics.lines;
        if !std::mem::take(&mut self.line_has_text) {
            self.statistics.blank_lines += 1;
        }
        if line.characters > self.statistics.longest_line.characters {
            self.statistics.longest_line = line;
        }
    }
}

impl Word {
    fn is_open(&self) -> bool {
        self.characters > 0
    }

    fn push(&mut self, character: char) {
        if self.characters < WORD_CHARACTERS_MAX as u64 {
            self.text.push(character);
        }
        self.characters += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> Statistics {
        let mut counter = Counter::default();
        counter.add_bytes(text.len() as u64);
        text.chars().for_each(|character| counter.add(character));
        counter.finish()
    }

    #[test]
    fn a_known_text_has_its_known_statistics() {
        let statistics = count("The cat sat.\nThe dog didn't!\n\n  \nIt ran; the end");
        assert_eq!(statistics.lines, 5);
        assert_eq!(statistics.blank_lines, 2);
        assert_eq!(statistics.words, 10);
        assert_eq!(statistics.sentences, 2);
        assert_eq!(statistics.word_counts.len(), 8);
        assert_eq!(statistics.top_words(2), [("the", 3), ("cat", 1)]);
        assert_eq!(statistics.longest_word(), Some("didn't"));
        assert_eq!(statistics.words_seen_once(), 7);
        assert_eq!(statistics.longest_line.number, 2);
        assert_eq!(statistics.longest_line.excerpt, "The dog didn't!");
        assert_eq!(statistics.letters[&'t'], 7);
        assert_eq!(statistics.reading_seconds(), 3);
    }

    #[test]
    fn carriage_returns_do_not_lengthen_lines() {
        let statistics = count("abc\r\nabcd\r\n");
        assert_eq!((statistics.lines, statistics.longest_line.characters), (2, 4));
    }

    #[test]
    fn an_empty_text_has_nothing() {
        assert_eq!(count(""), Statistics::default());
    }

    #[test]
    fn apostrophes_belong_inside_words_only() {
        let statistics = count("'quoted' rock 'n' roll don''t");
        let words: Vec<_> = statistics.word_counts.keys().map(String::as_str).collect();
        assert_eq!(words, ["don", "n", "quoted", "rock", "roll", "t"]);
    }

    #[test]
    fn a_word_without_end_takes_bounded_memory() {
        let statistics = count(&"x".repeat(100_000));
        assert_eq!(statistics.word_characters, 100_000);
        assert_eq!(statistics.longest_word().unwrap().len(), WORD_CHARACTERS_MAX);
        assert_eq!(statistics.longest_line.excerpt.len(), EXCERPT_CHARACTERS);
    }

    #[test]
    fn words_beyond_the_limit_are_counted_and_the_list_is_called_incomplete() {
        let mut statistics = Statistics::default();
        for number in 0..DISTINCT_WORDS_MAX + 5 {
            statistics.list_word(&number.to_string(), 1);
        }
        assert_eq!(statistics.word_counts.len(), DISTINCT_WORDS_MAX);
        assert_eq!(statistics.unlisted_words, 5);
        assert_eq!(statistics.to_json(1)["distinct_words_complete"], false);
    }

    #[test]
    fn merging_texts_counts_like_reading_them_one_after_the_other() {
        let (first, second) = ("a bb.\nlong line here\n", "bb c?\n\n");
        let mut merged = count(first);
        merged.merge(&count(second));
        assert_eq!(merged, count(&format!("{first}{second}")));
    }
}
