//! Batches in pieces are what they are whole: `BatchStream` against `RecordBatchView`.

#![no_main]

use fuzz::batches::seal;
use fuzz::input::{Cuts, Input};
use fuzz::seeds;
use kafka_wire::batch_stream::{BatchStep, BatchStream, ValidatedBatch};
use kafka_wire::record_batch::{BatchError, RecordBatchView};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write(seeds::batch_stream()), |data: &[u8]| {
    let mut input = Input::new(data);
    let mode = input.byte();
    let batch_bytes_max = if mode & 2 == 0 { 1 << 20 } else { 200 };
    let cuts = input.cuts();
    let mut stream = input.rest().to_vec();
    if mode & 1 != 0 {
        seal(&mut stream);
    }
    assert_eq!(in_pieces(&stream, cuts, batch_bytes_max), whole(&stream, batch_bytes_max));
});

/// The batches of a stream, and how it ends.
type Read = (Vec<ValidatedBatch>, Ending);

#[derive(Debug, PartialEq)]
enum Ending {
    AtBoundary,
    InsideBatch,
    Refused(BatchError),
}

fn whole(mut stream: &[u8], batch_bytes_max: u32) -> Read {
    let mut batches = Vec::new();
    while !stream.is_empty() {
        match RecordBatchView::parse(stream, batch_bytes_max) {
            Ok(view) => {
                batches.push(ValidatedBatch { header: *view.header(), control: view.control() });
                stream = &stream[view.bytes().len()..];
            }
            Err(BatchError::Truncated { .. }) => return (batches, Ending::InsideBatch),
            Err(error) => return (batches, Ending::Refused(error)),
        }
    }
    (batches, Ending::AtBoundary)
}

fn in_pieces(bytes: &[u8], mut cuts: Cuts, batch_bytes_max: u32) -> Read {
    let mut stream = BatchStream::new(batch_bytes_max);
    let mut batches = Vec::new();
    let mut header = None;
    let mut at = 0;
    while at < bytes.len() {
        let piece = &bytes[at..at + cuts.next(bytes.len() - at)];
        let mut fed = 0;
        while fed < piece.len() || header.is_some() {
            let (taken, step) = match stream.feed(&piece[fed..]) {
                Ok(step) => step,
                Err(error) => {
                    assert_eq!(stream.feed(&piece[fed..]), Err(error), "a refusal is final");
                    return (batches, Ending::Refused(error));
                }
            };
            fed += taken;
            assert!(fed <= piece.len(), "took bytes it was not given");
            match step {
                BatchStep::NeedMore => {
                    assert_eq!(fed, piece.len(), "wants more with bytes left");
                    break;
                }
                BatchStep::Header(found) => assert_eq!(header.replace(found), None),
                BatchStep::Batch(batch) => {
                    assert_eq!(header.take(), Some(batch.header), "header comes first");
                    batches.push(batch);
                }
            }
        }
        at += piece.len();
    }
    let ending = if stream.is_at_boundary() { Ending::AtBoundary } else { Ending::InsideBatch };
    (batches, ending)
}
