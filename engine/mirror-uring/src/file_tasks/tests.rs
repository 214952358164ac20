use super::*;
use crate::test_directory::TestDirectory;
use kafka_log::closing::{ClosedLog, ClosedSegment, IndexTail};
use kafka_log::log_config::LogConfig;
use kafka_log::partition_files::FileName;
use kafka_log::recovery::{LoadRequest, LogCut};
use kafka_wire::offset::Offset;
use kafka_wire::partition::{PartitionIndex, TopicId, TopicName, TopicPartition};
use tokio::sync::mpsc;

fn run<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

fn tasks() -> FileTasks {
    FileTasks::new(CpuMask::current().unwrap(), RecycledFiles::new(true))
}

#[test]
fn tasks_of_one_slot_run_in_order_one_at_a_time() {
    let directory = TestDirectory::new();
    run(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut tasks = tasks();
        let slot = PartitionSlot(1);
        for number in 0..20_u8 {
            let task = FileTask::WriteEpochs(vec![number]);
            tasks.start(slot, directory.path().to_owned(), task, &sender);
        }
        for number in 0..20_u8 {
            assert_eq!(tasks.handed_out_count, 1);
            let done = receiver.recv().await.unwrap();
            assert!(matches!(done.result, Ok(FileOutcome::EpochsWritten)));
            let path = directory.path().join("leader-epoch-checkpoint");
            assert_eq!(std::fs::read(path).unwrap(), [number], "before the next may start");
            tasks.task_done(slot, &sender);
        }
        assert!(tasks.queues.is_empty());
        assert_eq!(tasks.handed_out_count, 0);
    });
}

#[test]
fn slots_run_side_by_side_up_to_the_limit() {
    let directory = TestDirectory::new();
    run(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut tasks = tasks();
        for slot in 0..10 {
            let path = directory.path().join(slot.to_string());
            std::fs::create_dir(&path).unwrap();
            tasks.start(PartitionSlot(slot), path, FileTask::WriteEpochs(vec![]), &sender);
        }
        assert!(lock(&tasks.desk).helper_count <= FILE_TASKS_MAX);
        let mut slots = Vec::new();
        while slots.len() < 10 {
            let done = receiver.recv().await.unwrap();
            tasks.task_done(done.slot, &sender);
            slots.push(done.slot.0);
        }
        slots.sort_unstable();
        assert_eq!(slots, Vec::from_iter(0..10));
    });
}

#[test]
fn a_removed_directory_is_gone_and_removing_it_again_is_no_error() {
    let directory = TestDirectory::new();
    let path = directory.path().join("orders-0");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("00000000000000000000.log"), b"x").unwrap();
    for _ in 0..2 {
        assert!(matches!(
            run_caught(&path, &RecycledFiles::new(true), FileTask::Remove),
            Ok(FileOutcome::Removed)
        ));
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}

#[test]
fn a_task_that_fails_says_what_the_system_said() {
    let directory = TestDirectory::new();
    let path = directory.path().join("missing");
    let fault =
        run_caught(&path, &RecycledFiles::new(true), FileTask::WriteEpochs(vec![])).unwrap_err();
    assert!(matches!(fault, FileFault::Io(error) if error.kind() == io::ErrorKind::NotFound));
}

#[test]
fn a_retired_segment_leaves_its_log_file_for_the_next_one() {
    let directory = TestDirectory::new();
    let path = directory.path();
    let recycled = RecycledFiles::new(true);
    let base = Offset::from_wire(5).unwrap();
    std::fs::File::create(path.join(FileName::log(base).text()))
        .unwrap()
        .set_len(64 << 20)
        .unwrap();
    std::fs::write(path.join(FileName::offset_index(base).text()), b"12345678").unwrap();
    let done = run_caught(path, &recycled, FileTask::RetireSegments(vec![base]));
    assert!(matches!(done, Ok(FileOutcome::SegmentsRetired)));
    let names: Vec<_> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["ringmirror-recycled-0"]);
    assert!(recycled.take(path, &path.join("next")).unwrap());
}

#[test]
fn a_task_that_finds_the_disk_full_deletes_the_retired_files() {
    let directory = TestDirectory::new();
    let path = directory.path();
    let retired = path.join("ringmirror-recycled-0");
    std::fs::write(&retired, b"old").unwrap();
    let recycled = RecycledFiles::new(true);
    recycled.adopt(path).unwrap();
    let part = path.join("leader-epoch-checkpoint.tmp");
    std::os::unix::fs::symlink("/dev/full", &part).unwrap();
    let fault = run_caught(path, &recycled, FileTask::WriteEpochs(vec![0])).unwrap_err();
    assert!(matches!(fault, FileFault::Io(error) if error.kind() == io::ErrorKind::StorageFull));
    assert!(!retired.exists());
}

