//! Records survive the journal's encoding.

mod support;

use poco_worker_core::{Input, Record};
use support::Rig;

#[test]
fn a_record_is_read_back_from_its_bytes() {
    let mut rig = Rig::new();
    let running = rig.run(0);
    let voted = rig.contribute(1);
    let failed = rig.run(2);
    rig.step(Input::Abandon { task: failed, reason: "enough".into() });
    for task in [running, voted, failed] {
        let record = rig.record(task);
        let bytes = postcard::to_allocvec(&record).unwrap();
        assert_eq!(postcard::from_bytes::<Record>(&bytes).unwrap(), record);
    }
}
