use kafka_log::log_config::LogConfig;
use kafka_log::recovery::{LoadRequest, LogCut};
use kafka_wire::partition::TopicId;

use super::*;
use crate::recent_records::RecentRecords;

#[test]
fn direct_buffered_and_mixed_writes_are_read_back() {
    on_a_ring(async |bench| {
        let whole = Range { start: 0, end: MIB };
        let block = Range { start: 4096, end: 8192 };
        let large = Range { start: 1, end: 1 + INLINE_WRITE_BYTES_MAX + 5 };
        let small = Range { start: 3, end: 100 };
        bench.write(1, 0, whole, WriteMode::Direct);
        bench.write(2, u64::from(MIB), block, WriteMode::Direct);
        for _ in 0..2 {
            assert!(bench.written().await.1.is_ok());
        }
        bench.write(3, u64::from(MIB) + 4096, large, WriteMode::Buffered);
        assert_eq!(bench.written().await.0, 3);
        let end = u64::from(MIB) + 4096 + u64::from(large.end - large.start);
        bench.write(4, end, small, WriteMode::Buffered);
        assert_eq!(bench.written().await.0, 4);
        let parts = [(1, whole), (2, block), (3, large), (4, small)];
        let log: Vec<u8> =
            parts.into_iter().flat_map(|(seed, range)| expected(seed, range)).collect();
        assert!(bench.log() == log, "the file differs from what was written");
    });
}

#[test]
fn a_small_write_completes_without_the_ring_and_a_large_one_on_it() {
    on_a_ring(async |bench| {
        bench.write(1, 0, Range { start: 0, end: 10 }, WriteMode::Buffered);
        assert_eq!(bench.executor.in_flight(), 0);
        assert_eq!(bench.written().await.0, 1);
        bench.write(2, 10, Range { start: 0, end: MIB }, WriteMode::Buffered);
        assert_eq!(bench.executor.in_flight(), 1);
        assert_eq!(bench.written().await.0, 2);
    });
}

#[test]
fn bulk_through_the_page_cache_is_written_where_its_pages_cannot_be_dropped() {
    on_a_ring(async |bench| {
        let own = bench.directory.clone();
        let memory = PathBuf::from(format!("/dev/shm/mirror-uring-test-{}", std::process::id()));
        std::fs::create_dir(&memory).unwrap();
        for directory in [own, memory.clone()] {
            bench.directory.clone_from(&directory);
            bench.executor.files.bind(SLOT, directory);
            let whole = Range { start: 0, end: MIB };
            for (chunk, position) in [(1, 0), (2, u64::from(MIB))] {
                bench.write(chunk, position, whole, WriteMode::Buffered);
                assert!(bench.written().await.1.is_ok());
            }
            let log = [expected(1, whole), expected(2, whole)].concat();
            assert!(bench.log() == log, "the file differs from what was written");
        }
        std::fs::remove_dir_all(memory).unwrap();
    });
}

#[test]
fn after_a_short_write_the_rest_goes_to_the_place_behind() {
    let file = Rc::new(File::open("/dev/null").unwrap());
    let transfer = |page_cache| Transfer {
        file: Rc::clone(&file),
        position: 8192,
        range: Range { start: 4096, end: 16384 },
        page_cache,
        finishes: None,
    };
    let mut buffered = transfer(PageCache::Kept);
    assert!(!buffered.advance(Ok(5000)).unwrap());
    assert_eq!((buffered.position, buffered.range.start), (13192, 9096));
    assert!(buffered.advance(Ok(7288)).unwrap());
    let mut direct = transfer(PageCache::Bypassed);
    assert!(!direct.advance(Ok(5000)).unwrap());
    assert_eq!((direct.position, direct.range.start), (12288, 8192), "aligned again");
    assert_eq!(direct.advance(Ok(100)).unwrap_err().kind(), io::ErrorKind::WriteZero);
}

