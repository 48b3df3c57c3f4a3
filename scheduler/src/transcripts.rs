//! What runs print: the last part of it, in memory alone.
//!
//! It is no promise. A worker tells what it has kept again after a restart of this process, results
//! hold all of it, and reports the last lines of a failed run. Who may read it is decided by whoever
//! reads here (`grpc::logs`).

use poco_core::{Address, Bytes, TaskId};
use poco_proto::v1::{Printed, PrintedPart};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// What workers are told to tell of one run while it goes on.
pub(crate) const PRINTED_BYTES_MAX: u64 = 1 << 20;
/// What is taken of one run, however often its worker begins anew: a few reconnects and restarts.
const TAKEN_BYTES_MAX: u64 = 8 * PRINTED_BYTES_MAX;
/// Bytes of one message; workers send less.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// Kept of one run: the last screens, as workers do.
const RUN_BYTES_MAX: usize = 64 << 10;
/// Kept of all runs. The task that has been silent for the longest time gives way.
const ALL_BYTES_MAX: usize = 64 << 20;
/// What an entry and what a run cost besides the bytes.
const ENTRY_BYTES: usize = 96;
const RUN_BYTES: usize = 512;

/// Why something that was printed is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotTaken {
    /// It is larger than workers send, or its offsets cannot be.
    Unreadable,
    /// There was too much of this run before.
    TooMuch,
}

impl NotTaken {
    /// As a label of a metric.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unreadable => "printed-unreadable",
            Self::TooMuch => "printed-too-much",
        }
    }
}

/// Something to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Output {
        worker: Address,
        is_stderr: bool,
        data: Bytes,
        /// Bytes of the stream that are missing before these.
        lost: u64,
    },
    /// The worker tells its run from the start again.
    Again { worker: Address },
}

/// How far somebody has read the runs of a task.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cursor {
    runs: BTreeMap<Address, Place>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    telling: u64,
    /// The number of the entry that comes next.
    number: u64,
    /// What of each stream comes next.
    out: u64,
    err: u64,
}

/// What all runs printed. Clones share it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Transcripts {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    tasks: BTreeMap<TaskId, Task>,
    /// Tasks by the turn at which they were last written to.
    order: BTreeMap<u64, TaskId>,
    turn: u64,
    bytes: usize,
}

#[derive(Debug)]
struct Task {
    runs: BTreeMap<Address, Run>,
    turn: u64,
    bytes: usize,
    news: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Run {
    telling: u64,
    entries: VecDeque<Entry>,
    /// The number of the first entry.
    first: u64,
    bytes: usize,
    /// How far each stream has come.
    out: u64,
    err: u64,
    taken: u64,
    is_over: bool,
}

#[derive(Clone, Debug)]
struct Entry {
    is_stderr: bool,
    offset: u64,
    data: Bytes,
}

impl Transcripts {
    /// Takes in what a worker told of its run of a task, which it was given.
    ///
    /// # Errors
    /// [`NotTaken`].
    pub(crate) fn take(
        &self,
        worker: Address,
        task: TaskId,
        printed: Printed,
    ) -> Result<(), NotTaken> {
        check(&printed)?;
        let mut kept = self.lock();
        let (before, after, taken) = {
            let found = kept.touch(task);
            let before = found.bytes;
            let is_new = !found.runs.contains_key(&worker);
            let run = found.runs.entry(worker).or_default();
            let bytes = run.bytes;
            let taken = run.take(printed);
            found.bytes += run.bytes + if is_new { RUN_BYTES } else { 0 };
            found.bytes -= bytes;
            found.news.send_replace(());
            (before, found.bytes, taken)
        };
        kept.bytes = kept.bytes + after - before;
        kept.forget();
        taken
    }

    /// Tells when something new is there. Ends when the task gives way to others: begin anew then.
    pub(crate) fn watch(&self, task: TaskId) -> watch::Receiver<()> {
        let mut kept = self.lock();
        let news = kept.touch(task).news.subscribe();
        kept.forget();
        news
    }

