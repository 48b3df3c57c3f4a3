//! A disk as a database uses it: a log of batches, each behind its length and a checksum. A crash leaves any
//! part of the batch that was being written, and whoever starts again goes on behind the last whole one.

use crate::dice::Dice;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::hash::{DefaultHasher, Hasher as _};

/// Length and checksum of a batch.
const HEAD_BYTES: usize = 16;

/// What was written, in order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Log(Vec<u8>);

impl Log {
    /// Writes a batch and waits until it is on the disk.
    pub(crate) fn write(&mut self, batch: &impl Serialize) {
        self.0.extend(frame(batch));
    }

    /// Dies while a batch is written. Whether something is left of it.
    pub(crate) fn tear(&mut self, batch: &impl Serialize, dice: &mut Dice) -> bool {
        let frame = frame(batch);
        let kept = dice.place(frame.len()).expect("a batch has its head");
        self.0.extend(&frame[..kept]);
        kept > 0
    }

    /// Every whole batch. What is behind the last one is cut off.
    pub(crate) fn replay<T: DeserializeOwned>(&mut self) -> Vec<T> {
        let (mut batches, mut at) = (Vec::new(), 0);
        while let Some(body) = body(&self.0[at..]) {
            batches.push(postcard::from_bytes(body).expect("what was stored can be read"));
            at += HEAD_BYTES + body.len();
        }
        self.0.truncate(at);
        batches
    }

    /// Puts one batch in the place of all.
    pub(crate) fn compact(&mut self, whole: &impl Serialize) {
        self.0.clear();
        self.write(whole);
    }
}

fn frame(batch: &impl Serialize) -> Vec<u8> {
    let body = postcard::to_allocvec(batch).expect("records can be stored");
    let head = [body.len() as u64, checksum(&body)].map(u64::to_be_bytes);
    [head.concat(), body].concat()
}

/// The first batch, if it is whole.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<8>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let body = rest.get(..usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
    (checksum(body) == u64::from_be_bytes(*sum)).then_some(body)
}

fn checksum(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_batch_is_gone_and_those_before_it_are_not() {
        let mut dice = Dice::new(1);
        for _ in 0..200 {
            let mut log = Log::default();
            log.write(&vec![1u32, 2]);
            log.write(&vec![3u32]);
            log.tear(&vec![4u32; 50], &mut dice);
            assert_eq!(log.replay::<Vec<u32>>(), [vec![1, 2], vec![3]]);
            // What follows stands behind the last whole one.
            log.write(&vec![5u32]);
            assert_eq!(log.replay::<Vec<u32>>(), [vec![1, 2], vec![3], vec![5]]);
            log.compact(&vec![6u32]);
            assert_eq!(log.replay::<Vec<u32>>(), [vec![6]]);
        }
    }
}
