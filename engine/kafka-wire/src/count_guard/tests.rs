use proptest::prelude::*;

use super::*;
use crate::byte_cursor::push_unsigned_varint;

fn unlimited(bytes: Bytes) -> CountGuard {
    CountGuard::new(bytes, u32::MAX)
}

fn varint(value: u32, behind: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_unsigned_varint(&mut bytes, value);
    bytes.resize(bytes.len() + behind, 0xff);
    bytes
}

/// Reads a varint the way the generated decoders do.
fn read_varint(guard: &mut CountGuard) -> u64 {
    let mut value = 0;
    for index in 0..5 {
        let byte = u64::from(guard.try_get_u8().unwrap());
        value |= (byte & 0x7f) << (7 * index);
        if byte < 0x80 {
            break;
        }
    }
    value
}

#[test]
fn a_varint_above_all_bytes_behind_it_comes_out_smaller_but_too_large() {
    let mut guard = unlimited(varint(u32::MAX, 10_000).into());
    assert_eq!(read_varint(&mut guard), 10_002);
    assert_eq!((guard.has_clipped(), guard.remaining()), (true, 10_000));
    // A negative byte is no varint.
    assert_eq!((guard.try_get_i8().unwrap(), guard.remaining()), (-1, 9_999));
}

#[test]
fn an_integer_above_all_bytes_behind_it_comes_out_smaller_but_too_large() {
    let bytes = [&i32::MAX.to_be_bytes()[..], &[0; 9]].concat();
    let mut guard = unlimited(bytes.into());
    assert_eq!((guard.try_get_i32().unwrap(), guard.has_clipped()), (4098, true));
}

#[test]
fn a_varint_without_end_is_refused() {
    let mut guard = unlimited(vec![0x80; 20].into());
    assert!(guard.try_get_u8().is_err());
}

#[test]
fn reads_above_their_limit_find_no_bytes() {
    type Read = fn(&mut CountGuard) -> bool;
    let reads: [Read; 4] = [
        |guard| guard.try_get_u8().is_ok(),
        |guard| guard.try_get_i16().is_ok(),
        |guard| guard.try_get_i32().is_ok(),
        |guard| guard.try_get_bytes(3).is_ok(),
    ];
    for read in reads {
        let mut guard = CountGuard::new(Bytes::from_static(&[0; 100]), 5);
        assert!((0..5).all(|_| read(&mut guard)));
        assert!(!guard.has_ended_early());
        // The bytes of a read may still be handed out before it is counted.
        let _ = read(&mut guard);
        assert!(guard.has_ended_early() && !read(&mut guard));
    }
}

proptest! {
    #[test]
    fn a_strange_flag_in_front_hides_no_count(flag in any::<u8>(), value in any::<u32>()) {
        let mut guard = unlimited([vec![flag], varint(value, 3)].concat().into());
        if guard.try_get_u8().is_ok() {
            prop_assert!(read_varint(&mut guard) <= 4098);
        }
    }

    #[test]
    fn what_can_be_true_comes_out_as_it_is(value in 0_u32..6000, signed in i32::MIN..6000) {
        let mut guard = unlimited(varint(value, 6000).into());
        prop_assert_eq!(read_varint(&mut guard), u64::from(value));
        let bytes = [&signed.to_be_bytes()[..], &[0; 6000]].concat();
        let mut second = unlimited(bytes.into());
        prop_assert_eq!(second.try_get_i32().unwrap(), signed);
        prop_assert!(!guard.has_clipped() && !second.has_clipped());
    }
}
