//! What one damaged or missing file does.

use std::io;

use kafka_wire::partition::TopicId;

use super::*;
use crate::partition_files::PartitionFiles;
use crate::test_history::{Next, Step};

/// Five segments, epochs 1 to 3, an aborted transaction, an open one.
fn log() -> (Vec<Vec<u8>>, TestLog) {
    let data = |producer, transactional| Next::Data {
        producer,
        transactional,
        records: 2,
        gap: 0,
        value_bytes: 100,
    };
    let mut steps = Vec::new();
    for place in 0..15 {
        let next = match place {
            4 => data(1, true),
            6 => Next::Marker { producer: 1, abort: true },
            9 => data(2, true),
            _ => data(-1, false),
        };
        let epoch_bump = i32::from(place == 5 || place == 11);
        steps.push(Step { next, epoch_bump, timestamp_step_ms: 1 });
    }
    let batches = batches(&steps);
    let test = TestLog::with(&batches);
    assert_eq!(test.log.segment_bases().count(), 5);
    (batches, test)
}

fn base(test: &TestLog, place: usize) -> Offset {
    test.log.segment_bases().nth(place).unwrap()
}

/// Has no room for a second file beside an index.
struct FullDisk(MemoryFiles);

impl PartitionFiles for FullDisk {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        self.0.list()
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        self.0.read_at(file, position, into)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(file, position, bytes)
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        self.0.truncate(file, bytes)
    }

    fn sync(&mut self, file: FileName) -> io::Result<()> {
        self.0.sync(file)
    }

    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        if matches!(file.kind, FileKind::OffsetIndex | FileKind::TimeIndex) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.replace(file, contents)
    }

    fn remove(&mut self, file: FileName) -> io::Result<()> {
        self.0.remove(file)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.0.sync_directory()
    }
}

/// What a fault leaves: indexes that miss their last entries, or end in reserved bytes.
#[test]
fn an_index_that_only_ends_wrong_is_mended_without_room_for_another() {
    let (_, mut test) = log();
    test.close_rolled();
    test.write_indexes();
    let active = test.log.active_segment();
    let (index, time) = (FileName::offset_index(active), FileName::time_index(active));
    let mut files = FullDisk(test.files.clone());
    let bytes = contents(&files.0, index).len() as u64;
    assert!(bytes > 8, "two entries at least");
    files.truncate(index, bytes - 8).unwrap();
    let bytes = contents(&files.0, time).len() as u64;
    assert!(bytes > 0);
    files.write_at(time, bytes, &[0; 30]).unwrap();
    let point = Some(active);
    let loaded = load(&mut files, &LoadRequest { recovery_point: point, ..request() }).unwrap();
    assert_eq!(settled(&loaded.log), test.settled());
    files.0.crash(|_, _| 0);
    assert_eq!(segment_files(&loaded.log, &files.0), segment_files(&test.log, &test.files));
}

fn flip(files: &mut MemoryFiles, name: FileName, position: u64) {
    let mut byte = [0];
    files.read_at(name, position, &mut byte).unwrap();
    files.write_at(name, position, &[byte[0] ^ 1]).unwrap();
}

fn clean() -> LoadRequest {
    LoadRequest { clean: true, ..request() }
}

#[test]
fn a_new_directory_gets_its_topic_id_and_an_empty_segment() {
    let mut files = MemoryFiles::default();
    let start = Some(LogStartOffset::new(offset(40)));
    let loaded = load(&mut files, &LoadRequest { log_start: start, ..request() }).unwrap();
    assert_eq!(loaded.log, PartitionLog::empty(CONFIG, offset(40)));
    files.crash(|_, _| 0);
    let names: Vec<String> = files.names().map(|name| name.text()).collect();
    assert_eq!(names, ["00000000000000000040.log", "partition.metadata"]);
    let again = load(&mut files, &request()).unwrap();
    assert_eq!(again.log, loaded.log);
    assert_eq!(again.findings, []);
}

#[test]
fn a_directory_of_another_topic_is_refused_and_left_alone() {
    let (_, test) = log();
    let mut files = test.files.clone();
    let other = TopicId::from_wire([8; 16]).unwrap();
    let asked = LoadRequest { topic_id: other, cut: LogCut::StartAt(Offset::ZERO), ..request() };
    let error = load(&mut files, &asked).unwrap_err();
    let expected = format!("directory belongs to topic id {}, expected {other}", topic_id());
    assert_eq!(error.to_string(), expected);
    assert_eq!(segment_files(&test.log, &files), segment_files(&test.log, &test.files));
}

