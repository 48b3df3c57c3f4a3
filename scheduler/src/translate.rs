//! Between the wire and the core's words.

use poco_core::lane::{Ballot, BlindedVote, TASKS_MAX, ballot_hash};
use poco_core::signature::recover;
use poco_core::{Address, B256, Bytes, Tag, TaskId, U256};
use poco_proto::{v1, words};
use poco_scheduler_core::{
    Capacity, Cause, Failure, Input, Lane, ReplicaReport, ReportBody, ReportStatus, Stage,
    TaskReport,
};

/// Longest one-line detail that is kept of a failure.
const DETAIL_BYTES_MAX: usize = 500;
/// What is kept of an app's output, as the protocol says.
const TAIL_BYTES_MAX: usize = 4096;
/// Slots that one worker may offer: a larger offer is a mistake or worse.
const SLOTS_MAX: u32 = 4096;

pub(crate) fn lane(lane: Lane) -> v1::Lane {
    match lane {
        Lane::Classic => v1::Lane::Classic,
        Lane::Fast => v1::Lane::Fast,
        Lane::Settlement => v1::Lane::Settlement,
    }
}

fn stage(stage: Option<Stage>) -> v1::Stage {
    match stage {
        None | Some(Stage::Promised) => v1::Stage::Unspecified,
        Some(Stage::Accepted) => v1::Stage::Accepted,
        Some(Stage::Pulling) => v1::Stage::Pulling,
        Some(Stage::Fetching) => v1::Stage::Fetching,
        Some(Stage::Running) => v1::Stage::Running,
        Some(Stage::Computed) => v1::Stage::Computed,
        Some(Stage::Balloted) => v1::Stage::Balloted,
        Some(Stage::Committed) => v1::Stage::Committed,
        Some(Stage::Contributed) => v1::Stage::Contributed,
        Some(Stage::Revealed) => v1::Stage::Revealed,
        Some(Stage::Uploaded) => v1::Stage::Uploaded,
    }
}

pub(crate) fn live_task(live: &(TaskId, Stage)) -> v1::LiveTask {
    let (task, at) = live;
    v1::LiveTask { task: task.0.to_vec(), stage: stage(Some(*at)).into() }
}

/// A stage as a worker tells it; `None` where it failed or where nobody knows such a stage.
fn stage_told(number: i32) -> Option<Stage> {
    match v1::Stage::try_from(number).ok()? {
        v1::Stage::Unspecified | v1::Stage::Failed => None,
        v1::Stage::Accepted => Some(Stage::Accepted),
        v1::Stage::Pulling => Some(Stage::Pulling),
        v1::Stage::Fetching => Some(Stage::Fetching),
        v1::Stage::Running => Some(Stage::Running),
        v1::Stage::Computed => Some(Stage::Computed),
        v1::Stage::Balloted => Some(Stage::Balloted),
        v1::Stage::Committed => Some(Stage::Committed),
        v1::Stage::Contributed => Some(Stage::Contributed),
        v1::Stage::Revealed => Some(Stage::Revealed),
        v1::Stage::Uploaded => Some(Stage::Uploaded),
    }
}

/// The live tasks of a login; those that cannot be read are left out.
pub(crate) fn live_told(live: &[v1::LiveTask]) -> Vec<(TaskId, Option<Stage>)> {
    let told = |one: &v1::LiveTask| Some((words::task(&one.task).ok()?, stage_told(one.stage)));
    live.iter().filter_map(told).collect()
}

/// What a worker offers; `None` where it cannot be.
pub(crate) fn capacity(told: &v1::Capacity) -> Option<Capacity> {
    let tag = if told.tag.is_empty() { B256::ZERO } else { words::word("tag", &told.tag).ok()? };
    let machine = (!told.machine.is_empty()).then(|| words::word("machine", &told.machine));
    let owner = (!told.owner.is_empty()).then(|| words::address("owner", &told.owner));
    let (machine, owner) = (machine.transpose().ok()?, owner.transpose().ok()?);
    let region = (!told.region.is_empty()).then(|| told.region.parse()).transpose().ok()?;
    (told.slots <= SLOTS_MAX).then_some(Capacity {
        slots: told.slots,
        tag: Tag(tag),
        cpus: told.cpus,
        memory_bytes: told.memory_bytes,
        disk_bytes: told.disk_bytes,
        gpus: told.gpus,
        region,
        carbon_g_per_kwh: told.carbon_g_per_kwh,
        machine,
        owner,
    })
}

