//! The store on real folders.

use super::expiry::Expired;
use super::*;
use poco_core::{B256, ResultDigest};
use poco_scheduler_core::DealRecord;

const IDENTITY: Identity = Identity { chain_id: 1, hub: Address::ZERO, workerpool: Address::ZERO };

fn result(location: &str) -> StoredResult {
    StoredResult {
        worker: Address::ZERO,
        digest: ResultDigest::ZERO,
        location: location.into(),
        callback: Default::default(),
        size_bytes: 1,
    }
}

#[test]
fn a_batch_is_there_after_a_restart_and_a_second_process_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let id = DealId(B256::repeat_byte(1));
    let deal = Record::Deal(Box::new(DealRecord {
        id,
        block: 7,
        block_hash: B256::ZERO,
        places: 0,
        facts: None,
        next: 0,
    }));
    {
        let store = Store::open(folder.path(), IDENTITY).unwrap();
        let changes = vec![Change::Put(deal.clone())];
        store.commit(&Batch { changes, cursor: Some(Cursor::start_at(5)) }).unwrap();
        let second = Store::open(folder.path(), IDENTITY).unwrap_err();
        assert!(second.to_string().contains("in use by another process"), "{second}");
    }
    let store = Store::open(folder.path(), IDENTITY).unwrap();
    let (records, cursor) = Store::load(&store).unwrap();
    assert_eq!((records, cursor), (vec![deal], Some(Cursor::start_at(5))));
    drop(store);
    let other = Identity { chain_id: 2, ..IDENTITY };
    let error = Store::open(folder.path(), other).unwrap_err().to_string();
    assert!(error.contains("belongs to pool"), "{error}");
}

#[test]
fn an_object_goes_with_the_last_task_that_holds_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path(), IDENTITY).unwrap();
    let reader = Address::repeat_byte(9);
    let tasks = [1, 2].map(|byte| TaskId(B256::repeat_byte(byte)));
    for (task, beneficiary) in tasks.into_iter().zip([Address::ZERO, reader]) {
        let changes = vec![Change::Result { task, result: result("/ipfs/a"), beneficiary }];
        store.commit(&Batch { changes, cursor: None }).unwrap();
    }
    assert_eq!(store.readers("/ipfs/a").unwrap(), [Address::ZERO, reader]);
    assert!(store.readers("/ipfs/").unwrap().is_empty());
    let retire = |task: TaskId, keep_until| {
        writes_retired(&store, task, keep_until);
    };
    retire(tasks[0], Timestamp(10));
    retire(tasks[1], Timestamp(20));
    let find = |now| store.find_expired(Timestamp(now), &[], 10, |_| false).unwrap();
    let ids = |found: &Expired| found.tasks.keys().copied().collect::<Vec<_>>();
    assert!(find(9).tasks.is_empty());
    let first = find(10);
    assert_eq!((ids(&first), first.locations.len()), (vec![tasks[0]], 0));
    let both = find(20);
    assert_eq!((ids(&both), both.locations), (tasks.to_vec(), vec!["/ipfs/a".to_owned()]));
    let stored_again = store.find_expired(Timestamp(20), &[], 10, |at| at == "/ipfs/a").unwrap();
    assert!(stored_again.tasks.is_empty() && stored_again.locations.is_empty());
    store.forget(&first).unwrap();
    assert_eq!(store.readers("/ipfs/a").unwrap(), [reader]);
    assert!(find(19).tasks.is_empty());
    // Found again and again until it is forgotten: a sweep that was killed is repeated.
    for _ in 0..2 {
        assert_eq!(find(20).locations, ["/ipfs/a"]);
    }
    store.forget(&find(20)).unwrap();
    assert!(find(20).tasks.is_empty());
    assert!(store.readers("/ipfs/a").unwrap().is_empty());
}

fn damaged(harm: impl Fn(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3u8 {
        // Each start moves what the log before held to a table of its own.
        let store = Store::open(folder.path(), IDENTITY).unwrap();
        for byte in 0..200 {
            let id = DealId(B256::from_slice(&[[round; 31].as_slice(), &[byte]].concat()));
            let deal = DealRecord {
                id,
                block: 7,
                block_hash: B256::ZERO,
                places: 0,
                facts: None,
                next: 0,
            };
            let changes = vec![Change::Put(Record::Deal(Box::new(deal)))];
            store.commit(&Batch { changes, cursor: None }).unwrap();
        }
    }
    harm(folder.path());
    let opened = Store::open(folder.path(), IDENTITY).and_then(|store| Store::load(&store));
    opened.map_or_else(|error| error.to_string(), |(records, _)| format!("{}", records.len()))
}

/// Changes the files whose names end so, from their byte `at` on; there is at least one.
fn spoil(folder: &Path, ending: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) {
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let meant = files.filter(|file| file.to_string_lossy().ends_with(ending));
    let spoilt = meant.map(|file| {
        let bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, change(bytes)).unwrap();
    });
    assert!(spoilt.count() > 0, "{ending}");
}

#[test]
fn a_damaged_store_is_refused_and_a_torn_end_is_not() {
    let flip = |at: usize| {
        move |mut bytes: Vec<u8>| {
            let end = (at + 16).min(bytes.len());
            bytes[at.min(end)..end].iter_mut().for_each(|byte| *byte ^= 0xff);
            bytes
        }
    };
    for (ending, harm) in [
        (".log", &flip(2_000) as &dyn Fn(Vec<u8>) -> Vec<u8>),
        (".sst", &flip(40)),
        ("CURRENT", &|_| b"nonsense".to_vec()),
    ] {
        let told = damaged(|folder| spoil(folder, ending, harm));
        assert!(told.contains("repair --from-chain"), "{ending}: {told}");
    }
    assert_eq!(damaged(|_| {}), "600");
    let torn = |mut bytes: Vec<u8>| {
        bytes.truncate(bytes.len() - 5);
        bytes
    };
    assert_eq!(damaged(|folder| spoil(folder, ".log", torn)), "599");
}

fn writes_retired(store: &Store, task: TaskId, keep_until: Timestamp) {
    let mut writes = WriteBatch::default();
    writes.put_cf(store.family(EXPIRY), expiry_key(keep_until, task), []);
    store.write(writes).unwrap();
}
