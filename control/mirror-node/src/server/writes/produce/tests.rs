use bytes::Bytes;
use kafka_protocol::messages::{InitProducerIdRequest, ResponseKind, TopicName, TransactionalId};
use kafka_wire::batch_writer::{BatchBuilder, BatchProducer, NewRecord};
use kafka_wire::offset::Offset;
use kafka_wire::producer::{ProducerEpoch, ProducerId};
use kafka_wire::record_batch::{CRC_START, HEADER_BYTES};

use super::*;
use crate::local_topics::keeper::now_ms;
use crate::server::test_node::TestNode;

fn builder(values: usize) -> BatchBuilder {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    for _ in 0..values {
        let timestamp_ms = now_ms();
        batch.push(&NewRecord { timestamp_ms, key: None, value: Some(b"value") });
    }
    batch
}

fn batch(values: usize) -> Vec<u8> {
    builder(values).finish()
}

fn sequenced(epoch: i16, base_sequence: i32) -> Vec<u8> {
    let mut batch = builder(1);
    batch.producer = BatchProducer {
        id: ProducerId::from_wire(3),
        epoch: ProducerEpoch::from_wire(epoch),
        base_sequence,
    };
    batch.finish()
}

fn records(topic: &'static str, partitions: Vec<(i32, Vec<u8>)>) -> ProduceRequest {
    let parts = partitions.into_iter().map(|(index, records)| {
        let records = Some(Bytes::from(records));
        PartitionProduceData::default().with_index(index).with_records(records)
    });
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str(topic)))
        .with_partition_data(parts.collect());
    ProduceRequest::default().with_acks(-1).with_timeout_ms(30_000).with_topic_data(vec![topic])
}

fn one(node: &TestNode, topic: &'static str, batch: Vec<u8>) -> PartitionProduceResponse {
    let response = node.ask(records(topic, vec![(0, batch)]));
    response.responses[0].partition_responses[0].clone()
}

#[test]
fn each_partition_answers_for_itself() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let mut torn = batch(1);
    torn.pop();
    let asked = vec![(0, batch(3)), (1, torn), (2, batch(1)), (0, batch(1))];
    let response = node.ask(records("orders", asked));
    let parts = response.responses[0].partition_responses.iter();
    let told: Vec<_> = parts
        .map(|part| (part.index, part.error_code, part.base_offset, part.log_start_offset))
        .collect();
    assert_eq!(told, [(0, 0, 0, 0), (1, 2, -1, -1), (2, 3, -1, -1), (0, 0, 3, 0)]);
    let state = node.node.catalog.topic_named("orders").unwrap().partitions[0].view.state();
    assert_eq!(state.unwrap().high_watermark.offset().get(), 4);
}

#[test]
fn the_time_of_appending_is_told_when_it_is_the_records_time() {
    let node = TestNode::writable();
    node.local("orders", &[("message.timestamp.type", "LogAppendTime")]);
    node.local("notes", &[]);
    let before = now_ms();
    assert!(one(&node, "orders", batch(1)).log_append_time_ms >= before);
    assert_eq!(one(&node, "notes", batch(1)).log_append_time_ms, -1);
}

#[test]
fn what_a_request_may_decompress_is_shared_by_its_batches() {
    let mut node = TestNode::writable();
    std::sync::Arc::get_mut(&mut node.node).unwrap().limits.produce_decompressed_bytes_max =
        150_000;
    node.local("orders", &[]);
    let plain = builder_of(&vec![0; 100_000]).finish();
    let compressed = || gzipped(&plain);
    let asked = vec![(0, compressed()), (1, compressed()), (1, batch(1))];
    let response = node.ask(records("orders", asked.clone()));
    let codes = |response: &ProduceResponse| -> Vec<i16> {
        let parts = response.responses[0].partition_responses.iter();
        parts.map(|part| part.error_code).collect()
    };
    assert_eq!(codes(&response), [0, 10, 0]);
    let next = node.ask(records("orders", vec![asked[1].clone()]));
    assert_eq!(codes(&next), [0]);
}

