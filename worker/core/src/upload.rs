//! Bringing the result to the pool: after the digest is disclosed, or before the fast lane's call.

use crate::action::{Action, Stored};
use crate::core::Core;
use crate::failure::{Cause, Failure};
use crate::input::UploadOutcome;
use crate::task::{Lane, State};
use crate::time::{Millis, Now};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use poco_core::recorded::location_of;
use poco_core::{Bytes, TaskId};

/// How often an upload is tried for one request before the scheduler is told to ask another.
const UPLOAD_TRIES_MAX: u32 = 5;

/// The first pause between two tries; it doubles.
const UPLOAD_AGAIN_MILLIS: u64 = 1_000;

/// Where an upload stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Upload {
    /// Nobody wants one.
    #[default]
    Idle,
    /// Wanted; it starts when the stage and the connection allow.
    Wanted { tries: u32 },
    /// Under way.
    Sending { tries: u32 },
    /// Failed; tried again at `at`.
    Paused { tries: u32, at: Millis },
}

impl Upload {
    /// When to try again.
    pub(crate) fn again_at(self) -> Option<Millis> {
        match self {
            Self::Paused { at, .. } => Some(at),
            Self::Idle | Self::Wanted { .. } | Self::Sending { .. } => None,
        }
    }
}

impl Core {
    /// The scheduler wants the result.
    pub(crate) fn on_upload_wanted(&mut self, now: Now, id: TaskId) {
        if self.tasks.contains_key(&id) {
            self.want_upload(id);
            // The scheduler may know of the reveal before we do.
            self.read_task(now, id);
        } else {
            self.on_hint_of_scheduler(now, id);
        }
    }

    pub(crate) fn want_upload(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        match task.memory.upload {
            Upload::Idle | Upload::Paused { .. } => {
                task.memory.upload = Upload::Wanted { tries: 0 };
            }
            Upload::Wanted { .. } | Upload::Sending { .. } => {}
        }
        self.start_owed_upload(id);
    }

    /// Starts an upload that waits for nothing more.
    pub(crate) fn start_owed_upload(&mut self, id: TaskId) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let is_fast = matches!(task.record.state, State::Computed(_))
            && task.record.assignment.lane == Lane::Fast;
        if is_fast && task.memory.upload == Upload::Idle {
            task.memory.upload = Upload::Wanted { tries: 0 };
        }
        if matches!(task.memory.upload, Upload::Wanted { .. } | Upload::Paused { .. }) {
            self.start_upload(id);
        }
    }

    /// Starts an upload, if the digest is disclosed and the pool can be reached.
    pub(crate) fn start_upload(&mut self, id: TaskId) {
        let is_online = self.is_online;
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let tries = match task.memory.upload {
            Upload::Wanted { tries } | Upload::Paused { tries, .. } => tries,
            Upload::Idle | Upload::Sending { .. } => return,
        };
        // Without a stream there is no session to upload under; reconnecting comes back here.
        task.memory.upload = Upload::Wanted { tries };
        let promise = match &task.record.state {
            // In the fast lane the result goes first: the one call that follows names where it is.
            State::Computed(promise) if task.record.assignment.lane == Lane::Fast => promise,
            State::Revealed { promise, .. }
            | State::Uploaded { promise, .. }
            | State::Handed { promise, .. } => promise,
            // Whoever sees the result knows the digest. Before the reveal that is nobody.
            State::Accepted
            | State::Pulling(_)
            | State::Fetching(_)
            | State::Running { .. }
            | State::Computed(_)
            | State::Contributing { .. }
            | State::Contributed { .. }
            | State::Revealing { .. }
            | State::Balloted { .. }
            | State::Committed { .. }
            | State::Failed { .. } => return,
        };
        if !is_online {
            return;
        }
        let computation = promise.computation.clone();
        let callback = match promise.terms.recorded.has_callback() {
            true => computation.callback.clone(),
            false => Bytes::new(),
        };
        task.memory.upload = Upload::Sending { tries };
        self.push(Action::Upload { task: id, result: Box::new(Stored { computation, callback }) });
    }

    pub(crate) fn on_upload_ended(&mut self, now: Now, id: TaskId, outcome: UploadOutcome) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let Upload::Sending { tries } = task.memory.upload else { return };
        let Some(promise) = task.record.state.promise() else { return };
        let expected = location_of(&promise.computation.cid);
        match outcome {
            UploadOutcome::Stored { location } if location == expected => {
                task.memory.upload = Upload::Idle;
                self.on_uploaded(now, id, location);
            }
            UploadOutcome::Stored { location } => {
                let detail = format!("the pool stored the result as {location}, not {expected}");
                self.on_upload_failed(now, id, tries, detail);
            }
            UploadOutcome::Failed { detail } => self.on_upload_failed(now, id, tries, detail),
        }
    }

    fn on_uploaded(&mut self, now: Now, id: TaskId, location: String) {
        let Some(task) = self.tasks.get(&id) else { return };
        let Some(promise) = task.record.state.promise().cloned() else { return };
        match &task.record.state {
            State::Computed(_) if task.record.assignment.lane == Lane::Fast => {
                self.enter(now, id, State::Contributing { promise, location: Some(location) });
                self.send_vote(id);
            }
            State::Revealed { .. } | State::Uploaded { .. } => {
                self.enter(now, id, State::Uploaded { promise, location });
            }
            State::Handed { .. } => {
                self.enter(now, id, State::Handed { promise, location: Some(location) });
            }
            // A reorg took the reveal back meanwhile; the pool will ask again.
            State::Accepted
            | State::Pulling(_)
            | State::Fetching(_)
            | State::Running { .. }
            | State::Computed(_)
            | State::Contributing { .. }
            | State::Contributed { .. }
            | State::Revealing { .. }
            | State::Balloted { .. }
            | State::Committed { .. }
            | State::Failed { .. } => {}
        }
    }

    fn on_upload_failed(&mut self, now: Now, id: TaskId, tries: u32, detail: String) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let tries = tries.saturating_add(1);
        if !self.is_online {
            // A lost connection is nobody's fault; the next one starts afresh.
            task.memory.upload = Upload::Wanted { tries: 0 };
        } else if tries < UPLOAD_TRIES_MAX {
            let pause = UPLOAD_AGAIN_MILLIS.saturating_mul(1u64.wrapping_shl(tries));
            task.memory.upload = Upload::Paused { tries, at: now.millis.after(pause) };
        } else {
            task.memory.upload = Upload::Idle;
            let failure = Failure::new(Cause::Engine, format!("the upload failed: {detail}"));
            match task.record.state.is_promised() {
                // The vote stands; only the upload is given up until it is asked for again.
                true => self.report_failure(id, failure),
                false => self.fail(now, id, failure),
            }
        }
    }
}
