//! The life of tasks: opened, voted on, revealed, ended.

use super::{Director, Steps};
use crate::cast::{CROWD, WORKERS};
use crate::step::Act;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use poco_core::call::{Contribution, WholeContribution};
use poco_core::hub::Hub as Model;
use poco_core::message::{authorization_hash, enclave_hash};
use poco_core::task::{ContributionStatus, TaskStatus, TaskView};
use poco_core::{Call, Conditions, Deal, DealId, ResultDigest, ResultHash, ResultSeal, TaskId};

/// How many different results a task can have in the eyes of its workers.
const RESULTS: u8 = 3;

/// What a worker finds: the bytes for a callback, whose hash is the digest.
pub(super) fn data(task: TaskId, which: u8) -> Bytes {
    let mut bytes = vec![which];
    bytes.extend(task.0.iter().take(5));
    bytes.into()
}

pub(super) fn digest(task: TaskId, which: u8) -> ResultDigest {
    ResultDigest(keccak256(data(task, which)))
}

/// The bytes behind a digest, where it is one of a worker's.
fn data_of(task: TaskId, wanted: ResultDigest) -> Option<Bytes> {
    (0..RESULTS).find(|which| digest(task, *which) == wanted).map(|which| data(task, which))
}

/// A vote that is being prepared.
struct Vote {
    worker: Address,
    hash: ResultHash,
    seal: ResultSeal,
    enclave_challenge: Address,
    enclave_sign: Bytes,
    authorization_sign: Bytes,
}

