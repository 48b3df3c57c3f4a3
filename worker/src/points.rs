//! The steps at which tests let this process die: before and after each sync and each effect.

/// Every point of this binary's own, in the order of a task's life. Names are stable.
pub(crate) const POINTS: &[&str] = &[
    "worker.store.owner.before",
    "worker.store.owner.after",
    "worker.deposit.before",
    "worker.deposit.after",
    "worker.login.before",
    "worker.login.after",
    "worker.store.accepted.before",
    "worker.store.accepted.after",
    "worker.acknowledge.before",
    "worker.acknowledge.after",
    "worker.report.before",
    "worker.report.after",
    "worker.store.pulling.before",
    "worker.store.pulling.after",
    "worker.pull.before",
    "worker.pull.after",
    "worker.store.fetching.before",
    "worker.store.fetching.after",
    "worker.fetch.before",
    "worker.fetch.after",
    "worker.container.start.before",
    "worker.container.start.after",
    "worker.store.running.before",
    "worker.store.running.after",
    "worker.container.end.before",
    "worker.container.end.after",
    "worker.collect.before",
    "worker.collect.after",
    "worker.store.computed.before",
    "worker.store.computed.after",
    "worker.lane.bond.before",
    "worker.lane.bond.after",
    "worker.lane.store.balloted.before",
    "worker.lane.store.balloted.after",
    "worker.lane.ballot.before",
    "worker.lane.ballot.after",
    "worker.lane.store.committed.before",
    "worker.lane.store.committed.after",
    "worker.lane.tell-vote.before",
    "worker.lane.tell-vote.after",
    "worker.lane.store.handed.before",
    "worker.lane.store.handed.after",
    "worker.lane.disclose.before",
    "worker.lane.disclose.after",
    "worker.lane.close.before",
    "worker.lane.close.after",
    "worker.lane.release.before",
    "worker.lane.release.after",
    "worker.store.contributing.before",
    "worker.store.contributing.after",
    "worker.contribute.before",
    "worker.contribute.after",
    "worker.contribute-and-finalize.before",
    "worker.contribute-and-finalize.after",
    "worker.store.contributed.before",
    "worker.store.contributed.after",
    "worker.store.revealing.before",
    "worker.store.revealing.after",
    "worker.reveal.before",
    "worker.reveal.after",
    "worker.store.revealed.before",
    "worker.store.revealed.after",
    "worker.upload.before",
    "worker.upload.after",
    "worker.store.uploaded.before",
    "worker.store.uploaded.after",
    "worker.store.failed.before",
    "worker.store.failed.after",
    "worker.store.forget.before",
    "worker.store.forget.after",
    "worker.ledger.put.before",
    "worker.ledger.put.after",
    "worker.ledger.remove.before",
    "worker.ledger.remove.after",
    "worker.discard.before",
    "worker.discard.after",
    "worker.sweep.before",
    "worker.sweep.after",
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_and_come_in_pairs() {
        let names: BTreeSet<&str> = POINTS.iter().copied().collect();
        assert_eq!(names.len(), POINTS.len());
        for name in POINTS {
            let stem = name.strip_suffix(".before").or(name.strip_suffix(".after")).unwrap();
            assert!(names.contains(format!("{stem}.before").as_str()));
            assert!(names.contains(format!("{stem}.after").as_str()));
        }
    }
}
