use super::*;

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

#[test]
fn an_entry_is_two_big_endian_integers() {
    let entry = OffsetIndexEntry { offset: offset(1_258), position: 4_660 };
    assert_eq!(encode(offset(1_000), entry), Some([0, 0, 1, 2, 0, 0, 0x12, 0x34]));
    assert_eq!(parse(offset(1_000), &[0, 0, 1, 2, 0, 0, 0x12, 0x34]), Ok(vec![entry]));
}

#[test]
fn an_entry_beyond_31_bits_is_not_encoded() {
    let far = OffsetIndexEntry { offset: offset(1 << 31), position: 0 };
    assert_eq!(encode(offset(0), far), None);
    assert_eq!(encode(offset(1), far).map(|bytes| bytes[0]), Some(0x7f));
    assert_eq!(encode(offset(1), OffsetIndexEntry { offset: offset(0), position: 0 }), None);
    let long = OffsetIndexEntry { offset: offset(0), position: 1 << 31 };
    assert_eq!(encode(offset(0), long), None);
}

#[test]
fn what_is_no_index_is_refused() {
    use OffsetIndexError as Error;
    let check = |bytes: &[u8], error| assert_eq!(parse(offset(0), bytes), Err(error));
    check(&[0; 9], Error::PartialEntry { bytes: 9 });
    check(&[0; 16], Error::NotRising { index: 1 });
    let negative = [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 1];
    check(&negative, Error::Negative { index: 0, relative: -1, position: 1 });
    assert_eq!(parse(offset(0), &[]), Ok(vec![]));
}
