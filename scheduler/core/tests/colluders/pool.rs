//! A pool whose tasks are decided by the core and voted on by workers that may collude.

use poco_core::credibility::{Total, add, is_consensus, weight};
use poco_core::lane::{Bond, LaneEvent, Member, Nonce, Vote, leader};
use poco_core::score::{lowered, raised};
use poco_core::task::{ContributionStatus, ContributionView, TaskStatus, TaskView};
use poco_core::{
    Address, Amount, B256, Call, Deal, DealConditions, DealId, Event, Resource, ResultDigest,
    ResultHash, TaskId, Timestamp, U256, keccak256,
};
use poco_scheduler_core::{
    Action, Capacity, ChainEvent, Command, ContributionFacts, Core, DealFacts, Head, Input, Login,
    Moment, Placement, Settings, TaskFacts,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const POOL: Address = Address::repeat_byte(0xb1);
const OWNER: Address = Address::repeat_byte(0x0e);
/// Tasks at a time: a part of the pool is always free.
const LIVE: usize = 100;

/// By which calls votes come on chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lane {
    /// All votes of a task before any is known; where they do not agree, more in the classic lane.
    Settlement,
    /// One after the other, until the first consensus.
    Classic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colluders {
    /// They lie.
    Bold,
    /// They lie where it pays.
    Cunning,
    /// They lie from now on.
    Turned,
}

/// What workers have at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scores {
    None,
    /// Evenly from 0 to 299; none for who never told the truth.
    Spread,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) tasks: u64,
    pub(crate) wrong: u64,
    pub(crate) replicas: u64,
}

impl Outcome {
    pub(crate) fn wrong_share(&self) -> f64 {
        self.wrong as f64 / self.tasks as f64
    }

    pub(crate) fn mean_replicas(&self) -> f64 {
        self.replicas as f64 / self.tasks as f64
    }
}

/// How many workers without a score must agree.
pub(crate) fn fixed_replicas(trust: u64) -> u32 {
    let (mut group, mut total) = (U256::ZERO, Total::default());
    let mut count = 0;
    while !is_consensus(group, total, U256::from(trust)).unwrap() {
        let added = add(group, total, weight(U256::ZERO)).unwrap();
        (group, total) = (added.group, added.total);
        count += 1;
    }
    count
}

/// Chance from a seed (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }
}

/// A task as the chain would have it.
#[derive(Default)]
struct Round {
    /// Who was given it and has not voted.
    given: Vec<Address>,
    votes: Vec<(Address, bool, U256)>,
    is_classic: bool,
}

pub(crate) struct Pool {
    core: Core,
    lane: Lane,
    colluders: (Colluders, BTreeSet<Address>),
    trust: U256,
    scores: BTreeMap<Address, U256>,
    rounds: BTreeMap<TaskId, Round>,
    ended: BTreeSet<TaskId>,
    dice: Dice,
    block: u64,
    deal: Deal,
    id: DealId,
    outcome: Outcome,
}

fn wallet(number: u32) -> Address {
    Address::from_slice(&keccak256(number.to_be_bytes())[..20])
}

fn digest(is_right: bool) -> ResultDigest {
    ResultDigest(keccak256([u8::from(is_right)]))
}

impl Pool {
    pub(crate) fn new(
        (workers, liars): (u32, u32),
        trust: u64,
        (lane, colluders, scores): (Lane, Colluders, Scores),
    ) -> Self {
        let mut settings = Settings::new(POOL, OWNER);
        settings.settlement = lane == Lane::Settlement;
        settings.tasks_live_max = LIVE;
        settings.prune_depth_blocks = 1;
        let deal = Deal {
            workerpool: Resource { pointer: POOL, owner: OWNER, price: Amount::ZERO },
            trust: U256::from(trust),
            start_time: Timestamp(1_000),
            ..Deal::default()
        };
        let mut pool = Self {
            core: Core::new(settings, Vec::new(), 0, Moment(0)),
            lane,
            colluders: (colluders, BTreeSet::new()),
            trust: U256::from(trust),
            scores: BTreeMap::new(),
            rounds: BTreeMap::new(),
            ended: BTreeSet::new(),
            dice: Dice(0x5eed),
            block: 1,
            deal,
            id: DealId(B256::repeat_byte(1)),
            outcome: Outcome::default(),
        };
        pool.tell(Input::Head(Head { number: 1, timestamp: Timestamp(1_000) }));
        for number in 0..workers {
            let worker = wallet(number);
            if number < liars {
                pool.colluders.1.insert(worker);
            }
            let score = match scores {
                Scores::None => 0,
                Scores::Spread if colluders == Colluders::Bold && number < liars => 0,
                Scores::Spread => pool.dice.below(300),
            };
            let score = U256::from(score);
            pool.scores.insert(worker, score);
            let bond = (lane == Lane::Settlement).then(Bond::default);
            let capacity = Capacity { slots: 1, ..Capacity::default() };
            let live = Vec::new();
            pool.tell(Input::Connected(Login { worker, capacity, score, bond, live }));
        }
        pool
    }