#[test]
fn a_sync_covers_the_bytes_and_the_new_name() {
    on_a_ring(async |bench| {
        bench.write(1, 0, Range { start: 0, end: 4096 }, WriteMode::Direct);
        bench.written().await.1.unwrap();
        assert!(bench.executor.files.unsynced_directory(SLOT).unwrap().is_some());
        bench.submit(Op::Sync { slot: SLOT, segment: Offset::ZERO });
        let end = bench.next().await;
        assert!(matches!(end, Completion::Synced { result: Ok(()), .. }), "{end:?}");
        assert!(bench.executor.files.unsynced_directory(SLOT).unwrap().is_none());
    });
}

#[test]
fn reserving_space_extends_the_file() {
    on_a_ring(async |bench| {
        let (position, bytes) = (0, u64::from(4 * MIB));
        bench.submit(Op::Allocate { slot: SLOT, segment: Offset::ZERO, position, bytes });
        let end = bench.next().await;
        assert!(matches!(end, Completion::Allocated { result: Ok(()), .. }), "{end:?}");
        assert_eq!(bench.log().len(), 4 << 20);
    });
}

#[test]
fn index_entries_go_to_the_file_of_their_kind() {
    on_a_ring(async |bench| {
        let (slot, segment, kind) = (SLOT, Offset::ZERO, IndexKind::Time);
        for (position, end) in [(0, 24), (24, INLINE_WRITE_BYTES_MAX + 4)] {
            let buffer = bench.filled(9);
            bench.submit(Op::WriteIndex { slot, segment, kind, position, buffer, end });
            let Completion::IndexWritten { buffer, result, .. } = bench.next().await else {
                panic!("not the end of an index write");
            };
            result.unwrap();
            bench.record.push(buffer);
        }
        let index = std::fs::read(bench.directory.join("00000000000000000000.timeindex"));
        let parts =
            [Range { start: 0, end: 24 }, Range { start: 0, end: INLINE_WRITE_BYTES_MAX + 4 }];
        let expected: Vec<u8> = parts.into_iter().flat_map(|range| expected(9, range)).collect();
        assert!(index.unwrap() == expected);
    });
}

#[test]
fn a_write_without_a_directory_fails_and_gives_the_buffer_back() {
    on_a_ring(async |bench| {
        std::fs::remove_dir(&bench.directory).unwrap();
        bench.write(1, 0, Range { start: 0, end: 4096 }, WriteMode::Direct);
        let error = bench.written().await.1.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    });
}

#[test]
fn more_operations_than_places_all_complete() {
    on_a_ring(async |bench| {
        bench.write(1, 0, Range { start: 0, end: 10 }, WriteMode::Buffered);
        bench.written().await.1.unwrap();
        let count = 2 * crate::op_table::OPS_IN_FLIGHT_MAX;
        let sync = || Op::Sync { slot: SLOT, segment: Offset::ZERO };
        let mut ops: Vec<Op> = (0..count).map(|_| sync()).collect();
        bench.executor.submit(&mut ops);
        for _ in 0..count {
            let end = bench.next().await;
            assert!(matches!(end, Completion::Synced { result: Ok(()), .. }), "{end:?}");
        }
    });
}

#[test]
fn a_file_task_drops_the_open_files_and_runs_in_the_slots_directory() {
    on_a_ring(async |bench| {
        bench.write(1, 0, Range { start: 0, end: 10 }, WriteMode::Buffered);
        bench.written().await.1.unwrap();
        bench.submit(Op::File { slot: SLOT, task: FileTask::WriteEpochs(b"0\n0\n".to_vec()) });
        let end = bench.next().await;
        let expected = FileOutcome::EpochsWritten;
        assert!(
            matches!(&end, Completion::File { result: Ok(done), .. }
            if std::mem::discriminant(done) == std::mem::discriminant(&expected)),
            "{end:?}"
        );
        let path = bench.directory.join("leader-epoch-checkpoint");
        assert_eq!(std::fs::read(path).unwrap(), b"0\n0\n");
        bench.submit(Op::File { slot: SLOT, task: FileTask::Remove });
        assert!(matches!(bench.next().await, Completion::File { result: Ok(_), .. }));
        assert!(!bench.directory.exists());
        bench.submit(Op::File { slot: SLOT, task: FileTask::WriteEpochs(vec![]) });
        assert!(matches!(bench.next().await, Completion::File { result: Err(_), .. }));
    });
}

