use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use super::loop_rig::Stopped;
use crate::mirror_news::MirrorEnd;

#[tokio::test]
async fn a_run_that_ends_hears_out_the_work_on_logs_and_releases_them() {
    let node = Stopped::new();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|control| control.work.is_running()).await;
    let end = control.finish(Ok(MirrorEnd::Stopped)).await;
    assert!(end.logs_closed);
    assert!(node.topic.is_writable(), "what had begun was done");
    assert_eq!(node.released().await, Ok(()));
}

#[tokio::test]
async fn a_log_that_is_still_worked_on_at_the_deadline_is_neither_released_nor_closed() {
    let mut node = Stopped::new();
    node.destination.close_limit = Duration::from_millis(20);
    let partition = Arc::clone(&node.topic.partitions[0]);
    let ((held, is_held), (let_go, is_let_go)) = (channel(), channel::<()>());
    // A disk that does not answer.
    let holder = tokio::task::spawn_blocking(move || {
        let _alone = partition.lock_upkeep();
        held.send(()).unwrap();
        is_let_go.recv().unwrap_err();
    });
    is_held.recv().unwrap();
    let mut observe = |_| {};
    let mut control = node.begun(&mut observe).await;
    control.until(|control| control.work.is_running()).await;
    let end = control.finish(Ok(MirrorEnd::Stopped)).await;
    assert!(!end.logs_closed);
    node.released().await.unwrap_err();
    drop(let_go);
    holder.await.unwrap();
    // The work that was given up goes on in the directory of this test.
    while !node.topic.is_writable() {
        std::thread::yield_now();
    }
}
