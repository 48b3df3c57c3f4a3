//! A core with a wallet, a pool and a clock: inputs go in, whole lists of actions come out.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "tests; each file uses its part"
)]

pub(crate) mod lane;

use k256::ecdsa::SigningKey;
use poco_core::call::Contribution;
use poco_core::message::authorization_hash;
use poco_core::task::{ContributionStatus, ContributionView, TaskStatus, TaskView};
use poco_core::{
    Address, Amount, B256, Bytes, Call, Deal, DealConditions, DealId, Resource, ResultDigest,
    ResultHash, ResultSeal, TaskId, Timestamp, U256, keccak256,
};
use poco_worker_core::{
    Action, Assignment, Computation, Config, Core, Facts, Input, Intent, Lane, Millis, Now,
    Outcome, Program, Record, Step, Stored, View,
};

/// T of the deals' category.
pub(crate) const SECONDS: u64 = 300;

/// When the deals were matched, and the tests begin.
pub(crate) const START: u64 = 1_700_000_000;

/// What one vote locks.
pub(crate) const STAKE: Amount = Amount::from_nano(6_000_000_000);

/// The deal of all tasks.
pub(crate) const DEAL: DealId = DealId(B256::repeat_byte(0xde));

/// A transaction's hash.
pub(crate) const TX: B256 = B256::repeat_byte(0x77);

pub(crate) struct Rig {
    pub(crate) core: Core,
    pub(crate) config: Config,
    pub(crate) now: Now,
    pub(crate) owner: SigningKey,
}

/// The task with `index` in the deal.
pub(crate) fn task(index: u64) -> TaskId {
    TaskId::of_deal(DEAL, U256::from(index))
}

pub(crate) fn config() -> Config {
    Config {
        worker: Address::repeat_byte(0x11),
        workerpool: Address::repeat_byte(0x22),
        slots: 2,
        tag: poco_core::Tag::GPU,
        stake_max: None,
        confirmations: 0,
        forget_depth_blocks: 0,
        poll_millis: 10_000,
        nonce_secret: poco_core::lane::NonceSecret(B256::repeat_byte(0x5e)),
        pull_millis_max: 600_000,
        fetch_millis_max: 300_000,
    }
}

impl Rig {
    /// A worker that is logged in.
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: Config) -> Self {
        let mut rig = Self::offline(config, Vec::new());
        assert_eq!(rig.step(Input::Connected { live: Vec::new() }), []);
        rig
    }

    /// A worker that starts from a journal.
    pub(crate) fn offline(config: Config, records: Vec<Record>) -> Self {
        let now = Now { millis: Millis(0), chain: Timestamp(START) };
        let owner = SigningKey::from_slice(&[7; 32]).unwrap();
        Self { core: Core::new(config.clone(), records, now), config, now, owner }
    }

    /// One input in, all its actions out.
    pub(crate) fn step(&mut self, input: Input) -> Vec<Action> {
        self.core.handle(self.now, input);
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.core.poll_action()).collect()
    }

    /// Lets time pass, then tells the core that a timer is due if one is.
    pub(crate) fn wait(&mut self, seconds: u64) -> Vec<Action> {
        self.now.millis = self.now.millis.after(seconds * 1000);
        self.now.chain = self.now.chain.after(seconds);
        match self.core.next_timer() {
            Some(at) if at.is_due(self.now.millis) => self.step(Input::Timer),
            Some(_) | None => Vec::new(),
        }
    }

    pub(crate) fn assignment(&self, index: u64) -> Assignment {
        let task = task(index);
        Assignment {
            task,
            deal: DEAL,
            index,
            authorization: self.authorize(self.config.worker, task),
            enclave_challenge: Address::ZERO,
            lane: Lane::Classic,
        }
    }

    pub(crate) fn authorize(&self, worker: Address, task: TaskId) -> Bytes {
        let hash = authorization_hash(worker, task, Address::ZERO);
        let (signature, parity) = self.owner.sign_prehash_recoverable(hash.as_slice()).unwrap();
        let mut bytes = signature.to_bytes().to_vec();
        bytes.push(27 + parity.to_byte());
        bytes.into()
    }

    pub(crate) fn pool_owner(&self) -> Address {
        let point = self.owner.verifying_key().to_encoded_point(false);
        Address::from_slice(&keccak256(&point.as_bytes()[1..])[12..])
    }

    pub(crate) fn deal(&self) -> Deal {
        let resource = |byte, price| Resource {
            pointer: Address::repeat_byte(byte),
            owner: Address::repeat_byte(byte + 1),
            price: Amount::from_nano(price),
        };
        let workerpool = Resource {
            pointer: self.config.workerpool,
            owner: self.pool_owner(),
            price: Amount::from_nano(20_000_000_000),
        };
        Deal {
            app: resource(0xa0, 1),
            workerpool,
            trust: U256::from(5),
            start_time: Timestamp(START),
            bot_size: U256::from(10),
            worker_stake: STAKE,
            params: "--lines".into(),
            ..Deal::default()
        }
    }

    pub(crate) fn facts(&self) -> Facts {
        Facts {
            deal: Some(self.deal()),
            app: Some(Program {
                kind: "DOCKER".into(),
                multiaddr: Bytes::from_static(b"registry/app"),
                checksum: B256::repeat_byte(0xcc),
            }),
            dataset: None,
            work_clock_time_ref_seconds: Some(SECONDS),
            conditions: DealConditions::NONE,
            is_known_to_guard: true,
            free_stake: Amount::from_nano(100_000_000_000),
            bond: None,
            view: active(1),
        }
    }

    /// Brings a task to the point where its app runs.
    pub(crate) fn run(&mut self, index: u64) -> TaskId {
        let assignment = self.assignment(index);
        let facts = self.facts();
        self.run_as(assignment, facts)
    }

    pub(crate) fn run_as(&mut self, assignment: Assignment, facts: Facts) -> TaskId {
        let task = assignment.task;
        self.step(Input::Assign(Box::new(assignment)));
        let actions = self.step(Input::Facts { task, facts: Box::new(facts) });
        assert!(actions.iter().any(|action| matches!(action, Action::Run { .. })), "{actions:?}");
        self.step(Input::Progress { task, step: Step::Fetching });
        self.step(Input::Progress { task, step: Step::Running { container: "c0ffee".into() } });
        task
    }

    /// Brings a task to the point where its vote is on chain.
    pub(crate) fn contribute(&mut self, index: u64) -> TaskId {
        let task = self.run(index);
        self.step(Input::Finished { task, outcome: Ok(computation()) });
        self.mined(task, Intent::Contribute, 2);
        self.view(task, voted(self.config.worker, task, 2));
        task
    }

    /// Brings a task to the point where its digest is on chain.
    pub(crate) fn reveal(&mut self, index: u64) -> TaskId {
        let task = self.contribute(index);
        self.view(task, consensus(self.config.worker, task, 3));
        self.mined(task, Intent::Reveal, 4);
        self.view(task, proved(self.config.worker, task, 4));
        task
    }

    pub(crate) fn mined(&mut self, task: TaskId, intent: Intent, block: u64) -> Vec<Action> {
        let outcome = Outcome::Mined { transaction: TX, block };
        self.step(Input::Settled { task, intent, outcome })
    }

    pub(crate) fn view(&mut self, task: TaskId, view: View) -> Vec<Action> {
        self.step(Input::View { task, view: Box::new(view) })
    }

    /// What a process started after a crash finds: the records that were persisted last.
    pub(crate) fn record(&self, task: TaskId) -> Record {
        self.core.find_record(task).unwrap().clone()
    }
}