#[test]
fn many_logs_are_closed_together_and_one_that_cannot_be_fails_alone() {
    let directory = TestDirectory::new();
    let log = FileName::log(Offset::ZERO);
    let end = Offset::from_wire(1).unwrap();
    let count = u32::try_from(DONE_TOGETHER_MIN).unwrap() + 4;
    run(async {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let mut tasks = tasks();
        for slot in 0..count {
            let path = directory.path().join(slot.to_string());
            if slot > 0 {
                std::fs::create_dir(&path).unwrap();
                std::fs::write(path.join(log.text()), b"records and what was reserved").unwrap();
            }
            let active = ClosedSegment {
                base: Offset::ZERO,
                end,
                log_bytes: 7,
                offset_index: IndexTail::default(),
                time_index: IndexTail { position: 0, bytes: vec![1; 12] },
                transaction_index: IndexTail::default(),
                snapshot: b"producers".to_vec(),
                epochs: b"epochs".to_vec(),
            };
            let task = FileTask::CloseLog(Box::new(ClosedLog { active }));
            tasks.start(PartitionSlot(slot), path, task, &sender);
        }
        for _ in 0..count {
            let done = receiver.recv().await.unwrap();
            tasks.task_done(done.slot, &sender);
            let is_closed = matches!(done.result, Ok(FileOutcome::LogClosed));
            assert_eq!(is_closed, done.slot.0 > 0, "{done:?}");
        }
        assert_eq!(tasks.handed_out_count, 0);
    });
    for slot in 1..count {
        let read = |name: FileName| {
            std::fs::read(directory.path().join(slot.to_string()).join(name.text())).unwrap()
        };
        assert_eq!(read(log), b"records");
        assert_eq!(read(FileName::snapshot(end)), b"producers");
        assert_eq!(read(FileName::LEADER_EPOCH_CHECKPOINT), b"epochs");
        assert_eq!(read(FileName::time_index(Offset::ZERO)).len(), 12);
    }
}

#[test]
fn short_tasks_that_come_while_others_are_done_wait_to_be_done_together() {
    let mut desk = Desk::default();
    let come = |desk: &mut Desk, count: usize| {
        let slots = (0..count).map(|slot| PartitionSlot(slot.try_into().unwrap()));
        desk.short.extend(slots.map(|slot| (slot, PathBuf::new(), FileTask::WriteEpochs(vec![]))));
    };
    let taken = |desk: &mut Desk| match desk.next() {
        None => 0,
        Some(NextWork::One(..)) => 1,
        Some(NextWork::Together(tasks)) => tasks.len(),
    };
    come(&mut desk, 2);
    assert_eq!(taken(&mut desk), 1, "few are not worth a sync of everything");
    come(&mut desk, DONE_TOGETHER_MIN);
    assert_eq!(taken(&mut desk), DONE_TOGETHER_MIN + 1);
    come(&mut desk, 1);
    assert!(!desk.has_work());
    assert_eq!(taken(&mut desk), 0, "others are being done");
    desk.tasks.push_back((PartitionSlot(0), PathBuf::new(), FileTask::Remove));
    assert_eq!(taken(&mut desk), 1, "nobody waits for them who has something else to do");
    come(&mut desk, DONE_TOGETHER_MIN);
    desk.has_group = false;
    assert_eq!(taken(&mut desk), DONE_TOGETHER_MIN + 1);
}

#[test]
fn many_new_logs_are_made_together() {
    let directory = TestDirectory::new();
    let count = u32::try_from(DONE_TOGETHER_MIN).unwrap();
    let topic_id = TopicId::from_wire([7; 16]).unwrap();
    let path = |slot: u32| directory.path().join(format!("orders-{slot}"));
    let mut tasks: Vec<_> = (0..count)
        .map(|slot| {
            let request = LoadRequest {
                topic_id,
                config: LogConfig::default(),
                recovery_point: None,
                log_start: None,
                clean: false,
                cut: LogCut::Keep,
            };
            let index = PartitionIndex::from_wire(i32::try_from(slot).unwrap()).unwrap();
            let topic = TopicName::parse("orders").unwrap();
            let partition = TopicPartition { topic, partition: index };
            (path(slot), FileTask::Load { partition, request })
        })
        .collect();
    tasks.push((path(count), FileTask::WriteEpochs(vec![0])));
    assert!(tasks.iter().all(|(_, task)| file_work::is_short(task)));
    let mut results = file_work::run_together(tasks, &RecycledFiles::new(true));
    assert!(results.pop().unwrap().is_err(), "there is no such log");
    for (slot, result) in (0..count).zip(results) {
        let Ok(FileOutcome::Loaded(loaded)) = result else { panic!("{result:?}") };
        assert_eq!(loaded.log.accepted_end().offset(), Offset::ZERO);
        let metadata = std::fs::read(path(slot).join("partition.metadata")).unwrap();
        assert!(String::from_utf8(metadata).unwrap().contains(&topic_id.to_string()));
        assert!(path(slot).join(FileName::log(Offset::ZERO).text()).exists());
    }
}