/// A report; `None` where it cannot be read.
pub(crate) fn report(told: v1::Report) -> Option<(TaskId, ReportBody)> {
    let task = words::task(&told.task).ok()?;
    let is_failure = v1::Stage::try_from(told.stage).ok()? == v1::Stage::Failed;
    if is_failure {
        return Some((task, ReportBody::Failed(failure(told.failure.unwrap_or_default()))));
    }
    Some((task, ReportBody::Reached(stage_told(told.stage)?)))
}

/// A ballot of `worker`; `None` where it cannot be read, or is not signed by it.
pub(crate) fn ballot(told: v1::Ballot, worker: Address, domain_separator: B256) -> Option<Input> {
    if told.entries.len() > TASKS_MAX {
        return None;
    }
    let deal = words::deal(&told.deal).ok()?;
    let entries = told.entries.iter().map(|entry| words::word("entry", entry).map(BlindedVote));
    let entries: Vec<BlindedVote> = entries.collect::<Result<_, _>>().ok()?;
    let (first, sign) = (U256::from(told.first), Bytes::from(told.signature));
    let hash = ballot_hash(domain_separator, deal, first, &entries);
    let is_signed = recover(hash, &sign) == Some(worker);
    let ballot = Ballot { worker, first, entries, sign };
    is_signed.then_some(Input::Ballot { deal, ballot })
}

/// A disclosure of `worker`; `None` where it cannot be read.
pub(crate) fn disclosure(told: v1::Disclosure, worker: Address) -> Option<Input> {
    let task = words::task(&told.task).ok()?;
    let vote = words::row_vote(&told.vote?).ok()??;
    let digest = words::digest(&told.digest).ok()?;
    Some(Input::Disclosed { worker, task, vote, digest })
}

