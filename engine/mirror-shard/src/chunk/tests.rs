use super::*;

const MIB: u32 = RECORD_BUFFER_BYTES;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn chunk(position: u64) -> Chunk {
    let memory = Box::leak(vec![0; MIB as usize].into_boxed_slice());
    let place = Extent { segment: offset(0), position, start: Chunk::start_for(position) };
    Chunk::new(1, BufferLease::new(0, memory), place, ReadableEnd::default())
}

fn pieces(chunk: &mut Chunk, direct: bool) -> Vec<(u64, u32, u32, WriteMode)> {
    let mut all = Vec::new();
    while let Some(piece) = chunk.next_piece(direct) {
        chunk.written = piece.end;
        all.push((piece.position, piece.start, piece.end, piece.mode));
    }
    all
}

#[test]
fn a_full_aligned_chunk_is_one_direct_write() {
    let mut full = chunk(8192);
    (full.fill, full.sealed) = (MIB, MIB);
    assert_eq!(pieces(&mut full, true), [(8192, 0, MIB, WriteMode::Direct)]);
}

#[test]
fn ragged_ends_of_a_long_stretch_go_through_the_page_cache() {
    let mut ragged = chunk(100);
    (ragged.fill, ragged.sealed) = (500_000, 500_000);
    let trail = 500_000 - 500_000 % 4096;
    assert_eq!(
        pieces(&mut ragged, true),
        [
            (100, 100, 4096, WriteMode::Buffered),
            (4096, 4096, trail, WriteMode::Direct),
            (u64::from(trail), trail, 500_000, WriteMode::Buffered),
        ]
    );
}

#[test]
fn a_short_stretch_is_one_buffered_write() {
    let mut short = chunk(4096);
    (short.fill, short.sealed) = (70_000, 60_000);
    assert_eq!(pieces(&mut short, true), [(4096, 0, 60_000, WriteMode::Buffered)]);
}

#[test]
fn nothing_goes_direct_when_direct_writes_are_off() {
    let mut full = chunk(0);
    (full.fill, full.sealed) = (MIB, MIB);
    assert_eq!(pieces(&mut full, false), [(0, 0, MIB, WriteMode::Buffered)]);
}

#[test]
fn bytes_behind_a_roll_belong_to_the_new_segment() {
    let mut rolled = chunk(0);
    (rolled.fill, rolled.sealed) = (600_000, 300_000);
    rolled.redirect(Extent { segment: offset(77), position: 0, start: 300_000 });
    rolled.sealed = 600_000;
    assert_eq!(rolled.place_of(600_000).position, 300_000);
    assert_eq!(rolled.place_of(600_000).segment, offset(77));
    let trail = 300_000 - 300_000 % 4096;
    assert_eq!(
        pieces(&mut rolled, true),
        [
            (0, 0, trail, WriteMode::Direct),
            (u64::from(trail), trail, 300_000, WriteMode::Buffered),
            (0, 300_000, 600_000, WriteMode::Buffered),
        ]
    );
}

#[test]
fn cutting_back_forgets_a_roll_that_never_happened() {
    let mut rolled = chunk(0);
    (rolled.fill, rolled.sealed) = (600_000, 300_000);
    rolled.redirect(Extent { segment: offset(77), position: 0, start: 300_000 });
    rolled.cut_back();
    assert_eq!(rolled.fill, 300_000);
    assert_eq!(rolled.place_of(300_000).segment, offset(0));
}
