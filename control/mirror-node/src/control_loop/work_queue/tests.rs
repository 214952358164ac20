use kafka_wire::partition::{PartitionIndex, TopicId, TopicIdPartition};
use tokio::sync::mpsc;

use super::*;

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
