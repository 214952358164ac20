//! A disk that fails.

use std::io;
use std::sync::Mutex;

use kafka_log::partition_files::{FileName, PartitionFiles};
use mirror_uring::real_files::RealFiles;

use super::*;

/// Real files on a disk with a given room; without room, even cutting may fail.
#[derive(Debug)]
struct FullDisk {
    files: RealFiles,
    room: Arc<Mutex<Room>>,
}

#[derive(Debug)]
struct Room {
    bytes: usize,
    cuts: bool,
    /// Syncs that will fail; those after them do not.
    failing_syncs: usize,
}

fn full() -> io::Error {
    io::Error::from(io::ErrorKind::StorageFull)
}

impl PartitionFiles for FullDisk {
    fn list(&mut self) -> io::Result<Vec<(FileName, u64)>> {
        self.files.list()
    }
    fn read_at(&mut self, file: FileName, position: u64, into: &mut [u8]) -> io::Result<usize> {
        self.files.read_at(file, position, into)
    }
    fn write_at(&mut self, file: FileName, position: u64, bytes: &[u8]) -> io::Result<()> {
        let mut room = self.room.lock().unwrap();
        let fits = bytes.len().min(room.bytes);
        room.bytes -= fits;
        self.files.write_at(file, position, &bytes[..fits])?;
        if fits < bytes.len() { Err(full()) } else { Ok(()) }
    }
    fn truncate(&mut self, file: FileName, bytes: u64) -> io::Result<()> {
        if self.room.lock().unwrap().cuts { self.files.truncate(file, bytes) } else { Err(full()) }
    }
    fn sync(&mut self, file: FileName) -> io::Result<()> {
        let mut room = self.room.lock().unwrap();
        if room.failing_syncs > 0 {
            room.failing_syncs -= 1;
            return Err(io::Error::other("injected"));
        }
        self.files.sync(file)
    }
    fn replace(&mut self, file: FileName, contents: &[u8]) -> io::Result<()> {
        if self.room.lock().unwrap().bytes == 0 {
            return Err(full());
        }
        self.files.replace(file, contents)
    }
    fn remove(&mut self, file: FileName) -> io::Result<()> {
        if self.room.lock().unwrap().cuts { self.files.remove(file) } else { Err(full()) }
    }
    fn sync_directory(&mut self) -> io::Result<()> {
        self.files.sync_directory()
    }
}

struct Disk {
    scratch: Scratch,
    room: Arc<Mutex<Room>>,
}

impl Disk {
    fn new() -> Self {
        let room = Room { bytes: usize::MAX, cuts: true, failing_syncs: 0 };
        Self { scratch: Scratch::new(), room: Arc::new(Mutex::new(room)) }
    }

    fn open(&self, settings: LogSettings) -> WritableLog<FullDisk> {
        fs::create_dir(self.scratch.path("")).unwrap();
        let make =
            |directory| FullDisk { files: RealFiles::new(directory), room: Arc::clone(&self.room) };
        let log = WritableLog::open_in(self.scratch.spec(settings), make).unwrap().0;
        log.publish();
        log
    }

    fn set(&self, bytes: usize, cuts: bool) {
        *self.room.lock().unwrap() = Room { bytes, cuts, failing_syncs: 0 };
    }

    fn fail_next_sync(&self) {
        self.room.lock().unwrap().failing_syncs = 1;
    }
}

fn refused(log: &WritableLog<FullDisk>, batch: &[u8]) {
    let refused = log.append_produced(batch, NOW_MS).unwrap_err();
    assert_eq!(refused.kafka_error(), ResponseError::KafkaStorageError, "{refused}");
}

fn accepted(log: &WritableLog<FullDisk>, batch: &[u8]) -> i64 {
    log.append_produced(batch, NOW_MS).unwrap().base_offset.get()
}

#[test]
fn of_a_write_that_failed_nothing_remains() {
    let batch = sequenced(0, 0, 3);
    for room in [0, 10, 61, batch.len() - 1] {
        let disk = Disk::new();
        let log = disk.open(LogSettings::default());
        accepted(&log, &plain(&[b"a"]));
        let state = log.view().state();
        disk.set(room, true);
        refused(&log, &batch);
        assert_eq!(log.view().state(), state, "readers see no change");
        assert_eq!(disk.scratch.batches().len(), 1);
        disk.set(usize::MAX, true);
        assert_eq!(accepted(&log, &batch), 1, "the producer tries again");
        assert_eq!(disk.scratch.batches().len(), 2);
    }
}

#[test]
fn no_append_follows_remains_that_could_not_be_cut_off() {
    let disk = Disk::new();
    let log = disk.open(LogSettings::default());
    accepted(&log, &plain(&[b"a"]));
    disk.set(100, false);
    refused(&log, &plain(&[&[7; 500]]));
    disk.set(usize::MAX, false);
    refused(&log, &plain(&[b"b"]));
    disk.set(usize::MAX, true);
    assert_eq!(accepted(&log, &plain(&[b"b"])), 1);
    let found = disk.scratch.batches();
    assert_eq!(found.len(), 2);
    drop(log);
    let log = disk.scratch.open(LogSettings::default());
    assert_eq!(log_end(&log), 2);
}

#[test]
fn a_segment_begun_for_a_batch_that_failed_goes_away() {
    let disk = Disk::new();
    let batch = plain(&[b"value"]);
    let log = disk.open(small_segments(u32::try_from(batch.len()).unwrap()));
    accepted(&log, &batch);
    disk.set(20, true);
    refused(&log, &batch);
    assert!(!disk.scratch.path("00000000000000000001.log").exists());
    disk.set(usize::MAX, true);
    assert_eq!(accepted(&log, &batch), 1);
    assert_eq!(log.close().unwrap(), offset(2));
    disk.scratch.open(LogSettings::default());
}