    /// Buys `tasks` tasks and lets them come to their ends.
    pub(crate) fn run(&mut self, tasks: u64) -> Outcome {
        self.deal.bot_size = U256::from(tasks);
        self.mine(vec![Event::SchedulerNotice { workerpool: POOL, deal: self.id }]);
        while let Some(task) = self.next() {
            let decided = match (self.lane, &self.rounds[&task].is_classic) {
                (Lane::Settlement, false) => self.settle(task),
                (Lane::Settlement, true) | (Lane::Classic, _) => self.contribute(task),
            };
            match decided {
                Some(is_right) => self.end(task, is_right),
                None => self.show_votes(task),
            }
        }
        self.outcome.clone()
    }

    /// One of the tasks that somebody computes, by chance.
    fn next(&mut self) -> Option<TaskId> {
        let computed = self.rounds.iter().filter(|(_, round)| !round.given.is_empty());
        let computed: Vec<TaskId> = computed.map(|(id, _)| *id).collect();
        if computed.is_empty() { None } else { Some(computed[self.dice.below(computed.len())]) }
    }

    fn mine(&mut self, events: Vec<Event>) {
        self.block += 1;
        let (block, time) = (self.block, Timestamp(1_000));
        let block_hash = keccak256(block.to_be_bytes());
        let located = |event| ChainEvent { block, block_hash, time, event };
        let events = events.into_iter().map(located).collect();
        self.tell(Input::Events { to: Head { number: block, timestamp: time }, events });
    }

