use proptest::prelude::*;

use super::*;
use crate::batch_writer::{BatchBuilder, NewRecord};
use crate::epoch::SourceLeaderEpoch;
use crate::offset::Offset;
use crate::producer::{ProducerEpoch, ProducerId};
use crate::record_batch::RecordBatchView;

const LIMIT: u32 = 1 << 20;
const COMMIT: ControlRecord = ControlRecord::Commit { coordinator_epoch: 5 };

fn offset(raw: i64) -> Offset {
    Offset::from_wire(raw).unwrap()
}

fn data(base: i64, value_bytes: usize) -> Vec<u8> {
    let mut builder = BatchBuilder::new(offset(base), SourceLeaderEpoch::from_wire(1));
    let value = vec![0x5a; value_bytes];
    builder.push(&NewRecord { timestamp_ms: 1, key: None, value: Some(&value) });
    builder.finish()
}

fn marker(base: i64) -> Vec<u8> {
    let producer = (ProducerId::from_wire(1).unwrap(), ProducerEpoch::from_wire(0));
    BatchBuilder::transaction_marker(offset(base), None, producer, COMMIT, 2).finish()
}

/// Data, a marker, a batch that compaction emptied, data again.
fn stream() -> Vec<u8> {
    let empty = BatchBuilder::new(offset(2), None).finish();
    [data(0, 100), marker(1), empty, data(3, 700)].concat()
}

/// Feeds `bytes` in pieces that end at `cuts`.
fn feed_in_pieces(bytes: &[u8], cuts: &[usize]) -> Result<Vec<BatchStep>, BatchError> {
    let mut stream = BatchStream::new(LIMIT);
    let mut steps = Vec::new();
    let mut at = 0;
    for end in cuts.iter().copied().chain([bytes.len()]) {
        loop {
            let (taken, step) = stream.feed(&bytes[at..end])?;
            at += taken;
            if step == BatchStep::NeedMore {
                assert_eq!(at, end, "a piece is used up before more is asked for");
                break;
            }
            steps.push(step);
        }
    }
    assert!(stream.is_at_boundary());
    Ok(steps)
}

fn whole() -> Vec<BatchStep> {
    let bytes = stream();
    let mut rest = &bytes[..];
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let view = RecordBatchView::parse(rest, LIMIT).unwrap();
        steps.push(BatchStep::Header(*view.header()));
        let batch = ValidatedBatch { header: *view.header(), control: view.control() };
        steps.push(BatchStep::Batch(batch));
        rest = &rest[view.bytes().len()..];
    }
    steps
}

#[test]
fn every_cut_gives_the_same_batches() {
    let (bytes, expected) = (stream(), whole());
    assert_eq!(expected.len(), 8);
    assert!(matches!(&expected[3], BatchStep::Batch(batch) if batch.control == Some(COMMIT)));
    assert_eq!(feed_in_pieces(&bytes, &[]).unwrap(), expected);
    for cut in 0..bytes.len() {
        assert_eq!(feed_in_pieces(&bytes, &[cut]).unwrap(), expected, "cut at {cut}");
    }
    let every: Vec<usize> = (0..bytes.len()).collect();
    assert_eq!(feed_in_pieces(&bytes, &every).unwrap(), expected);
}

#[test]
fn a_header_is_told_before_its_body_arrives() {
    let bytes = data(7, 100);
    let mut stream = BatchStream::new(LIMIT);
    let (taken, step) = stream.feed(&bytes[..HEADER_BYTES]).unwrap();
    assert_eq!(taken, HEADER_BYTES);
    assert!(matches!(step, BatchStep::Header(header) if header.base_offset == offset(7)));
    assert!(!stream.is_at_boundary());
    let (taken, step) = stream.feed(&bytes[HEADER_BYTES..]).unwrap();
    assert_eq!(taken, bytes.len() - HEADER_BYTES);
    assert!(matches!(step, BatchStep::Batch(batch) if batch.header.base_offset == offset(7)));
    assert!(stream.is_at_boundary());
}

#[test]
fn an_empty_control_batch_says_nothing() {
    let mut builder = BatchBuilder::new(offset(4), None);
    builder.attributes = crate::record_batch::BatchAttributes::from_wire(0x30);
    let steps = feed_in_pieces(&builder.finish(), &[10]).unwrap();
    assert!(matches!(&steps[1], BatchStep::Batch(batch) if batch.control.is_none()));
}

#[test]
fn a_damaged_body_is_found_wherever_it_is_cut() {
    let good = data(9, 200);
    let mut bytes = good.clone();
    bytes[150] ^= 1;
    let expected = u32::from_be_bytes(*good[17..].first_chunk().unwrap());
    let computed = crc32c::crc32c(&bytes[21..]);
    let refused = BatchError::Crc { base_offset: 9, expected, computed };
    for cut in 0..bytes.len() {
        assert_eq!(feed_in_pieces(&bytes, &[cut]), Err(refused), "cut at {cut}");
    }
}

#[test]
fn an_old_message_is_refused_at_its_magic_byte() {
    let bytes = [0; 17];
    for cut in 0..17 {
        let refused = feed_in_pieces(&bytes, &[cut]);
        assert_eq!(refused, Err(BatchError::UnsupportedMagic { magic: 0, base_offset: 0 }));
    }
}

#[test]
fn a_failed_stream_stays_failed_until_it_is_reset() {
    let mut stream = BatchStream::new(LIMIT);
    let refused = stream.feed(&[0; HEADER_BYTES]).unwrap_err();
    let good = data(0, 10);
    assert_eq!(stream.feed(&good), Err(refused));
    assert!(!stream.is_at_boundary());
    stream.reset();
    assert!(stream.is_at_boundary());
    assert!(matches!(stream.feed(&good), Ok((HEADER_BYTES, BatchStep::Header(_)))));
}

#[test]
fn a_batch_above_the_limit_is_refused_by_its_header() {
    let mut stream = BatchStream::new(100);
    let refused = stream.feed(&data(0, 100)).unwrap_err();
    assert!(matches!(refused, BatchError::TooLarge { batch_bytes_max: 100, .. }));
}

proptest! {
    #[test]
    fn arbitrary_cuts_give_the_same_batches(
        mut cuts in prop::collection::vec(0..1100_usize, 0..8),
    ) {
        let bytes = stream();
        cuts.retain(|&cut| cut <= bytes.len());
        cuts.sort_unstable();
        prop_assert_eq!(feed_in_pieces(&bytes, &cuts).unwrap(), whole());
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        mut bytes in prop::collection::vec(any::<u8>(), 0..300),
        cut in 0..300_usize,
    ) {
        if let Some(magic) = bytes.get_mut(16) {
            *magic = 2;
        }
        let mut stream = BatchStream::new(LIMIT);
        let (first, second) = bytes.split_at(cut.min(bytes.len()));
        for piece in [first, second] {
            let mut rest = piece;
            while let Ok((taken, step)) = stream.feed(rest) {
                rest = &rest[taken..];
                if step == BatchStep::NeedMore {
                    break;
                }
            }
        }
    }
}
