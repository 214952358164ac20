//! A disk that refuses what clients are to be told.

use std::cell::Cell;
use std::fs;

use kafka_wire::epoch::LeaderEpoch;

use super::loop_rig::Stopped;
use crate::mirror_news::MirrorNews;

#[tokio::test]
async fn a_disk_that_refuses_an_epoch_is_left_alone_for_a_while_and_asked_again() {
    let node = Stopped::new();
    let refusals = Cell::new(0);
    let mut observe = |news| {
        if matches!(news, MirrorNews::DiskFault { .. }) {
            refusals.set(refusals.get() + 1);
        }
    };
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let id = node.topic.partitions[0].id;
    let blocked = node.destination.directory.root().join("ringmirror.json.tmp");
    fs::create_dir(&blocked).unwrap();
    let raised = LeaderEpoch::from_wire(500).unwrap();
    control.note_leader_epoch(id, raised);
    for _ in 0..5 {
        control.after_input().await.unwrap();
    }
    assert_eq!(refusals.get(), 1);
    assert!(!control.epochs_to_announce.is_empty(), "nobody was told");
    fs::remove_dir(&blocked).unwrap();
    control.state_not_before = None;
    control.after_input().await.unwrap();
    assert!(control.epochs_to_announce.is_empty());
    let name = &node.topic.partitions[0].name;
    assert_eq!(node.destination.directory.lock().state.leader_epoch(name), raised);
}
