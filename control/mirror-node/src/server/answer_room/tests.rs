use bytes::Bytes;

use super::*;

fn answer(bytes: usize) -> Vec<Part> {
    vec![Part::Bytes(Bytes::from(vec![0; bytes]))]
}

#[test]
fn an_answer_that_finds_no_room_is_given_up_and_a_small_one_needs_none() {
    let limits = ServerLimits { answers_bytes_max: 100 << 10, ..ServerLimits::default() };
    let room = AnswerRoom::new(&limits);
    let first = room.take(answer(60 << 10)).unwrap();
    let refused = room.take(answer(60 << 10)).unwrap_err().to_string();
    assert_eq!(refused, "an answer of 61440 bytes finds no room among those that wait to be read");
    assert!(room.take(answer(SMALL_ANSWER_BYTES)).unwrap().room.is_none());
    drop(first);
    assert!(room.take(answer(60 << 10)).unwrap().room.is_some());
}
