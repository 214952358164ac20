use kafka_log::partition_log::LogPlace;
use kafka_wire::offset::Offset;

use super::*;

fn end(number: u32) -> (Offset, LogPlace) {
    let offset = Offset::from_wire(i64::from(number)).expect("not negative");
    (offset, LogPlace { segment: Offset::ZERO, position: number * 1_000 })
}

/// Ends that lie close together stand for each other; the one a reader was answered up to is where
/// it goes on, whatever becomes of the log's.
#[test]
fn where_a_reader_of_small_batches_goes_on_is_remembered() {
    let mut reading = Reading::default();
    let (offset, place) = end(1);
    reading.note_place(0, offset, place);
    for number in 2..50 {
        let (offset, place) = end(number);
        reading.note_log_end(0, offset, place);
        // A reader is answered up to here.
        reading.note_place(0, offset, place);
        let (behind, behind_place) = end(number + 1);
        reading.note_log_end(0, behind, behind_place);
        assert_eq!(reading.place_of(0, offset), Some(place), "behind {number}");
    }
}
