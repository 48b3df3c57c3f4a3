//! The faults that are planted. Each text stands once in its file.

/// One fault.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) file: &'static str,
    pub(crate) from: &'static str,
    pub(crate) to: &'static str,
}

const fn fault(
    name: &'static str,
    file: &'static str,
    from: &'static str,
    to: &'static str,
) -> Fault {
    Fault { name, file, from, to }
}

const SESSION: &str = "scheduler/core/src/session.rs";
const DEALS: &str = "scheduler/core/src/deals.rs";
const MAKING: &str = "scheduler/core/src/making.rs";
const REVIEW: &str = "scheduler/core/src/review.rs";
const FOLLOWED: &str = "scheduler/core/src/chain.rs";
const TRANSACTIONS: &str = "scheduler/core/src/transactions.rs";
const UPLOADS: &str = "scheduler/core/src/upload.rs";
const PLAN: &str = "scheduler/core/src/plan.rs";
const REBUILD: &str = "scheduler/core/src/rebuild.rs";
const SCHEDULER: &str = "scheduler/core/src/core.rs";
const WORKER: &str = "worker/core/src/core.rs";
const LANE: &str = "worker/core/src/lane.rs";
const VOTES: &str = "worker/core/src/votes.rs";
const STAGES: &str = "worker/core/src/stages.rs";
const SENDS: &str = "worker/core/src/upload.rs";
const LEDGER: &str = "contracts/client/core/src/ledger.rs";
const OBSERVE: &str = "contracts/client/core/src/ledger/observe.rs";
const CURSOR: &str = "contracts/client/core/src/cursor.rs";

