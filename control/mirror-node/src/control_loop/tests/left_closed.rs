//! Logs that clients do not get when they should.

use std::fs;
use std::time::Duration;

use kafka_wire::mirror_api::MirrorRequest;
use kafka_wire::mirror_api::delete_cluster_mirror::DeleteClusterMirrorRequest;
use mirror_coordinator::partition_state::MirrorPartitionState;
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::loop_rig::{Stopped, dr, orders};
use crate::control_loop::MirrorLoop;
use crate::control_loop::loop_event::LogWork;
use crate::mirror_orders::MirrorOrder;

fn delete(control: &mut MirrorLoop<'_>) {
    let request = DeleteClusterMirrorRequest { mirror_name: dr().to_string(), state_offset: -1 };
    let request = MirrorRequest::DeleteClusterMirror(request);
    let (reply, mut replied) = oneshot::channel();
    control.on_order(MirrorOrder::Api { request, reply });
    assert_eq!(replied.try_recv().unwrap().outcome(), (0, None));
}

#[tokio::test]
async fn a_log_that_could_not_be_opened_is_opened_though_its_mirror_was_deleted_meanwhile() {
    let node = Stopped::new();
    // A file where the directory of the log is to be.
    let directory = node.topic.partitions[0].view.directory();
    fs::write(directory, "").unwrap();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    assert_eq!(control.lifecycle.state(node.topic.partitions[0].id), MirrorPartitionState::Stopped);
    delete(&mut control);
    control.after_input().await.unwrap();
    control.until(|control| !control.work.is_running() && !control.persisting.is_writing).await;
    let topic = || node.destination.catalog.topic(&orders()).unwrap();
    assert!(!topic().is_bound() && !topic().is_writable());
    fs::remove_file(directory).unwrap();
    let much_later = Instant::now() + Duration::from_secs(60);
    control.open_left_closed(much_later);
    control.after_input().await.unwrap();
    control.until(|control| !control.work.is_running()).await;
    assert!(topic().is_writable());
}

#[tokio::test]
async fn a_log_that_was_closed_to_be_mirrored_is_opened_when_its_mirror_is_deleted_instead() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|_| node.topic.is_writable()).await;
    let id = node.topic.partitions[0].id;
    control.work_on_log(id, LogWork::CloseForMirroring);
    delete(&mut control);
    control.after_input().await.unwrap();
    control.until(|control| control.work.is_done_with(id)).await;
    assert!(node.destination.catalog.topic(&orders()).unwrap().is_writable());
}