    fn tell(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            // Time stands still: nobody is late here.
            self.core.handle(Moment(0), input);
            while let Some(action) = self.core.poll_action() {
                inputs.extend(self.answer(action));
            }
        }
    }

    fn answer(&mut self, action: Action) -> Option<Input> {
        match action {
            Action::ReadDeal { deal, epoch, .. } => {
                let facts = DealFacts {
                    deal: self.deal.clone(),
                    work_clock_time_ref_seconds: 1_000_000,
                    conditions: Some(DealConditions::NONE),
                    placement: Some(Placement::default()),
                };
                Some(Input::DealRead { deal, epoch, facts: Some(Box::new(facts)) })
            }
            Action::ReadTask { task, epoch, .. } => {
                let facts = Box::new(self.facts(task));
                Some(Input::TaskRead { task, epoch, facts })
            }
            Action::ReadScore(worker) => {
                Some(Input::ScoreRead { worker, score: self.scores[&worker] })
            }
            Action::Transact { intent, call } => {
                assert!(matches!(call, Call::InitializeArray { .. }), "{call:?}");
                for task in &intent.tasks {
                    self.rounds.entry(*task).or_default().is_classic = true;
                }
                Some(Input::Outcome { intent, result: Ok(self.block) })
            }
            Action::Tell { worker, command: Command::Assign { task, .. } } => {
                let round = self.rounds.entry(task).or_default();
                let has_voted = round.votes.iter().any(|(voter, ..)| *voter == worker);
                if !has_voted && !round.given.contains(&worker) {
                    round.given.push(worker);
                    self.outcome.replicas += 1;
                }
                None
            }
            _ => None,
        }
    }

    fn facts(&self, task: TaskId) -> TaskFacts {
        if self.ended.contains(&task) {
            let view = TaskView { status: TaskStatus::Completed, ..TaskView::default() };
            return TaskFacts { block: self.block, view, contributions: Vec::new() };
        }
        let round = self.rounds.get(&task);
        let is_open = round.is_some_and(|round| round.is_classic);
        let status = if is_open { TaskStatus::Active } else { TaskStatus::Unset };
        let votes = round.map(|round| round.votes.as_slice()).unwrap_or_default();
        let contributions = votes.iter().map(|(worker, is_right, weight)| ContributionFacts {
            worker: *worker,
            view: ContributionView {
                status: ContributionStatus::Contributed,
                hash: ResultHash::of(task, digest(*is_right)),
                weight: U256::from(poco_core::credibility::log_weight(*weight)),
                ..ContributionView::default()
            },
            score: self.scores[worker],
        });
        let view = TaskView {
            status,
            deal: self.id,
            contributors: votes.iter().map(|(worker, ..)| *worker).collect(),
            ..TaskView::default()
        };
        TaskFacts { block: self.block, view, contributions: contributions.collect() }
    }

    fn weight_of(&self, worker: Address) -> U256 {
        weight(self.scores[&worker])
    }

    fn is_liar(&self, worker: Address) -> bool {
        self.colluders.1.contains(&worker)
    }

    /// All votes at once; `None` where they do not agree.
    fn settle(&mut self, task: TaskId) -> Option<bool> {
        let given = std::mem::take(&mut self.rounds.get_mut(&task).unwrap().given);
        let result = |lies: bool| {
            let members: Vec<Member> = (given.iter())
                .map(|worker| {
                    let is_right = !(lies && self.is_liar(*worker));
                    let vote = Vote::of(*worker, task, digest(is_right), Nonce(1));
                    Member { worker: *worker, weight: self.weight_of(*worker), vote: Some(vote) }
                })
                .collect();
            let found = leader(&members, self.trust)?;
            Some(found == ResultHash::of(task, digest(true)))
        };
        let lies = self.colluders.0 != Colluders::Cunning || result(true) == Some(false);
        let decided = result(lies);
        for worker in given {
            let (is_right, weight) = (!(lies && self.is_liar(worker)), self.weight_of(worker));
            self.rounds.get_mut(&task).unwrap().votes.push((worker, is_right, weight));
        }
        decided
    }

    /// The votes of those who were given the task, one after the other, by chance.
    fn contribute(&mut self, task: TaskId) -> Option<bool> {
        let mut given = std::mem::take(&mut self.rounds.get_mut(&task).unwrap().given);
        for place in (1..given.len()).rev() {
            given.swap(place, self.dice.below(place + 1));
        }
        let lies = self.colluders.0 != Colluders::Cunning
            || self.vote_in_turn(task, &given, true).1 == Some(false);
        let (votes, decided) = self.vote_in_turn(task, &given, lies);
        self.rounds.get_mut(&task).unwrap().votes = votes;
        decided
    }

    fn vote_in_turn(
        &self,
        task: TaskId,
        given: &[Address],
        lies: bool,
    ) -> (Vec<(Address, bool, U256)>, Option<bool>) {
        let mut votes = Vec::new();
        let (mut groups, mut total) = ([U256::ZERO; 2], Total::default());
        let before = self.rounds[&task].votes.iter().copied();
        let new = given
            .iter()
            .map(|worker| (*worker, !(lies && self.is_liar(*worker)), self.weight_of(*worker)));
        let known = self.rounds[&task].votes.len();
        for (worker, is_right, weight) in before.chain(new) {
            let group = &mut groups[usize::from(is_right)];
            let added = add(*group, total, weight).unwrap();
            (*group, total) = (added.group, added.total);
            votes.push((worker, is_right, weight));
            let is_new = votes.len() > known;
            if is_new && is_consensus(*group, total, self.trust).unwrap() {
                return (votes, Some(is_right));
            }
        }
        (votes, None)
    }

    /// No consensus yet: the votes are on chain, and more are wanted.
    fn show_votes(&mut self, task: TaskId) {
        let round = self.rounds.get_mut(&task).unwrap();
        let was_classic = std::mem::replace(&mut round.is_classic, true);
        let closed = LaneEvent::Closed { task };
        self.mine(if was_classic { Vec::new() } else { vec![Event::Lane(closed)] });
        let facts = Box::new(self.facts(task));
        self.tell(Input::TaskRead { task, epoch: 0, facts });
    }

    fn end(&mut self, task: TaskId, is_right: bool) {
        let round = self.rounds.remove(&task).unwrap();
        self.outcome.tasks += 1;
        self.outcome.wrong += u64::from(!is_right);
        let is_scored = round.votes.len() > 1;
        for (worker, voted, _) in round.votes.iter().filter(|_| is_scored) {
            let score = self.scores.get_mut(worker).unwrap();
            *score = if *voted == is_right { raised(*score) } else { lowered(*score) };
        }
        self.ended.insert(task);
        self.mine(Vec::new());
        let facts = Box::new(self.facts(task));
        self.tell(Input::TaskRead { task, epoch: 0, facts });
        for (worker, ..) in round.votes {
            self.tell(Input::ScoreRead { worker, score: self.scores[&worker] });
        }
    }
}
