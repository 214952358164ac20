use std::fs;
use std::sync::Arc;

use kafka_wire::offset::{LogStartOffset, Offset};
use kafka_wire::partition::TopicPartition;

use super::SharedDirectory;
use crate::directory::DataDirectory;
use crate::log_ledger::LogCheckpoint;
use crate::test_directory::TestDirectory;

fn shared(at: &TestDirectory) -> Arc<SharedDirectory> {
    SharedDirectory::new(DataDirectory::open_or_create(&at.0).unwrap()).unwrap()
}

fn name(text: &str) -> TopicPartition {
    TopicPartition::parse_directory(text).unwrap()
}

#[test]
fn the_marker_is_written_when_every_log_is_closed_by_whoever_opened_it() {
    let at = TestDirectory::new();
    let directory = shared(&at);
    for partition in ["a-0", "b-0"] {
        fs::create_dir(at.0.join(partition)).unwrap();
    }
    directory.note_closed(&name("a-0"));
    directory.note_open(&name("b-0"));
    assert!(!directory.write_clean_marker().unwrap());
    assert!(!directory.lock().is_clean());
    directory.note_closed(&name("b-0"));
    assert!(directory.write_clean_marker().unwrap());

    drop(directory);
    let directory = shared(&at);
    assert!(directory.take_clean_marker().unwrap());
    assert!(!directory.lock().is_clean());
    assert!(directory.write_clean_marker().unwrap(), "nobody opened anything");
}

#[test]
fn checkpoints_are_written_by_whoever_comes_first_and_only_when_something_changed() {
    let at = TestDirectory::new();
    let directory = shared(&at);
    let end = Offset::from_wire(7).unwrap();
    directory.note(
        &name("a-0"),
        LogCheckpoint {
            recovery_point: end,
            log_start: LogStartOffset::new(Offset::ZERO),
            high_watermark: Some(end),
        },
    );
    directory.write_checkpoints().unwrap();
    assert_eq!(directory.recovery_point(&name("a-0")), Some(end));
    let written = directory.lock().read_checkpoints().unwrap();
    assert_eq!(written.recovery_points[&name("a-0")], end);
    let path = at.0.join("recovery-point-offset-checkpoint");
    fs::remove_file(&path).unwrap();
    directory.write_checkpoints().unwrap();
    assert!(!path.exists(), "nothing has changed");
}