fn failure(told: v1::Failure) -> Failure {
    use v1::failure::Cause as Told;
    let cause = match Told::try_from(told.cause).unwrap_or_default() {
        Told::Unspecified | Told::Engine => Cause::Engine,
        Told::Declined => Cause::Declined,
        Told::Chain => Cause::Chain,
        Told::ImageMissing => Cause::ImageMissing,
        Told::ImageDigest => Cause::ImageDigest,
        Told::Input => Cause::Input,
        Told::Dataset => Cause::Dataset,
        Told::ExitCode => Cause::ExitCode,
        Told::TimeLimit => Cause::TimeLimit,
        Told::OutOfMemory => Cause::OutOfMemory,
        Told::OutOfDisk => Cause::OutOfDisk,
        Told::NoResult => Cause::NoResult,
        Told::Refused => Cause::Refused,
        Told::Abandoned => Cause::Abandoned,
    };
    Failure {
        cause,
        detail: cut(one_line(&told.detail), DETAIL_BYTES_MAX),
        exit_code: (cause == Cause::ExitCode).then_some(told.exit_code),
        stdout_tail: cut(told.stdout_tail, TAIL_BYTES_MAX),
        stderr_tail: cut(told.stderr_tail, TAIL_BYTES_MAX),
    }
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn cut(mut text: String, bytes_max: usize) -> String {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
    text
}

/// A failure without what the app printed, which is its requester's alone.
fn failure_shown(failure: &Failure) -> v1::Failure {
    let (stdout_tail, stderr_tail) = Default::default();
    v1::Failure { stdout_tail, stderr_tail, ..failure_told(failure) }
}

/// A failure with all that is known of it, for the requester.
pub(crate) fn failure_told(failure: &Failure) -> v1::Failure {
    use v1::failure::Cause as Shown;
    let cause = match failure.cause {
        Cause::Declined => Shown::Declined,
        Cause::Chain => Shown::Chain,
        Cause::ImageMissing => Shown::ImageMissing,
        Cause::ImageDigest => Shown::ImageDigest,
        Cause::Input => Shown::Input,
        Cause::Dataset => Shown::Dataset,
        Cause::ExitCode => Shown::ExitCode,
        Cause::TimeLimit => Shown::TimeLimit,
        Cause::OutOfMemory => Shown::OutOfMemory,
        Cause::OutOfDisk => Shown::OutOfDisk,
        Cause::NoResult => Shown::NoResult,
        Cause::Engine => Shown::Engine,
        Cause::Refused => Shown::Refused,
        Cause::Abandoned | Cause::Slow => Shown::Abandoned,
    };
    v1::Failure {
        cause: cause.into(),
        detail: failure.to_string(),
        exit_code: failure.exit_code.unwrap_or_default(),
        stdout_tail: failure.stdout_tail.clone(),
        stderr_tail: failure.stderr_tail.clone(),
    }
}

/// A task as observers see it.
pub(crate) fn task_shown(report: &TaskReport) -> v1::TaskReport {
    let status = match report.status {
        ReportStatus::Pending => v1::TaskStatus::Pending,
        ReportStatus::Active => v1::TaskStatus::Active,
        ReportStatus::Revealing => v1::TaskStatus::Revealing,
        ReportStatus::Completed => v1::TaskStatus::Completed,
        ReportStatus::Failed => v1::TaskStatus::Failed,
    };
    let replica = |replica: &ReplicaReport| {
        let at = match &replica.failure {
            Some(_) => v1::Stage::Failed,
            None => stage(replica.stage),
        };
        v1::Replica {
            worker: replica.worker.to_vec(),
            stage: at.into(),
            connected: replica.is_connected,
            failure: replica.failure.as_ref().map(failure_shown),
            updated: replica.updated.0,
        }
    };
    v1::TaskReport {
        task: report.task.0.to_vec(),
        deal: report.deal.0.to_vec(),
        index: report.index.saturating_to(),
        status: status.into(),
        waiting_for: report.waiting_for.clone(),
        given_up: report.given_up.clone().unwrap_or_default(),
        lane: lane(report.lane).into(),
        replicas: report.replicas.iter().map(replica).collect(),
        contribution_deadline: report.contribution_deadline.0,
        reveal_deadline: report.reveal_deadline.0,
        final_deadline: report.final_deadline.0,
        location: report.location.clone(),
        digest: report.digest.map(|digest| digest.0.to_vec()).unwrap_or_default(),
    }
}

/// An address as clients write it.
pub(crate) fn checksummed(address: Address) -> String {
    address.to_checksum(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_of_a_stranger_is_cut_to_size_and_never_panics() {
        let failure = v1::Failure {
            cause: v1::failure::Cause::ExitCode.into(),
            detail: "ü\n".repeat(5000),
            exit_code: 3,
            stdout_tail: "é".repeat(5000),
            stderr_tail: String::new(),
        };
        let told = v1::Report {
            task: vec![1; 32],
            stage: v1::Stage::Failed.into(),
            failure: Some(failure),
            transaction: Vec::new(),
        };
        let (_, body) = report(told.clone()).unwrap();
        let ReportBody::Failed(failure) = body else { panic!("not a failure") };
        assert_eq!((failure.cause, failure.exit_code), (Cause::ExitCode, Some(3)));
        assert!(failure.detail.len() <= DETAIL_BYTES_MAX && !failure.detail.contains('\n'));
        assert_eq!(failure.stdout_tail.len(), TAIL_BYTES_MAX);
        assert!(report(v1::Report { stage: 77, ..told.clone() }).is_none());
        assert!(report(v1::Report { task: vec![1; 31], ..told }).is_none());
    }

    #[test]
    fn a_capacity_beyond_belief_is_refused() {
        let told = v1::Capacity { slots: 2, ..v1::Capacity::default() };
        assert_eq!(capacity(&told).map(|capacity| capacity.slots), Some(2));
        assert!(capacity(&v1::Capacity { slots: u32::MAX, ..told.clone() }).is_none());
        for wrong in [
            v1::Capacity { tag: vec![1], ..told.clone() },
            v1::Capacity { machine: vec![1], ..told.clone() },
            v1::Capacity { owner: vec![1; 32], ..told.clone() },
            v1::Capacity { region: "The Moon".into(), ..told.clone() },
        ] {
            assert!(capacity(&wrong).is_none(), "{wrong:?}");
        }
        let one = v1::Capacity { machine: vec![1; 32], owner: vec![2; 20], ..told };
        let one = capacity(&one).unwrap();
        let (machine, owner) = (B256::repeat_byte(1), Address::repeat_byte(2));
        assert_eq!((one.machine, one.owner), (Some(machine), Some(owner)));
    }
}