#[test]
fn records_without_a_readable_topic_id_are_refused() {
    let (_, test) = log();
    let mut missing = test.files.clone();
    missing.remove(FileName::PARTITION_METADATA).unwrap();
    assert!(matches!(load(&mut missing, &request()), Err(LoadError::TopicIdMissing)));
    let mut garbage = test.files.clone();
    garbage.replace(FileName::PARTITION_METADATA, b"garbage").unwrap();
    let error = load(&mut garbage, &request()).unwrap_err();
    assert!(matches!(error, LoadError::TopicIdUnreadable(PartitionMetadataError::Version)));
}

#[test]
fn a_flipped_byte_in_the_middle_drops_all_that_follows() {
    let (_, test) = log();
    let mut files = test.files.clone();
    let damaged = base(&test, 2);
    let bytes = contents(&files, FileName::log(damaged)).len() as u64;
    flip(&mut files, FileName::log(damaged), bytes - 3);
    let loaded = load(&mut files, &request()).unwrap();
    let kept_bytes = u64::from(loaded.log.active_bytes());
    assert_eq!(loaded.log.active_segment(), damaged);
    assert!(kept_bytes > 0 && kept_bytes < bytes);
    let [LoadFinding::CorruptMiddle { segment, dropped_bytes, .. }, dropped] =
        loaded.findings.as_slice()
    else {
        panic!("{:?}", loaded.findings);
    };
    assert_eq!((*segment, *dropped_bytes), (damaged, bytes - kept_bytes));
    assert_eq!(dropped, &LoadFinding::SegmentsDropped { first: base(&test, 3), count: 2 });
    assert!(!files.names().any(|name| name.offset > loaded.log.accepted_end().offset()));
}

#[test]
fn a_clean_directory_is_not_read_so_old_damage_is_not_seen() {
    let (_, mut test) = log();
    test.close();
    let mut files = test.files.clone();
    flip(&mut files, FileName::log(base(&test, 1)), 70);
    let loaded = load(&mut files, &clean()).unwrap();
    assert_eq!(loaded.findings, []);
    assert_eq!(loaded.log.accepted_end(), test.log.accepted_end());
}

#[test]
fn a_damaged_end_of_a_clean_directory_is_cut() {
    let (_, mut test) = log();
    test.close();
    let mut files = test.files.clone();
    let active = test.log.active_segment();
    flip(&mut files, FileName::log(active), u64::from(test.log.active_bytes()) - 1);
    let loaded = load(&mut files, &clean()).unwrap();
    let [LoadFinding::IndexRebuilt { .. }, LoadFinding::TornTail { segment, .. }] =
        loaded.findings.as_slice()
    else {
        panic!("{:?}", loaded.findings);
    };
    assert_eq!(*segment, active);
    assert!(loaded.log.accepted_end() < test.log.accepted_end());
}

#[test]
fn a_missing_or_malformed_index_is_rebuilt_byte_for_byte() {
    let (_, mut test) = log();
    test.close();
    let middle = base(&test, 2);
    let expected = segment_files(&test.log, &test.files);
    let names = [
        FileName::offset_index(middle),
        FileName::time_index(middle),
        FileName::transaction_index(middle),
    ];
    let mut damages: Vec<(MemoryFiles, &str)> = Vec::new();
    for name in names {
        let mut files = test.files.clone();
        let bytes = contents(&files, name).len() as u64;
        assert!(bytes > 0, "{name} is empty");
        files.write_at(name, bytes, &[0]).unwrap();
        damages.push((files, "a byte too many"));
        if name.kind != FileKind::TransactionIndex {
            let mut files = test.files.clone();
            files.remove(name).unwrap();
            damages.push((files, "missing"));
        }
    }
    let mut files = test.files.clone();
    files.write_at(names[0], 0, &[0xff; 8]).unwrap();
    files.truncate(names[0], 8).unwrap();
    damages.push((files, "negative entry"));
    for (mut files, what) in damages {
        let loaded = load(&mut files, &clean()).unwrap();
        let [LoadFinding::IndexRebuilt { segment, .. }] = loaded.findings.as_slice() else {
            panic!("{what}: {:?}", loaded.findings);
        };
        assert_eq!(*segment, middle, "{what}");
        assert_eq!(segment_files(&loaded.log, &files), expected, "{what}");
        assert_eq!(loaded.log.producers(), test.log.producers(), "{what}");
    }
}

