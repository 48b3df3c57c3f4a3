//! The storing of results: who may, and what must hold of what was stored.

use crate::action::Action;
use crate::core::Core;
use crate::record::StoredResult;
use crate::task::{Phase, ReplicaState, Upload};
use crate::words::Lane;
use poco_core::task::ContributionStatus;
use poco_core::{Address, Bytes, ResultDigest, ResultHash, TaskId, keccak256};

/// What an upload must fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadTerms {
    /// What the digest must belong to; `None` in the fast lane, before any vote.
    pub consensus: Option<ResultHash>,
    /// Whether the digest is that of callback data which must come along.
    pub has_callback: bool,
}

/// Why a result is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UploadRefusal {
    /// Nothing is known about the task. Asking again later makes sense: it may just be read.
    #[error("the task is not known here")]
    UnknownTask,
    /// The worker has no part in this task's result.
    #[error("no result is expected from this worker now")]
    NotExpected,
    /// The result is not what the votes were about.
    #[error("the digest of the uploaded result is not the one of the consensus")]
    WrongDigest,
    /// The callback data does not hash to the digest.
    #[error("the callback data does not belong to the digest")]
    WrongCallback,
}

impl UploadTerms {
    /// Checks a result of `task` against the terms.
    ///
    /// # Errors
    /// [`UploadRefusal::WrongDigest`] and [`UploadRefusal::WrongCallback`].
    pub fn check(
        &self,
        task: TaskId,
        digest: ResultDigest,
        callback: &Bytes,
    ) -> Result<(), UploadRefusal> {
        let hash = ResultHash::of(task, digest);
        if self.consensus.is_some_and(|consensus| consensus != hash) {
            return Err(UploadRefusal::WrongDigest);
        }
        if self.has_callback && keccak256(callback) != digest.0 {
            return Err(UploadRefusal::WrongCallback);
        }
        Ok(())
    }
}

impl Core {
    /// What a result of `task` from `worker` must fulfil.
    ///
    /// # Errors
    /// [`UploadRefusal`] where none is expected from this worker.
    pub fn upload_terms(
        &self,
        worker: Address,
        task: TaskId,
    ) -> Result<UploadTerms, UploadRefusal> {
        let task = self.tasks.get(&task).ok_or(UploadRefusal::UnknownTask)?;
        let sight = self.sight(task.deal).ok_or(UploadRefusal::UnknownTask)?;
        let has_callback = !sight.facts.deal.callback.is_zero();
        let vote = task.vote_of(worker).filter(|vote| vote.status != ContributionStatus::Rejected);
        let consensus = match &task.phase {
            Phase::Unread => return Err(UploadRefusal::UnknownTask),
            Phase::Pending | Phase::Active { .. } if task.commit().is_some() => {
                let told = task.lane.told.get(&worker).and_then(|(_, digest)| *digest);
                let hash = told.map(|digest| ResultHash::of(task.id, digest));
                let is_leading = hash.is_some() && sight.leading(task) == hash;
                return match hash.filter(|_| is_leading) {
                    Some(hash) => Ok(UploadTerms { consensus: Some(hash), has_callback }),
                    None => Err(UploadRefusal::NotExpected),
                };
            }
            Phase::Pending | Phase::Active { .. } => {
                let replica = task.replicas.get(&worker).ok_or(UploadRefusal::NotExpected)?;
                let is_live = matches!(replica.state, ReplicaState::Live { .. });
                if !is_live || replica.lane != Lane::Fast {
                    return Err(UploadRefusal::NotExpected);
                }
                return Ok(UploadTerms { consensus: None, has_callback });
            }
            Phase::Revealing(revealing) => Some(revealing.consensus),
            // A result that got lost here is welcome again while its task is remembered.
            Phase::Ended(ended) => ended
                .digest
                .filter(|_| ended.is_completed)
                .map(|digest| ResultHash::of(task.id, digest)),
        };
        let is_winner = vote.is_some_and(|vote| Some(vote.hash) == consensus);
        if is_winner {
            Ok(UploadTerms { consensus, has_callback })
        } else {
            Err(UploadRefusal::NotExpected)
        }
    }

    pub(crate) fn on_upload_began(&mut self, worker: Address, id: TaskId) {
        let since = self.now;
        self.change(id, |task| task.upload = Upload::Running { worker, since });
    }

    pub(crate) fn on_upload_failed(&mut self, worker: Address, id: TaskId) {
        let until = self.now.after(crate::limits::UPLOAD_RETRY_SECONDS);
        self.change(id, |task| match task.upload {
            Upload::Asked { worker: asked, .. } | Upload::Running { worker: asked, .. }
                if asked == worker =>
            {
                task.upload = Upload::None;
                task.upload_rests.insert(worker, until);
            }
            Upload::Asked { .. } | Upload::Running { .. } | Upload::None => {}
        });
    }

    /// Takes a stored result in. The terms are asked again: a reopened task has another consensus.
    pub(crate) fn on_result_stored(&mut self, upload: u64, id: TaskId, mut result: StoredResult) {
        let answer = self.upload_terms(result.worker, id).and_then(|terms| {
            terms.check(id, result.digest, &result.callback)?;
            if !terms.has_callback {
                result.callback = Bytes::new();
            }
            Ok(())
        });
        if answer.is_ok() {
            self.change(id, |task| {
                task.result = Some(result);
                task.upload = Upload::None;
                task.is_unsaved = true;
            });
        } else {
            self.on_upload_failed(result.worker, id);
        }
        self.act(Action::AnswerUpload { upload, answer });
    }
}
