//! Many seeds, on all cores.

use crate::reached::Reached;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

/// What many worlds came to.
#[derive(Debug, Default)]
pub struct Batch {
    /// Worlds that were played.
    pub worlds: u64,
    /// What they reached, counted by worlds.
    pub reached: Reached,
    /// Those in which something did not hold.
    pub failures: Vec<Failure>,
}

/// A world in which something did not hold.
#[derive(Debug)]
pub struct Failure {
    /// Its seed.
    pub seed: u64,
    /// What did not hold.
    pub message: String,
}

/// Plays `count` seeds from `first` on. Stops early once `failures_max` have failed.
#[must_use]
pub fn play_many(first: u64, count: u64, failures_max: usize) -> Batch {
    let next = AtomicU64::new(0);
    let batch = Mutex::new(Batch::default());
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let threads = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let place = next.fetch_add(1, Ordering::Relaxed);
                    if place >= count {
                        return;
                    }
                    let seed = first.wrapping_add(place);
                    let played = catch_unwind(AssertUnwindSafe(|| crate::play(seed, false)));
                    let mut batch = batch.lock().expect("no thread panics with the lock");
                    batch.worlds += 1;
                    match played {
                        Ok(reached) => batch.reached.add(&reached),
                        Err(panic) => {
                            batch.failures.push(Failure { seed, message: message_of(&*panic) });
                        }
                    }
                    if batch.failures.len() >= failures_max {
                        return;
                    }
                }
            });
        }
    });
    set_hook(hook);
    let mut batch = batch.into_inner().expect("no thread panics with the lock");
    batch.failures.sort_by_key(|failure| failure.seed);
    batch
}

fn message_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "it panicked without a word".into())
}
