//! Hot path: no allocation, no lock, no clock, no log line, no syscall.
//!
//! Validates record batches that arrive in pieces, wherever the pieces are cut.
//! A batch that lies whole in one piece costs one CRC call; one that straddles pieces costs
//! one per piece. The state between pieces is a header and an unfinished CRC, never the bytes.

use crc_fast::{CrcAlgorithm, Digest};

use crate::control_record::{CONTROL_PREFIX_BYTES, ControlRecord};
use crate::record_batch::{
    BatchError, BatchHeader, CRC_START, HEADER_BYTES, MAGIC_PREFIX_BYTES, check_magic_prefix,
};

/// Resumable validator of a stream of magic-2 batches.
#[derive(Clone, Debug)]
pub struct BatchStream {
    batch_bytes_max: u32,
    state: State,
    /// Start of a header, then of a control batch's body, while a piece ends inside it.
    scratch: [u8; SCRATCH_BYTES],
    scratch_bytes: usize,
}

/// What a piece of the stream brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchStep {
    /// The piece is used up inside a batch or between two.
    NeedMore,
    /// A header is complete; its body follows.
    Header(BatchHeader),
    /// The batch of the last header is complete and its CRC is right.
    Batch(ValidatedBatch),
}

/// A batch that was seen to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ValidatedBatch {
    /// Its header.
    pub header: BatchHeader,
    /// What a control batch says; `None` for data and for emptied control batches.
    pub control: Option<ControlRecord>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Inside a header, or between batches when the scratch is empty.
    Header,
    /// Inside a body whose CRC covers what was fed so far.
    Body {
        header: BatchHeader,
        left: u32,
        crc: u64,
    },
    /// Inside a body that was already checked while the header was read.
    Checked {
        batch: ValidatedBatch,
        left: u32,
    },
    Failed(BatchError),
}

impl BatchStream {
    /// A stream at a batch boundary that refuses batches above `batch_bytes_max`.
    #[must_use]
    pub const fn new(batch_bytes_max: u32) -> Self {
        let scratch = [0; SCRATCH_BYTES];
        Self { batch_bytes_max, state: State::Header, scratch, scratch_bytes: 0 }
    }

    /// Forgets everything; the next byte starts a batch.
    pub const fn reset(&mut self) {
        self.state = State::Header;
        self.scratch_bytes = 0;
    }

    /// True when every batch begun was completed.
    #[must_use]
    pub const fn is_at_boundary(&self) -> bool {
        matches!(self.state, State::Header) && self.scratch_bytes == 0
    }

    /// Takes the next bytes of the stream, up to the next event; tells how many it took.
    ///
    /// Feed the untaken rest again, with nothing changed, before bytes that follow it. After
    /// [`BatchStep::Header`] feed again even when nothing is left: a batch may have no body.
    ///
    /// # Errors
    /// Any [`BatchError`] but `Truncated`; then again the same until [`Self::reset`].
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(usize, BatchStep), BatchError> {
        let fed = match self.state {
            State::Header => self.feed_header(bytes),
            State::Body { header, left, crc } => self.feed_body(bytes, &header, left, crc),
            State::Checked { batch, left } => Ok(self.skip_body(bytes, &batch, left)),
            State::Failed(error) => Err(error),
        };
        if let Err(error) = fed {
            self.state = State::Failed(error);
        }
        fed
    }

