use super::*;
use crate::counting_allocator::allocation_count;
use crate::test_directory::TestDirectory;

const SLOT: PartitionSlot = PartitionSlot(1);
const OTHER: PartitionSlot = PartitionSlot(2);

/// A buffer of 16 bytes that are all `byte`.
fn buffer(byte: u8) -> BufferLease {
    BufferLease::new(u32::from(byte), vec![byte; 16].leak())
}

/// Two files, and kept buffers of which `count` are spare.
fn bench(count: u8) -> (TestDirectory, File, File, RecentRecords, Arc<KeptBuffers>) {
    let directory = TestDirectory::new();
    let file = |name| File::create(directory.path().join(name)).unwrap();
    let (first, second) = (file("first"), file("second"));
    let kept = Arc::new(KeptBuffers::new((200..200 + count).map(buffer).collect()));
    let recent = RecentRecords::new(vec![Arc::clone(&kept)]);
    (directory, first, second, recent, kept)
}

fn extent(slot: PartitionSlot, position: u64) -> WrittenExtent {
    WrittenExtent { slot, position, range: Range { start: 4, end: 16 } }
}

fn ask(recent: &RecentRecords, file: &File, position: u64) -> Option<Vec<u8>> {
    recent.find(file, position, 8).unwrap().map(|bytes| bytes.to_vec())
}

#[test]
fn what_was_written_is_found_by_file_and_position() {
    let (_directory, first, second, recent, kept) = bench(2);
    assert_eq!(kept.exchange(buffer(1), &first, extent(SLOT, 100)).index(), 200);
    assert_eq!(kept.exchange(buffer(2), &second, extent(OTHER, 100)).index(), 201);
    assert_eq!(ask(&recent, &first, 99), None);
    assert_eq!(ask(&recent, &first, 100), Some(vec![1; 8]));
    assert_eq!(ask(&recent, &second, 100), Some(vec![2; 8]));
    assert_eq!(ask(&recent, &first, 109), Some(vec![1; 3]), "cut at the end");
    assert_eq!(ask(&recent, &first, 112), None);
}

#[test]
fn the_oldest_buffer_that_nobody_holds_goes_back_to_the_shard() {
    let (_directory, file, _, recent, kept) = bench(2);
    kept.exchange(buffer(1), &file, extent(SLOT, 0));
    kept.exchange(buffer(2), &file, extent(SLOT, 12));
    let held = recent.find(&file, 0, 8).unwrap().unwrap();
    assert_eq!(kept.exchange(buffer(3), &file, extent(SLOT, 24)).index(), 2);
    let both = recent.find(&file, 24, 8).unwrap().unwrap();
    let back = kept.exchange(buffer(4), &file, extent(SLOT, 36));
    assert_eq!(back.index(), 4, "all are held: what was written is not kept");
    assert_eq!((&held[..], &both[..]), (&[1; 8][..], &[3; 8][..]));
    drop((held, both));
    assert_eq!(kept.exchange(buffer(5), &file, extent(SLOT, 48)).index(), 1);
    let mut left: Vec<_> = kept.take_back().iter().map(BufferLease::index).collect();
    left.sort_unstable();
    assert_eq!(left, [3, 5]);
}

#[test]
fn nothing_is_kept_when_nobody_has_asked_for_long() {
    let (_directory, file, _, recent, kept) = bench(1);
    let mut next = buffer(1);
    for _ in 0..WRITES_KEPT_AFTER_ASKING {
        next = kept.exchange(next, &file, extent(SLOT, 0));
    }
    let index = next.index();
    assert_eq!(kept.exchange(next, &file, extent(SLOT, 12)).index(), index);
    assert!(ask(&recent, &file, 12).is_none());
    assert_ne!(kept.exchange(buffer(3), &file, extent(SLOT, 12)).index(), 3);
    assert_eq!(ask(&recent, &file, 12), Some(vec![3; 8]));
}

#[test]
fn a_partition_whose_files_change_is_forgotten_alone() {
    let (_directory, first, second, recent, kept) = bench(2);
    kept.exchange(buffer(1), &first, extent(SLOT, 0));
    kept.exchange(buffer(2), &second, extent(OTHER, 0));
    kept.forget(SLOT);
    assert_eq!(ask(&recent, &first, 0), None);
    assert_eq!(ask(&recent, &second, 0), Some(vec![2; 8]));
}

#[test]
fn keeping_a_buffer_allocates_nothing() {
    let (_directory, file, _, _, kept) = bench(3);
    let mut next = buffer(1);
    let before = allocation_count();
    for position in 0..100 {
        next = kept.exchange(next, &file, extent(SLOT, position));
    }
    assert_eq!(allocation_count() - before, 0);
}
