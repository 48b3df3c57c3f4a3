//! Between the protocol's messages and the core's words.

use poco_core::lane::{BlindedVote, ROW_MAX, Vote};
use poco_core::{Address, B256, Bytes, DealId, ResultDigest, TaskId};
use poco_proto::{v1, words};
use poco_worker_core::{Assignment, Cause, Failure, Input, Lane, Stage};

/// Why a command is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadCommand {
    #[error(transparent)]
    Length(#[from] words::BadLength),
    #[error("the command is of no known kind")]
    Unknown,
    #[error("the lane {0} is unknown")]
    Lane(i32),
}

/// A command as an input.
pub(crate) fn input_of(command: v1::Command) -> Result<Input, BadCommand> {
    use v1::command::Body;
    Ok(match command.body.ok_or(BadCommand::Unknown)? {
        Body::Assign(assign) => Input::Assign(Box::new(assignment_of(assign)?)),
        Body::Reveal(reveal) => Input::Reveal(words::task(&reveal.task)?),
        Body::Upload(upload) => Input::Upload(words::task(&upload.task)?),
        Body::Abandon(abandon) => {
            Input::Abandon { task: words::task(&abandon.task)?, reason: abandon.reason }
        }
        Body::Ended(ended) => Input::Ended(words::task(&ended.task)?),
        Body::BallotWanted(wanted) => Input::BallotWanted {
            deal: words::deal(&wanted.deal)?,
            first: wanted.first,
            count: wanted.count,
        },
        Body::Row(row) => {
            let votes = row.votes.iter().take(ROW_MAX).map(words::row_vote);
            Input::Row {
                task: words::task(&row.task)?,
                votes: votes.collect::<Result<Vec<_>, words::BadLength>>()?,
            }
        }
    })
}

fn assignment_of(assign: v1::Assign) -> Result<Assignment, BadCommand> {
    let lane = match v1::Lane::try_from(assign.lane) {
        Ok(v1::Lane::Classic) => Lane::Classic,
        Ok(v1::Lane::Fast) => Lane::Fast,
        Ok(v1::Lane::Settlement) => Lane::Settlement,
        Ok(v1::Lane::Unspecified) | Err(_) => return Err(BadCommand::Lane(assign.lane)),
    };
    let enclave_challenge = match assign.enclave_challenge.is_empty() {
        true => Address::ZERO,
        false => words::address("enclave_challenge", &assign.enclave_challenge)?,
    };
    Ok(Assignment {
        task: words::task(&assign.task)?,
        deal: words::deal(&assign.deal)?,
        index: assign.index,
        authorization: Bytes::from(assign.authorization),
        enclave_challenge,
        lane,
    })
}

/// The tasks of a welcome; those that cannot be read are left out, as nothing could be said of them.
pub(crate) fn live_of(tasks: Vec<v1::LiveTask>) -> Vec<(TaskId, Stage)> {
    let pair = |task: v1::LiveTask| {
        let stage = stage_of(v1::Stage::try_from(task.stage).ok()?)?;
        Some((words::task(&task.task).ok()?, stage))
    };
    tasks.into_iter().filter_map(pair).collect()
}

/// The tasks of a login.
pub(crate) fn live_message((task, stage): &(TaskId, Stage)) -> v1::LiveTask {
    v1::LiveTask { task: task.0.to_vec(), stage: stage_message(*stage).into() }
}

/// A report.
pub(crate) fn report_message(
    task: TaskId,
    stage: Stage,
    failure: Option<Failure>,
    transaction: Option<B256>,
) -> v1::Report {
    v1::Report {
        task: task.0.to_vec(),
        stage: stage_message(stage).into(),
        failure: failure.map(failure_message),
        transaction: transaction.map(|hash| hash.to_vec()).unwrap_or_default(),
    }
}

/// A ballot with its worker's signature.
pub(crate) fn ballot_message(
    deal: DealId,
    first: u64,
    entries: &[BlindedVote],
    signature: &Bytes,
) -> v1::Ballot {
    v1::Ballot {
        deal: deal.0.to_vec(),
        first,
        entries: entries.iter().map(|entry| entry.0.to_vec()).collect(),
        signature: signature.to_vec(),
    }
}

