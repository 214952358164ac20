use super::*;
use crate::memory_files::MemoryFiles;
use crate::test_history::offset;

fn segment() -> ClosedSegment {
    ClosedSegment {
        base: offset(10),
        end: offset(20),
        log_bytes: 5,
        offset_index: IndexTail { position: 8, bytes: vec![2; 8] },
        time_index: IndexTail { position: 0, bytes: vec![3; 12] },
        transaction_index: IndexTail::default(),
        snapshot: b"snapshot".to_vec(),
        epochs: b"epochs".to_vec(),
    }
}

fn prepared() -> MemoryFiles {
    let mut files = MemoryFiles::default();
    files.write_at(FileName::log(offset(10)), 0, b"batch\0\0\0\0").unwrap();
    // An index longer than its entries, as one that was mapped ahead.
    files.write_at(FileName::offset_index(offset(10)), 0, &[1; 30]).unwrap();
    for raw in [0, 10, 15, 30] {
        files.replace(FileName::snapshot(offset(raw)), b"").unwrap();
    }
    files
}

#[test]
fn a_closed_segment_is_cut_to_its_entries_and_durable() {
    let mut files = prepared();
    close_segment(&mut files, &segment()).unwrap();
    files.crash(|_, _| 0);
    let base = offset(10);
    assert_eq!(files.contents(FileName::log(base)), Some(b"batch".as_slice()));
    let index = [[1; 8], [2; 8]].concat();
    assert_eq!(files.contents(FileName::offset_index(base)), Some(index.as_slice()));
    assert_eq!(files.contents(FileName::time_index(base)), Some([3; 12].as_slice()));
    assert_eq!(files.contents(FileName::transaction_index(base)), None, "no aborts, no file");
    assert_eq!(files.contents(FileName::snapshot(offset(20))), Some(b"snapshot".as_slice()));
    assert_eq!(files.contents(FileName::LEADER_EPOCH_CHECKPOINT), Some(b"epochs".as_slice()));
}

#[test]
fn snapshots_inside_the_segment_go_and_those_at_bases_stay() {
    let mut files = prepared();
    close_segment(&mut files, &segment()).unwrap();
    let snapshots = files.names().filter(|name| name.kind == FileKind::ProducerSnapshot);
    let left: Vec<i64> = snapshots.map(|name| name.offset.get()).collect();
    assert_eq!(left, [0, 10, 20, 30]);
}

#[test]
fn closing_twice_changes_nothing() {
    let mut files = prepared();
    close_log(&mut files, &ClosedLog { active: segment() }).unwrap();
    let listed = files.list().unwrap();
    close_log(&mut files, &ClosedLog { active: segment() }).unwrap();
    assert_eq!(files.list().unwrap(), listed);
}

#[test]
fn a_segment_without_a_file_gets_an_empty_one() {
    let mut files = MemoryFiles::default();
    let empty = ClosedSegment { log_bytes: 0, ..segment() };
    close_segment(&mut files, &empty).unwrap();
    assert_eq!(files.contents(FileName::log(offset(10))), Some([].as_slice()));
}

#[test]
fn retired_segments_leave_nothing_behind() {
    let mut files = prepared();
    close_segment(&mut files, &segment()).unwrap();
    retire_segments(&mut files, &[offset(10)]).unwrap();
    files.crash(|_, _| 0);
    let left: Vec<String> = files.names().map(|name| name.text()).collect();
    let expected = [
        "00000000000000000000.snapshot",
        "00000000000000000020.snapshot",
        "00000000000000000030.snapshot",
        "leader-epoch-checkpoint",
    ];
    assert_eq!(left, expected);
}