    /// What is there behind `cursor`, of one worker or all; moves the cursor.
    pub(crate) fn read(
        &self,
        task: TaskId,
        only: Option<Address>,
        cursor: &mut Cursor,
    ) -> Vec<Piece> {
        let kept = self.lock();
        let Some(found) = kept.tasks.get(&task) else { return Vec::new() };
        let mut pieces = Vec::new();
        let wanted = found.runs.iter().filter(|(worker, _)| only.is_none_or(|one| one == **worker));
        for (worker, run) in wanted {
            let place = cursor
                .runs
                .entry(*worker)
                .or_insert(Place { telling: run.telling, ..Place::default() });
            run.read(*worker, place, &mut pieces);
        }
        pieces
    }

    /// Whether a worker has told all of its run.
    pub(crate) fn is_over(&self, task: TaskId, worker: Address) -> bool {
        let kept = self.lock();
        kept.tasks.get(&task).and_then(|task| task.runs.get(&worker)).is_some_and(|run| run.is_over)
    }

    /// What all that is kept takes in memory.
    pub(crate) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing in here panics between two changes that belong together.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check(printed: &Printed) -> Result<(), NotTaken> {
    let bytes: usize = printed.parts.iter().map(|part| part.data.len() + ENTRY_BYTES).sum();
    let has_end = |part: &PrintedPart| part.offset.checked_add(part.data.len() as u64).is_some();
    match bytes <= MESSAGE_BYTES_MAX && printed.parts.iter().all(has_end) {
        true => Ok(()),
        false => Err(NotTaken::Unreadable),
    }
}

impl Kept {
    /// The task, as the one written to last.
    fn touch(&mut self, task: TaskId) -> &mut Task {
        self.turn += 1;
        let found = self.tasks.entry(task).or_insert_with(|| {
            self.bytes += RUN_BYTES;
            let news = watch::Sender::new(());
            Task { runs: BTreeMap::new(), turn: 0, bytes: RUN_BYTES, news }
        });
        self.order.remove(&found.turn);
        self.order.insert(self.turn, task);
        found.turn = self.turn;
        found
    }

    fn forget(&mut self) {
        // The last one stays: it is bounded by itself.
        while self.bytes > ALL_BYTES_MAX && self.order.len() > 1 {
            let Some((_, oldest)) = self.order.pop_first() else { return };
            self.bytes -= self.tasks.remove(&oldest).map_or(0, |task| task.bytes);
        }
    }
}

impl Run {
    fn take(&mut self, printed: Printed) -> Result<(), NotTaken> {
        if self.telling != printed.telling {
            let (first, taken) = (self.first + self.entries.len() as u64, self.taken);
            *self = Self { telling: printed.telling, first, taken, ..Self::default() };
        }
        for part in printed.parts {
            let bytes = part.data.len() as u64;
            if self.taken + bytes > TAKEN_BYTES_MAX {
                return Err(NotTaken::TooMuch);
            }
            self.taken += bytes;
            self.add(part);
        }
        self.is_over |= printed.is_over;
        Ok(())
    }

    /// Keeps what is new of a part; after a reconnect some of it was told before.
    fn add(&mut self, part: PrintedPart) {
        let PrintedPart { is_stderr, offset, mut data } = part;
        let next = if is_stderr { &mut self.err } else { &mut self.out };
        let known = next.saturating_sub(offset);
        if known >= data.len() as u64 {
            return;
        }
        data.drain(..usize::try_from(known).expect("it is less than the length of a message"));
        let offset = offset + known;
        *next = offset + data.len() as u64;
        self.bytes += data.len() + ENTRY_BYTES;
        self.entries.push_back(Entry { is_stderr, offset, data: data.into() });
        while self.bytes > RUN_BYTES_MAX && self.entries.len() > 1 {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.data.len() + ENTRY_BYTES;
            self.first += 1;
        }
    }

