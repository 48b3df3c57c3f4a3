//! What of an app's output is told to the pool while it runs, and when.
//!
//! Output is told for people who watch a run; the result has it whole. So it is bounded in every
//! way, and what does not fit is left out: bytes carry their place in the stream, by which whoever
//! reads sees how many are missing. The end of what was printed is kept, for it says why a run
//! failed.

use crate::time::Millis;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

/// What is kept of a run's output, told or not: enough for the last screens, and small beside the
/// memory of any run.
const KEPT_BYTES_MAX: usize = 64 << 10;
/// What a part costs besides its bytes, so that an app that prints single bytes to both streams in
/// turn fills nothing.
const PART_BYTES: usize = 64;
/// Most bytes of a part: a message with one delays no report.
pub const PART_BYTES_MAX: usize = 8 << 10;
/// Longest line; the rest of it is left out. Who prints longer ones prints data.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Bytes told a second: what a person can follow, and then some.
const BYTES_PER_SECOND: u64 = 32 << 10;
/// Bytes that may be told at once after a pause.
const BURST_BYTES: u64 = 64 << 10;
/// Milliseconds of a second.
const SECOND_MILLIS: u64 = 1_000;

/// Which of its two streams an app printed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Channel {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Some bytes of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The stream.
    pub channel: Channel,
    /// How many bytes of the stream came before.
    pub offset: u64,
    /// The bytes, at most [`PART_BYTES_MAX`].
    pub data: Vec<u8>,
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    offset: u64,
    /// Bytes of the line that is not over.
    line: usize,
}

/// What is told of the output of one run.
#[derive(Clone, Debug)]
pub struct Transcript {
    out: Progress,
    err: Progress,
    kept: VecDeque<Part>,
    kept_bytes: usize,
    /// How many of those kept, from the first, have been told.
    told: usize,
    /// What may be told at once, as of `counted`.
    allowance: u64,
    counted: Millis,
    /// What may still be told while the app runs.
    budget: u64,
    is_over: bool,
}

