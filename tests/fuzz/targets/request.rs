//! Request frames of any bytes are decoded or refused, within the memory a frame may take.

#![no_main]

use bytes::Bytes;
use fuzz::seeds;
use kafka_protocol::messages::{ApiKey, RequestHeader, RequestKind};
use kafka_protocol::protocol::Decodable as _;
use kafka_wire::message::SIZE_BYTES;
use kafka_wire::request::RequestFrame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write(seeds::request()), |data: &[u8]| {
    let mut bytes = Bytes::copy_from_slice(data);
    let Ok(frame) = RequestFrame::parse(bytes.clone()) else { return };
    if let Ok(request) = frame.decode_mirror() {
        let again = request.encode_frame(frame.correlation_id, "").expect("it was decoded");
        let again = RequestFrame::parse(again.slice(SIZE_BYTES..)).expect("we wrote it");
        assert_eq!(again.decode_mirror(), Ok(request));
        return;
    }
    let Ok(request) = frame.decode(|api| Some(api.valid_versions())) else { return };
    // What was taken has no count that lies, so it can be decoded without our guard too.
    let api = ApiKey::try_from(frame.api_key).expect("it was decoded");
    let header_version = api.request_header_version(frame.api_version);
    let header = RequestHeader::decode(&mut bytes, header_version).expect("it was decoded");
    assert_eq!((header.correlation_id, header.client_id), (frame.correlation_id, frame.client_id));
    let unguarded = RequestKind::decode(api, &mut bytes, frame.api_version);
    assert_eq!(unguarded.expect("it was decoded"), request);
});
