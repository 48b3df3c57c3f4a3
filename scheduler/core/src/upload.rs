//! The storing of results: who may, and what must hold of what was stored.

use crate::action::Action;
use crate::core::Core;
use crate::late::Upload;
use crate::record::StoredResult;
use crate::task::{Phase, ReplicaState};
use crate::words::Lane;
use alloc::boxed::Box;
use poco_core::task::ContributionStatus;
use poco_core::{Address, Bytes, Recorded, ResultDigest, ResultHash, TaskId, keccak256};

/// What an upload must fulfil.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UploadTerms {
    /// What the digest must belong to; `None` in the fast lane, before any vote.
    pub consensus: Option<ResultHash>,
    /// What the end of the task records: callback data must come along where that is part of it,
    /// and of a bound zip the place is what the votes are about.
    pub recorded: Recorded,
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
    /// The zip is not the one that the votes name.
    #[error("the results of this deal are bound, and the votes are for another zip than this")]
    WrongZip,
    /// The callback data does not hash to the digest.
    #[error("the callback data does not belong to the digest")]
    WrongCallback,
}

impl UploadTerms {
    /// Checks a result of `task` against the terms, and answers the digest that it is worth
    /// there, given that of its content.
    ///
    /// # Errors
    /// [`UploadRefusal::WrongDigest`], [`UploadRefusal::WrongZip`] and
    /// [`UploadRefusal::WrongCallback`].
    pub fn check(
        &self,
        task: TaskId,
        content: ResultDigest,
        location: &str,
        callback: &Bytes,
    ) -> Result<ResultDigest, UploadRefusal> {
        let digest = self.recorded.digest(content, location);
        let hash = ResultHash::of(task, digest);
        if self.consensus.is_some_and(|consensus| consensus != hash) {
            return Err(match self.recorded.binds_zip() {
                true => UploadRefusal::WrongZip,
                false => UploadRefusal::WrongDigest,
            });
        }
        if self.recorded.has_callback() && keccak256(callback) != digest.0 {
            return Err(UploadRefusal::WrongCallback);
        }
        Ok(digest)
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
        let recorded = sight.recorded().ok_or(UploadRefusal::UnknownTask)?;
        let vote = task.vote_of(worker).filter(|vote| vote.status != ContributionStatus::Rejected);
        let consensus = match &task.phase {
            Phase::Unread => return Err(UploadRefusal::UnknownTask),
            Phase::Pending | Phase::Active { .. } if task.commit().is_some() => {
                let told = task.late().lane.told.get(&worker).and_then(|(_, digest)| *digest);
                let hash = told.map(|digest| ResultHash::of(task.id, digest));
                let is_leading = hash.is_some() && sight.leading(task) == hash;
                return match hash.filter(|_| is_leading) {
                    Some(hash) => Ok(UploadTerms { consensus: Some(hash), recorded }),
                    None => Err(UploadRefusal::NotExpected),
                };
            }
            Phase::Pending | Phase::Active { .. } => {
                let replica = task.replicas.get(&worker).ok_or(UploadRefusal::NotExpected)?;
                let is_live = matches!(replica.state, ReplicaState::Live { .. });
                if !is_live || replica.lane != Lane::Fast {
                    return Err(UploadRefusal::NotExpected);
                }
                return Ok(UploadTerms { consensus: None, recorded });
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
            Ok(UploadTerms { consensus, recorded })
        } else {
            Err(UploadRefusal::NotExpected)
        }
    }

    pub(crate) fn on_upload_began(&mut self, worker: Address, id: TaskId) {
        let since = self.now;
        self.change(id, |task| {
            task.late_mut().upload = Upload::Running { worker, since };
        });
    }

    pub(crate) fn on_upload_failed(&mut self, worker: Address, id: TaskId) {
        let until = self.now.after(crate::limits::UPLOAD_RETRY_SECONDS);
        self.change(id, |task| match task.late().upload {
            Upload::Asked { worker: asked, .. } | Upload::Running { worker: asked, .. }
                if asked == worker =>
            {
                let late = task.late_mut();
                late.upload = Upload::None;
                late.upload_rests.insert(worker, until);
            }
            Upload::Asked { .. } | Upload::Running { .. } | Upload::None => {}
        });
    }

    /// Takes a stored result in. The terms are asked again: a reopened task has another consensus.
    /// The digest of a zip that is bound follows from its place, so it comes out the same.
    pub(crate) fn on_result_stored(&mut self, upload: u64, id: TaskId, mut result: StoredResult) {
        let answer = self.upload_terms(result.worker, id).and_then(|terms| {
            result.digest = terms.check(id, result.digest, &result.location, &result.callback)?;
            if !terms.recorded.has_callback() {
                result.callback = Bytes::new();
            }
            Ok(())
        });
        if answer.is_ok() {
            self.change(id, |task| {
                let late = task.late_mut();
                late.result = Some(Box::new(result));
                late.upload = Upload::None;
                task.is_unsaved = true;
            });
        } else {
            self.on_upload_failed(result.worker, id);
        }
        self.act(Action::AnswerUpload { upload, answer });
    }
}