pub(crate) fn digest() -> ResultDigest {
    ResultDigest(B256::repeat_byte(0xd1))
}

pub(crate) fn computation() -> Computation {
    Computation { digest: digest(), cid: "bafyresult".into(), size: 1234, callback: Bytes::new() }
}

/// The task takes contributions; this worker has none.
pub(crate) fn active(block: u64) -> View {
    let task = TaskView {
        status: TaskStatus::Active,
        contribution_deadline: Timestamp(START + 7 * SECONDS),
        final_deadline: Timestamp(START + 10 * SECONDS),
        ..TaskView::default()
    };
    View { block, task, ..View::default() }
}

/// This worker's vote is on chain.
pub(crate) fn voted(worker: Address, task: TaskId, block: u64) -> View {
    let contribution = ContributionView {
        status: ContributionStatus::Contributed,
        hash: ResultHash::of(task, digest()),
        seal: ResultSeal::of(worker, task, digest()),
        ..ContributionView::default()
    };
    View { contribution, ..active(block) }
}

/// The chain agrees with this worker's vote.
pub(crate) fn consensus(worker: Address, task: TaskId, block: u64) -> View {
    let mut view = voted(worker, task, block);
    view.task.status = TaskStatus::Revealing;
    view.task.consensus = ResultHash::of(task, digest());
    view.task.reveal_deadline = Timestamp(START + 3 * SECONDS);
    view
}

/// This worker's digest is on chain.
pub(crate) fn proved(worker: Address, task: TaskId, block: u64) -> View {
    let mut view = consensus(worker, task, block);
    view.contribution.status = ContributionStatus::Proved;
    view.task.digest = digest();
    view
}

/// The task is over.
pub(crate) fn over(worker: Address, task: TaskId, block: u64) -> View {
    let mut view = proved(worker, task, block);
    view.task.status = TaskStatus::Completed;
    view.ended = Some(block);
    view
}

/// The task is to be read, from the first block on.
pub(crate) fn read(task: TaskId) -> Action {
    Action::ReadTask { task, from_block: 0 }
}

pub(crate) fn vote(rig: &Rig, index: u64) -> Action {
    let assignment = rig.assignment(index);
    let task = assignment.task;
    let call = Call::Contribute(Contribution {
        task,
        hash: ResultHash::of(task, digest()),
        seal: ResultSeal::of(rig.config.worker, task, digest()),
        enclave_challenge: Address::ZERO,
        enclave_sign: Bytes::new(),
        authorization_sign: assignment.authorization,
    });
    Action::Transact { task, intent: Intent::Contribute, call: Box::new(call) }
}

pub(crate) fn disclosure(task: TaskId) -> Action {
    let call = Box::new(Call::Reveal { task, digest: digest() });
    Action::Transact { task, intent: Intent::Reveal, call }
}

pub(crate) fn upload(task: TaskId) -> Action {
    let result = Stored { computation: computation(), callback: Bytes::new() };
    Action::Upload { task, result: Box::new(result) }
}

pub(crate) fn refused(rig: &mut Rig, task: TaskId, intent: Intent) -> Vec<Action> {
    let outcome = Outcome::Refused { reason: "execution reverted".into() };
    rig.step(Input::Settled { task, intent, outcome })
}

pub(crate) fn transactions(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Transact { .. })).count()
}
