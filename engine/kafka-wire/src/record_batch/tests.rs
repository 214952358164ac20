use proptest::prelude::*;

use super::*;
use crate::batch_writer::{BatchBuilder, NewRecord};

const LIMIT: u32 = 1 << 20;

fn batch() -> Vec<u8> {
    let mut builder =
        BatchBuilder::new(Offset::from_wire(1000).unwrap(), SourceLeaderEpoch::from_wire(4));
    builder.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(b"hello") });
    builder.finish()
}

/// Parses the batch with `patch` written at `at` and the CRC made right again.
fn patched(at: usize, patch: &[u8]) -> Result<BatchHeader, BatchError> {
    let mut bytes = batch();
    bytes[at..at + patch.len()].copy_from_slice(patch);
    let crc = crc32c::crc32c(&bytes[CRC_START..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    RecordBatchView::parse(&bytes, LIMIT).map(|view| *view.header())
}

#[test]
fn a_batch_with_bytes_behind_it_parses_alone() {
    let alone = batch();
    let followed = [alone.clone(), vec![9; 30]].concat();
    let view = RecordBatchView::parse(&followed, LIMIT).unwrap();
    assert_eq!(view.bytes(), alone);
    assert_eq!(view.header().base_offset.get(), 1000);
    assert_eq!(view.header().leader_epoch.unwrap().get(), 4);
    assert_eq!((view.header().record_count, view.control()), (1, None));
}

#[test]
fn a_cut_batch_says_what_it_needs() {
    let bytes = batch();
    for cut in 0..bytes.len() {
        let needed = if cut < HEADER_BYTES { HEADER_BYTES } else { bytes.len() };
        let refused = RecordBatchView::parse(&bytes[..cut], LIMIT).unwrap_err();
        assert_eq!(refused, BatchError::Truncated { available: cut, needed });
    }
}

#[test]
fn old_and_unknown_magic_is_refused_but_not_corruption() {
    for magic in [0, 1, 3, -1] {
        let refused = patched(16, &i8::to_be_bytes(magic)).unwrap_err();
        assert_eq!(refused, BatchError::UnsupportedMagic { magic, base_offset: 1000 });
        assert!(!refused.is_corruption());
    }
}

#[test]
fn an_old_message_shorter_than_a_header_is_told_by_its_magic() {
    let bytes = [0; 26];
    let refused = RecordBatchView::parse(&bytes, LIMIT).unwrap_err();
    assert_eq!(refused, BatchError::UnsupportedMagic { magic: 0, base_offset: 0 });
}

#[test]
fn lengths_below_a_header_and_above_the_limit_are_refused() {
    for found in [-1, 0, 48, i32::MIN] {
        let refused = patched(8, &found.to_be_bytes()).unwrap_err();
        assert_eq!(refused, BatchError::Length { base_offset: 1000, found });
        assert!(refused.is_corruption());
    }
    for found in [(1 << 20) - 11, i32::MAX] {
        let refused = patched(8, &found.to_be_bytes()).unwrap_err();
        let batch_bytes = u32::try_from(found).unwrap() + 12;
        let expected =
            BatchError::TooLarge { base_offset: 1000, batch_bytes, batch_bytes_max: LIMIT };
        assert_eq!(refused, expected);
        assert!(!refused.is_corruption());
    }
}

#[test]
fn offsets_outside_their_range_are_refused() {
    let range = |base_offset, last_offset_delta| {
        Err(BatchError::OffsetRange { base_offset, last_offset_delta })
    };
    assert_eq!(patched(0, &(-1_i64).to_be_bytes()), range(-1, 0));
    assert_eq!(patched(23, &(-1_i32).to_be_bytes()), range(1000, -1));
    assert_eq!(patched(0, &i64::MAX.to_be_bytes()), range(i64::MAX, 0));
    assert!(patched(0, &(i64::MAX - 1).to_be_bytes()).is_ok());
}

#[test]
fn a_negative_record_count_is_refused() {
    let refused = patched(57, &(-1_i32).to_be_bytes());
    assert_eq!(refused, Err(BatchError::RecordCount { base_offset: 1000, found: -1 }));
}

#[test]
fn a_control_batch_without_a_control_record_is_refused() {
    let refused = patched(21, &0x20_u16.to_be_bytes()).unwrap_err();
    assert!(matches!(refused, BatchError::ControlRecord { base_offset: 1000, .. }), "{refused}");
}

proptest! {
    #[test]
    fn any_flipped_bit_the_crc_covers_is_found(at in CRC_START..67, bit in 0..8_u8) {
        let mut bytes = batch();
        let at = at.min(bytes.len() - 1);
        bytes[at] ^= 1 << bit;
        let refused = RecordBatchView::parse(&bytes, LIMIT).unwrap_err();
        prop_assert!(refused.is_corruption());
    }

    #[test]
    fn arbitrary_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(magic) = bytes.get_mut(16) {
            *magic = 2;
        }
        let _ = RecordBatchView::parse(&bytes, LIMIT);
    }
}