#[test]
fn a_malformed_snapshot_is_replaced_by_reading() {
    let (_, mut test) = log();
    test.close();
    let end = test.log.accepted_end();
    let mut files = test.files.clone();
    files.replace(FileName::snapshot(end.offset()), b"garbage").unwrap();
    let loaded = load(&mut files, &clean()).unwrap();
    let [LoadFinding::SnapshotDropped { offset, .. }, rebuilt] = loaded.findings.as_slice() else {
        panic!("{:?}", loaded.findings);
    };
    assert_eq!(*offset, end.offset());
    assert_eq!(rebuilt, &LoadFinding::ProducersRebuilt { log_end: end });
    assert_eq!(loaded.log.producers(), test.log.producers());
    assert_eq!(loaded.log.last_stable_offset(), test.log.last_stable_offset());
    assert!(test.log.last_stable_offset().offset() < end.offset(), "a transaction is open");
}

#[test]
fn a_missing_or_malformed_epoch_checkpoint_is_rebuilt() {
    let (_, mut test) = log();
    test.close();
    for damage in [None, Some(b"0\n9\n1 0\n".as_slice()), Some(b"0\n1\n1 0\n"), Some(b"")] {
        let mut files = test.files.clone();
        match damage {
            None => files.remove(FileName::LEADER_EPOCH_CHECKPOINT).unwrap(),
            Some(text) => files.replace(FileName::LEADER_EPOCH_CHECKPOINT, text).unwrap(),
        }
        let loaded = load(&mut files, &clean()).unwrap();
        assert!(matches!(loaded.findings.as_slice(), [LoadFinding::EpochsRebuilt { .. }]));
        assert_eq!(loaded.log.epochs(), test.log.epochs());
        let checkpoint = contents(&files, FileName::LEADER_EPOCH_CHECKPOINT);
        assert_eq!(checkpoint, test.log.epoch_checkpoint(offset(i64::MAX)));
    }
}

#[test]
fn reserved_space_is_cut_and_is_no_finding() {
    let (batches, test) = log();
    let active = FileName::log(test.log.active_segment());
    for tail in [vec![0; 10_000], batches[0].clone(), batches[..3].concat()] {
        let mut files = test.files.clone();
        files.write_at(active, test.log.active_bytes().into(), &tail).unwrap();
        let loaded = load(&mut files, &request()).unwrap();
        assert_eq!(loaded.findings, []);
        assert_eq!(settled(&loaded.log), test.settled());
        let bytes = contents(&files, active).len();
        assert_eq!(bytes, usize::try_from(test.log.active_bytes()).unwrap());
    }
}

#[test]
fn indexes_without_a_log_are_deleted() {
    let (_, test) = log();
    let mut files = test.files.clone();
    let orphan = FileName::offset_index(offset(9_999));
    files.write_at(orphan, 0, &[0; 8]).unwrap();
    let loaded = load(&mut files, &request()).unwrap();
    assert_eq!(loaded.findings, []);
    assert_eq!(files.contents(orphan), None);
}

#[test]
fn a_hole_between_segments_above_the_recovery_point_is_cut() {
    let (_, test) = log();
    let mut files = test.files.clone();
    let holed = base(&test, 2);
    let log = FileName::log(holed);
    // The first batch survives whole: nothing in the file tells that more was written.
    let first = u64::from(validated(&contents(&files, log)).header.batch_bytes);
    files.truncate(log, first).unwrap();
    files.remove(FileName::snapshot(base(&test, 3))).unwrap();
    let loaded = load(&mut files, &request()).unwrap();
    assert!(matches!(loaded.findings[0], LoadFinding::CorruptMiddle { dropped_bytes: 0, .. }));
    assert_eq!(loaded.log.active_segment(), holed);
    assert_eq!(u64::from(loaded.log.active_bytes()), first);
}

#[test]
fn a_start_above_the_end_leaves_an_empty_log_at_the_start() {
    let (_, test) = log();
    let mut files = test.files.clone();
    let log_start = LogStartOffset::new(offset(1_000));
    let asked = LoadRequest { log_start: Some(log_start), ..request() };
    let loaded = load(&mut files, &asked).unwrap();
    assert_eq!(loaded.log, PartitionLog::empty(CONFIG, offset(1_000)));
    let log_end = test.log.accepted_end();
    assert!(loaded.findings.contains(&LoadFinding::StartAboveEnd { log_start, log_end }));
    let logs = files.names().filter(|name| name.kind == FileKind::Log);
    assert_eq!(logs.collect::<Vec<_>>(), [FileName::log(offset(1_000))]);
}

#[test]
fn segments_below_the_start_are_deleted_on_load() {
    let (_, test) = log();
    let mut files = test.files.clone();
    let log_start = LogStartOffset::new(offset(base(&test, 2).get() + 1));
    let asked = LoadRequest { log_start: Some(log_start), ..request() };
    let loaded = load(&mut files, &asked).unwrap();
    assert_eq!(loaded.findings, []);
    assert_eq!(loaded.log.log_start(), log_start);
    assert_eq!(loaded.log.segment_bases().count(), 3);
    assert_eq!(loaded.log.epochs().entries()[0].start, log_start.offset());
    assert_eq!(loaded.log.producers(), test.log.producers());
}