impl Transcript {
    /// Nothing is printed yet, and nobody listens.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self {
            out: Progress::default(),
            err: Progress::default(),
            kept: VecDeque::new(),
            kept_bytes: 0,
            told: 0,
            allowance: BURST_BYTES,
            counted: now,
            budget: 0,
            is_over: false,
        }
    }

    /// Takes in what the app printed.
    pub fn print(&mut self, channel: Channel, bytes: &[u8]) {
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let progress = match channel {
                Channel::Out => &mut self.out,
                Channel::Err => &mut self.err,
            };
            let offset = progress.offset;
            let taken = line.len().min(LINE_BYTES_MAX.saturating_sub(progress.line));
            progress.offset = progress.offset.saturating_add(line.len() as u64);
            progress.line = match line.ends_with(b"\n") {
                true => 0,
                false => progress.line.saturating_add(line.len()),
            };
            self.keep(channel, offset, line.get(..taken).unwrap_or_default());
        }
        self.forget();
    }

    /// Something of a stream was lost before it came here, nobody knows how much: it counts as the
    /// least there is.
    pub fn miss(&mut self, channel: Channel) {
        let progress = match channel {
            Channel::Out => &mut self.out,
            Channel::Err => &mut self.err,
        };
        *progress = Progress { offset: progress.offset.saturating_add(1), line: 0 };
    }

    /// The app has ended: what is kept may be told at once.
    pub fn end(&mut self) {
        self.is_over = true;
    }

    /// Somebody else listens now, and takes at most `budget` bytes while the app runs: all that is
    /// kept is told, or told again.
    pub fn begin(&mut self, budget: u64) {
        self.told = 0;
        self.budget = budget;
    }

    /// Whether the run is over and all of it is told.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.is_over && self.told >= self.kept.len()
    }

    /// When there is something to tell; `None` as long as nothing more is printed.
    #[must_use]
    pub fn due(&self) -> Option<Millis> {
        let bytes = self.kept.get(self.told)?.data.len() as u64;
        if self.is_over {
            return Some(Millis(0));
        }
        if bytes > self.budget {
            return None;
        }
        let missing = bytes.saturating_sub(self.allowance);
        let pause = missing.saturating_mul(SECOND_MILLIS).div_ceil(BYTES_PER_SECOND);
        Some(self.counted.after(pause))
    }

    /// What is to be told next, if it is time.
    pub fn poll(&mut self, now: Millis) -> Option<Part> {
        if !self.due()?.is_due(now) {
            return None;
        }
        let part = self.kept.get(self.told)?.clone();
        let bytes = part.data.len() as u64;
        let millis = now.0.saturating_sub(self.counted.0);
        let grown = millis.saturating_mul(BYTES_PER_SECOND).div_euclid(SECOND_MILLIS);
        self.allowance = self.allowance.saturating_add(grown).min(BURST_BYTES);
        self.allowance = self.allowance.saturating_sub(bytes);
        self.counted = now;
        self.budget = self.budget.saturating_sub(bytes);
        self.told = self.told.saturating_add(1);
        Some(part)
    }

    fn keep(&mut self, channel: Channel, offset: u64, mut bytes: &[u8]) {
        let mut offset = offset;
        while !bytes.is_empty() {
            let untold = self.kept.len() > self.told;
            let last = self.kept.back_mut().filter(|last| {
                let end = last.offset.saturating_add(last.data.len() as u64);
                untold && last.channel == channel && end == offset
            });
            let room =
                last.as_ref().map_or(0, |last| PART_BYTES_MAX.saturating_sub(last.data.len()));
            let (taken, rest) = match last {
                Some(last) if room > 0 => {
                    let (taken, rest) = bytes.split_at(room.min(bytes.len()));
                    last.data.extend_from_slice(taken);
                    (taken, rest)
                }
                Some(_) | None => {
                    let (taken, rest) = bytes.split_at(PART_BYTES_MAX.min(bytes.len()));
                    self.kept.push_back(Part { channel, offset, data: taken.to_vec() });
                    self.kept_bytes = self.kept_bytes.saturating_add(PART_BYTES);
                    (taken, rest)
                }
            };
            self.kept_bytes = self.kept_bytes.saturating_add(taken.len());
            offset = offset.saturating_add(taken.len() as u64);
            bytes = rest;
        }
    }

    /// Lets the oldest go, told or not.
    fn forget(&mut self) {
        while self.kept_bytes > KEPT_BYTES_MAX {
            let Some(oldest) = self.kept.pop_front() else { return };
            let bytes = oldest.data.len().saturating_add(PART_BYTES);
            self.kept_bytes = self.kept_bytes.saturating_sub(bytes);
            self.told = self.told.saturating_sub(1);
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, clippy::indexing_slicing, reason = "a test may panic")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PLENTY: u64 = 1 << 30;

    fn transcript() -> Transcript {
        listened(PLENTY)
    }

    fn listened(budget: u64) -> Transcript {
        let mut transcript = Transcript::new(Millis(0));
        transcript.begin(budget);
        transcript
    }

    fn all(transcript: &mut Transcript, now: u64) -> Vec<Part> {
        core::iter::from_fn(|| transcript.poll(Millis(now))).collect()
    }

    #[test]
    fn what_is_printed_is_told_in_order_and_once() {
        let mut transcript = transcript();
        transcript.print(Channel::Out, b"one\ntw");
        transcript.print(Channel::Err, b"oops\n");
        transcript.print(Channel::Out, b"o\n");
        let part = |channel, offset, data: &[u8]| Part { channel, offset, data: data.to_vec() };
        let told = all(&mut transcript, 0);
        let out = |offset, data| part(Channel::Out, offset, data);
        assert_eq!(told, [out(0, b"one\ntw"), part(Channel::Err, 0, b"oops\n"), out(6, b"o\n")]);
        assert_eq!((all(&mut transcript, 9).len(), transcript.due()), (0, None));
        transcript.begin(PLENTY);
        assert_eq!(all(&mut transcript, 9), told, "to whoever listens now");
    }

    #[test]
    fn the_rest_of_a_long_line_is_left_out_and_shows_by_the_offset() {
        let mut transcript = transcript();
        let long = alloc::vec![b'x'; LINE_BYTES_MAX];
        transcript.print(Channel::Out, &long);
        transcript.print(Channel::Out, b"too much");
        transcript.print(Channel::Out, b" indeed\nnext\n");
        let told = all(&mut transcript, 0);
        let last = told.last().unwrap();
        let cut = b"too much indeed\n".len();
        assert_eq!(last.offset, (LINE_BYTES_MAX + cut) as u64);
        assert_eq!(last.data, b"next\n");
        assert_eq!(told.iter().map(|part| part.data.len()).sum::<usize>(), LINE_BYTES_MAX + 5);
    }

    #[test]
    fn what_was_lost_before_it_came_shows_as_well() {
        let mut transcript = transcript();
        transcript.print(Channel::Out, b"one\n");
        transcript.miss(Channel::Out);
        transcript.print(Channel::Out, b"three\n");
        let offsets: Vec<u64> = all(&mut transcript, 0).iter().map(|part| part.offset).collect();
        assert_eq!(offsets, [0, 5]);
    }

    #[test]
    fn no_more_is_told_in_a_time_than_the_rate_allows() {
        let mut transcript = transcript();
        let mut told = 0;
        for tenth in 0..100_u64 {
            let now = tenth * 100;
            for _ in 0..40 {
                transcript.print(Channel::Out, &[b'x'; 999]);
                transcript.print(Channel::Out, b"\n");
            }
            told +=
                all(&mut transcript, now).iter().map(|part| part.data.len() as u64).sum::<u64>();
            assert!(told <= BURST_BYTES + BYTES_PER_SECOND * now / 1000, "{told} at {now}");
        }
        assert!(told > BYTES_PER_SECOND * 9, "it does not starve either: {told}");
        let due = transcript.due().unwrap();
        assert!(due.0 > 9_900, "{due:?}");
        assert_eq!(transcript.poll(Millis(due.0 - 1)), None);
        assert!(transcript.poll(due).is_some());
    }

    #[test]
    fn behind_the_budget_only_the_end_is_told() {
        let mut transcript = listened(10);
        transcript.print(Channel::Out, b"123456789\n");
        assert_eq!(all(&mut transcript, 0).len(), 1);
        transcript.print(Channel::Out, b"more\n");
        assert_eq!((transcript.due(), transcript.poll(Millis(1 << 40))), (None, None));
        for _ in 0..1000 {
            transcript.print(Channel::Out, &[b'y'; 500]);
            transcript.print(Channel::Out, b"\n");
        }
        transcript.print(Channel::Err, b"the reason\n");
        assert!(!transcript.is_told());
        transcript.end();
        let told = all(&mut transcript, 0);
        assert_eq!(told.last().unwrap().data, b"the reason\n");
        let bytes: usize = told.iter().map(|part| part.data.len()).sum();
        assert!(bytes <= KEPT_BYTES_MAX && bytes > KEPT_BYTES_MAX / 2, "{bytes}");
        assert!(transcript.is_told());
    }

    proptest! {
        #[test]
        fn what_is_told_is_what_was_printed_there_and_memory_is_bounded(
            prints in prop::collection::vec((any::<bool>(), 0..20_000_usize, 1..9_000_usize), 1..60),
            polls in prop::collection::vec(0..3_000_u64, 60),
            returns in 0..60_usize,
        ) {
            let mut transcript = transcript();
            let mut printed = [Vec::new(), Vec::new()];
            let (mut ends, mut now) = ([0_u64; 2], 0);
            for (index, ((is_err, length, line), pause)) in prints.iter().zip(polls).enumerate() {
                let newline = |at: usize| at % line == line - 1;
                let byte = |at| if newline(at) { b'\n' } else { b'a' + (at % 23) as u8 };
                let bytes: Vec<u8> = (0..*length).map(byte).collect();
                let channel = if *is_err { Channel::Err } else { Channel::Out };
                printed[usize::from(*is_err)].extend_from_slice(&bytes);
                transcript.print(channel, &bytes);
                prop_assert!(transcript.kept_bytes <= KEPT_BYTES_MAX);
                now += pause;
                if index == returns {
                    transcript.begin(PLENTY);
                    ends = [0; 2];
                }
                if index + 1 == prints.len() {
                    transcript.end();
                }
                for part in all(&mut transcript, now) {
                    let stream = usize::from(part.channel == Channel::Err);
                    prop_assert!(part.offset >= ends[stream], "told once, in order");
                    ends[stream] = part.offset + part.data.len() as u64;
                    let there = part.offset as usize..ends[stream] as usize;
                    prop_assert_eq!(&part.data, &printed[stream][there]);
                    prop_assert!(part.data.len() <= PART_BYTES_MAX);
                }
            }
            prop_assert!(transcript.is_told());
        }
    }
}
