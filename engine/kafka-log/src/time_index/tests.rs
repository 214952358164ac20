use super::*;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

#[test]
fn an_entry_is_a_timestamp_and_a_relative_offset() {
    let entry = TimeIndexEntry { timestamp_ms: 0x0102_0304_0506, offset: offset(107) };
    let bytes = [0, 0, 1, 2, 3, 4, 5, 6, 0, 0, 0, 7];
    assert_eq!(encode(offset(100), entry), Some(bytes));
    assert_eq!(parse(offset(100), &bytes), Ok(vec![entry]));
    assert_eq!(encode(offset(108), entry), None);
}

#[test]
fn what_is_no_index_is_refused() {
    use TimeIndexError as Error;
    let check = |bytes: &[u8], error| assert_eq!(parse(offset(0), bytes), Err(error));
    check(&[0; 11], Error::PartialEntry { bytes: 11 });
    check(&[0; 24], Error::NotRising { index: 1 });
    let mut negative = [0; 12];
    negative[8] = 0x80;
    check(&negative, Error::Negative { index: 0, relative: i32::MIN });
}
