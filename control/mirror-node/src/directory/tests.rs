use std::fs;

use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;

use super::{DataDirectory, DirectoryCheckpoints, DirectoryError, is_file_at};
use crate::test_directory::TestDirectory;

#[test]
fn a_directory_keeps_its_identity_and_its_source() {
    let scratch = TestDirectory::new();
    let mut directory = DataDirectory::open_or_create(&scratch.0).unwrap();
    directory.bind_source(Some("one")).unwrap();
    let meta = directory.meta.clone();
    drop(directory);
    let mut directory = DataDirectory::open_or_create(&scratch.0).unwrap();
    assert_eq!(directory.meta, meta);
    directory.bind_source(Some("one")).unwrap();
    directory.bind_source(None).unwrap();
    let error = directory.bind_source(Some("two")).unwrap_err().to_string();
    assert!(error.contains("mirrors cluster one") && error.contains("cluster two"), "{error}");
}

#[test]
fn a_start_that_comes_to_nothing_takes_back_what_it_made() {
    let scratch = TestDirectory::new();
    DataDirectory::open_or_create(&scratch.0.join("new/below")).unwrap().abandon();
    assert!(!scratch.0.exists());

    fs::create_dir(&scratch.0).unwrap();
    DataDirectory::open_or_create(&scratch.0).unwrap().abandon();
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);

    // Made by an earlier start: not for this one to take away.
    let meta = DataDirectory::open_or_create(&scratch.0).unwrap().meta.clone();
    DataDirectory::open_or_create(&scratch.0).unwrap().abandon();
    assert_eq!(DataDirectory::open(&scratch.0).unwrap().meta, meta);
}

#[test]
fn a_lock_whose_file_was_taken_away_holds_nothing() {
    let scratch = TestDirectory::new();
    fs::create_dir(&scratch.0).unwrap();
    let path = scratch.0.join(".lock");
    let waited_for = fs::File::create(&path).unwrap();
    assert!(is_file_at(&waited_for, &path));
    fs::remove_file(&path).unwrap();
    assert!(!is_file_at(&waited_for, &path));
    let next = fs::File::create(&path).unwrap();
    assert!(is_file_at(&next, &path) && !is_file_at(&waited_for, &path));
}

#[test]
fn a_directory_in_use_is_refused() {
    let scratch = TestDirectory::new();
    let holder = DataDirectory::open_or_create(&scratch.0).unwrap();
    for outcome in [DataDirectory::open_or_create(&scratch.0), DataDirectory::open(&scratch.0)] {
        assert!(matches!(outcome.unwrap_err(), DirectoryError::Locked { .. }));
    }
    drop(holder);
    assert!(DataDirectory::open(&scratch.0).is_ok());
}

#[test]
fn somebody_elses_directory_is_refused() {
    let scratch = TestDirectory::new();
    fs::create_dir_all(scratch.0.join("photos")).unwrap();
    let error = DataDirectory::open_or_create(&scratch.0).unwrap_err();
    assert!(
        matches!(&error, DirectoryError::Foreign { found, .. } if found == "photos"),
        "{error}"
    );
    let error = DataDirectory::open(&scratch.0).unwrap_err();
    assert!(matches!(error, DirectoryError::NotOurs { .. }));
    let left: Vec<_> =
        fs::read_dir(&scratch.0).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["photos"], "a refusal leaves nothing behind");
}

#[test]
fn a_newer_format_is_refused() {
    let scratch = TestDirectory::new();
    drop(DataDirectory::open_or_create(&scratch.0).unwrap());
    fs::write(scratch.0.join("ringmirror.json"), "{\"format_version\": 9}").unwrap();
    let error = DataDirectory::open_or_create(&scratch.0).unwrap_err().to_string();
    assert!(error.contains("format version 9"), "{error}");
}

#[test]
fn a_directory_a_broker_worked_in_is_not_mirrored_into() {
    let scratch = TestDirectory::new();
    drop(DataDirectory::open_or_create(&scratch.0).unwrap());
    fs::create_dir(scratch.0.join("__cluster_metadata-0")).unwrap();
    let error = DataDirectory::open_or_create(&scratch.0).unwrap_err();
    assert!(matches!(error, DirectoryError::HandedOver { .. }));
    assert!(DataDirectory::open(&scratch.0).is_ok());
}

