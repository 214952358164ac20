//! Whole messages of any bytes are decoded or refused, within the memory a frame may take.

#![no_main]

use bytes::Bytes;
use fuzz::input::Input;
use fuzz::seeds;
use kafka_protocol::messages::{DescribeConfigsResponse, FetchResponse, MetadataResponse};
use kafka_wire::api_versions::decode_api_versions;
use kafka_wire::control_record::ControlRecord;
use kafka_wire::group_record::GroupRecord;
use kafka_wire::message::{SIZE_BYTES, decode_response, frame_size};
use kafka_wire::metadata_record::MetadataRecord;
use kafka_wire::mirror_api::{MirrorApiKey, MirrorRequest, MirrorResponse};
use kafka_wire::mirror_state_record::MirrorStateRecord;
use kafka_wire::offset_lookup::{decode_list_offsets, decode_offset_for_leader_epoch};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write(seeds::message()), |data: &[u8]| {
    let mut input = Input::new(data);
    let kind = input.byte();
    let version = i16::from_be_bytes([0, input.byte()]) - 2;
    let correlation = seeds::CORRELATION;
    let frame = || Bytes::from([&correlation.to_be_bytes(), input.rest()].concat());
    match kind % 11 {
        0 => drop(decode_api_versions(version, correlation, frame())),
        1 => drop(decode_list_offsets(version, correlation, frame())),
        2 => drop(decode_offset_for_leader_epoch(version, correlation, frame())),
        3 => drop(decode_response::<MetadataResponse>(version, correlation, frame())),
        4 => drop(decode_response::<DescribeConfigsResponse>(version, correlation, frame())),
        5 => drop(decode_response::<FetchResponse>(version, correlation, frame())),
        6 => metadata_record(input.rest()),
        7 => group_record(&mut input),
        8 => mirror_message(&mut input, correlation),
        9 => mirror_state_record(&mut input),
        _ => {
            let _ = ControlRecord::parse(input.rest());
            if let Ok(Some(size)) = frame_size(input.rest(), 1000) {
                assert!(size <= 1000);
            }
        }
    }
});

fn metadata_record(bytes: &[u8]) {
    let Ok(record) = MetadataRecord::decode(bytes) else { return };
    if matches!(&record, MetadataRecord::Partition(partition) if partition.replicas.is_empty()) {
        panic!("a partition without replicas cannot be written");
    }
    assert_eq!(MetadataRecord::decode(&record.encode()), Ok(record));
}

fn group_record(input: &mut Input<'_>) {
    let key_bytes = usize::from(input.byte());
    let key = input.take(key_bytes);
    let Ok(record) = GroupRecord::decode(key, Some(input.rest())) else { return };
    // Compact texts may be longer than the old forms that are written can say.
    let Ok(written) = record.encode() else { return };
    assert_eq!(GroupRecord::decode(&written.key, written.value.as_deref()), Ok(record));
}

/// The same bytes as the request and as the response of one API.
fn mirror_message(input: &mut Input<'_>, correlation: i32) {
    let key = input.choose(&MirrorApiKey::ALL);
    let body = input.rest();
    let _ = MirrorRequest::decode(key, body);
    let no_tags = 0;
    let frame = [&correlation.to_be_bytes()[..], &[no_tags], body].concat();
    let Ok(response) = MirrorResponse::decode_frame(key, correlation, frame.into()) else { return };
    let again = response.encode_frame(correlation).expect("it was decoded").slice(SIZE_BYTES..);
    assert_eq!(MirrorResponse::decode_frame(key, correlation, again), Ok(response));
}

fn mirror_state_record(input: &mut Input<'_>) {
    let key_bytes = usize::from(input.byte());
    let key = input.take(key_bytes);
    let Ok(record) = MirrorStateRecord::decode(key, Some(input.rest())) else { return };
    let written = record.encode().expect("it was decoded");
    assert_eq!(MirrorStateRecord::decode(&written.key, written.value.as_deref()), Ok(record));
}