pub(crate) const FAULTS: &[Fault] = &[
    fault(
        "an authorization leaves before the promise is stored",
        REVIEW,
        "        task.assignments = task.assignments.saturating_add(1);\n        task.is_unsaved = true;",
        "        task.assignments = task.assignments.saturating_add(1);",
    ),
    fault(
        "a worker is asked about what it is just given",
        SESSION,
        "*stage != Stage::Promised;",
        "*stage != Stage::Promised || true;",
    ),
    fault(
        "a worker that comes back full is given more",
        SESSION,
        "row.is_some() || self.index.slots_used(worker) > slots as usize",
        "row.is_some()",
    ),
    fault(
        "what a worker lost is not given again",
        SESSION,
        "        for id in unheard {",
        "        for id in unheard.into_iter().take(0) {",
    ),
    fault(
        "a worker that leaves is not missed",
        SESSION,
        "        self.dirty.extend(tasks);",
        "        drop(tasks);",
    ),
    fault(
        "a deal is forgotten for an answer from before its notice",
        DEALS,
        "if deal.noticed_in == Some(epoch) {",
        "if false {",
    ),
    fault(
        "a commit is waited for whose deal was gone with its block",
        DEALS,
        "        // Its commit may be under way. Should the deal come back, it is made anew.\n        self.bundles.remove(&id);\n",
        "",
    ),
    fault(
        "deals are not read again after a rollback",
        FOLLOWED,
        "        self.reread_deals(to);",
        "",
    ),
    fault(
        "commits are not taken back by a rollback",
        FOLLOWED,
        "        self.roll_back_commits(to);",
        "",
    ),
    fault(
        "tasks are not read again after a rollback",
        FOLLOWED,
        "            self.read_task(id, to);",
        "",
    ),
    fault(
        "an answer about blocks that never were is believed",
        FOLLOWED,
        "epoch != self.epoch || facts.block < task.seen_block",
        "facts.block < task.seen_block",
    ),
    fault(
        "an event does not make its task be read",
        FOLLOWED,
        "known.seen_block < block)",
        "known.seen_block < block && false)",
    ),
    fault(
        "tasks are not read again without an event",
        REVIEW,
        "let is_stale = is_old && !matches!(task.phase, Phase::Ended(_));",
        "let is_stale = false && is_old;",
    ),
    fault(
        "a lost replica is not replaced",
        REVIEW,
        "            let end = lost_at.unwrap_or_else(|| since.after(patience));",
        "            let end = lost_at.map_or(since.after(patience), |_| since.after(1 << 40));",
    ),
    fault(
        "deals that were not read are not restored",
        DEALS,
        "        self.deals.insert(id, deal);\n        // A rollback",
        "        if deal.facts.is_some() {\n            self.deals.insert(id, deal);\n        }\n        // A rollback",
    ),
    fault(
        "tasks are restored and not read",
        DEALS,
        "        self.tasks.insert(id, Box::new(task));\n        self.read_task(id, 0);",
        "        self.tasks.insert(id, Box::new(task));",
    ),
    fault(
        "the making of a task is not stored with its deal",
        MAKING,
        "        self.save_deal(id);\n        task.is_unsaved = true;",
        "        task.is_unsaved = true;",
    ),
    fault(
        "a deal that is being read when blocks go is not asked about again",
        DEALS,
        "deal.block > to || deal.is_asked;",
        "deal.block > to || (deal.is_asked && deal.facts.is_none());",
    ),
    fault(
        "a failed transaction is not tried again",
        TRANSACTIONS,
        "rest(task, intent.kind, failure, now)",
        "{\n                            let _ = rest(task, intent.kind, failure, now);\n                            Errand::InFlight(intent.kind)\n                        }",
    ),
    fault(
        "batches that ended still count",
        TRANSACTIONS,
        "            *flying = flying.saturating_sub(1);",
        "            *flying = flying.saturating_sub(0);",
    ),
    fault(
        "a failed upload is never asked for again",
        UPLOADS,
        "                late.upload = Upload::None;\n                late.upload_rests",
        "                late.upload_rests",
    ),
    fault(
        "an upload that does not begin is waited for",
        REVIEW,
        "        late.upload = Upload::None;\n        late.upload_rests.insert(worker, self.now.after(UPLOAD_RETRY_SECONDS));",
        "        late.upload_rests.insert(worker, self.now.after(UPLOAD_RETRY_SECONDS));",
    ),
    fault(
        "tasks whose time is over are not claimed",
        PLAN,
        "        if self.is_past(last) {\n            return self.transact(Kind::Claim);\n        }\n        if self.is_past(contribution) {",
        "        if self.is_past(contribution) {",
    ),
    fault(
        "tasks that nobody revealed are not reopened",
        PLAN,
        "            return self.transact(Kind::Reopen);",
        "            return Waiting::Chain;",
    ),
    fault(
        "timers of the chain's time do not ring",
        SCHEDULER,
        "        while let Some(number) = self.times.pop(time) {\n            self.dirty.extend(self.index.name(number));\n        }",
        "        let _ = &mut self.times;",
    ),
    fault(
        "a worker's records are not stored",
        WORKER,
        "        self.push(Action::Persist(record));\n        if has_moved {",
        "        drop(record);\n        if has_moved {",
    ),
    fault(
        "a commit is not looked for below the block where the deal was read",
        WORKER,
        "const REORG_BLOCKS_MAX: u64 = 256;",
        "const REORG_BLOCKS_MAX: u64 = 0;",
    ),
    fault(
        "a restarted worker does not run what it was running",
        WORKER,
        "        if task.record.state.work().is_some() {\n            self.run(now, id);\n        }",
        "",
    ),
    fault(
        "a restarted worker does not read its tasks",
        WORKER,
        "        self.start_owed_upload(id);\n        if self.needs_chain(id) {\n            self.read_task(now, id);\n        }",
        "        self.start_owed_upload(id);",
    ),
    fault(
        "a read that no node answered is not asked again",
        WORKER,
        "            if self.needs_chain(id) {\n                self.read_after(now, id, UNREAD_AGAIN_MILLIS);\n            }",
        "            let _ = now;",
    ),
    fault(
        "a vote that was not settled is not disclosed on chain",
        LANE,
        "if own.has_passed(now.chain) && !is_sending && !is_missed {",
        "if own.has_passed(now.chain) && !is_sending && !is_missed && false {",
    ),
    fault(
        "a commit that a reorg moved is held on to",
        LANE,
        "if commit != known {",
        "if commit != known && false {",
    ),
    fault(
        "a commit that is gone from an open task is held on to",
        LANE,
        "None if is_gone || (is_unvoted && has_missed(task, view.block)) => {",
        "None if is_gone => {",
    ),
    fault(
        "another commit in the place of the own is not noticed",
        LANE,
        "Some(_) => self.uncommit(now, id),",
        "Some(_) => {}",
    ),
    fault(
        "a task with a vote on chain stays in the settlement lane",
        PLAN,
        "            self.plan.steps.push(Step::GoClassic);\n",
        "",
    ),
    fault(
        "the bond behind a claimed task stays locked",
        LANE,
        "        if task.memory.sending.is_none() && !is_missed {\n            let (range, rows)",
        "        if false {\n            let (range, rows)",
    ),
    fault(
        "a result is deleted at the first sight of the end",
        VOTES,
        "true => config.forget_depth_blocks.max(config.confirmations),",
        "true => config.confirmations,",
    ),
    fault(
        "a vote that was given up is not taken up again",
        VOTES,
        "        self.revive(now, id, view);\n",
        "",
    ),
    fault("a digest is not disclosed", VOTES, "        self.send_reveal(id);\n    }", "    }"),
    fault(
        "a vote that is not on chain is not sent again",
        VOTES,
        "            self.enter(now, id, State::Contributing { promise, location });\n        }\n        self.send_vote(id);",
        "            self.enter(now, id, State::Contributing { promise, location });\n        }",
    ),
    fault(
        "a computed vote is not sent",
        STAGES,
        "                self.enter(now, id, State::Contributing { promise, location: None });\n                self.send_vote(id);",
        "                self.enter(now, id, State::Contributing { promise, location: None });",
    ),
    fault(
        "a failed upload is not tried again",
        SENDS,
        "            task.memory.upload = Upload::Paused { tries, at: now.millis.after(pause) };",
        "            let _ = (pause, now.millis);",
    ),
    fault(
        "the node's word decides the next nonce",
        LEDGER,
        "        ours.max(used)",
        "        {\n            let _ = ours;\n            used\n        }",
    ),
    fault(
        "transactions of an earlier life are forgotten",
        LEDGER,
        "let entries = entries.into_iter().map(|entry| (entry.nonce, live(entry))).collect();",
        "let entries = entries.into_iter().take(0).map(|entry| (entry.nonce, live(entry))).collect();",
    ),
    fault(
        "a lost transaction is not sent again",
        OBSERVE,
        "look.waited_millis(last) >= look.policy.resend_millis",
        "look.waited_millis(last) >= look.policy.resend_millis && false",
    ),
    fault(
        "a transaction that a reorg took back is not sent again",
        OBSERVE,
        "None if self.is_doubted => {",
        "None if self.is_doubted && false => {",
    ),
    fault(
        "gaps in the nonces are not filled",
        OBSERVE,
        "        actions.extend(missing.map(|nonce| Action::Fill { nonce }));",
        "        actions.extend(missing.take(0).map(|nonce| Action::Fill { nonce }));",
    ),
    fault(
        "fees are never raised",
        OBSERVE,
        "if !is_wanted || self.entry.attempts.len() >= ATTEMPTS_MAX {",
        "if is_wanted || self.entry.attempts.len() >= ATTEMPTS_MAX {",
    ),
    fault(
        "a deep transaction is forgotten before whoever waits was told",
        OBSERVE,
        "is_there && live.is_concluded",
        "is_there && live.is_reported",
    ),
    fault(
        "a rewritten chain is not noticed",
        CURSOR,
        "        if !is_rewritten {\n            return Comparison::Same;",
        "        if !is_rewritten || is_rewritten {\n            return Comparison::Same;",
    ),
    fault(
        "blocks need not link",
        CURSOR,
        "                header.parent == last.hash",
        "                header.parent == last.hash || true",
    ),
    fault(
        "a repair forgets what a reorg can still open again",
        REBUILD,
        "head.saturating_sub(prune_depth_blocks)",
        "head.max(prune_depth_blocks.min(0))",
    ),
];