    fn read(&self, worker: Address, place: &mut Place, pieces: &mut Vec<Piece>) {
        if place.telling != self.telling {
            *place = Place { telling: self.telling, ..Place::default() };
            pieces.push(Piece::Again { worker });
        }
        let skipped =
            usize::try_from(place.number.saturating_sub(self.first)).unwrap_or(usize::MAX);
        for entry in self.entries.iter().skip(skipped) {
            let next = if entry.is_stderr { &mut place.err } else { &mut place.out };
            let lost = entry.offset.saturating_sub(*next);
            *next = entry.offset + entry.data.len() as u64;
            let (is_stderr, data) = (entry.is_stderr, entry.data.clone());
            pieces.push(Piece::Output { worker, is_stderr, data, lost });
        }
        place.number = self.first + self.entries.len() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use poco_core::B256;

    const WORKER: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn task(number: u64) -> TaskId {
        TaskId(B256::left_padding_from(&number.to_be_bytes()))
    }

    fn printed(telling: u64, parts: &[(bool, u64, &[u8])]) -> Printed {
        let part = |(is_stderr, offset, data): &(bool, u64, &[u8])| PrintedPart {
            is_stderr: *is_stderr,
            offset: *offset,
            data: data.to_vec(),
        };
        let parts = parts.iter().map(part).collect();
        Printed { task: Vec::new(), telling, parts, is_over: false }
    }

    fn output(is_stderr: bool, data: &'static [u8], lost: u64) -> Piece {
        Piece::Output { worker: WORKER, is_stderr, data: Bytes::from_static(data), lost }
    }

    #[test]
    fn everybody_reads_everything_once_and_in_order() {
        let (transcripts, mut first) = (Transcripts::default(), Cursor::default());
        let read = |cursor: &mut Cursor| transcripts.read(task(1), None, cursor);
        assert!(read(&mut first).is_empty());
        let parts: [(bool, u64, &[u8]); 2] = [(false, 0, b"one\n"), (true, 0, b"oops\n")];
        transcripts.take(WORKER, task(1), printed(7, &parts)).unwrap();
        let both = [output(false, b"one\n", 0), output(true, b"oops\n", 0)];
        assert_eq!(read(&mut first), both);
        transcripts.take(WORKER, task(1), printed(7, &[(false, 4, b"two\n")])).unwrap();
        assert_eq!(read(&mut first), [output(false, b"two\n", 0)]);
        assert!(read(&mut first).is_empty());
        assert_eq!(read(&mut Cursor::default()).len(), 3, "another reader begins at the start");
        assert!(transcripts.read(task(1), Some(OTHER), &mut Cursor::default()).is_empty());
        assert!(transcripts.read(task(2), None, &mut Cursor::default()).is_empty());
    }

    #[test]
    fn what_is_told_again_after_a_reconnect_is_shown_once_and_gaps_are_counted() {
        let (transcripts, mut cursor) = (Transcripts::default(), Cursor::default());
        transcripts.take(WORKER, task(1), printed(7, &[(false, 0, b"one\ntw")])).unwrap();
        transcripts.take(WORKER, task(1), printed(7, &[(false, 0, b"one\ntwo\n")])).unwrap();
        transcripts.take(WORKER, task(1), printed(7, &[(false, 0, b"one\n")])).unwrap();
        transcripts.take(WORKER, task(1), printed(7, &[(false, 108, b"late\n")])).unwrap();
        let expected =
            [output(false, b"one\ntw", 0), output(false, b"o\n", 0), output(false, b"late\n", 100)];
        assert_eq!(transcripts.read(task(1), None, &mut cursor), expected);
    }

    #[test]
    fn a_worker_that_begins_anew_is_read_anew() {
        let (transcripts, mut cursor) = (Transcripts::default(), Cursor::default());
        transcripts.take(WORKER, task(1), printed(7, &[(false, 0, b"one\n")])).unwrap();
        transcripts.read(task(1), None, &mut cursor);
        transcripts.take(WORKER, task(1), printed(8, &[(false, 0, b"one\ntwo\n")])).unwrap();
        let again = [Piece::Again { worker: WORKER }, output(false, b"one\ntwo\n", 0)];
        assert_eq!(transcripts.read(task(1), None, &mut cursor), again);
        let fresh = transcripts.read(task(1), None, &mut Cursor::default());
        assert_eq!(fresh, [output(false, b"one\ntwo\n", 0)], "who reads first hears nothing twice");
    }

    #[test]
    fn a_run_keeps_its_end_and_says_how_much_is_gone() {
        let (transcripts, mut slow) = (Transcripts::default(), Cursor::default());
        let line = [b'x'; 1000];
        for number in 0..1000 {
            let part = printed(7, &[(false, number * 1000, &line)]);
            transcripts.take(WORKER, task(1), part).unwrap();
            if number == 0 {
                transcripts.read(task(1), None, &mut slow);
            }
        }
        let pieces = transcripts.read(task(1), None, &mut slow);
        let Some(Piece::Output { lost, .. }) = pieces.first() else { panic!("{pieces:?}") };
        assert_eq!(*lost, (999 - pieces.len() as u64) * 1000);
        assert!(pieces.len() * 1000 > RUN_BYTES_MAX / 2 && pieces.len() * 1000 < RUN_BYTES_MAX);
    }

    #[test]
    fn a_worker_that_floods_is_cut_off_and_one_that_talks_nonsense_is_not_heard() {
        let transcripts = Transcripts::default();
        let line = [b'x'; 50_000];
        let flood =
            |telling| transcripts.take(WORKER, task(1), printed(telling, &[(false, 0, &line)]));
        let refused = (1..1000).filter(|telling| flood(*telling) == Err(NotTaken::TooMuch)).count();
        assert_eq!(refused as u64, 999 - TAKEN_BYTES_MAX / 50_000, "however often it begins anew");
        transcripts.take(OTHER, task(1), printed(1, &[(false, 0, b"fine\n")])).unwrap();
        let take =
            |parts: &[(bool, u64, &[u8])]| transcripts.take(WORKER, task(2), printed(1, parts));
        assert_eq!(take(&[(false, u64::MAX, b"x")]), Err(NotTaken::Unreadable));
        assert_eq!(take(&[(false, 0, &[0; MESSAGE_BYTES_MAX])]), Err(NotTaken::Unreadable));
        let many = vec![(false, 0, &[][..]); MESSAGE_BYTES_MAX / ENTRY_BYTES + 1];
        assert_eq!(take(&many), Err(NotTaken::Unreadable));
    }

    #[tokio::test]
    async fn all_together_are_bounded_and_the_longest_silent_give_way() {
        let transcripts = Transcripts::default();
        let line = [b'x'; 50_000];
        let tasks = (ALL_BYTES_MAX / 50_000 + 100) as u64;
        let mut news = transcripts.watch(task(0));
        for number in 0..tasks {
            transcripts.take(WORKER, task(number), printed(7, &[(false, 0, &line)])).unwrap();
            // This one goes on talking.
            transcripts.take(WORKER, task(1), printed(7, &[(true, number, b"x")])).unwrap();
        }
        {
            let kept = transcripts.lock();
            assert!(kept.bytes <= ALL_BYTES_MAX);
            assert_eq!(kept.order.len(), kept.tasks.len());
            assert_eq!(kept.bytes, kept.tasks.values().map(|task| task.bytes).sum::<usize>());
            assert!(!kept.tasks.contains_key(&task(0)) && kept.tasks.contains_key(&task(1)));
            assert!(kept.tasks.contains_key(&task(tasks - 1)));
        }
        news.mark_unchanged();
        assert!(news.changed().await.is_err(), "who watched the forgotten one is told");
    }
}