/// A committed vote.
pub(crate) fn disclosure_message(
    task: TaskId,
    vote: Vote,
    digest: Option<ResultDigest>,
) -> v1::Disclosure {
    v1::Disclosure {
        task: task.0.to_vec(),
        vote: Some(words::row_vote_message(Some(vote))),
        digest: digest.map(|digest| digest.0.to_vec()).unwrap_or_default(),
    }
}

fn failure_message(failure: Failure) -> v1::Failure {
    v1::Failure {
        cause: cause_message(failure.cause).into(),
        detail: failure.detail,
        exit_code: failure.exit_code.unwrap_or_default(),
        stdout_tail: failure.stdout_tail,
        stderr_tail: failure.stderr_tail,
    }
}

fn cause_message(cause: Cause) -> v1::failure::Cause {
    use v1::failure::Cause as Message;
    match cause {
        Cause::Declined => Message::Declined,
        Cause::Chain => Message::Chain,
        Cause::ImageMissing => Message::ImageMissing,
        Cause::ImageDigest => Message::ImageDigest,
        Cause::Input => Message::Input,
        Cause::Dataset => Message::Dataset,
        Cause::ExitCode => Message::ExitCode,
        Cause::TimeLimit => Message::TimeLimit,
        Cause::OutOfMemory => Message::OutOfMemory,
        Cause::OutOfDisk => Message::OutOfDisk,
        Cause::NoResult => Message::NoResult,
        Cause::Engine => Message::Engine,
        Cause::Refused => Message::Refused,
        Cause::Abandoned => Message::Abandoned,
    }
}

fn stage_message(stage: Stage) -> v1::Stage {
    match stage {
        Stage::Accepted => v1::Stage::Accepted,
        Stage::Pulling => v1::Stage::Pulling,
        Stage::Fetching => v1::Stage::Fetching,
        Stage::Running => v1::Stage::Running,
        Stage::Computed => v1::Stage::Computed,
        Stage::Balloted => v1::Stage::Balloted,
        Stage::Committed => v1::Stage::Committed,
        Stage::Contributed => v1::Stage::Contributed,
        Stage::Revealed => v1::Stage::Revealed,
        Stage::Uploaded => v1::Stage::Uploaded,
        Stage::Failed => v1::Stage::Failed,
    }
}

/// The stage of a message; `None` for the one that says nothing.
pub(crate) fn stage_of(stage: v1::Stage) -> Option<Stage> {
    Some(match stage {
        v1::Stage::Unspecified => return None,
        v1::Stage::Accepted => Stage::Accepted,
        v1::Stage::Pulling => Stage::Pulling,
        v1::Stage::Fetching => Stage::Fetching,
        v1::Stage::Running => Stage::Running,
        v1::Stage::Computed => Stage::Computed,
        v1::Stage::Balloted => Stage::Balloted,
        v1::Stage::Committed => Stage::Committed,
        v1::Stage::Contributed => Stage::Contributed,
        v1::Stage::Revealed => Stage::Revealed,
        v1::Stage::Uploaded => Stage::Uploaded,
        v1::Stage::Failed => Stage::Failed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_of_wrong_lengths_or_kinds_is_refused() {
        let assign = v1::Assign {
            task: vec![1; 32],
            deal: vec![2; 32],
            index: 3,
            authorization: vec![4; 65],
            enclave_challenge: Vec::new(),
            lane: v1::Lane::Classic.into(),
        };
        let command = |assign| v1::Command { body: Some(v1::command::Body::Assign(assign)) };
        let Ok(Input::Assign(read)) = input_of(command(assign.clone())) else { panic!() };
        assert_eq!((read.index, read.enclave_challenge), (3, Address::ZERO));
        let short = v1::Assign { task: vec![1; 31], ..assign.clone() };
        assert!(matches!(input_of(command(short)), Err(BadCommand::Length(_))));
        let lane = v1::Assign { lane: 77, ..assign };
        assert!(matches!(input_of(command(lane)), Err(BadCommand::Lane(77))));
        assert!(matches!(input_of(v1::Command { body: None }), Err(BadCommand::Unknown)));
    }

    #[test]
    fn every_stage_survives_the_wire() {
        let task = TaskId(B256::repeat_byte(5));
        for number in 1..=11 {
            let stage = stage_of(v1::Stage::try_from(number).unwrap()).unwrap();
            let message = live_message(&(task, stage));
            assert_eq!(live_of(vec![message]), [(task, stage)]);
        }
        assert!(live_of(vec![v1::LiveTask { task: vec![1], stage: 1 }]).is_empty());
    }
}
