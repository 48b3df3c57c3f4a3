//! What goes wrong: processes die, networks part, nodes fail, lag and lie, chains are rewritten,
//! clocks jump. All of it is over before it could cost an honest worker its stake: a machine that is
//! away for longer than a deadline is nobody's fault but its owner's.

use crate::process::Host;
use crate::scenario::{Fault, Millis, T};
use crate::stream::Follower;
use crate::world::{Event, World};
use poco_chain_core::Cursor;

/// Longest time that something stays broken: a tenth of the time to reveal.
const BROKEN_MILLIS_MAX: Millis = T * 2_000 / 10;

/// Deepest rewriting of the chain.
const REORG_BLOCKS_MAX: u64 = 6;

impl World {
    /// Whether things still go wrong.
    pub(crate) fn is_troubled(&self) -> bool {
        self.now < self.scenario.quiet_at
    }

    /// Something goes wrong, and the next time is drawn.
    pub(crate) fn fault(&mut self) {
        if !self.is_troubled() {
            return;
        }
        let next = self.dice.of(1..=2 * self.scenario.faults.every_millis);
        self.after(next, Event::Fault);
        let Some(fault) = self.scenario.faults.next(&mut self.dice) else { return };
        let worker = self.dice.place(self.workers.len()).expect("there are workers");
        let host = self.dice.place(self.workers.len() + 1).map(Host).expect("there are hosts");
        let span = self.dice.of(100..=BROKEN_MILLIS_MAX);
        let now = self.now;
        self.story.tell(now, || format!("{fault:?} (worker {worker}, {host:?}, {span} ms)"));
        match fault {
            Fault::SchedulerDies => self.light(Host::SCHEDULER),
            Fault::StoreSpoilt => {
                self.scheduler.is_spoilt = true;
                self.light(Host::SCHEDULER);
            }
            Fault::WorkerDies => self.light(Host::of_worker(worker)),
            Fault::EngineDies => self.kill_engine(worker),
            Fault::Partition => {
                self.workers[worker].cut_until = now + span;
                let address = self.process(Host::of_worker(worker)).wallet.address;
                self.break_session(address);
                self.reached.note("a worker was cut off");
            }
            Fault::NodeDown => {
                self.process_mut(host).node.down_until = now + span;
                self.reached.note("a node was down");
            }
            Fault::NodeLags => {
                let blocks = self.dice.of(1..=4);
                let node = &mut self.process_mut(host).node;
                (node.lag_blocks, node.odd_until) = (blocks, now + span);
                self.reached.note("a node lagged");
            }
            Fault::NodeLies => {
                let lie = self.dice.of(1..=3);
                let node = &mut self.process_mut(host).node;
                (node.lie, node.odd_until) = (lie, now + span);
                self.reached.note("a node lied about nonces");
            }
            Fault::Reorg => self.reorg(),
            Fault::FeesRise => {
                self.chain.base_fee_wei *= 50;
                self.chain.base_fee_wei = self.chain.base_fee_wei.min(1_000_000_000_000);
                self.after(span, Event::FeesFall);
                self.reached.note("fees rose");
            }
            Fault::ClockJumps => {
                let process = self.process_mut(host);
                process.ahead += span;
                process.tick_at = None;
                if process.is_up {
                    self.plan_tick(host);
                }
                self.reached.note("a clock jumped");
            }
        }
    }

    /// A process will die at one of its next steps.
    fn light(&mut self, host: Host) {
        let steps = u32::try_from(self.dice.of(0..=6)).expect("a small number");
        self.process_mut(host).fuse = Some(steps);
    }

    /// A process dies, and will be back soon.
    pub(crate) fn die(&mut self, host: Host) {
        let pause = self.dice.of(200..=BROKEN_MILLIS_MAX / 3);
        self.die_for(host, pause);
    }

    /// A process dies: what it did not store is lost, its streams break, and it will be back.
    pub(crate) fn die_for(&mut self, host: Host, pause: Millis) {
        let now = self.now;
        self.story.tell(now, || format!("{host:?} dies"));
        let process = self.process_mut(host);
        (process.is_up, process.fuse, process.tick_at) = (false, None, None);
        process.life += 1;
        match host.worker() {
            None => {
                self.reached.note("the scheduler died");
                self.scheduler.core = None;
                for upload in std::mem::take(&mut self.uploads).into_values() {
                    self.upload_failed(&upload, "the scheduler has gone");
                }
                self.break_all_sessions();
                self.sessions.clear();
            }
            Some(worker) => {
                self.reached.note("a worker died");
                self.workers[worker].core = None;
                self.workers[worker].session = None;
                let address = self.process(host).wallet.address;
                self.break_session(address);
            }
        }
        self.start_after(host, pause);
    }