/// Retention or DeleteRecords took all but the active segment; its batches were lost in a crash.
#[test]
fn an_emptied_log_keeps_the_epoch_at_its_start_through_every_load() {
    let (_, mut test) = log();
    test.close();
    let log_start = LogStartOffset::new(base(&test, 4));
    let gone = test.log.advance_log_start(log_start);
    retire_segments(&mut test.files, &gone).unwrap();
    test.files.truncate(FileName::log(log_start.offset()), 0).unwrap();
    let asked = LoadRequest { log_start: Some(log_start), ..request() };
    for load_number in 1..=3 {
        let loaded = load(&mut test.files, &asked).unwrap();
        assert!(loaded.log.is_empty());
        let entries = loaded.log.epochs().entries();
        assert_eq!(entries.len(), 1, "load {load_number}");
        assert_eq!(entries[0].start, log_start.offset());
        test.files.crash(|_, _| 0);
    }
}

#[test]
fn starting_anew_deletes_everything() {
    let (_, mut test) = log();
    test.close();
    for cut in [LogCut::StartAt(offset(5)), LogCut::TruncateTo(Offset::ZERO)] {
        let start = if cut == LogCut::StartAt(offset(5)) { offset(5) } else { Offset::ZERO };
        let mut files = test.files.clone();
        let loaded = load(&mut files, &LoadRequest { cut, ..clean() }).unwrap();
        assert_eq!(loaded.log, PartitionLog::empty(CONFIG, start));
        files.crash(|_, _| 0);
        let left: Vec<FileName> = files.names().collect();
        assert_eq!(left, [FileName::log(start), FileName::PARTITION_METADATA]);
    }
}

#[test]
fn a_hole_left_by_compaction_stays_when_a_snapshot_vouches_for_it() {
    let next =
        Next::Data { producer: -1, transactional: false, records: 2, gap: 1, value_bytes: 100 };
    let step = Step { next, epoch_bump: 0, timestamp_step_ms: 1 };
    let mut test = TestLog::with(&batches(&vec![step; 24]));
    assert!(test.log.segment_bases().count() > 3);
    test.write_indexes();
    let mut files = test.files.clone();
    let loaded = load(&mut files, &request()).unwrap();
    assert_eq!(loaded.findings, []);
    assert_eq!(settled(&loaded.log), test.settled());
    test.files.remove(FileName::snapshot(base(&test, 2))).unwrap();
    let loaded = load(&mut test.files, &request()).unwrap();
    assert_eq!(loaded.log.segment_bases().count(), 2);
}

/// A truncation lowered the log end below the recovery point on disk; segments written since are
/// not finished, and a crash damaged one of them.
#[test]
fn an_unfinished_segment_is_read_though_the_recovery_point_lies_above_it() {
    let (_, mut test) = log();
    test.write_indexes();
    let damaged = FileName::log(base(&test, 1));
    flip(&mut test.files, damaged, 70);
    test.files.remove(FileName::snapshot(base(&test, 2))).unwrap();
    let asked = LoadRequest { recovery_point: Some(offset(1 << 40)), ..request() };
    let loaded = load(&mut test.files, &asked).unwrap();
    assert_eq!(loaded.log.accepted_end().offset(), base(&test, 1));
    assert!(matches!(loaded.findings[0], LoadFinding::CorruptMiddle { .. }));
}

/// Counts what makes a disk flush.
struct Counted {
    files: MemoryFiles,
    syncs: usize,
}

impl PartitionFiles for Counted {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        self.files.list()
    }

    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        self.files.read_at(file, position, into)
    }

    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        self.files.write_at(file, position, bytes)
    }

    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        self.files.truncate(file, bytes)
    }

    fn sync(&mut self, file: FileName) -> io::Result<()> {
        self.syncs += 1;
        self.files.sync(file)
    }

    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        self.syncs += 1;
        self.files.replace(file, contents)
    }

    fn remove(&mut self, file: FileName) -> io::Result<()> {
        self.files.remove(file)
    }

    fn sync_directory(&mut self) -> io::Result<()> {
        self.syncs += 1;
        self.files.sync_directory()
    }
}

fn load_counting(files: MemoryFiles, clean: bool) -> (LoadedLog, usize) {
    let mut counted = Counted { files, syncs: 0 };
    let loaded = load(&mut counted, &LoadRequest { clean, ..request() }).unwrap();
    (loaded, counted.syncs)
}

