//! Logs that are sealed with others, and closed on disk later.

use super::*;

#[test]
fn logs_sealed_together_are_as_those_sealed_alone() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[transactional(5, 0), idempotent(6, 0)]);
    let sealed = node.seal_with_others(9);
    assert_eq!((sealed.aborted, sealed.log_end.offset().get()), (1, 4));
    assert!(node.partition.log().is_none(), "clients do not write to it yet");
    assert_eq!(node.state().leader_epoch, epoch(9));
    assert_eq!((node.end(), node.state().last_stable_offset.offset().get()), (4, 4));
    node.open(9);
    assert_eq!(node.produce(&idempotent(6, 0)).unwrap(), 4, "its producer begins anew");
    node.stop();
    let node = Node::start(&root);
    node.open(9);
    assert_eq!(node.produce(&idempotent(6, 0)).unwrap(), 4, "a repetition");
    assert_eq!(node.produce(&idempotent(6, 1)).unwrap(), 5);
}

#[test]
fn logs_sealed_together_are_closed_on_disk_once_nobody_seals() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal_with_others(9);
    let sealed = node.files();
    let name = node.partition.name.clone();
    assert_eq!(node.topics.directory.recovery_point(&name).unwrap().get(), 2, "it is durable");
    node.topics.keep_up(NOW_MS);
    assert_eq!(node.files(), sealed, "the disk is for those that are sealed meanwhile");
    node.topics.keep_up(NOW_MS);
    let closed = node.files();
    assert_ne!(closed, sealed);
    assert!(node.topics.open_if_held(&node.partition, epoch(9)));
    node.stop();

    let node = Node::start(&root);
    assert_eq!(node.files(), closed, "nothing was left to be written");
    node.assert_clean();
}

#[test]
fn logs_sealed_together_are_closed_by_a_stop_that_comes_at_once() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[transactional(5, 0)]);
    node.seal_with_others(9);
    node.stop();
    Node::start(&root).assert_clean();
}

#[test]
fn a_seal_that_rolls_the_segment_leaves_it_to_be_finished() {
    for is_killed in [false, true] {
        let root = TestDirectory::new();
        let node = Node::start(&root);
        let mut old = BatchBuilder::new(Offset::ZERO, None);
        let timestamp_ms = NOW_MS - 30 * 24 * 3600 * 1000;
        old.push(&NewRecord { timestamp_ms, key: None, value: Some(b"value") });
        node.mirror(&[old.finish()]);
        node.seal_with_others(9);
        assert_eq!(node.state().end_place.segment.get(), 1);
        let log = node.partition.held_log().unwrap();
        // A disk that refuses leaves the same to be done.
        let obstacle = node.partition.view.directory().join("leader-epoch-checkpoint.tmp");
        fs::create_dir(&obstacle).unwrap();
        node.topics.close_on_disk(&[Arc::clone(&node.partition)]);
        assert!(log.owes_closing());
        fs::remove_dir(&obstacle).unwrap();
        if is_killed {
            drop(node);
            let node = Node::start(&root);
            node.open(9);
            assert_eq!(node.end(), 2);
            node.stop();
        } else {
            node.stop();
        }
        let node = Node::start(&root);
        node.assert_clean();
        assert!(node.files().keys().any(|path| path.ends_with("00000000000000000001.snapshot")));
    }
}

#[test]
fn logs_sealed_together_are_there_after_a_crash() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[transactional(5, 0), idempotent(6, 0)]);
    node.seal_with_others(9);
    let before = node.state();
    drop(node);
    let node = Node::start(&root);
    node.open(9);
    let after = node.state();
    assert_eq!(
        (after.log_end, after.last_stable_offset, &after.epochs),
        (before.log_end, before.last_stable_offset, &before.epochs)
    );
    let aborted = node.partition.view.directory().join("00000000000000000000.txnindex");
    assert!(fs::metadata(aborted).unwrap().len() > 0, "readers leave out what was aborted");
    assert_eq!(node.produce(&idempotent(6, 0)).unwrap(), 4, "its producer begins anew");
}

#[test]
fn a_sealed_log_that_clients_wrote_to_meanwhile_is_kept_up_as_any_other() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal_with_others(9);
    node.open(9);
    node.produce(&plain()).unwrap();
    let name = node.partition.name.clone();
    node.topics.keep_up(NOW_MS);
    assert_eq!(node.topics.directory.recovery_point(&name).unwrap().get(), 3);
    assert!(node.partition.log().unwrap().is_durable());
    node.produce(&plain()).unwrap();
    node.topics.keep_up(NOW_MS);
    assert_eq!(node.topics.directory.recovery_point(&name).unwrap().get(), 4);
    node.stop();
    Node::start(&root).assert_clean();
}

#[test]
fn a_log_that_cannot_be_closed_on_disk_is_closed_later() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal_with_others(9);
    // Where the new contents are to be written.
    let obstacle = node.partition.view.directory().join("leader-epoch-checkpoint.tmp");
    fs::create_dir(&obstacle).unwrap();
    node.topics.keep_up(NOW_MS);
    node.topics.keep_up(NOW_MS);
    let log = node.partition.held_log().unwrap();
    assert!(log.owes_closing());
    assert!(!log.has_sync_failed(), "nothing is lost");
    fs::remove_dir(&obstacle).unwrap();
    node.topics.keep_up(NOW_MS);
    assert!(!log.owes_closing());
    node.stop();
    Node::start(&root).assert_clean();
}

#[test]
fn a_log_that_was_repaired_gets_no_further_epoch_once_it_was_sealed() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.topics.directory.note_repaired(&node.partition.name);
    node.seal_with_others(9);
    node.open(9);
    assert_eq!(node.state().leader_epoch, epoch(9), "it is above what was told before the repair");
}

#[test]
fn a_log_that_is_open_already_is_sealed_with_the_others_and_stays_open() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    node.seal(9);
    let sealed = node.seal_with_others(9);
    assert_eq!((sealed.aborted, sealed.log_end.offset().get()), (0, 3));
    assert!(node.partition.held_log().is_some());
}

#[test]
fn of_logs_sealed_together_one_that_cannot_be_opened_says_why() {
    let root = TestDirectory::new();
    let node = Node::start(&root);
    node.mirror(&[plain()]);
    let other = TopicId::from_wire([8; 16]).unwrap();
    let metadata = format!("version: 0\ntopic_id: {other}");
    fs::write(node.partition.view.directory().join("partition.metadata"), metadata).unwrap();
    let orders = [(Arc::clone(&node.partition), epoch(9))];
    let refused = node.topics.seal_together(&orders, NOW_MS).remove(0).unwrap_err();
    assert!(refused.contains(&other.to_string()), "{refused}");
    assert!(!node.topics.directory.is_closed(&node.partition.name));
}
