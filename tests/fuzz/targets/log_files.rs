//! Files of a log directory with any content are parsed or refused; what was parsed is written
//! as it was read.

#![no_main]

use fuzz::batches::offset;
use fuzz::input::Input;
use fuzz::seeds;
use kafka_log::leader_epoch_checkpoint::EpochHistory;
use kafka_log::meta_properties::MetaProperties;
use kafka_log::offset_checkpoint::OffsetCheckpoint;
use kafka_log::partition_files::FileName;
use kafka_log::producer_state::ProducerStates;
use kafka_log::{clean_shutdown, offset_index, partition_metadata, time_index, transaction_index};
use kafka_wire::offset::Offset;
use kafka_wire::partition::TopicPartition;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write(seeds::log_files()), |data: &[u8]| {
    let mut input = Input::new(data);
    let kind = input.byte();
    match kind % 9 {
        0..=2 => indexes(kind % 9, offset(input.i64() & i64::MAX), input.rest()),
        3 => snapshot(kind & 0x80 != 0, input.rest()),
        4 => {
            let Ok(parsed) = EpochHistory::parse(input.rest()) else { return };
            assert_eq!(EpochHistory::parse(&parsed.checkpoint(offset(i64::MAX))), Ok(parsed));
        }
        5 => {
            let Ok(parsed) = OffsetCheckpoint::parse(input.rest()) else { return };
            assert_eq!(OffsetCheckpoint::parse(&parsed.encode()), Ok(parsed));
        }
        6 => {
            let Ok(parsed) = partition_metadata::parse(input.rest()) else { return };
            assert_eq!(partition_metadata::parse(&partition_metadata::encode(parsed)), Ok(parsed));
        }
        7 => {
            let Ok(parsed) = MetaProperties::parse(input.rest()) else { return };
            assert_eq!(MetaProperties::parse(&parsed.encode()), Ok(parsed));
        }
        _ => names(input.rest()),
    }
});

fn indexes(kind: u8, base: Offset, bytes: &[u8]) {
    let written: Vec<u8> = match kind {
        0 => {
            let Ok(entries) = offset_index::parse(base, bytes) else { return };
            let entries = entries.into_iter().map(|entry| offset_index::encode(base, entry));
            entries.flat_map(|entry| entry.expect("was read from this index")).collect()
        }
        1 => {
            let Ok(entries) = time_index::parse(base, bytes) else { return };
            let entries = entries.into_iter().map(|entry| time_index::encode(base, entry));
            entries.flat_map(|entry| entry.expect("was read from this index")).collect()
        }
        _ => {
            let Ok(entries) = transaction_index::parse(base, bytes) else { return };
            entries.iter().flat_map(transaction_index::encode).collect()
        }
    };
    assert_eq!(written, bytes);
}

fn snapshot(sealed: bool, bytes: &[u8]) {
    let mut bytes = bytes.to_vec();
    if sealed {
        seeds::seal_snapshot(&mut bytes);
    }
    let Ok(parsed) = ProducerStates::parse_snapshot(&bytes) else { return };
    assert_eq!(ProducerStates::parse_snapshot(&parsed.snapshot()), Ok(parsed));
}

fn names(bytes: &[u8]) {
    let _ = clean_shutdown::parse(bytes);
    let Ok(text) = str::from_utf8(bytes) else { return };
    if let Some(name) = FileName::parse(text) {
        assert_eq!(name.text(), text);
    }
    if let Some(partition) = TopicPartition::parse_directory(text) {
        assert_eq!(TopicPartition::parse_directory(&partition.to_string()), Some(partition));
    }
}
