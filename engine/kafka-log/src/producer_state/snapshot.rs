//! The file that holds all producers up to an offset, `<offset>.snapshot`.

use crc_fast::{CrcAlgorithm, checksum};
use kafka_wire::offset::Offset;
use kafka_wire::producer::{ProducerEpoch, ProducerId};

use super::{LastBatch, PRODUCERS_MAX, ProducerState, ProducerStates};
use crate::layout::Fields;

/// Largest file that is read: [`PRODUCERS_MAX`] producers several times over, as other brokers
/// know no such limit.
pub const SNAPSHOT_BYTES_MAX: u64 = 64 << 20;

const VERSION: i16 = 1;
const HEADER_BYTES: usize = 10;
const CRC_END: usize = 6;
const ENTRY_BYTES: usize = 46;

/// What is wrong with a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Too short for its header, or not the length its count says.
    #[error("producer snapshot has {bytes} bytes, expected {expected}")]
    Length {
        /// Bytes of the file.
        bytes: usize,
        /// Bytes expected.
        expected: u64,
    },
    /// Another version.
    #[error("producer snapshot has version {version}, expected {VERSION}")]
    Version {
        /// Its version.
        version: i16,
    },
    /// The bytes are not those that were written.
    #[error("producer snapshot has crc {computed:#010x}, expected {stored:#010x}")]
    Crc {
        /// CRC in the file.
        stored: u32,
        /// CRC of the bytes.
        computed: u32,
    },
    /// An entry with an impossible value, or a producer named twice.
    #[error("producer snapshot entry {index} is out of range or names a known producer")]
    Entry {
        /// Which entry.
        index: usize,
    },
}

impl ProducerStates {
    /// Contents of the snapshot file.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let count = u32::try_from(self.producers.len()).expect("producers are bounded");
        let mut bytes = Vec::with_capacity(HEADER_BYTES + self.producers.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&count.to_be_bytes());
        for (id, state) in &self.producers {
            encode_entry(*id, state, &mut bytes);
        }
        let crc = crc_of(&bytes);
        bytes[2..CRC_END].copy_from_slice(&crc.to_be_bytes());
        bytes
    }

    /// Parses a snapshot file.
    ///
    /// # Errors
    /// When version, CRC, length or an entry is wrong.
    pub fn parse_snapshot(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let count = parse_header(bytes)?;
        let (entries, rest) = bytes[HEADER_BYTES..].as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || u32::try_from(entries.len()) != Ok(count) {
            let expected = HEADER_BYTES as u64 + u64::from(count) * ENTRY_BYTES as u64;
            return Err(SnapshotError::Length { bytes: bytes.len(), expected });
        }
        let mut states = Self::default();
        for (index, raw) in entries.iter().enumerate() {
            let (id, state) = parse_entry(raw).ok_or(SnapshotError::Entry { index })?;
            if let Some(first) = state.open_transaction {
                states.open.push((first, id));
            }
            if states.producers.insert(id, state).is_some() {
                return Err(SnapshotError::Entry { index });
            }
        }
        states.open.sort_unstable();
        if let Some(pair) = states.open.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let index = states.producers.keys().position(|id| *id == pair[1].1).unwrap_or_default();
            return Err(SnapshotError::Entry { index });
        }
        while states.producers.len() > PRODUCERS_MAX {
            let before = states.producers.len();
            states.evict();
            if states.producers.len() == before {
                break;
            }
        }
        Ok(states)
    }
}

fn parse_header(bytes: &[u8]) -> Result<u32, SnapshotError> {
    let expected = HEADER_BYTES as u64;
    let short = SnapshotError::Length { bytes: bytes.len(), expected };
    let mut fields = Fields(bytes);
    let version = fields.i16().ok_or(short)?;
    let stored = fields.u32().ok_or(short)?;
    let count = fields.u32().ok_or(short)?;
    if version != VERSION {
        return Err(SnapshotError::Version { version });
    }
    let computed = crc_of(bytes);
    if stored != computed {
        return Err(SnapshotError::Crc { stored, computed });
    }
    Ok(count)
}

fn encode_entry(id: ProducerId, state: &ProducerState, bytes: &mut Vec<u8>) {
    let (sequence, offset, delta) = state.last_batch.map_or((-1, -1, 0), |last| {
        (last.last_sequence, last.last_offset.get(), last.offset_delta)
    });
    bytes.extend_from_slice(&id.get().to_be_bytes());
    bytes.extend_from_slice(&state.epoch.get().to_be_bytes());
    bytes.extend_from_slice(&sequence.to_be_bytes());
    bytes.extend_from_slice(&offset.to_be_bytes());
    bytes.extend_from_slice(&delta.to_be_bytes());
    bytes.extend_from_slice(&state.timestamp_ms.to_be_bytes());
    bytes.extend_from_slice(&state.coordinator_epoch.to_be_bytes());
    let first = state.open_transaction.map_or(-1, Offset::get);
    bytes.extend_from_slice(&first.to_be_bytes());
}

fn parse_entry(raw: &[u8; ENTRY_BYTES]) -> Option<(ProducerId, ProducerState)> {
    let mut fields = Fields(raw);
    let id = ProducerId::from_wire(fields.i64()?)?;
    let epoch = ProducerEpoch::from_wire(fields.i16()?);
    let last_sequence = fields.i32()?;
    let last_offset = Offset::from_wire(fields.i64()?);
    let offset_delta = fields.i32()?;
    let last_batch =
        last_offset.map(|last_offset| LastBatch { last_sequence, last_offset, offset_delta });
    let timestamp_ms = fields.i64()?;
    let coordinator_epoch = fields.i32()?;
    let open_transaction = Offset::from_wire(fields.i64()?);
    let state =
        ProducerState { epoch, last_batch, timestamp_ms, coordinator_epoch, open_transaction };
    Some((id, state))
}

fn crc_of(bytes: &[u8]) -> u32 {
    u32::try_from(checksum(CrcAlgorithm::Crc32Iscsi, &bytes[CRC_END..]))
        .expect("a CRC-32C has 32 bits")
}
