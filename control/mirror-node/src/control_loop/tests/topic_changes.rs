use mirror_coordinator::partition_state::MirrorPartitionState;

use super::loop_rig::{Stopped, config, dr, orders};
use crate::control_loop::MirrorLoop;
use crate::directory_state::DeletedTopic;
use crate::local_topics::bound_topic_news::BoundTopicNews;

#[tokio::test]
async fn a_stopped_topic_that_clients_delete_is_forgotten_before_the_next_command() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    node.topics.delete(node.topic.id).unwrap();
    assert_eq!(control.create("other").await, 0, "the loop plans with what is left");
    assert!(control.metadata.topics().is_empty());
    assert_eq!(control.metadata, node.destination.directory.lock().state.cluster_mirrors);
    control.after_input().await.unwrap();
    let id = node.topic.partitions[0].id;
    assert_eq!(control.lifecycle.mirror_of(id), None);
    assert!(control.book.get(id).is_none());
    control.until(|control| control.states.iter().next().is_none()).await;
}

#[tokio::test]
async fn a_change_that_was_planned_before_a_topic_was_deleted_is_refused() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let servers = [("bootstrap.servers".to_owned(), Some("127.0.0.1:1".to_owned()))];
    let planned = control.metadata.plan_create("other", &servers).unwrap();
    node.topics.delete(node.topic.id).unwrap();
    let refused = control.commit(&planned, Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("a topic was deleted meanwhile"), "{refused}");
    let directory = node.destination.directory.lock();
    let remembered = &directory.state.cluster_mirrors;
    assert!(remembered.mirrors().keys().eq([&dr()]), "nothing changed: {remembered:?}");
}

#[tokio::test]
async fn partitions_that_clients_add_to_a_stopped_topic_are_stopped_too() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    node.topics.grow(node.topic.id, 2).unwrap();
    let grown = node.destination.catalog.topic(&orders()).unwrap();
    let added = &grown.partitions[1];
    assert!(added.held_log().is_none(), "nothing is written to it before it was stopped");
    let news = BoundTopicNews::Grown { name: orders(), id: node.topic.id, partition_count: 2 };
    control.on_topic_changed(news);
    control.after_input().await.unwrap();
    let stopped = MirrorPartitionState::Stopped;
    let is_stopped = |control: &MirrorLoop<'_>| control.lifecycle.state(added.id) == stopped;
    let is_written = |control: &MirrorLoop<'_>| !is_stopped(control) && added.log().is_some();
    control.until(|control| is_stopped(control) || is_written(control)).await;
    assert!(is_stopped(&control), "clients write to a log that is not sealed yet");
    control.until(|_| node.destination.catalog.topic(&orders()).unwrap().is_writable()).await;
}

#[tokio::test]
async fn a_topic_is_not_bound_while_one_of_its_id_is_being_deleted() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    node.topics.delete(node.topic.id).unwrap();
    control.follow_deletions();
    let id = node.topic.id;
    let going = DeletedTopic { name: orders(), partition_count: 1 };
    node.destination.directory.lock().state.deleted_topics.insert(id, going);
    let bound = [(orders(), id)].into();
    let mirror = control.metadata.mirrors()[&dr()].clone();
    let change = control.metadata.plan_adoption(&dr(), &mirror, &bound).unwrap();
    let refused = control.commit(&change, Vec::new()).unwrap_err();
    assert!(refused.to_string().contains("still being deleted"), "{refused}");
    node.destination.directory.lock().state.deleted_topics.clear();
    control.commit(&change, Vec::new()).unwrap();
}

#[tokio::test]
async fn a_directory_of_a_node_is_not_mirrored_into_from_another_cluster() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = MirrorLoop::new(&node.destination, config(), None, &mut observe);
    {
        let mut directory = node.destination.directory.lock();
        let remembered = &mut directory.state.cluster_mirrors;
        let known = remembered.plan_source_cluster_id(&dr(), "berlin").unwrap();
        remembered.apply(&known).unwrap();
        control.metadata = remembered.clone();
    }
    let refused = control.bind_source(&dr(), Some("elsewhere")).unwrap_err();
    assert!(refused.to_string().contains("mirrors cluster berlin"), "{refused}");
    assert!(control.bind_source(&dr(), Some("berlin")).unwrap());
}