    fn feed_header(&mut self, bytes: &[u8]) -> Result<(usize, BatchStep), BatchError> {
        if self.scratch_bytes == 0
            && let Some(head) = bytes.first_chunk()
        {
            let header = BatchHeader::parse(head, self.batch_bytes_max)?;
            self.begin_body(&header, bytes)?;
            return Ok((HEADER_BYTES, BatchStep::Header(header)));
        }
        let taken = self.fill_scratch(bytes, HEADER_BYTES);
        // Old formats can be shorter than our header: do not wait for bytes that never come.
        if self.scratch_bytes >= MAGIC_PREFIX_BYTES {
            check_magic_prefix(self.scratch.first_chunk().expect("scratch holds a header"))?;
        }
        if self.scratch_bytes < HEADER_BYTES {
            return Ok((taken, BatchStep::NeedMore));
        }
        let head = *self.scratch.first_chunk().expect("scratch holds a header");
        let header = BatchHeader::parse(&head, self.batch_bytes_max)?;
        self.scratch_bytes = 0;
        self.begin_body(&header, &head)?;
        Ok((taken, BatchStep::Header(header)))
    }

    /// `from_header` starts with the header and goes on as far as the piece does.
    fn begin_body(&mut self, header: &BatchHeader, from_header: &[u8]) -> Result<(), BatchError> {
        let left = header.body_bytes();
        self.state = if let Some(whole) = from_header.get(..header.batch_bytes as usize) {
            header.check_crc(crc_fast::crc32_iscsi(&whole[CRC_START..]))?;
            let control = header.control_record(&whole[HEADER_BYTES..])?;
            State::Checked { batch: ValidatedBatch { header: *header, control }, left }
        } else {
            let mut digest = Digest::new(CrcAlgorithm::Crc32Iscsi);
            digest.update(&from_header[CRC_START..HEADER_BYTES]);
            State::Body { header: *header, left, crc: digest.get_state() }
        };
        Ok(())
    }

    fn feed_body(
        &mut self,
        bytes: &[u8],
        header: &BatchHeader,
        left: u32,
        crc: u64,
    ) -> Result<(usize, BatchStep), BatchError> {
        let (taken, left) = take_up_to(bytes, left);
        let piece = &bytes[..taken];
        if header.holds_control_record() {
            self.fill_scratch(piece, CONTROL_PREFIX_BYTES);
        }
        let mut digest = Digest::new_with_init_state(CrcAlgorithm::Crc32Iscsi, crc);
        digest.update(piece);
        if left > 0 {
            self.state = State::Body { header: *header, left, crc: digest.get_state() };
            return Ok((taken, BatchStep::NeedMore));
        }
        let computed = u32::try_from(digest.finalize()).expect("a CRC-32C has 32 bits");
        header.check_crc(computed)?;
        let control = header.control_record(&self.scratch[..self.scratch_bytes])?;
        self.reset();
        Ok((taken, BatchStep::Batch(ValidatedBatch { header: *header, control })))
    }

    fn skip_body(&mut self, bytes: &[u8], batch: &ValidatedBatch, left: u32) -> (usize, BatchStep) {
        let (taken, left) = take_up_to(bytes, left);
        if left > 0 {
            self.state = State::Checked { batch: *batch, left };
            return (taken, BatchStep::NeedMore);
        }
        self.reset();
        (taken, BatchStep::Batch(*batch))
    }

    /// Copies from `bytes` until the scratch holds `wanted`; tells how many it copied.
    fn fill_scratch(&mut self, bytes: &[u8], wanted: usize) -> usize {
        let taken = bytes.len().min(wanted - self.scratch_bytes);
        let end = self.scratch_bytes + taken;
        self.scratch[self.scratch_bytes..end].copy_from_slice(&bytes[..taken]);
        self.scratch_bytes = end;
        taken
    }
}

/// Bytes of the piece that belong to the batch, and what the batch misses after them.
fn take_up_to(bytes: &[u8], left: u32) -> (usize, u32) {
    u32::try_from(bytes.len())
        .ok()
        .filter(|&given| given < left)
        .map_or((left as usize, 0), |given| (bytes.len(), left - given))
}

const SCRATCH_BYTES: usize = 64;
const _: () = assert!(SCRATCH_BYTES >= HEADER_BYTES);
const _: () = assert!(SCRATCH_BYTES >= CONTROL_PREFIX_BYTES);

#[cfg(test)]
mod tests;