#[test]
fn a_log_closed_cleanly_is_opened_without_syncing_anything() {
    let (_, mut test) = log();
    test.close();
    let (loaded, syncs) = load_counting(test.files.clone(), true);
    assert_eq!((loaded.is_as_closed, syncs), (true, 0));
    // Names that a killed process made may not be durable.
    let (loaded, syncs) = load_counting(test.files, false);
    assert_eq!((loaded.is_as_closed, syncs > 0), (false, true));
}

#[test]
fn a_log_is_as_closed_only_if_all_of_it_is_there() {
    let end = {
        let (_, mut test) = log();
        test.close();
        test.log.accepted_end().offset()
    };
    let active = log().1.log.active_segment();
    for name in [FileName::snapshot(end), FileName::offset_index(active)] {
        let (_, mut test) = log();
        test.close();
        test.files.remove(name).unwrap();
        let (loaded, _) = load_counting(test.files, true);
        assert!(!loaded.is_as_closed, "{name}");
    }
    let (loaded, syncs) = load_counting(MemoryFiles::default(), true);
    assert_eq!((loaded.is_as_closed, syncs > 0), (false, true), "a directory without a log");
}

/// Open transactions of two producers, a reset, a producer behind it; `rolls` puts a segment's
/// end between the reset and that producer.
fn log_with_reset(rolls: bool) -> TestLog {
    let data = |producer, transactional, value_bytes| Next::Data {
        producer,
        transactional,
        records: 1,
        gap: 0,
        value_bytes,
    };
    let mut next = vec![data(1, true, 10), data(2, true, 10), data(3, false, 10), Next::Reset];
    if rolls {
        next.push(data(-1, false, 800));
        next.push(data(-1, false, 800));
    }
    next.extend([data(2, false, 10), Next::Marker { producer: 1, abort: true }]);
    let steps: Vec<Step> =
        next.into_iter().map(|next| Step { next, epoch_bump: 0, timestamp_step_ms: 1 }).collect();
    TestLog::with(&batches(&steps))
}

fn known_producers(log: &PartitionLog) -> Vec<i64> {
    log.producers().iter().map(|(id, _)| id.get()).collect()
}

#[test]
fn a_reset_still_holds_when_the_log_is_read_back_after_a_kill() {
    for rolls in [false, true] {
        let test = log_with_reset(rolls);
        let end = test.log.accepted_end();
        assert_eq!(known_producers(&test.log), [1, 2]);
        assert_eq!(test.log.last_stable_offset().offset(), end.offset());
        let points = test.log.segment_bases().map(Some).chain([None]);
        for recovery_point in points {
            let mut files = test.files.clone();
            files.crash(|_, _| usize::MAX);
            let loaded = load(&mut files, &LoadRequest { recovery_point, ..request() }).unwrap();
            assert_eq!(loaded.log.producers(), test.log.producers());
            assert_eq!(loaded.log.last_stable_offset().offset(), end.offset());
            // What was open before the reset was never aborted: no reader may leave it out.
            let aborts = loaded
                .log
                .segment_bases()
                .map(|base| contents(&files, FileName::transaction_index(base)).len());
            assert_eq!(aborts.sum::<usize>(), 0);
        }
    }
}

#[test]
fn a_log_killed_right_behind_a_reset_knows_no_producers() {
    let mut test = log_with_reset(true);
    let reset_ends = offset(4);
    let asked = LoadRequest { cut: LogCut::TruncateTo(reset_ends), ..request() };
    let loaded = load(&mut test.files, &asked).unwrap();
    assert_eq!(loaded.log.accepted_end().offset(), reset_ends);
    assert_eq!(known_producers(&loaded.log), [0; 0]);
    // Cut below it, the log is as if it had never been there.
    let asked = LoadRequest { cut: LogCut::TruncateTo(offset(3)), ..request() };
    let loaded = load(&mut test.files, &asked).unwrap();
    assert_eq!(known_producers(&loaded.log), [1, 2, 3]);
    assert_eq!(loaded.log.last_stable_offset().offset(), Offset::ZERO);
}

#[test]
fn the_snapshot_behind_a_reset_is_trusted_and_has_no_older_producers() {
    let mut test = log_with_reset(true);
    test.close();
    test.files.crash(|_, _| 0);
    let loaded = load(&mut test.files, &LoadRequest { clean: true, ..request() }).unwrap();
    assert_eq!(loaded.findings, vec![]);
    assert_eq!(known_producers(&loaded.log), [1, 2]);
    assert_eq!(loaded.log.producers().open_transactions(), []);
}