#[test]
fn a_load_creates_the_directory_and_binds_the_slot_to_it() {
    on_a_ring(async |bench| {
        let slot = PartitionSlot(7);
        bench.submit(Op::File { slot, task: load("orders-eu-12") });
        let end = bench.next().await;
        assert!(matches!(end, Completion::File { result: Ok(FileOutcome::Loaded(_)), .. }));
        let directory = bench.directory.with_file_name("orders-eu-12");
        assert!(directory.join("partition.metadata").exists());
        let buffer = bench.filled(1);
        let (segment, mode) = (Offset::ZERO, WriteMode::Buffered);
        let (chunk, position, start, end) = (1, 0, 0, 100);
        let finishes_from = None;
        bench.submit(Op::Write {
            slot,
            segment,
            chunk,
            position,
            buffer,
            start,
            end,
            mode,
            finishes_from,
        });
        let Completion::Written { buffer, result, .. } = bench.next().await else {
            panic!("not the end of a write");
        };
        bench.record.push(buffer);
        result.unwrap();
        assert_eq!(directory.join("00000000000000000000.log").metadata().unwrap().len(), 100);
    });
}

#[test]
fn a_write_that_finds_the_disk_full_deletes_the_retired_files() {
    on_a_ring(async |bench| {
        let retired = bench.directory.join("ringmirror-recycled-0");
        std::fs::write(&retired, b"old").unwrap();
        bench.submit(Op::File { slot: SLOT, task: load("orders-0") });
        assert!(matches!(bench.next().await, Completion::File { result: Ok(_), .. }));
        let log = bench.directory.join("00000000000000000000.log");
        std::fs::remove_file(&log).unwrap();
        std::os::unix::fs::symlink("/dev/full", &log).unwrap();
        bench.write(1, 0, Range { start: 0, end: 10 }, WriteMode::Buffered);
        assert_eq!(bench.written().await.1.unwrap_err().kind(), io::ErrorKind::StorageFull);
        let is_gone = async {
            while retired.exists() {
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
            }
        };
        let limit = std::time::Duration::from_secs(10);
        tokio::time::timeout(limit, is_gone).await.expect("the retired file is deleted");
    });
}

fn load(directory: &str) -> FileTask {
    let partition = TopicPartition::parse_directory(directory).unwrap();
    let request = LoadRequest {
        topic_id: TopicId::from_wire([3; 16]).unwrap(),
        config: LogConfig::default(),
        recovery_point: None,
        log_start: None,
        clean: false,
        cut: LogCut::Keep,
    };
    FileTask::Load { partition, request }
}

#[test]
fn readers_find_a_large_write_in_memory_until_the_files_may_change() {
    on_a_ring(async |bench| {
        let recent = RecentRecords::new(vec![Arc::clone(&bench.executor.recent)]);
        bench.write(1, 0, Range { start: 0, end: 4096 }, WriteMode::Direct);
        bench.written().await.1.unwrap();
        let path = bench.directory.join("00000000000000000000.log");
        let log = File::open(path).unwrap();
        assert!(recent.find(&log, 0, MIB).unwrap().is_none(), "too small");
        let range = Range { start: 0, end: MIB };
        bench.write(2, 4096, range, WriteMode::Direct);
        bench.written().await.1.unwrap();
        let found = recent.find(&log, 4096 + 10, MIB).unwrap().unwrap();
        assert_eq!(&found[..], &bench.log()[4096 + 10..]);
        drop(found);
        bench.write(3, 8192 + u64::from(MIB), Range { start: 0, end: 4096 }, WriteMode::Direct);
        bench.written().await.1.unwrap();
        assert!(recent.find(&log, 8192 + u64::from(MIB), 8).unwrap().is_none(), "too small");
        bench.submit(Op::File { slot: SLOT, task: FileTask::RetireSegments(vec![]) });
        assert!(matches!(bench.next().await, Completion::File { result: Ok(_), .. }));
        assert!(recent.find(&log, 4096, 8).unwrap().is_none(), "forgotten");
    });
}