impl Director<'_> {
    /// Opens tasks.
    pub(super) fn open(&mut self, model: &Model) -> Steps {
        let (mut unopened, mut late) = (Vec::new(), Vec::new());
        for (id, deal) in model.deals() {
            let offset = if deal.bot_size > U256::from(1000) {
                U256::from(*self.dice.pick(&[0u64, 65_534, 65_535, 65_536, 69_999]))
            } else {
                U256::from(self.dice.below(deal.bot_size.saturating_to::<u64>().max(1)))
            };
            let index = deal.bot_first.saturating_add(offset);
            let task = TaskId::of_deal(id, index);
            let category = model.category(deal.category);
            let seconds = category.map_or(0, |it| it.work_clock_time_ref_seconds);
            let is_late = deal.deadlines(seconds).contribution.0 <= self.now;
            let is_unset = model.task(task).status == TaskStatus::Unset;
            if is_unset && is_late {
                late.push((id, index));
            } else if is_unset {
                unopened.push((id, index));
            }
        }
        let sender = self.anybody();
        if !late.is_empty() && self.dice.chance(10) {
            let tasks = vec![*self.dice.pick(&late)];
            let call = match self.dice.below(4) {
                0 => Call::InitializeArray { tasks },
                _ => Call::InitializeAndClaimArray { tasks },
            };
            return vec![self.step(sender, Act::Hub(call))];
        }
        let Some(mut chosen) = self.dice.find(&unopened).copied() else { return Steps::new() };
        if self.is_spoiled() {
            chosen = self.spoiled_index(model, chosen);
        }
        let (deal, index) = chosen;
        let call = match self.dice.below(40) {
            0..28 => Call::Initialize { deal, index },
            28..38 => {
                let mut tasks = vec![chosen];
                tasks.extend(self.dice.find(&unopened).filter(|other| **other != chosen));
                if self.dice.chance(10) {
                    tasks.push(chosen);
                }
                Call::InitializeArray { tasks }
            }
            _ => {
                if let Some(deal) = model.deal(deal).filter(|_| self.salt.is_multiple_of(2)) {
                    let category = model.category(deal.category);
                    let seconds = category.map_or(0, |it| it.work_clock_time_ref_seconds);
                    let last = deal.deadlines(seconds).last.0;
                    self.travel_to(last);
                }
                Call::InitializeAndClaimArray { tasks: vec![chosen] }
            }
        };
        vec![self.step(sender, Act::Hub(call))]
    }

    fn spoiled_index(&mut self, model: &Model, (deal, index): (DealId, U256)) -> (DealId, U256) {
        let size = model.deal(deal).map_or(U256::ONE, |deal| deal.bot_size);
        let opened = model.tasks().next().map(|(_, view)| (view.deal, view.index));
        match self.dice.below(5) {
            0 => (DealId(B256::repeat_byte(7)), index),
            1 => (deal, index.saturating_add(size)),
            2 => (deal, U256::MAX),
            3 => (deal, index.saturating_sub(U256::from(2))),
            _ => opened.unwrap_or((deal, U256::MAX)),
        }
    }

    /// A vote.
    pub(super) fn contribute(&mut self, model: &Model) -> Steps {
        let active = self.active(model);
        let begun: Vec<_> =
            active.iter().copied().filter(|(_, view)| !view.contributors.is_empty()).collect();
        let from = if self.dice.chance(70) && !begun.is_empty() { &begun } else { &active };
        let Some((id, view)) = self.dice.find(from).copied() else { return Steps::new() };
        if self.is_crowded && self.crowd.is_none() && view.contributors.is_empty() {
            let trust = model.deal(view.deal).map_or(U256::ZERO, |deal| deal.trust);
            if trust >= U256::ONE << 70 && trust < U256::ONE << 80 {
                self.crowd = Some((id, 0));
            }
        }
        let mut steps = Steps::new();
        let worker = self.new_worker(view);
        let which = self.which();
        let Some(vote) = self.vote(model, (id, view), (worker, which), &mut steps) else {
            return steps;
        };
        let (sender, task, vote) = if self.is_spoiled() {
            self.spoil_vote(model, (id, view), vote)
        } else {
            (vote.worker, id, vote)
        };
        let call = Call::Contribute(Contribution {
            task,
            hash: vote.hash,
            seal: vote.seal,
            enclave_challenge: vote.enclave_challenge,
            enclave_sign: vote.enclave_sign,
            authorization_sign: vote.authorization_sign,
        });
        steps.push(self.step(sender, Act::Hub(call)));
        steps
    }

    /// Tasks that take contributions, mostly without those whose time for it is over.
    fn active<'m>(&mut self, model: &'m Model) -> Vec<(TaskId, &'m TaskView)> {
        let (now, is_late_wanted) = (self.now, self.is_late_wanted());
        self.tasks_that(model, |task| {
            let is_late = task.contribution_deadline.0 <= now;
            task.status == TaskStatus::Active && (!is_late || is_late_wanted)
        })
    }

    /// A worker that has not contributed yet, while there is one.
    fn new_worker(&mut self, view: &TaskView) -> Address {
        let workers = self.cast.workers.get(..WORKERS).unwrap_or(&self.cast.workers);
        let others: Vec<Address> =
            workers.iter().copied().filter(|it| !view.contributors.contains(it)).collect();
        self.dice.find(&others).copied().unwrap_or_else(|| self.worker())
    }

    /// Mostly the same result.
    pub(super) fn which(&mut self) -> u8 {
        *self.dice.pick(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2])
    }

    /// A vote with every signature it needs.
    fn vote(
        &mut self,
        model: &Model,
        (id, view): (TaskId, &TaskView),
        (worker, which): (Address, u8),
        steps: &mut Steps,
    ) -> Option<Vote> {
        let deal = model.deal(view.deal)?;
        let digest = digest(id, which);
        let (hash, seal) = (ResultHash::of(id, digest), ResultSeal::of(worker, id, digest));
        let wants_enclave = deal.needs_enclave() || self.dice.chance(6);
        let enclave_challenge =
            if wants_enclave { *self.dice.pick(&self.cast.enclaves) } else { Address::ZERO };
        let enclave_sign = if wants_enclave {
            self.sign(enclave_challenge, enclave_hash(hash, seal), steps)
        } else {
            Bytes::new()
        };
        self.introduce(model, view.deal, (worker, enclave_challenge), steps);
        let authority = authority(model, deal, enclave_challenge);
        let message = authorization_hash(worker, id, enclave_challenge);
        let authorization_sign = self.sign(authority, message, steps);
        Some(Vote { worker, hash, seal, enclave_challenge, enclave_sign, authorization_sign })
    }

    fn spoil_vote(
        &mut self,
        model: &Model,
        (id, view): (TaskId, &TaskView),
        mut vote: Vote,
    ) -> (Address, TaskId, Vote) {
        let (mut sender, mut task) = (vote.worker, id);
        match self.dice.below(13) {
            0 => sender = self.anybody(),
            1 => vote.authorization_sign = self.mangle(&vote.authorization_sign.clone()),
            2 => vote.enclave_sign = self.mangle(&vote.enclave_sign.clone()),
            3 => vote.enclave_challenge = self.any_address(),
            4 => vote.enclave_challenge = Address::ZERO,
            5 => vote.seal = ResultSeal(B256::repeat_byte(0xff)),
            6 => vote.seal = ResultSeal(B256::ZERO),
            7 => vote.hash = ResultHash(B256::ZERO),
            // A vote that was copied from another worker.
            8 => {
                if let Some(other) = self.dice.find(&view.contributors) {
                    let copied = model.contribution(id, *other);
                    (vote.hash, vote.seal) = (copied.hash, copied.seal);
                }
            }
            9 => {
                if let Some(again) = self.dice.find(&view.contributors) {
                    sender = *again;
                }
            }
            10 => task = self.any_task(model),
            11 => self.travel_to(view.contribution_deadline.0),
            _ => {
                let hash = authorization_hash(vote.worker, id, vote.enclave_challenge);
                vote.authorization_sign = self.cast.sign(self.cast.thief, hash).unwrap_or_default();
            }
        }
        (sender, task, vote)
    }

    fn any_task(&mut self, model: &Model) -> TaskId {
        let all: Vec<TaskId> = model.tasks().map(|(id, _)| id).collect();
        if self.dice.chance(20) {
            return TaskId(B256::repeat_byte(9));
        }
        self.dice.find(&all).copied().unwrap_or_default()
    }

    /// A disclosure.
    pub(super) fn reveal(&mut self, model: &Model) -> Steps {
        let (now, is_late_wanted) = (self.now, self.is_late_wanted());
        let revealing = self.tasks_that(model, |task| {
            let is_late = task.reveal_deadline.0 <= now;
            task.status == TaskStatus::Revealing && (!is_late || is_late_wanted)
        });
        let Some((id, view)) = self.dice.find(&revealing).copied() else { return Steps::new() };
        let winners: Vec<Address> = view
            .contributors
            .iter()
            .copied()
            .filter(|worker| {
                let vote = model.contribution(id, *worker);
                vote.status == ContributionStatus::Contributed && vote.hash == view.consensus
            })
            .collect();
        let Some(mut sender) = self.dice.find(&winners).copied() else { return Steps::new() };
        let which = (0..RESULTS).find(|it| ResultHash::of(id, digest(id, *it)) == view.consensus);
        let mut digest = digest(id, which.unwrap_or(0));
        let mut task = id;
        if self.is_spoiled() {
            match self.dice.below(6) {
                0 => sender = self.worker(),
                1 => digest = ResultDigest(B256::repeat_byte(3)),
                2 => task = self.any_task(model),
                3 => self.travel_to(view.reveal_deadline.0),
                4 => sender = self.cast.thief,
                _ => {
                    if let Some(contributor) = self.dice.find(&view.contributors) {
                        sender = *contributor;
                    }
                }
            }
        }
        vec![self.step(sender, Act::Hub(Call::Reveal { task, digest }))]
    }

    /// The pool's owner finalizes or reopens.
    pub(super) fn end(&mut self, model: &Model) -> Steps {
        let (now, is_late_wanted) = (self.now, self.is_late_wanted());
        let revealing = self.tasks_that(model, |task| {
            let is_late = task.final_deadline.0 <= now;
            task.status == TaskStatus::Revealing && (!is_late || is_late_wanted)
        });
        let is_ready = |view: &TaskView| {
            view.reveal_count == view.winner_count || view.reveal_deadline.0 <= now
        };
        let ready: Vec<_> = revealing.iter().copied().filter(|(_, view)| is_ready(view)).collect();
        let from = if ready.is_empty() { &revealing } else { &ready };
        let Some((id, view)) = self.dice.find(from).copied() else { return Steps::new() };
        let Some(deal) = model.deal(view.deal) else { return Steps::new() };
        let is_spoiled = self.is_spoiled();
        if !is_ready(view) && !is_spoiled {
            if self.dice.chance(70) {
                return self.reveal(model);
            }
            self.travel_to(view.reveal_deadline.0);
        }
        if is_spoiled && self.dice.chance(10) {
            self.travel_to(view.final_deadline.0);
        }
        let mut sender = deal.workerpool.owner;
        let mut task = id;
        if model.deal_conditions(view.deal).has(Conditions::BOUND_RESULTS) && self.dice.chance(30) {
            sender = self.anybody();
        }
        if is_spoiled && self.dice.chance(40) {
            if self.dice.chance(50) {
                sender = self.anybody();
            } else {
                task = self.any_task(model);
            }
        }
        let wants_reopening = if view.reveal_count == 0 { 60 } else { 4 };
        let call = if self.dice.chance(wants_reopening) {
            Call::Reopen { task }
        } else {
            let (results, results_callback) =
                self.results(model, (id, view.deal), view.digest, is_spoiled);
            Call::Finalize { task, results, results_callback }
        };
        vec![self.step(sender, Act::Hub(call))]
    }

    pub(super) fn results(
        &mut self,
        model: &Model,
        (id, deal): (TaskId, DealId),
        digest: ResultDigest,
        is_spoiled: bool,
    ) -> (Bytes, Bytes) {
        let is_bound = model.deal_conditions(deal).has(Conditions::BOUND_RESULTS);
        let deal = &model.deal(deal).cloned().unwrap_or_default();
        if is_bound
            && !is_spoiled
            && let Some(data) = data_of(id, digest)
        {
            return self.bound(deal, data);
        }
        let results = match self.dice.below(40) {
            0 => Bytes::from(vec![0x72; 10_000]),
            1 => Bytes::from(vec![0x72; 24_575]),
            2..6 => Bytes::new(),
            _ => Bytes::from_static(b"{\"storage\":\"ipfs\",\"location\":\"/ipfs/Qm\"}"),
        };
        let has_callback = !deal.callback.is_zero() || self.dice.chance(10);
        let mut callback = data_of(id, digest).filter(|_| has_callback).unwrap_or_default();
        if is_spoiled && self.dice.chance(40) {
            callback = Bytes::from_static(b"something else");
        }
        (results, callback)
    }

    /// Votes, reveals and ends in one.
    pub(super) fn whole(&mut self, model: &Model) -> Steps {
        let fresh = self.active(model);
        let alone: Vec<_> = fresh
            .iter()
            .copied()
            .filter(|(_, view)| {
                let trust = model.deal(view.deal).map_or(U256::ZERO, |deal| deal.trust);
                view.contributors.is_empty() && trust == U256::ONE
            })
            .collect();
        let is_spoiled = self.is_spoiled();
        let from = if is_spoiled || alone.is_empty() { &fresh } else { &alone };
        let Some((id, view)) = self.dice.find(from).copied() else { return Steps::new() };
        let mut steps = Steps::new();
        let (worker, which) = (self.worker(), self.which());
        let Some(vote) = self.vote(model, (id, view), (worker, which), &mut steps) else {
            return steps;
        };
        let digest = digest(id, which);
        let (sender, task, vote) = if is_spoiled && self.dice.chance(60) {
            self.spoil_vote(model, (id, view), vote)
        } else {
            (worker, id, vote)
        };
        let (results, results_callback) = self.results(model, (id, view.deal), digest, is_spoiled);
        let call = Call::ContributeAndFinalize(WholeContribution {
            task,
            digest,
            results,
            results_callback,
            enclave_challenge: vote.enclave_challenge,
            enclave_sign: vote.enclave_sign,
            authorization_sign: vote.authorization_sign,
        });
        steps.push(self.step(sender, Act::Hub(call)));
        steps
    }

    /// Anybody gives a task up.
    pub(super) fn claim(&mut self, model: &Model) -> Steps {
        let open = self.tasks_that(model, |task| {
            matches!(task.status, TaskStatus::Active | TaskStatus::Revealing)
        });
        let overdue: Vec<_> =
            open.iter().copied().filter(|(_, view)| view.final_deadline.0 <= self.now).collect();
        let from = if overdue.is_empty() { &open } else { &overdue };
        let Some((id, view)) = self.dice.find(from).copied() else { return Steps::new() };
        if overdue.is_empty() {
            match self.dice.below(10) {
                0..2 => self.travel_to(view.final_deadline.0),
                2..4 => {}
                _ => return Steps::new(),
            }
        }
        let mut tasks = vec![id];
        if self.is_spoiled() {
            tasks = vec![self.any_task(model)];
        }
        let sender = self.anybody();
        let call = if self.dice.chance(70) {
            Call::Claim { task: *self.dice.pick(&tasks) }
        } else {
            let late: Vec<TaskId> = open
                .iter()
                .filter(|(other, view)| *other != id && view.final_deadline.0 <= self.now)
                .map(|(other, _)| *other)
                .collect();
            tasks.extend(late);
            Call::ClaimArray { tasks }
        };
        vec![self.step(sender, Act::Hub(call))]
    }

    /// The next of a crowd contributes to its task, each another result.
    pub(super) fn crowd_on(&mut self, model: &Model) -> Option<Steps> {
        if self.is_crowded && self.crowd.is_none() && self.salt < 20 {
            let wanted = |deal: &Deal| deal.trust == U256::ONE << 70;
            let deal = model.deals().find(|(_, deal)| wanted(deal));
            let Some((id, deal)) = deal else { return Some(self.crowded_deal(model)) };
            let task = TaskId::of_deal(id, deal.bot_first);
            self.crowd = Some((task, 0));
            let call = Call::Initialize { deal: id, index: deal.bot_first };
            return Some(vec![self.step(self.cast.thief, Act::Hub(call))]);
        }
        let (id, place) = self.crowd?;
        if place >= CROWD || model.task(id).status != TaskStatus::Active {
            (self.crowd, self.is_crowded) = (None, false);
            return None;
        }
        self.crowd = Some((id, place + 1));
        let worker = *self.cast.workers.get(place)?;
        let view = model.task(id);
        let mut steps = Steps::new();
        let mut vote = self.vote(model, (id, &view), (worker, 0), &mut steps)?;
        vote.hash = ResultHash(keccak256([worker.as_slice(), b"alone"].concat()));
        if !vote.enclave_challenge.is_zero() {
            let message = enclave_hash(vote.hash, vote.seal);
            vote.enclave_sign = self.cast.sign(vote.enclave_challenge, message)?;
        }
        let call = Call::Contribute(Contribution {
            task: id,
            hash: vote.hash,
            seal: vote.seal,
            enclave_challenge: vote.enclave_challenge,
            enclave_sign: vote.enclave_sign,
            authorization_sign: vote.authorization_sign,
        });
        steps.push(self.step(worker, Act::Hub(call)));
        Some(steps)
    }
}

/// Who authorizes a contribution.
pub(super) fn authority(model: &Model, deal: &Deal, challenge: Address) -> Address {
    let broker = model.tee_broker();
    if challenge.is_zero() || broker.is_zero() { deal.workerpool.owner } else { broker }
}
