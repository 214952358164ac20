//! Any directory loads or is refused: the log is legal, and loads again as it was.

#![no_main]

use fuzz::batches::{offset, seal};
use fuzz::input::Input;
use fuzz::seeds;
use kafka_log::log_config::LogConfig;
use kafka_log::memory_files::MemoryFiles;
use kafka_log::partition_files::{FileKind, FileName, PartitionFiles as _};
use kafka_log::partition_log::PartitionLog;
use kafka_log::partition_metadata;
use kafka_log::producer_state::ProducerStates;
use kafka_log::recovery::{LoadRequest, LogCut, load};
use kafka_wire::offset::{LogEndOffset, LogStartOffset, Offset};
use kafka_wire::record_batch::RecordBatchView;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write(seeds::recovery()), |data: &[u8]| {
    let mut input = Input::new(data);
    let request = request(&mut input);
    let mut files = directory(&mut input);
    let Ok(loaded) = load(&mut files, &request) else { return };
    check_order(&loaded.log, &files);
    if request.recovery_point.is_none() && !request.clean {
        check_batches(&loaded.log, &files);
    }
    // Loading made everything durable, so a crash takes nothing.
    let mut crashed = files.clone();
    crashed.crash(|_, _| 0);
    for name in files.names() {
        assert_eq!(crashed.contents(name), files.contents(name), "{name} was not durable");
    }
    // What was trusted may be found out only later, and epochs that no batch carries are
    // forgotten: what everything read leaves must be there again.
    let is_read = request.recovery_point.is_none() && !request.clean;
    let request = LoadRequest { recovery_point: None, clean: false, ..request };
    let settled = load(&mut crashed, &request).expect("loaded before");
    if is_read {
        assert_eq!(settled.findings, vec![], "found something in its own work");
        assert_eq!(state(&settled.log), state(&loaded.log));
    }
    let again = load(&mut crashed, &request).expect("loaded before");
    assert_eq!((again.findings, again.log), (vec![], settled.log));
});

/// All that batches tell about a log.
fn state(log: &PartitionLog) -> (LogStartOffset, LogEndOffset, Vec<Offset>, u32, &ProducerStates) {
    let bases = log.segment_bases().collect();
    (log.log_start(), log.accepted_end(), bases, log.active_bytes(), log.producers())
}

fn request(input: &mut Input<'_>) -> LoadRequest {
    let flags = input.byte();
    let at = any_offset(input);
    LoadRequest {
        topic_id: seeds::topic_id(),
        config: if flags & 0x20 == 0 { seeds::SMALL } else { LogConfig::default() },
        recovery_point: (flags & 2 != 0).then_some(at),
        log_start: (flags & 4 != 0).then_some(LogStartOffset::new(at)),
        clean: flags & 1 != 0,
        cut: match flags & 0x18 {
            0x10 => LogCut::TruncateTo(at),
            0x18 => LogCut::StartAt(at),
            _ => LogCut::Keep,
        },
    }
}

/// Small offsets, and a few of the largest.
fn any_offset(input: &mut Input<'_>) -> Offset {
    match i64::from(input.u16()) {
        small @ ..0xff00 => offset(small),
        large => offset(i64::MAX - (0xffff - large)),
    }
}

fn directory(input: &mut Input<'_>) -> MemoryFiles {
    let mut files = MemoryFiles::default();
    let metadata = partition_metadata::encode(seeds::topic_id());
    files.replace(FileName::PARTITION_METADATA, &metadata).expect("memory never fails");
    while !input.is_empty() {
        let kind = input.choose(&KINDS);
        let (at, mode, length) = (any_offset(input), input.byte(), input.u16());
        let mut contents = input.take(usize::from(length)).to_vec();
        match kind {
            FileKind::Log if mode & 1 != 0 => seal(&mut contents),
            FileKind::ProducerSnapshot if mode & 1 != 0 => seeds::seal_snapshot(&mut contents),
            FileKind::PartitionMetadata if mode & 1 == 0 => continue,
            _ => {}
        }
        let named = !matches!(kind, FileKind::LeaderEpochCheckpoint | FileKind::PartitionMetadata);
        let name = FileName { kind, offset: if named { at } else { Offset::ZERO } };
        files.replace(name, &contents).expect("memory never fails");
    }
    files
}

fn check_order(log: &PartitionLog, files: &MemoryFiles) {
    assert!(log.log_start().offset() <= log.accepted_end().offset(), "starts behind its end");
    let bases: Vec<Offset> = log.segment_bases().collect();
    assert!(bases.is_sorted() && bases.last() == Some(&log.active_segment()));
    assert!(log.active_segment() <= log.accepted_end().offset(), "active segment behind the end");
    for base in &bases {
        assert!(files.contents(FileName::log(*base)).is_some(), "segment {base} has no file");
    }
    let logs = files.names().filter(|name| name.kind == FileKind::Log).count();
    assert_eq!(logs, bases.len(), "segments that the log does not know");
    for pair in log.epochs().entries().windows(2) {
        assert!(pair[0].epoch < pair[1].epoch && pair[0].start < pair[1].start);
    }
}

/// Every byte of every segment belongs to a batch above the one before.
fn check_batches(log: &PartitionLog, files: &MemoryFiles) {
    let mut end = Offset::ZERO;
    for base in log.segment_bases() {
        assert!(base >= end, "segment {base} begins before offset {end}");
        end = base;
        let mut bytes = files.contents(FileName::log(base)).expect("checked before");
        while !bytes.is_empty() {
            let view = RecordBatchView::parse(bytes, u32::MAX).expect("only batches are kept");
            assert!(view.header().base_offset >= end, "offsets go backwards");
            end = view.header().next_offset();
            bytes = &bytes[view.bytes().len()..];
        }
    }
    assert_eq!(end, log.accepted_end().offset(), "ends where no batch does");
}

const KINDS: [FileKind; 7] = [
    FileKind::Log,
    FileKind::OffsetIndex,
    FileKind::TimeIndex,
    FileKind::TransactionIndex,
    FileKind::ProducerSnapshot,
    FileKind::LeaderEpochCheckpoint,
    FileKind::PartitionMetadata,
];
