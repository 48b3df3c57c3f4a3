//! The machine of a worker: containers live on when its process dies, and die when the engine does.

use crate::process::Host;
use crate::scenario::Millis;
use crate::villains::{UNPROVABLE, says_on};
use crate::world::{Event, World};
use poco_core::{Address, Bytes, Recorded, ResultDigest, TaskId, keccak256};
use poco_worker_core::{Cause, Computation, Failure, Input, Step, Work};
use std::collections::BTreeMap;

/// The parameters of a request whose app fails.
pub(crate) const FAILING: &str = "failing";

/// What an engine holds.
#[derive(Debug, Default)]
pub(crate) struct Sandbox {
    runs: BTreeMap<TaskId, Run>,
}

#[derive(Clone, Debug)]
struct Run {
    ends_at: Millis,
    outcome: Result<Computation, Failure>,
    content: ResultDigest,
    is_dead: bool,
}

impl Sandbox {
    pub(crate) fn discard(&mut self, task: TaskId) {
        self.runs.remove(&task);
    }
}

impl World {
    /// Runs an app, or adopts what runs since before a restart.
    pub(crate) fn run(&mut self, worker: usize, task: TaskId, work: &Work) {
        let host = Host::of_worker(worker);
        let is_known = self.workers[worker].sandbox.runs.contains_key(&task);
        if is_known {
            self.reached.note("a container was adopted");
        } else {
            let run = self.begin_run(worker, task, work);
            self.workers[worker].sandbox.runs.insert(task, run);
        }
        if !is_known {
            self.progress(host, 0, task, Step::Pulling);
            self.progress(host, 20, task, Step::Fetching);
        }
        self.progress(host, 40, task, Step::Running { container: format!("run {task}") });
        let ends_at = self.workers[worker].sandbox.runs[&task].ends_at;
        let left = ends_at.saturating_sub(self.now).max(50);
        self.for_process(host, left, |host, life| Event::RunEnds { host, life, task });
    }

    fn progress(&mut self, host: Host, delay: Millis, task: TaskId, step: Step) {
        let input = Box::new(Input::Progress { task, step });
        self.for_process(host, delay, |host, life| Event::Heard { host, life, input });
    }

    fn begin_run(&mut self, worker: usize, task: TaskId, work: &Work) -> Run {
        let nature = self.workers[worker].plan.nature;
        let address = self.process(Host::of_worker(worker)).wallet.address;
        let span = nature.run_millis(&mut self.dice);
        nature.goal().into_iter().for_each(|goal| self.reached.note(goal));
        if work.params == UNPROVABLE {
            self.reached.note("an app gave each worker another result");
        }
        let honest = content(task, address, work);
        let said = nature.says(task, honest);
        let callback = match work.terms.recorded {
            Recorded::Location | Recorded::BoundLocation => Bytes::new(),
            Recorded::CallbackAndLocation | Recorded::BoundCallback => said.clone(),
        };
        let digest = ResultDigest(keccak256(&said));
        let outcome = if work.params == FAILING {
            Err(Failure { exit_code: Some(1), ..Failure::new(Cause::ExitCode, "it failed") })
        } else {
            Ok(Computation { digest, cid: format!("bafy{}", digest.0), size: 1_000, callback })
        };
        Run { ends_at: self.now + span, outcome, content: digest, is_dead: false }
    }

    /// The time of a run has come; a run of an engine that died ended otherwise.
    pub(crate) fn run_ended(&mut self, worker: usize, task: TaskId) -> Option<Input> {
        let now = self.now;
        let run = self.workers[worker].sandbox.runs.get(&task)?;
        if run.is_dead {
            let failure = Failure::new(Cause::Engine, "the engine died");
            return Some(Input::Finished { task, outcome: Err(failure) });
        }
        if run.ends_at > now {
            return None;
        }
        Some(Input::Finished { task, outcome: run.outcome.clone() })
    }

    /// The engine dies, and with it what ran.
    pub(crate) fn kill_engine(&mut self, worker: usize) {
        let now = self.now;
        let mut dead = Vec::new();
        for (task, run) in &mut self.workers[worker].sandbox.runs {
            if run.ends_at > now {
                run.is_dead = true;
                dead.push(*task);
            }
        }
        for task in dead {
            self.reached.note("an engine died under an app");
            let host = Host::of_worker(worker);
            self.for_process(host, 100, |host, life| Event::RunEnds { host, life, task });
        }
    }

    /// The digest of what lies on a worker's disk.
    pub(crate) fn content_of(&self, worker: usize, task: TaskId) -> ResultDigest {
        let run = self.workers[worker].sandbox.runs.get(&task);
        run.map(|run| run.content).expect("a result that is sent was not discarded before")
    }
}

/// What an app writes.
fn content(task: TaskId, worker: Address, work: &Work) -> Bytes {
    match work.params.as_str() {
        UNPROVABLE => says_on(worker, task),
        _ => Bytes::from(right(task).into_bytes()),
    }
}

fn right(task: TaskId) -> String {
    format!("the result of {task}")
}

/// The digest that all honest workers have of a provable task.
pub(crate) fn right_digest(task: TaskId) -> ResultDigest {
    ResultDigest(keccak256(right(task)))
}
