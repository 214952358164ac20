use kafka_wire::offset::LogStartOffset;
use proptest::prelude::*;

use super::*;
use crate::closing::retire_segments;
use crate::memory_files::{MemoryFiles, UnsyncedChange};
use crate::partition_files::{FileKind, FileName};
use crate::test_history::{
    CONFIG, TestLog, batches, offset, request, settled, steps, topic_id, validated,
};

mod damage;

fn contents(files: &MemoryFiles, name: FileName) -> Vec<u8> {
    files.contents(name).unwrap_or_default().to_vec()
}

/// Contents of all logs and indexes; a missing file counts as empty.
fn segment_files(log: &PartitionLog, files: &MemoryFiles) -> Vec<Vec<u8>> {
    let names = log.segment_bases().flat_map(|base| {
        [
            FileName::log(base),
            FileName::offset_index(base),
            FileName::time_index(base),
            FileName::transaction_index(base),
        ]
    });
    names.map(|name| contents(files, name)).collect()
}

/// The states after 0, 1, 2, ... batches.
fn states(batches: &[Vec<u8>]) -> Vec<PartitionLog> {
    let mut test = TestLog::new();
    let mut states = vec![test.settled()];
    for batch in batches {
        test.append(batch);
        states.push(test.settled());
    }
    states
}

