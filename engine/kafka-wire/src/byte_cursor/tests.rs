use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn signed_varints_come_back(int in any::<i32>(), long in any::<i64>()) {
        let mut bytes = Vec::new();
        push_varint(&mut bytes, int);
        push_varlong(&mut bytes, long);
        let mut cursor = ByteCursor::new(&bytes);
        prop_assert_eq!(cursor.varint(), Ok(int));
        prop_assert_eq!(cursor.varlong(), Ok(long));
        prop_assert_eq!(cursor.position(), bytes.len());
    }

    #[test]
    fn unsigned_varints_come_back(value in any::<u32>()) {
        let mut bytes = Vec::new();
        push_unsigned_varint(&mut bytes, value);
        prop_assert_eq!(ByteCursor::new(&bytes).unsigned_varint(), Ok(value));
        let cut = ByteCursor::new(&bytes[..bytes.len() - 1]).unsigned_varint();
        prop_assert_eq!(cut, Err(CursorError::Incomplete));
    }
}

#[test]
fn a_padded_varint_reads_as_its_value() {
    assert_eq!(ByteCursor::new(&[0x83, 0x80, 0x00]).unsigned_varint(), Ok(3));
}

#[test]
fn a_varint_of_more_than_32_bits_is_refused() {
    let wide = [0xff, 0xff, 0xff, 0xff, 0x10];
    assert_eq!(ByteCursor::new(&wide).unsigned_varint(), Err(CursorError::Varint));
    let endless = [0x80; 11];
    assert_eq!(ByteCursor::new(&endless).unsigned_varint(), Err(CursorError::Varint));
    assert_eq!(ByteCursor::new(&endless).varlong(), Err(CursorError::Varint));
    let long = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02];
    assert_eq!(ByteCursor::new(&long).varlong(), Err(CursorError::Varint));
}

#[test]
fn a_failed_read_does_not_move_the_cursor() {
    let mut cursor = ByteCursor::new(&[1, 2, 3]);
    assert_eq!(cursor.i32(), Err(CursorError::Incomplete));
    assert_eq!(cursor.take(4), Err(CursorError::Incomplete));
    assert_eq!(cursor.rest(), [1, 2, 3]);
    assert_eq!(cursor.i16(), Ok(0x0102));
}
