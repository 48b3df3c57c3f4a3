//! The limits of every queue, retry and wait, each with its reason.

use poco_core::CONTRIBUTIONS_MAX;

/// Tasks opened in one transaction: at the reference's 231 000 gas each this stays below five
/// million, which every chain's block takes.
pub(crate) const BATCH_TASKS_MAX: usize = 20;

/// Batches of one kind under way at a time; what comes meanwhile gathers into larger ones.
pub(crate) const BATCHES_IN_FLIGHT_MAX: usize = 2;

/// Tasks kept open beyond what the workers can run at once, so that a free slot never waits for
/// an `initialize` to be mined.
pub(crate) const TASKS_AHEAD: usize = 8;

/// Tasks kept open for each requester even where others fill that room, so that who comes late stands
/// in the line.
pub(crate) const TASKS_AHEAD_EACH: usize = 2;

/// Tasks made, and tasks given out, at a time. Of more the rest comes after what else has arrived:
/// the first need not wait for the last, and no worker gets more than it takes in meanwhile.
pub(crate) const TASKS_AT_ONCE_MAX: usize = 256;

/// Tasks that are remembered as opened before they were made; of one more, the refusal of our own transaction tells.
pub(crate) const OPENED_EARLY_MAX: usize = 100_000;

/// Tasks held until their claim, as multiples of the live limit. Beyond, no new ones are made:
/// a broken app with a million tasks must not fill the memory.
pub(crate) const TASKS_HELD_RATIO: usize = 10;

/// Replicas of one task: as many as our hub takes votes of. Of the lightest they reach a trust of 2^24.
pub(crate) const REPLICAS_MAX: usize = CONTRIBUTIONS_MAX;

/// Workers about which a guard is asked for one task: more are asked about when these are denied.
pub(crate) const CANDIDATES_MAX: usize = 256;

/// Fitting workers among which the fewest are looked for; if they are too few, twice as many. More
/// would find the heaviest of the pool for every task, and nobody else would get any.
pub(crate) const WINDOW: usize = 16;

/// Apps remembered of a worker, twenty bytes each: no disk holds many more images.
pub(crate) const APPS_MAX: usize = 64;

/// Workers side by side in a task's order of whom those come first that have the image. In a larger
/// group all tasks of an app would go to the first that ran it.
pub(crate) const IMAGE_WINDOW: usize = 4;

/// Runs of workers of similar weight that are tried for a set in which few cannot outvote others.
pub(crate) const RUNS_MAX: usize = 64;

/// Workers that are ranked one by one; more are found by going through the ranks, of which then one
/// in some is theirs.
pub(crate) const RANKED_MAX: usize = 128;

/// Workers that are away and keep their place in the list: as many as a large pool has on a bad
/// day, at some hundred bytes each.
pub(crate) const ABSENT_MAX: usize = 1024;

/// With one task in this many a newcomer goes along: for a sixteenth of a replica more, a worker in a
/// hundred earns a score of 12, from which on it weighs more than the least, within some thousand
/// tasks.
pub(crate) const NEWCOMER_TURNS: u64 = 16;

/// A deal whose task found no workers though so many were looked at rests a moment before the next
/// try: in a pool of thousands there is always a change.
pub(crate) const LOOKED_AT_MAX: usize = 256;

/// How long it rests.
pub(crate) const CHOICE_REST_MILLIS: u64 = 500;

/// Assignments of one task before it is given up: replicas that fail at fault of their workers
/// are tried again, but not for ever.
pub(crate) const ASSIGNMENTS_MAX: u32 = 128;

/// After this time a worker that declined or broke may be asked for the same task again.
pub(crate) const SAME_WORKER_SECONDS: u64 = 60;

/// A command whose effect is not seen is sent again after this time.
pub(crate) const COMMAND_REPEAT_SECONDS: u64 = 20;

/// A worker that does not accept within this time is passed over.
pub(crate) const ACCEPT_SECONDS: u64 = 60;

/// Image pulls and input fetches have their own clock and are no compute time.
pub(crate) const TRANSFER_SECONDS: u64 = 3600;

/// What a run may take beyond its category's time: starting and stopping a container, the digest.
pub(crate) const RUN_GRACE_SECONDS: u64 = 120;

/// From the digest to its vote on chain, node trouble included.
pub(crate) const CONTRIBUTE_SECONDS: u64 = 600;

/// A revealer that was asked to upload and has not begun is replaced after this time.
pub(crate) const UPLOAD_BEGIN_SECONDS: u64 = 30;

/// An upload that began ends by itself or is given up after this time.
pub(crate) const UPLOAD_SECONDS: u64 = 3600;

/// A revealer whose upload failed is asked again after this time.
pub(crate) const UPLOAD_RETRY_SECONDS: u64 = 15;

/// First rest after a failed transaction; doubled each time.
pub(crate) const REST_SECONDS_MIN: u64 = 1;

/// Longest rest after a failed transaction.
pub(crate) const REST_SECONDS_MAX: u64 = 60;

/// Live tasks are read again after this time without an event, in case one was missed.
pub(crate) const REREAD_SECONDS: u64 = 60;

/// Tasks that are read again each second, at most: what a node is asked for, only to be sure, must
/// not grow with the pool.
pub(crate) const REREADS_PER_SECOND: u64 = 100;

/// A run is started only if this share (1 / ratio) of its category's time is left.
pub(crate) const START_RATIO: u64 = 4;

/// How long a guard's answer about a worker is believed; the hub asks again at the vote.
pub(crate) const GUARD_SECONDS: u64 = 60;

/// Answers of guards held at a time, some hundred bytes each; beyond, all are asked for anew.
pub(crate) const GUARD_ANSWERS_MAX: usize = 10_000;

/// How often results past their time are looked for.
pub(crate) const SWEEP_SECONDS: u64 = 600;

/// Tasks of one commit and of one settlement: at 40 000 gas and three workers each, both stay below
/// five million.
pub(crate) const SETTLEMENT_TASKS_MAX: usize = 50;

/// Tasks that are ready wait this long for others of their deal, to be committed and settled with
/// them: a share of a transaction costs a fraction of one.
pub(crate) const GATHER_SECONDS: u64 = 5;

/// A worker that is asked for a ballot and gives none is replaced after this time.
pub(crate) const BALLOT_SECONDS: u64 = 60;

/// Commits end this long before contributions do: one must be mined in time.
pub(crate) const COMMIT_MARGIN_SECONDS: u64 = 60;

/// How long a worker whose votes the hub would not commit has no part in the settlement lane, at least;
/// whoever takes a bond back and forth stops one commit in so long.
pub(crate) const SHUN_SECONDS: u64 = 600;

/// Refused commits and settlements of a task, after which it goes back to the classic lane.
pub(crate) const SETTLEMENT_TRIES_MAX: u32 = 4;

/// Workers whose shortcomings together are looked at as a way out of a refusal.
pub(crate) const NEAREST_MAX: usize = 64;

/// Workers that are shown as nearest.
pub(crate) const NEAREST_SHOWN_MAX: usize = 3;

/// Deals that an explanation of the pool or of a worker is about; each costs a decision over all
/// workers.
pub(crate) const DEALS_EXPLAINED_MAX: usize = 16;
