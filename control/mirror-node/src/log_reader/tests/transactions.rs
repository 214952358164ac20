use kafka_wire::batch_writer::BatchProducer;
use kafka_wire::control_record::ControlRecord;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::BatchAttributes;

use super::*;

fn id(raw: i64) -> ProducerId {
    ProducerId::from_wire(raw).unwrap()
}

/// One transactional record.
fn record(base: i64, producer: i64, base_sequence: i32) -> BatchBuilder {
    let mut batch = batch_at(NOW_MS, &[b"value"]);
    batch.base_offset = offset(base);
    batch.attributes = BatchAttributes::from_wire(0x10);
    let epoch = ProducerEpoch::from_wire(0);
    batch.producer = BatchProducer { id: Some(id(producer)), epoch, base_sequence };
    batch
}

fn marker(base: i64, producer: i64, marker: ControlRecord) -> BatchBuilder {
    let producer = (id(producer), ProducerEpoch::from_wire(0));
    BatchBuilder::transaction_marker(offset(base), None, producer, marker, NOW_MS)
}

const ABORT: ControlRecord = ControlRecord::Abort { coordinator_epoch: 0 };
const COMMIT: ControlRecord = ControlRecord::Commit { coordinator_epoch: 0 };

/// Producer 1 aborts 0..=4 and, over two segments, 5..=11; producer 2 commits; 3 aborts 8..=12.
fn log(scratch: &Scratch) -> (LogView, LogState) {
    let first = [
        record(0, 1, 0),
        record(1, 2, 0),
        marker(4, 1, ABORT),
        record(5, 1, 1),
        marker(6, 2, COMMIT),
    ];
    let second = [record(8, 3, 0), marker(11, 1, ABORT), marker(12, 3, ABORT), record(13, 2, 1)];
    mirrored(scratch, &[(0, &first), (8, &second)])
}

#[test]
fn aborted_transactions_that_touch_a_range_are_named() {
    let scratch = Scratch::new();
    let (view, state) = log(&scratch);
    assert_eq!(state.last_stable_offset.offset(), offset(13));
    let reader = reader();
    let named = |from, to| {
        let found = reader.aborted_transactions(&view, &state, offset(from), offset(to)).unwrap();
        let pair = |entry: &kafka_log::transaction_index::AbortedTransaction| {
            (entry.producer_id.get(), entry.first_offset.get())
        };
        found.iter().map(pair).collect::<Vec<_>>()
    };
    assert_eq!(named(0, 5), [(1, 0)]);
    assert_eq!(named(0, 6), [(1, 0), (1, 5)], "its marker lies in the next segment");
    assert_eq!(named(5, 6), [(1, 5)]);
    assert_eq!(named(5, 9), [(1, 5), (3, 8)]);
    assert_eq!(named(12, 13), [(3, 8)]);
    assert_eq!(named(13, 14), []);
}

#[test]
fn producers_are_told_from_the_newest_snapshot_and_the_batches_behind() {
    let scratch = Scratch::new();
    let (view, state) = log(&scratch);
    let whole = reader().producer_states(&view, &state).unwrap();
    assert_eq!(whole.iter().len(), 3);
    assert_eq!(whole.get(id(2)).unwrap().open_transaction, Some(offset(13)));
    assert_eq!(whole.get(id(1)).unwrap().open_transaction, None);
    let snapshots = || {
        let entries = fs::read_dir(scratch.path("")).unwrap().map(|entry| entry.unwrap().path());
        let is_snapshot =
            |path: &std::path::PathBuf| path.extension().is_some_and(|end| end == "snapshot");
        entries.filter(is_snapshot).collect::<Vec<_>>()
    };
    for path in snapshots() {
        fs::write(path, b"no snapshot").unwrap();
    }
    assert_eq!(reader().producer_states(&view, &state).unwrap(), whole);
    for path in snapshots() {
        fs::remove_file(path).unwrap();
    }
    assert_eq!(reader().producer_states(&view, &state).unwrap(), whole);
}
