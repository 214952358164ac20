use kafka_wire::batch_stream::{BatchStep, BatchStream, ValidatedBatch};
use kafka_wire::control_record::ControlRecord;

use super::*;

fn checkpoint(topics: usize) -> BootstrapCheckpoint {
    let topic = |index: usize| BootstrapTopic {
        name: TopicName::parse(&format!("orders{index}")).unwrap(),
        id: TopicId::from_wire([9; 16]).unwrap(),
        configs: vec![("retention.ms".to_owned(), "-1".to_owned())],
        partitions: vec![BootstrapPartition {
            index: PartitionIndex::from_wire(3).unwrap(),
            replicas: vec![(BrokerId::from_wire(1).unwrap(), [5; 16])],
            leader_epoch: LeaderEpoch::from_wire(8).unwrap(),
        }],
    };
    BootstrapCheckpoint {
        metadata_version: 22,
        features: vec![("group.version".to_owned(), 1)],
        topics: (0..topics).map(topic).collect(),
        acls: Vec::new(),
        next_producer_id: ProducerId::from_wire(4000),
    }
}

fn batches(mut bytes: &[u8]) -> Vec<ValidatedBatch> {
    let mut stream = BatchStream::new(1 << 20);
    let mut batches = Vec::new();
    loop {
        let (taken, step) = stream.feed(bytes).unwrap();
        bytes = &bytes[taken..];
        match step {
            BatchStep::Header(_) => {}
            BatchStep::Batch(batch) => batches.push(batch),
            BatchStep::NeedMore => {
                assert!(stream.is_at_boundary());
                return batches;
            }
        }
    }
}

#[test]
fn records_come_between_a_header_and_a_footer() {
    let file = checkpoint(1).encode();
    let batches = batches(&file);
    let kinds: Vec<_> = batches.iter().map(|batch| batch.control).collect();
    let kind = |kind| Some(ControlRecord::Other { kind });
    assert_eq!(kinds, [kind(3), None, kind(4)]);
    let bases: Vec<i64> = batches.iter().map(|batch| batch.header.base_offset.get()).collect();
    assert_eq!(bases, [0, 1, 7]);
    assert!(batches.iter().all(|batch| batch.header.leader_epoch == EPOCH));
}

#[test]
fn features_come_first_and_producer_ids_last() {
    let records = checkpoint(1).records();
    let name = METADATA_VERSION.to_owned();
    assert_eq!(records[0], MetadataRecord::FeatureLevel { name, level: 22 });
    assert!(matches!(&records[1], MetadataRecord::FeatureLevel { level: 1, .. }));
    assert!(matches!(&records[2], MetadataRecord::Topic { .. }));
    assert!(matches!(&records[3], MetadataRecord::Config { .. }));
    assert!(matches!(&records[4], MetadataRecord::Partition(_)));
    assert!(matches!(&records[5], MetadataRecord::ProducerIds { .. }));
    assert_eq!(records.len(), 6);
}

#[test]
fn many_records_are_cut_into_batches_without_a_gap() {
    let file = checkpoint(1000).encode();
    let batches = batches(&file);
    assert_eq!(batches.len(), 2 + 3003_usize.div_ceil(BATCH_RECORDS_MAX));
    for pair in batches.windows(2) {
        assert_eq!(pair[0].header.next_offset(), pair[1].header.base_offset);
    }
}

#[test]
fn the_first_record_is_the_metadata_version_byte_for_byte() {
    let file = checkpoint(0).encode();
    let value = b"\x01\x0c\x00\x11metadata.version\x00\x16\x00";
    // Record: length, attributes, timestamp and offset deltas, null key, value length.
    let record = [[58, 0, 0, 0, 1, 46].as_slice(), value, &[0]].concat();
    assert!(file.windows(record.len()).any(|window| window == record));
}
