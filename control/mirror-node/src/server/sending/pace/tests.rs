use super::*;

#[test]
fn a_client_gets_large_pieces_and_a_second_buffer_after_it_took_smaller_ones() {
    let mut pace = Pace::default();
    let mut given = Vec::new();
    for _ in 0..5 {
        given.push((pace.piece_bytes() >> 10, pace.may_read_ahead()));
        pace.note(true);
    }
    assert_eq!(given, [(128, false), (256, false), (512, false), (1024, true), (1024, true)]);
    pace.note(false);
    assert_eq!((pace.piece_bytes() >> 10, pace.may_read_ahead()), (128, false));
}

#[test]
fn a_small_piece_holds_its_buffer_for_a_short_time() {
    let mut pace = Pace::default();
    assert_eq!(pace.hold_max(), HOLD_MAX / 8);
    pace.note(true);
    assert_eq!(pace.hold_max(), HOLD_MAX / 4);
}
