//! Against a segment that a real broker wrote; `tests/golden/ORIGIN.md` says how.

use kafka_protocol::records::{Record, RecordBatchDecoder};

use super::*;
use crate::batch_writer::{BatchBuilder, NewRecord};
use crate::record_batch::RecordBatchView;

const SEGMENT: &[u8] =
    include_bytes!("../../../../../tests/golden/kafka-4-groups/00000000000000000000.log");

/// Every batch with its records.
fn batches() -> Vec<(RecordBatchView<'static>, Vec<Record>)> {
    let mut batches = Vec::new();
    let mut rest = SEGMENT;
    while !rest.is_empty() {
        let length = u32::from_be_bytes(*rest[8..].first_chunk().unwrap()) as usize;
        let (batch, behind) = rest.split_at(12 + length);
        let view = RecordBatchView::parse(batch, 1 << 20).unwrap();
        let records = RecordBatchDecoder::decode(&mut bytes::Bytes::from_static(batch)).unwrap();
        batches.push((view, records.records));
        rest = behind;
    }
    batches
}

fn records() -> Vec<GroupRecord> {
    let record = |record: Record| {
        GroupRecord::decode(&record.key.unwrap(), record.value.as_deref()).unwrap()
    };
    batches().into_iter().flat_map(|(_, records)| records.into_iter().map(record)).collect()
}

#[test]
fn what_a_broker_wrote_is_written_again_byte_for_byte() {
    let mut written = Vec::new();
    for (view, records) in batches() {
        let header = view.header();
        let mut builder = BatchBuilder::new(header.base_offset, header.leader_epoch);
        builder.producer.base_sequence = 0;
        for record in records {
            let group = GroupRecord::decode(record.key.as_ref().unwrap(), record.value.as_deref());
            let again = group.unwrap().encode().unwrap();
            assert_eq!(again.key, record.key.unwrap());
            assert_eq!(again.value.as_deref(), record.value.as_deref());
            builder.push(&NewRecord {
                timestamp_ms: record.timestamp,
                key: Some(&again.key),
                value: again.value.as_deref(),
            });
        }
        written.extend(builder.finish());
    }
    assert!(written == SEGMENT, "batches differ from the broker's");
}

#[test]
fn the_broker_wrote_what_its_dump_tool_says() {
    let records = records();
    assert_eq!(records.len(), 36);
    assert!(!records.iter().any(|record| matches!(record, GroupRecord::Unknown(_))));
    let GroupRecord::CommittedOffset(key, Some(committed)) = &records[8] else { panic!() };
    assert_eq!(
        (key.group.as_str(), key.topic.as_str(), key.partition),
        ("billing", "orders", index(1))
    );
    assert_eq!(
        (committed.offset.get(), committed.leader_epoch),
        (10, SourceLeaderEpoch::from_wire(0))
    );
    assert_eq!(
        (committed.commit_timestamp_ms, committed.metadata.as_str()),
        (1_795_283_801_915, "")
    );
    let GroupRecord::ClassicGroup(group, Some(classic)) = &records[6] else { panic!() };
    assert_eq!(
        (group.as_str(), classic.generation, classic.protocol.as_deref()),
        ("billing", 1, Some("range"))
    );
    assert_eq!(classic.leader.as_ref(), Some(&classic.members[0].member_id));
    assert_eq!((classic.members.len(), classic.members[0].session_timeout_ms), (1, 45_000));
    let group = ConsumerGroupValue { epoch: 2, metadata_hash: -6_805_462_755_490_769_600 };
    assert_eq!(records[2], GroupRecord::ConsumerGroup("audit".to_owned(), Some(group)));
    let GroupRecord::Member(_, Some(member)) = &records[1] else { panic!() };
    assert_eq!(
        (member.instance_id.as_deref(), member.rack_id.as_deref()),
        (Some("one"), Some("r1"))
    );
    assert_eq!(
        (&member.subscribed_topic_names[..], &member.classic),
        (&["orders".to_owned()][..], &None)
    );
    // A member of a consumer group that speaks the classic protocol.
    let GroupRecord::Member(_, Some(member)) = &records[9] else { panic!() };
    let classic = member.classic.as_ref().unwrap();
    assert_eq!((classic.session_timeout_ms, classic.protocols[0].name.as_str()), (45_000, "range"));
    // One that has to give a partition up.
    let GroupRecord::CurrentAssignment(_, Some(current)) = &records[20] else { panic!() };
    assert_eq!((current.member_epoch, current.previous_member_epoch, current.state), (2, 2, 1));
    assert_eq!(current.assigned[0].partitions, [index(0)]);
    assert_eq!(current.pending_revocation[0].partitions, [index(1)]);
    assert_eq!(current.pending_revocation[0].assignment_epochs, Some(vec![2]));
    assert_eq!(records[35], GroupRecord::ClassicGroup("billing".to_owned(), None));
}

#[test]
fn share_groups_are_read_and_written_as_a_broker_writes_them() {
    let segment: &'static [u8] =
        include_bytes!("../../../../../tests/golden/kafka-4-share-groups/consumer_offsets.log");
    let sets = RecordBatchDecoder::decode_all(&mut bytes::Bytes::from_static(segment)).unwrap();
    let mut seen = Vec::new();
    for record in sets.into_iter().flat_map(|set| set.records) {
        let key = record.key.unwrap();
        let read = GroupRecord::decode(&key, record.value.as_deref()).unwrap();
        let again = read.encode().unwrap();
        assert_eq!((&again.key[..], again.value.as_deref()), (&key[..], record.value.as_deref()));
        seen.push(read);
    }
    assert_eq!(seen.len(), 30);
    // After an administrator's change of offsets there is nothing of the group but this.
    let GroupRecord::SharePartitions(group, Some(value)) = &seen[1] else { panic!() };
    let [topic] = &value.initialized[..] else { panic!("{value:?}") };
    assert_eq!((group.as_str(), topic.name.as_str()), ("g", "t"));
    assert_eq!(topic.partitions, [index(0), index(1)]);
    assert!(value.initializing.is_empty() && value.deleting.is_empty());
    let GroupRecord::ShareGroup(group, Some(value)) = &seen[10] else { panic!() };
    assert_eq!((group.as_str(), value.epoch, value.metadata_hash), ("g", 3, 0));
    let GroupRecord::SharePartitions(_, Some(value)) = &seen[26] else { panic!() };
    assert_eq!(value.deleting[0].1.as_str(), "t");
    assert_eq!(seen[28], GroupRecord::SharePartitions("h".to_owned(), None));
}
