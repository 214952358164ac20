use kafka_wire::batch_writer::{BatchBuilder, NewRecord};
use kafka_wire::offset::Offset;
use mirror_coordinator::mirror_position::MirrorPosition;
use mirror_coordinator::retry::RetryClass;

use super::loop_rig::Stopped;
use crate::control_loop::align::cut_to;

#[tokio::test]
async fn records_that_clients_wrote_until_the_log_was_closed_need_the_operators_word_to_go() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let partition = &node.topic.partitions[0];
    let mut batch = BatchBuilder::new(Offset::ZERO, None);
    batch.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(b"told to be written") });
    partition.log().unwrap().append_produced(&batch.finish(), 1).unwrap();
    let end = || partition.view.state().unwrap().log_end.offset().get();
    let cut = |is_confirmed| cut_to(&node.topics, partition, MirrorPosition::EMPTY, is_confirmed);
    let refused = cut(false).unwrap_err();
    assert_eq!((refused.class, end()), (RetryClass::NonRetryable, 1), "{}", refused.reason);
    assert!(partition.log().is_none(), "it was taken from clients first");
    cut(true).unwrap();
    assert_eq!(end(), 0);
}
