//! A log as a list of records, with the real history of epochs and what its producers left.

use std::collections::BTreeMap;

use kafka_log::leader_epoch_checkpoint::{EpochEndOffset, EpochHistory};
use kafka_wire::epoch::SourceLeaderEpoch;
use kafka_wire::offset::{LogEndOffset, Offset};
use mirror_coordinator::lifecycle::LogEnd;

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A client's, in a transaction or not.
    Data { producer: u8, sequence: u32, transactional: bool },
    /// The end of a producer's transaction.
    Commit(u8),
    /// The same, by whoever stopped mirroring.
    Abort(u8),
    /// All producers are void.
    Reset,
}

/// One record, at the offset that is its index; no two have the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) epoch: i32,
    pub(crate) number: u64,
    /// The cluster that it was written on.
    pub(crate) origin: usize,
    pub(crate) kind: Kind,
}

/// What a log knows of a producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Producer {
    pub(crate) origin: usize,
    pub(crate) next_sequence: u32,
    pub(crate) has_open_transaction: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct ModelLog {
    records: Vec<Record>,
    epochs: EpochHistory,
    producers: BTreeMap<u8, Producer>,
}

impl ModelLog {
    pub(crate) fn records(&self) -> &[Record] {
        &self.records
    }

    pub(crate) const fn producers(&self) -> &BTreeMap<u8, Producer> {
        &self.producers
    }

    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    pub(crate) fn end(&self) -> LogEnd {
        LogEnd { last_epoch: self.epochs.latest(), offset: offset(self.len()) }
    }

    pub(crate) fn append(&mut self, record: Record) {
        let epoch = SourceLeaderEpoch::from_wire(record.epoch).expect("epochs are not negative");
        self.epochs.assign(epoch, offset(self.len()));
        self.records.push(record);
        self.note_producer(&record);
    }

    /// Drops the records from `end` on, and returns them.
    pub(crate) fn cut(&mut self, end: usize) -> Vec<Record> {
        let dropped = self.records.split_off(end.min(self.records.len()));
        self.epochs.truncate_from_end(offset(end));
        self.producers.clear();
        for record in self.records.clone() {
            self.note_producer(&record);
        }
        dropped
    }

    fn note_producer(&mut self, record: &Record) {
        match record.kind {
            Kind::Data { producer, sequence, transactional } => {
                let (origin, next_sequence) = (record.origin, sequence + 1);
                let has_open_transaction = transactional;
                let known = Producer { origin, next_sequence, has_open_transaction };
                self.producers.insert(producer, known);
            }
            Kind::Commit(producer) | Kind::Abort(producer) => {
                if let Some(known) = self.producers.get_mut(&producer) {
                    known.has_open_transaction = false;
                }
            }
            Kind::Reset => self.producers.clear(),
        }
    }

    /// Where the largest epoch at or below `epoch` ends, as alignment asks.
    pub(crate) fn end_of(&self, epoch: SourceLeaderEpoch) -> Option<EpochEndOffset> {
        self.epochs.end_offset_for(epoch, self.log_end())
    }

    /// The same as told to those who fetch: our own epoch, above those of the batches, stands at
    /// the end.
    pub(crate) fn end_told(&self, epoch: SourceLeaderEpoch, ours: i32) -> Option<EpochEndOffset> {
        let end = offset(self.len());
        let behind_all = match epoch.get().cmp(&ours) {
            std::cmp::Ordering::Less => {
                let latest = self.epochs.latest().unwrap_or(epoch);
                Some(EpochEndOffset { epoch: latest, end })
            }
            std::cmp::Ordering::Equal => Some(EpochEndOffset { epoch, end }),
            std::cmp::Ordering::Greater => None,
        };
        self.end_of(epoch).or(behind_all)
    }

    pub(crate) fn log_end(&self) -> LogEndOffset {
        LogEndOffset::new(offset(self.len()))
    }

    /// Up to where both have the same records.
    pub(crate) fn common_with(&self, other: &Self) -> usize {
        let pairs = self.records.iter().zip(&other.records);
        pairs.take_while(|(ours, other)| ours == other).count()
    }
}

pub(crate) fn offset(place: usize) -> Offset {
    let place = i64::try_from(place).expect("logs are short");
    Offset::from_wire(place).expect("places are not negative")
}

pub(crate) fn place(offset: Offset) -> usize {
    usize::try_from(offset.get()).expect("offsets are not negative")
}
