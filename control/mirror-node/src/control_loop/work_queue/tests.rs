use std::path::PathBuf;

use kafka_wire::partition::{PartitionIndex, TopicId, TopicIdPartition, TopicName};
use tokio::sync::mpsc;

use super::*;
use crate::catalog::{Binding, Catalog, TopicSpec};

fn log(index: i32) -> TopicIdPartition {
    let topic_id = TopicId::from_wire([7; 16]).unwrap();
    TopicIdPartition { topic_id, partition: PartitionIndex::from_wire(index).unwrap() }
}

#[tokio::test]
async fn work_on_one_log_is_done_in_order_and_counted_until_it_is_noted() {
    let (sender, mut events) = mpsc::channel(8);
    let mut queue = WorkQueue::new(sender);
    let (first, second) = std::sync::mpsc::channel();
    for number in 0..2 {
        let first = first.clone();
        queue.add(log(1), move || {
            first.send(number).unwrap();
            LogWorked::answered(log(1), None)
        });
    }
    assert!(!queue.is_done_with(log(1)));
    assert!(queue.is_done_with(log(2)), "nothing was asked for on that one");
    for number in 0..2 {
        queue.go_on();
        let Some(LoopEvent::LogWorked(worked)) = events.recv().await else { panic!() };
        assert_eq!(second.try_recv(), Ok(number));
        assert!(second.try_recv().is_err(), "the next one waits for the word of the loop");
        queue.note_done(worked.partition);
    }
    assert!(queue.is_done_with(log(1)));
    assert!(!queue.is_running());
}

#[tokio::test]
async fn work_that_is_forgotten_is_not_counted_any_more() {
    let (sender, _events) = mpsc::channel(8);
    let mut queue = WorkQueue::new(sender);
    queue.add(log(1), || panic!("it was forgotten"));
    queue.forget_waiting();
    assert!(queue.is_done_with(log(1)));
    queue.go_on();
    assert!(!queue.is_running());
}

#[tokio::test]
async fn logs_that_come_while_others_are_sealed_are_sealed_together() {
    let (sender, mut events) = mpsc::channel(8);
    let mut queue = WorkQueue::new(sender);
    let (begun, groups) = std::sync::mpsc::channel();
    queue.set_sealer(move |orders| {
        begun.send(orders.len()).unwrap();
        let worked = |order: SealOrder| LogWorked::answered(order.partition.id, None);
        orders.into_iter().map(worked).collect()
    });
    let catalog = Catalog::new(PathBuf::new());
    let (id, binding, partition_count) = (log(0).topic_id, Binding::Bound, 4);
    let spec = TopicSpec { id, binding, configs: BTreeMap::new(), partition_count };
    let topic = catalog.put(&TopicName::parse("orders").unwrap(), spec);
    for (number, partition) in topic.partitions.iter().enumerate() {
        queue.add_seal(SealOrder {
            partition: Arc::clone(partition),
            ticket: Ticket::default(),
            leader_epoch: LeaderEpoch::ZERO,
        });
        // The first one does not wait for others, and these wait for it.
        queue.go_on();
        assert_eq!(queue.sealed_now, 1, "after {number}");
    }
    let mut sealed = Vec::new();
    for count in 1..=topic.partitions.len() {
        let Some(LoopEvent::LogWorked(worked)) = events.recv().await else { panic!() };
        queue.note_done(worked.partition);
        sealed.push(worked.partition);
        queue.go_on();
        assert_eq!(queue.sealed_now, topic.partitions.len() - count);
    }
    assert_eq!(sealed, Vec::from_iter((0..4).map(log)));
    assert_eq!(groups.try_iter().collect::<Vec<_>>(), [1, 3]);
    assert!(!queue.is_running());
}
