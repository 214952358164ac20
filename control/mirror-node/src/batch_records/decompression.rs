//! Kafka's codecs, as streams. `kafka_protocol`'s own decompression takes all the memory that the
//! bytes ask for, so the codecs below it are used here.

use std::io::{self, BufReader, Read};
use std::ops::ControlFlow;

use super::slots::Slots;
use super::{DECOMPRESSIONS_AT_ONCE, RecordFacts, RecordsError, Walk};

/// Bytes decompressed ahead of the record being read.
const AHEAD_BYTES: usize = 16 << 10;
/// Largest window a zstd frame may ask for, as a power of two: that of zstd's level 22.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
/// Snappy makes no more than 64 bytes of any three.
const SNAPPY_RATIO_MAX: usize = 22;
const SNAPPY_BLOCK_BYTES_MAX: usize = 128 << 20;
/// What a stream of snappy-java's blocks begins with, up to the versions.
const XERIAL_MAGIC: &[u8] = b"\x82SNAPPY\0";
const XERIAL_HEADER_BYTES: usize = 16;

static DECOMPRESSIONS: Slots = Slots::new(DECOMPRESSIONS_AT_ONCE);

/// Walks the records in `body`, compressed with `codec`.
pub(super) fn with_records<V>(
    codec: u16,
    body: &[u8],
    walk: Walk<'_, V>,
) -> Result<(), RecordsError>
where
    V: FnMut(&RecordFacts) -> ControlFlow<()>,
{
    if codec == NONE {
        return walk.over_plain(body);
    }
    let _slot = DECOMPRESSIONS.take();
    let unreadable = |error| RecordsError::Unreadable { index: 0, error };
    match codec {
        GZIP => walk.over_decompressed(buffered(flate2::bufread::MultiGzDecoder::new(body))),
        SNAPPY => walk.over_decompressed(buffered(SnappyBlocks::new(body))),
        LZ4 => {
            let decoder = lz4::Decoder::new(body).map_err(unreadable)?;
            walk.over_decompressed(buffered(decoder))
        }
        ZSTD => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(body).map_err(unreadable)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(unreadable)?;
            walk.over_decompressed(buffered(decoder))
        }
        codec => Err(RecordsError::UnknownCodec { codec }),
    }
}

fn buffered<R: Read>(decoder: R) -> BufReader<R> {
    BufReader::with_capacity(AHEAD_BYTES, decoder)
}

/// Snappy as Kafka writes it: blocks with a length in front behind the header of snappy-java, or,
/// without that header, one raw block.
struct SnappyBlocks<'a> {
    /// Blocks not read yet.
    rest: &'a [u8],
    is_framed: bool,
    block: Vec<u8>,
    taken: usize,
}

impl<'a> SnappyBlocks<'a> {
    fn new(body: &'a [u8]) -> Self {
        let is_framed = body.starts_with(XERIAL_MAGIC) && body.len() >= XERIAL_HEADER_BYTES;
        let rest = if is_framed { &body[XERIAL_HEADER_BYTES..] } else { body };
        Self { rest, is_framed, block: Vec::new(), taken: 0 }
    }

    /// Decompresses the next block; false behind the last one.
    fn next_block(&mut self) -> io::Result<bool> {
        let refused = |what: &str| io::Error::new(io::ErrorKind::InvalidData, what.to_owned());
        if self.rest.is_empty() {
            return Ok(false);
        }
        let compressed = if self.is_framed {
            let (length, rest) =
                self.rest.split_first_chunk().ok_or_else(|| refused("snappy block is cut off"))?;
            let bytes = u32::from_be_bytes(*length) as usize;
            let block = rest.get(..bytes).ok_or_else(|| refused("snappy block is cut off"))?;
            self.rest = &rest[bytes..];
            block
        } else {
            std::mem::take(&mut self.rest)
        };
        let bytes = snap::raw::decompress_len(compressed)?;
        let possible = compressed.len().saturating_mul(SNAPPY_RATIO_MAX);
        if bytes > possible.min(SNAPPY_BLOCK_BYTES_MAX) {
            return Err(refused("snappy block says it is longer than it can be"));
        }
        self.block.resize(bytes, 0);
        self.taken = 0;
        let bytes = snap::raw::Decoder::new().decompress(compressed, &mut self.block)?;
        self.block.truncate(bytes);
        Ok(true)
    }
}

impl Read for SnappyBlocks<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.taken == self.block.len() {
            if !self.next_block()? {
                return Ok(0);
            }
        }
        let count = (&self.block[self.taken..]).read(into)?;
        self.taken += count;
        Ok(count)
    }
}

const NONE: u16 = 0;
const GZIP: u16 = 1;
const SNAPPY: u16 = 2;
const LZ4: u16 = 3;
const ZSTD: u16 = 4;