/// One record of that value.
fn builder_of(value: &[u8]) -> BatchBuilder {
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    batch.push(&NewRecord { timestamp_ms: now_ms(), key: None, value: Some(value) });
    batch
}

/// The same batch with its records compressed.
fn gzipped(batch: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut encoder, &batch[HEADER_BYTES..]).unwrap();
    with_body(batch, 1, &encoder.finish().unwrap())
}

/// The same batch with other bytes for its records, said to be compressed with that codec.
fn with_body(batch: &[u8], codec: u8, body: &[u8]) -> Vec<u8> {
    let mut out = [&batch[..HEADER_BYTES], body].concat();
    let length = i32::try_from(out.len() - 12).unwrap();
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[22] |= codec;
    let crc = crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32Iscsi, &out[CRC_START..]);
    out[17..21].copy_from_slice(&u32::try_from(crc).unwrap().to_be_bytes());
    out
}

#[test]
fn zstd_is_refused_in_requests_older_than_it() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let plain = batch(3);
    let packed = with_body(&plain, 4, &zstd::encode_all(&plain[HEADER_BYTES..], 3).unwrap());
    let code = |batch: &[u8], version| {
        let asked = records("orders", vec![(0, batch.to_vec())]);
        let Answer::Message(response) = node.answer(asked, version) else { panic!("no message") };
        let ResponseKind::Produce(response) = *response else { panic!("{response:?}") };
        response.responses[0].partition_responses[0].error_code
    };
    for (version, expected) in [(3, 76), (6, 76), (7, 0), (11, 0)] {
        assert_eq!(code(&packed, version), expected, "version {version}");
        assert_eq!(code(&plain, version), 0, "version {version}");
    }
}

#[test]
fn what_is_not_there_or_not_writable_is_refused() {
    let node = TestNode::writable();
    node.mirrored("mirrored", &[]);
    node.local("__consumer_offsets", &[]);
    node.local("__mirror_state", &[]);
    for (topic, expected) in [
        ("nothing", 3),
        ("no such name", 3),
        ("mirrored", 134),
        ("__consumer_offsets", 17),
        ("__mirror_state", 17),
    ] {
        let part = one(&node, topic, batch(1));
        assert_eq!((part.error_code, part.base_offset), (expected, -1), "{topic}");
        assert!(part.error_message.is_some());
    }
}

#[test]
fn each_partition_of_a_mirrored_topic_is_writable_once_it_is_stopped() {
    let node = TestNode::writable();
    let topic = node.mirrored("mirrored", &[]);
    node.stop(&topic.partitions[0]);
    let response = node.ask(records("mirrored", vec![(0, batch(1)), (1, batch(1))]));
    let parts = response.responses[0].partition_responses.iter();
    let told: Vec<_> = parts.map(|part| (part.error_code, part.base_offset)).collect();
    // Offset 0 has the reset of producers.
    assert_eq!(told, [(0, 1), (134, -1)]);
}

#[test]
fn a_log_that_goes_to_the_engine_under_a_request_is_read_only() {
    let node = TestNode::writable();
    let topic = node.stopped("mirrored", &[]);
    let partition = &topic.partitions[0];
    let log = partition.log().unwrap();
    let topics = &node.node.writes.as_ref().unwrap().topics;
    topics.close_for_mirroring(partition).unwrap();
    assert_eq!(one(&node, "mirrored", batch(1)).error_code, 134);
    // The request had looked before.
    partition.set_log(log);
    assert_eq!(one(&node, "mirrored", batch(1)).error_code, 134);
    let end = partition.view.state().unwrap().log_end.offset();
    assert_eq!(end.get(), 1, "nothing was taken");
}

#[test]
fn old_clients_can_be_told_a_code_they_know() {
    let mut node = TestNode::new();
    std::sync::Arc::get_mut(&mut node.node).unwrap().mirrored_write_error = 44;
    node.mirrored("mirrored", &[]);
    assert_eq!(one(&node, "mirrored", batch(1)).error_code, 44);
}

