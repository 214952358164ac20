//! Request frames of any bytes are decoded or refused, within the memory a frame may take.

#![no_main]

use bytes::{Bytes, BytesMut};
use fuzz::seeds;
use kafka_wire::request::RequestFrame;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: seeds::write(seeds::request()), |data: &[u8]| {
    let Ok(frame) = RequestFrame::parse(Bytes::copy_from_slice(data)) else { return };
    let Ok(request) = frame.decode(|api| Some(api.valid_versions())) else { return };
    let mut again = BytesMut::from(seeds::request_head(frame.api_key, frame.api_version).as_slice());
    // Not all that is read can be written: a field may be known and not of this version.
    if request.encode(&mut again, frame.api_version).is_err() {
        return;
    }
    let again = RequestFrame::parse(again.freeze()).expect("a head was written");
    assert_eq!(again.decode(|api| Some(api.valid_versions())), Ok(request));
});