#[test]
fn a_stale_bootstrap_checkpoint_does_not_survive_further_mirroring() {
    let scratch = TestDirectory::new();
    drop(DataDirectory::open_or_create(&scratch.0).unwrap());
    fs::write(scratch.0.join("bootstrap.checkpoint"), "stale").unwrap();
    drop(DataDirectory::open_or_create(&scratch.0).unwrap());
    assert!(!scratch.0.join("bootstrap.checkpoint").exists());
}

#[test]
fn checkpoints_are_read_back_and_damage_is_named() {
    let scratch = TestDirectory::new();
    let directory = DataDirectory::open_or_create(&scratch.0).unwrap();
    assert_eq!(directory.read_checkpoints().unwrap(), DirectoryCheckpoints::default());
    let mut checkpoints = DirectoryCheckpoints::default();
    let partition = TopicPartition::parse_directory("a-0").unwrap();
    checkpoints.recovery_points.insert(partition.clone(), Offset::from_wire(5).unwrap());
    checkpoints.log_starts.insert(partition, Offset::from_wire(2).unwrap());
    directory.write_checkpoints(&checkpoints).unwrap();
    assert_eq!(directory.read_checkpoints().unwrap(), checkpoints);
    fs::write(scratch.0.join("recovery-point-offset-checkpoint"), "0\n7\n").unwrap();
    let error = directory.read_checkpoints().unwrap_err().to_string();
    assert!(error.contains("recovery-point-offset-checkpoint"), "{error}");
}

#[test]
fn the_clean_marker_is_taken_once() {
    let scratch = TestDirectory::new();
    let directory = DataDirectory::open_or_create(&scratch.0).unwrap();
    assert!(!directory.take_clean_marker().unwrap());
    directory.write_clean_marker().unwrap();
    assert!(directory.take_clean_marker().unwrap());
    assert!(!directory.take_clean_marker().unwrap());
}

#[test]
fn partitions_are_told_from_other_directories() {
    let scratch = TestDirectory::new();
    let directory = DataDirectory::open_or_create(&scratch.0).unwrap();
    for name in ["b-1", "a-0", "stray"] {
        fs::create_dir(scratch.0.join(name)).unwrap();
    }
    let (partitions, others) = directory.list_partitions().unwrap();
    let names: Vec<String> = partitions.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["a-0", "b-1"]);
    assert_eq!(others, ["stray"]);
}

#[test]
fn a_state_with_mirrors_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let scratch = TestDirectory::new();
    let mut directory = DataDirectory::open_or_create(&scratch.0).unwrap();
    let path = scratch.0.join("ringmirror.json");
    let mode = || fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_ne!(mode(), 0o600, "nothing in it is secret");
    let topic_id = kafka_wire::partition::TopicId::from_wire([9; 16]).unwrap();
    let topic = crate::directory_state::MirrorTopic {
        topic_id,
        source_has_topic_ids: true,
        partition_count: 1,
        configs: Default::default(),
        leader_epochs: Vec::new(),
    };
    let name = kafka_wire::partition::TopicName::parse("orders").unwrap();
    directory.state.topics.insert(name, topic);
    assert!(directory.state.adopt(None).unwrap());
    // What a crash left of the file is readable by others.
    fs::write(scratch.0.join("ringmirror.json.tmp"), "{").unwrap();
    directory.write_state().unwrap();
    assert_eq!(mode(), 0o600);
    drop(directory);
    let state = DataDirectory::open(&scratch.0).unwrap().state.clone();
    assert_eq!(state.cluster_mirrors.topics().len(), 1);
}

#[test]
fn a_damaged_file_of_ours_is_named_with_what_to_do() {
    let scratch = TestDirectory::new();
    drop(DataDirectory::open_or_create(&scratch.0).unwrap());
    let told = |text: &str| {
        fs::write(scratch.0.join("ringmirror.json"), text).unwrap();
        DataDirectory::open_or_create(&scratch.0).unwrap_err().to_string()
    };
    for damaged in ["", "{\"format_version\": 1, ", "[]"] {
        let error = told(damaged);
        assert!(error.contains("ringmirror.json: malformed"), "{error}");
        assert!(error.contains("put back a copy"), "{error}");
    }
    let newer = told("{\"format_version\": 99}");
    assert!(newer.contains("use the newer one") && !newer.contains("copy"), "{newer}");
}