#[test]
fn bad_batches_get_the_codes_of_a_stock_broker() {
    let node = TestNode::writable();
    node.local("orders", &[("max.message.bytes", "1000")]);
    let mut wrong_crc = batch(1);
    wrong_crc[70] ^= 1;
    let mut old_magic = batch(1);
    old_magic[16] = 1;
    let mut two = batch(1);
    two.extend(batch(1));
    for (batch, expected) in [
        (wrong_crc, 2),
        (old_magic, 43),
        (two, 87),
        (Vec::new(), 87),
        (batch(500), 10),
        (sequenced(0, -1), 87),
    ] {
        assert_eq!(one(&node, "orders", batch).error_code, expected);
    }
    assert_eq!(one(&node, "orders", batch(1)).base_offset, 0);
}

#[test]
fn the_record_that_is_wrong_is_named() {
    let node = TestNode::writable();
    node.local("orders", &[("cleanup.policy", "compact")]);
    let part = one(&node, "orders", batch(2));
    assert_eq!(part.error_code, 87);
    let [error] = &part.record_errors[..] else { panic!("{part:?}") };
    assert_eq!(error.batch_index, 0);
    assert!(error.batch_index_error_message.as_deref().unwrap().contains("no key"));
}

#[test]
fn repeated_batches_are_answered_as_the_first_time_and_gaps_are_refused() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    for (batch, expected) in [
        (sequenced(1, 0), (0, 0)),
        (sequenced(1, 1), (0, 1)),
        (sequenced(1, 0), (0, 0)),
        (sequenced(1, 3), (45, -1)),
        (sequenced(0, 2), (47, -1)),
    ] {
        let part = one(&node, "orders", batch);
        assert_eq!((part.error_code, part.base_offset), expected);
    }
}

#[test]
fn acks_that_do_not_exist_are_refused() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let response = node.ask(records("orders", vec![(0, batch(1))]).with_acks(2));
    assert_eq!(response.responses[0].partition_responses[0].error_code, 21);
}

#[test]
fn without_acks_nothing_is_answered_and_refusals_end_the_connection() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let taken = node.answer(records("orders", vec![(0, batch(1))]).with_acks(0), 11);
    assert!(matches!(taken, Answer::Nothing), "{taken:?}");
    let refused = node.answer(records("nothing", vec![(0, batch(1))]).with_acks(0), 11);
    let Answer::Close { reason } = refused else { panic!("{refused:?}") };
    assert!(reason.contains("nothing-0: The topic 'nothing' does not exist."), "{reason}");
}

#[test]
fn a_transactional_request_is_refused() {
    let node = TestNode::writable();
    node.local("orders", &[]);
    let id = TransactionalId(StrBytes::from_static_str("payments"));
    let asked = records("orders", vec![(0, batch(1))]).with_transactional_id(Some(id));
    let part = &node.ask(asked).responses[0].partition_responses[0];
    assert_eq!(part.error_code, 53);
    assert_eq!(part.error_message.as_deref(), Some(transactions::REFUSED_TEXT));
}

#[test]
fn a_deleted_topic_takes_nothing_more() {
    let node = TestNode::writable();
    let topic = node.local("orders", &[]);
    node.node.writes.as_ref().unwrap().topics.delete(topic.id).unwrap();
    let part = PartitionProduceData::default().with_records(Some(Bytes::from(batch(1))));
    let mut budget = DecompressionBudget::default();
    let records = Records { part: &part, version: 11, now_ms: now_ms() };
    let refused = append(&node.node, &topic, &records, &mut budget).err().unwrap();
    assert_eq!(refused.refusal.code(), 6);
}

#[test]
fn an_id_that_a_client_wrote_with_is_given_to_nobody() {
    let node = TestNode::writable();
    let asked = || InitProducerIdRequest::default().with_transactional_id(None);
    let next = || node.ask(asked()).producer_id.0;
    assert_eq!(next(), 0);
    node.local("orders", &[]);
    assert_eq!(one(&node, "orders", sequenced(0, 0)).error_code, 0, "by producer 3");
    assert_eq!([next(), next()], [4, 5]);
}