#[test]
fn a_flush_without_room_moves_no_recovery_point_and_is_made_up_for() {
    let disk = Disk::new();
    let batch = plain(&[b"value"]);
    let log = disk.open(small_segments(u32::try_from(batch.len()).unwrap()));
    for _ in 0..3 {
        accepted(&log, &batch);
    }
    disk.set(0, true);
    assert!(log.flush().is_err());
    assert!(log.flush().is_err());
    disk.set(usize::MAX, true);
    assert_eq!(log.flush().unwrap(), offset(3));
    for base in [1, 2] {
        assert!(disk.scratch.path(&format!("{base:020}.snapshot")).exists());
    }
}

#[test]
fn after_a_sync_that_failed_nothing_is_taken_until_the_log_was_read_again() {
    let batch = plain(&[b"value"]);
    let one_each = small_segments(u32::try_from(batch.len()).unwrap());
    // The sync of the active segment; that of a segment which is finished.
    for settings in [LogSettings::default(), one_each] {
        let disk = Disk::new();
        let log = disk.open(settings);
        accepted(&log, &batch);
        let recovery_point = log.flush().unwrap();
        accepted(&log, &batch);
        disk.fail_next_sync();
        log.flush().unwrap_err();
        // The disk says that all is well now; it lies.
        log.flush().unwrap_err();
        assert!(log.has_sync_failed());
        refused(&log, &batch);
        log.apply_retention(i64::MAX).unwrap_err();
        assert_eq!(log.view().state().unwrap().log_end.offset(), offset(2), "readers keep it");
        log.close().unwrap_err();
        let spec = LogSpec { recovery_point: Some(recovery_point), ..disk.scratch.spec(settings) };
        let (log, _) = WritableLog::open(spec).unwrap();
        assert_eq!((append(&log, &batch), log.flush().unwrap()), (2, offset(3)));
    }
}

#[test]
fn a_sync_that_fails_while_a_log_is_closed_leaves_it_to_recovery() {
    let disk = Disk::new();
    let log = disk.open(LogSettings::default());
    accepted(&log, &plain(&[b"value"]));
    disk.fail_next_sync();
    log.close().unwrap_err();
    assert!(!disk.scratch.path(&format!("{:020}.snapshot", 1)).exists());
}

#[test]
fn index_bytes_that_could_not_be_written_are_written_later() {
    let disk = Disk::new();
    let log = disk.open(small_segments(1 << 20));
    let batch = plain(&[&[1; 200]]);
    let mut is_failing = false;
    for raw in 0..40 {
        // Room for the batches, none for their indexes.
        let exact = if (10..30).contains(&raw) { batch.len() } else { usize::MAX };
        is_failing |= exact != usize::MAX;
        disk.set(exact, true);
        assert_eq!(accepted(&log, &batch), raw);
    }
    assert!(is_failing);
    log.close().unwrap();
    let index = fs::read(disk.scratch.path("00000000000000000000.index")).unwrap();
    let entries = kafka_log::offset_index::parse(offset(0), &index).unwrap();
    assert_eq!(entries.len(), 39);
    let spec = LogSpec { clean: true, ..disk.scratch.spec(small_segments(1 << 20)) };
    let (_, findings) = WritableLog::open(spec).unwrap();
    assert_eq!(findings, []);
}

#[test]
fn appends_are_refused_when_segments_cannot_be_finished() {
    let disk = Disk::new();
    let batch = plain(&[b"value"]);
    let log = disk.open(small_segments(u32::try_from(batch.len()).unwrap()));
    accepted(&log, &batch);
    let refused = loop {
        disk.set(batch.len(), true);
        if let Err(refused) = log.append_produced(&batch, NOW_MS) {
            break refused;
        }
    };
    assert_eq!(refused.kafka_error(), ResponseError::KafkaStorageError);
    assert_eq!(disk.scratch.batches().len(), 65);
    disk.set(usize::MAX, true);
    log.flush().unwrap();
    assert_eq!(accepted(&log, &batch), 65);
}

/// Files of the log that this process has open.
fn open_files(scratch: &Scratch) -> usize {
    let directory = scratch.path("").canonicalize().unwrap();
    let open = fs::read_dir("/proc/self/fd").unwrap();
    let targets = open.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.starts_with(&directory)).count()
}

#[test]
fn a_log_that_rests_holds_no_file_open_and_takes_batches_again() {
    let scratch = Scratch::new();
    let log = scratch.open(LogSettings::default());
    append(&log, &plain(&[b"a"]));
    log.flush().unwrap();
    assert!(open_files(&scratch) > 0);
    log.rest();
    assert_eq!(open_files(&scratch), 0);
    assert_eq!(append(&log, &plain(&[b"b"])), 1);
    assert_eq!(log.flush().unwrap(), offset(2));
    assert_eq!(scratch.batches().len(), 2);
}

#[test]
fn a_log_with_bytes_that_are_not_durable_does_not_rest() {
    let disk = Disk::new();
    let log = disk.open(LogSettings::default());
    accepted(&log, &plain(&[b"a"]));
    assert!(!log.is_durable());
    log.rest();
    assert!(open_files(&disk.scratch) > 0, "its next sync must hear of every byte that was lost");
    log.flush().unwrap();
    assert!(log.is_durable());
}