    pub(crate) fn start_after(&mut self, host: Host, pause: Millis) {
        self.for_process(host, pause, |host, life| Event::Start { host, life });
    }

    /// A life begins: nothing is left of the last one but the disk.
    pub(crate) fn bear(&mut self, host: Host, cursor: Cursor) {
        let (now, poll) = (self.now, self.scenario.poll_millis);
        let process = self.process_mut(host);
        process.is_up = true;
        process.born = now;
        process.ahead = 0;
        process.tick_at = None;
        process.sender.recover();
        process.follower = Follower::new(cursor, poll);
        self.look_at(host, 50);
        self.for_process(host, 20, |host, life| Event::Follow { host, life });
        if let Some(worker) = host.worker()
            && self.is_troubled()
        {
            let nature = self.workers[worker].plan.nature;
            let steps = nature.breaks_after(&mut self.dice);
            self.process_mut(host).fuse = steps;
        }
    }

    /// Around a match, a commit or an end blocks are rewritten and the scheduler dies more often than
    /// at other times: much hangs on them.
    pub(crate) fn threaten(&mut self) {
        if !self.is_troubled() {
            return;
        }
        let percent = self.scenario.faults.weighty_percent;
        if self.scenario.faults.has(Fault::Reorg) && self.dice.chance(percent) {
            let pause = self.dice.of(1..=3 * self.scenario.block_millis);
            self.after(pause, Event::Reorg);
        }
        if self.scenario.faults.has(Fault::SchedulerDies) && self.dice.chance(percent / 2) {
            self.light(Host::SCHEDULER);
        }
    }

    /// The newest blocks never were; other ones take their place, one more of them.
    pub(crate) fn reorg(&mut self) {
        // Deeper than anybody watches, nothing is promised.
        let deepest = REORG_BLOCKS_MAX.min(self.scenario.watch_blocks - 1);
        let depth = if self.dice.chance(20) { deepest } else { self.dice.of(1..=deepest) };
        let safe = self.chain.height().saturating_sub(1);
        let depth = depth.min(safe);
        if depth == 0 {
            return;
        }
        // A node may have forgotten all that those blocks held.
        let lost = if self.dice.chance(20) { 100 } else { self.dice.of(0..=30) };
        let length = usize::try_from(depth).expect("a small number");
        self.chain.rewind(length, &mut self.dice, lost);
        for _ in 0..=depth {
            self.chain.mine(self.now, &mut self.dice, 30);
            self.on_block();
            self.check_money();
        }
        self.reached.note("the chain was rewritten");
        self.mine_soon();
    }

    /// The block up to which a process's node answers now; `None` where it does not answer.
    pub(crate) fn ask_node(&mut self, host: Host) -> Option<u64> {
        let (now, node) = (self.now, self.process(host).node);
        if self.scenario.is_out(now) {
            self.reached.note("no node answered for an hour");
            return None;
        }
        if now < node.down_until {
            return None;
        }
        let often = self.scenario.faults.unanswered_per_mille;
        if self.is_troubled() && self.dice.per_mille(often) {
            self.reached.note("a node did not answer");
            return None;
        }
        let lag = if node.is_odd(now) { node.lag_blocks } else { 0 };
        Some(self.chain.height().saturating_sub(lag))
    }

    /// By how much the node says too many nonces are used.
    pub(crate) fn nonce_lie(&mut self, host: Host) -> u64 {
        let node = self.process(host).node;
        if node.is_odd(self.now) { node.lie } else { 0 }
    }

    /// What villains without a process of their own do now and then.
    pub(crate) fn be_villainous(&mut self) {
        self.copy_votes();
        self.vote_as_sybils();
        if self.scenario.has_front_runner && self.dice.chance(20) {
            self.front_run();
        }
        if self.scenario.has_opener && self.dice.chance(20) {
            self.open_early();
        }
        let pause = self.dice.of(500..=6_000);
        self.after(pause, Event::Villains);
    }
}