/// The loaded state is that after some batches; a segment begun and emptied again may stay.
fn assert_state(loaded: &PartitionLog, expected: &PartitionLog) {
    if loaded.active.bytes > 0 || loaded.is_empty() {
        assert_eq!(&settled(loaded), expected);
        return;
    }
    assert_eq!(loaded.accepted_end(), expected.accepted_end());
    assert_eq!(loaded.epochs(), expected.epochs());
    assert_eq!(loaded.last_stable_offset(), expected.last_stable_offset());
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_log_read_back_equals_the_log_that_was_appended_to(
        steps in steps(60, true),
        point in 0_usize..10,
    ) {
        let mut test = TestLog::with(&batches(&steps));
        let mut files = test.files.clone();
        let bases: Vec<Offset> = test.log.segment_bases().collect();
        let recovery_point = bases.get(point).copied();
        let loaded = load(&mut files, &LoadRequest { recovery_point, ..request() }).unwrap();
        test.write_indexes();
        let expected = test.settled();
        prop_assert_eq!(&settled(&loaded.log), &expected);
        let on_disk = segment_files(&expected, &test.files);
        prop_assert_eq!(segment_files(&loaded.log, &files), on_disk);
        prop_assert_eq!(loaded.findings, vec![]);
    }

    #[test]
    fn a_log_read_back_knows_the_largest_producer_id_remembered(
        steps in steps(60, true),
        point in 0_usize..10,
    ) {
        let mut test = TestLog::with(&batches(&steps));
        let recovery_point = test.log.segment_bases().nth(point);
        let loaded =
            load(&mut test.files, &LoadRequest { recovery_point, ..request() }).unwrap().log;
        let remembered = test.log.producers().iter().map(|(id, _)| id).max();
        prop_assert!(loaded.producer_id_max() >= remembered);
        prop_assert!(loaded.producer_id_max() <= test.log.producer_id_max());
        if recovery_point.is_none() {
            prop_assert_eq!(loaded.producer_id_max(), test.log.producer_id_max());
        }
    }

    #[test]
    fn a_load_tells_every_batch_behind_the_snapshot_it_began_at(
        steps in steps(60, true),
        point in 0_usize..10,
    ) {
        let batches = batches(&steps);
        let mut test = TestLog::with(&batches);
        let recovery_point = test.log.segment_bases().nth(point);
        let mut told = Vec::new();
        let mut on_batch = |before: &ProducerStates, header: &BatchHeader| {
            let known = header.producer_id.and_then(|id| before.get(id)?.last_batch);
            told.push((known.map(|last| last.last_offset), *header));
        };
        let asked = LoadRequest { recovery_point, ..request() };
        load_telling(&mut test.files, &asked, &mut on_batch).unwrap();
        // Whole segments: those below the recovery point have their snapshots.
        let read_from = recovery_point.unwrap_or_default();
        let headers: Vec<_> = batches.iter().map(|batch| validated(batch).header).collect();
        let expected: Vec<_> =
            headers.iter().filter(|header| header.base_offset >= read_from).copied().collect();
        prop_assert_eq!(told.iter().map(|(_, header)| *header).collect::<Vec<_>>(), expected);
        for (known, header) in told {
            prop_assert!(known.is_none_or(|last| last < header.base_offset));
        }
    }

    #[test]
    fn without_checkpoints_and_snapshots_the_batches_say_it_all(steps in steps(60, false)) {
        let mut test = TestLog::with(&batches(&steps));
        let mut files = test.files.clone();
        for name in test.files.names() {
            if !matches!(name.kind, FileKind::Log | FileKind::PartitionMetadata) {
                files.remove(name).unwrap();
            }
        }
        let loaded = load(&mut files, &request()).unwrap();
        test.write_indexes();
        prop_assert_eq!(settled(&loaded.log), test.settled());
        prop_assert_eq!(
            segment_files(&loaded.log, &files),
            segment_files(&test.log, &test.files)
        );
    }

    #[test]
    fn a_log_closed_cleanly_opens_as_it_was(steps in steps(60, true)) {
        let mut test = TestLog::with(&batches(&steps));
        test.close();
        let before: Vec<_> =
            test.files.names().map(|name| (name, contents(&test.files, name))).collect();
        let mut files = test.files.clone();
        files.crash(|_, _| 0);
        let loaded = load(&mut files, &LoadRequest { clean: true, ..request() }).unwrap();
        prop_assert_eq!(loaded.findings, vec![]);
        let after: Vec<_> = files.names().map(|name| (name, contents(&files, name))).collect();
        prop_assert_eq!(before, after);
        // Closing appends the time index's last entry; all else is as it was.
        let mut expected = test.settled();
        expected.active.time_index = loaded.log.active.time_index.clone();
        expected.active.last_time_entry_ms = expected.active.max_timestamp_ms();
        prop_assert_eq!(settled(&loaded.log), expected);
        // Whoever closed it and has it in memory can go on as well.
        let mut kept = test.log.clone();
        kept.note_closed();
        prop_assert_eq!(settled(&kept), settled(&loaded.log));
    }

    #[test]
    fn a_cut_at_any_offset_leaves_the_whole_batches_below_it(
        steps in steps(30, false),
        clean in any::<bool>(),
    ) {
        let batches = batches(&steps);
        let states = states(&batches);
        let mut test = TestLog::with(&batches);
        if clean {
            test.close();
        }
        for cut in 0..test.log.accepted_end().offset().get() + 2 {
            let cut = offset(cut);
            let mut files = test.files.clone();
            let asked = LoadRequest { cut: LogCut::TruncateTo(cut), clean, ..request() };
            let loaded = load(&mut files, &asked).unwrap();
            let kept = states.iter().rfind(|state| state.accepted_end().offset() <= cut).unwrap();
            prop_assert_eq!(&loaded.findings, &vec![]);
            prop_assert_eq!(loaded.log.accepted_end(), kept.accepted_end());
            if !clean || kept.accepted_end() < test.log.accepted_end() {
                assert_state(&loaded.log, kept);
            }
            files.crash(|_, _| 0);
            let again = load(&mut files, &request()).unwrap();
            prop_assert_eq!(again.log.accepted_end(), kept.accepted_end());
        }
    }

    #[test]
    fn a_file_cut_at_any_byte_ends_at_the_last_whole_batch(steps in steps(12, false)) {
        let batches = batches(&steps);
        let states = states(&batches);
        let test = TestLog::with(&batches);
        let active = test.log.active_segment();
        for bytes in 0..u64::from(test.log.active_bytes()) {
            let mut files = test.files.clone();
            files.truncate(FileName::log(active), bytes).unwrap();
            let asked = LoadRequest { recovery_point: Some(active), ..request() };
            let loaded = load(&mut files, &asked).unwrap();
            let kept = states.iter().rfind(|state| {
                state.active_segment() != active || u64::from(state.active_bytes()) <= bytes
            });
            let kept = kept.unwrap();
            assert_state(&loaded.log, kept);
            let log = FileName::log(active);
            let torn = &contents(&test.files, log)[..usize::try_from(bytes).unwrap()]
                [usize::try_from(loaded.log.active_bytes()).unwrap()..];
            // Zeros are reserved space and no finding.
            let is_torn = torn.iter().any(|byte| *byte != 0);
            prop_assert_eq!(is_torn, !loaded.findings.is_empty());
        }
    }

    #[test]
    fn no_bytes_on_disk_make_a_load_panic(
        steps in steps(25, true),
        closed in any::<bool>(),
        clean in any::<bool>(),
        cut in prop::option::of(0_i64..60),
        damages in prop::collection::vec((any::<u16>(), any::<u16>(), any::<u8>()), 1..4),
    ) {
        let mut test = TestLog::with(&batches(&steps));
        if closed {
            test.close();
        }
        let mut files = test.files;
        for (which, place, byte) in damages {
            let names: Vec<_> = files
                .names()
                .filter(|name| name.kind != FileKind::PartitionMetadata)
                .collect();
            let Some(name) = names.get(usize::from(which) % names.len().max(1)).copied() else {
                break;
            };
            let bytes = contents(&files, name).len() as u64;
            let position = u64::from(place) % (bytes + 20);
            match byte % 4 {
                0 => files.truncate(name, position).unwrap(),
                1 => files.remove(name).unwrap(),
                _ => files.write_at(name, position, &[byte; 3]).unwrap(),
            }
        }
        let cut = cut.map_or(LogCut::Keep, |cut| LogCut::TruncateTo(offset(cut)));
        let loaded = load(&mut files, &LoadRequest { clean, cut, ..request() }).unwrap();
        // Whatever it was, it is repaired now.
        let again = load(&mut files, &request()).unwrap();
        if !clean {
            prop_assert_eq!(&again.findings, &vec![]);
            prop_assert_eq!(again.log.accepted_end(), loaded.log.accepted_end());
        }
    }

    #[test]
    fn a_crash_leaves_a_beginning_of_the_history(
        steps in steps(50, true),
        seed in any::<u64>(),
        fill in 0_u8..3,
        actions in prop::collection::vec(0_u8..8, 50),
    ) {
        let batches = batches(&steps);
        let mut test = TestLog::new();
        test.preallocated = match fill {
            0 => Vec::new(),
            1 => vec![0; 1500],
            _ => batches[..batches.len().min(3)].concat(),
        };
        if fill == 2 {
            // The older life of the file had the offsets below those of the first segment.
            test.preallocated.truncate(700);
        }
        let mut durable = test.log.accepted_end().offset();
        for (batch, action) in batches.iter().zip(&actions) {
            test.append(batch);
            if fill == 2 && test.log.active_segment() == Offset::ZERO {
                // Nothing is older than the first segment.
                let bytes = test.log.active_bytes().into();
                test.files.truncate(FileName::log(Offset::ZERO), bytes).unwrap();
            }
            match action {
                0 => test.write_indexes(),
                1 => test.close_rolled(),
                2 => {
                    test.close_rolled();
                    test.files.sync(FileName::log(test.log.active_segment())).unwrap();
                    durable = test.log.accepted_end().offset();
                }
                3 => {
                    let middle = offset(test.log.accepted_end().offset().get() / 2);
                    let to = LogStartOffset::new(middle.min(durable));
                    let gone = test.log.advance_log_start(to);
                    test.close_rolled();
                    retire_segments(&mut test.files, &gone).unwrap();
                }
                _ => {}
            }
        }
        let mut random = seed | 1;
        test.files.crash(|_, change| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            match (random >> 8) % 3 {
                0 => 0,
                1 => usize::MAX,
                _ => match change {
                    UnsyncedChange::Write { bytes, .. } => bytes.len() / 2,
                    _ => usize::MAX,
                },
            }
        });
        let asked = LoadRequest {
            recovery_point: Some(durable),
            log_start: Some(test.log.log_start()),
            ..request()
        };
        let loaded = load(&mut test.files, &asked).unwrap();
        let end = loaded.log.accepted_end().offset();
        prop_assert!(end >= durable, "{} was durable, log ends at {}", durable, end);
        test.log = loaded.log;
        let kept: Vec<u8> = batches
            .iter()
            .filter(|batch| {
                let header = validated(batch).header;
                let first = test.log.segment_bases().next().unwrap();
                header.base_offset >= first && header.base_offset < end
            })
            .flatten()
            .copied()
            .collect();
        prop_assert!(test.stored() == kept, "stored bytes are not those of the history");
        test.files.crash(|_, _| 0);
        let again = load(&mut test.files, &asked).unwrap();
        prop_assert_eq!(again.findings, vec![]);
        prop_assert_eq!(settled(&again.log), settled(&test.log));
        test.log = again.log;
        for batch in &batches {
            if validated(batch).header.base_offset >= end {
                test.append(batch);
                test.close_rolled();
            }
        }
        prop_assert_eq!(
            test.log.epochs().latest(),
            validated(batches.last().unwrap()).header.leader_epoch
        );
    }
}
