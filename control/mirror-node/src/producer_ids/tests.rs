use std::fs;

use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::offset::Offset;
use kafka_wire::producer::ProducerEpoch;

use super::*;
use crate::directory::DataDirectory;
use crate::test_directory::TestDirectory;

fn open(root: &TestDirectory) -> ProducerIds {
    let directory = DataDirectory::open_or_create(&root.0).unwrap();
    let directory = SharedDirectory::new(directory).unwrap();
    let catalog = Arc::new(Catalog::new(root.0.clone()));
    ProducerIds::new(directory, catalog)
}

fn next(ids: &ProducerIds) -> i64 {
    ids.next_id().unwrap().get()
}

fn batch(base: i64, producer_id: i64) -> Vec<u8> {
    let mut batch = BatchBuilder::new(Offset::from_wire(base).unwrap(), None);
    batch.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(b"value") });
    batch.producer = BatchProducer {
        id: ProducerId::from_wire(producer_id),
        epoch: ProducerEpoch::from_wire(0),
        base_sequence: 0,
    };
    batch.finish()
}

#[test]
fn a_restart_repeats_no_id() {
    let root = TestDirectory::new();
    {
        let ids = open(&root);
        assert_eq!([next(&ids), next(&ids)], [0, 1]);
    }
    assert_eq!(next(&open(&root)), BLOCK);
}

#[test]
fn a_block_that_is_used_up_is_followed_by_the_next() {
    let root = TestDirectory::new();
    let ids = open(&root);
    for expected in 0..=BLOCK {
        assert_eq!(next(&ids), expected);
    }
    let remembered = ids.directory.lock().state.next_producer_id;
    assert_eq!(remembered, ProducerId::from_wire(2 * BLOCK));
}

#[test]
fn ids_are_above_all_in_logs_from_before() {
    let root = TestDirectory::new();
    let ids = open(&root);
    let log = root.0.join("orders-0");
    fs::create_dir(&log).unwrap();
    let mut first = batch(0, 4711);
    first.extend(batch(1, 12));
    // A segment that was made long before it is filled.
    first.extend([0; 500]);
    fs::write(log.join("00000000000000000000.log"), first).unwrap();
    fs::write(log.join("00000000000000000002.log"), batch(2, 4712)).unwrap();
    assert_eq!(next(&ids), 4713);
}

#[test]
fn ids_are_above_all_that_a_mirror_brings_meanwhile() {
    let root = TestDirectory::new();
    let ids = open(&root);
    assert_eq!(next(&ids), 0);
    ids.catalog.note_producer_id(ProducerId::from_wire(500));
    assert_eq!(next(&ids), 501);
    ids.catalog.note_producer_id(ProducerId::from_wire(77_000));
    ids.catalog.note_producer_id(None);
    assert_eq!([next(&ids), next(&ids)], [77_001, 77_002]);
}

#[test]
fn an_id_that_somebody_made_up_uses_up_none() {
    let root = TestDirectory::new();
    let ids = open(&root);
    let log = root.0.join("notes-0");
    fs::create_dir(&log).unwrap();
    let mut batches = batch(0, 4711);
    batches.extend(batch(1, i64::MAX));
    fs::write(log.join("00000000000000000000.log"), batches).unwrap();
    ids.catalog.note_producer_id(ProducerId::from_wire(1 << 62));
    assert_eq!(next(&ids), 4712);
}

#[test]
fn there_is_no_id_above_the_largest() {
    let root = TestDirectory::new();
    let ids = open(&root);
    ids.directory.lock().state.next_producer_id = ProducerId::from_wire(i64::MAX);
    for _ in 0..2 {
        assert!(matches!(ids.next_id(), Err(ProducerIdError::UsedUp { .. })));
    }
}
