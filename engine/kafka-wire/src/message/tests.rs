use kafka_protocol::messages::{
    ApiVersionsResponse, ListOffsetsResponse, MetadataRequest, MetadataResponse,
    OffsetForLeaderEpochResponse,
};
use kafka_protocol::protocol::Message;
use proptest::prelude::*;

use super::*;

const HEAD: RequestHead<'_> =
    RequestHead { version: 12, correlation_id: 5, client_id: "ringmirror" };

fn decode_frame<M: Decodable + HeaderVersion>(version: i16, frame: &Bytes) -> M {
    assert_eq!(frame_size(frame, 1 << 20).unwrap().unwrap() as usize, frame.len() - SIZE_BYTES);
    decode_response(version, 5, frame.slice(SIZE_BYTES..)).unwrap()
}

#[test]
fn a_request_carries_its_size_and_header() {
    let frame = encode_request(&HEAD, &MetadataRequest::default()).unwrap();
    let body = frame.slice(SIZE_BYTES..);
    let (header, rest) = decode_prefix::<RequestHeader>(2, body).unwrap();
    assert_eq!((header.request_api_key, header.request_api_version), (3, 12));
    assert_eq!((header.correlation_id, header.client_id.unwrap().as_str()), (5, "ringmirror"));
    let request: MetadataRequest = decode_body(12, rest).unwrap();
    assert_eq!(request, MetadataRequest::default());
}

#[test]
fn a_response_comes_back_in_every_version() {
    for version in MetadataResponse::VERSIONS.min..=MetadataResponse::VERSIONS.max {
        let response = MetadataResponse::default();
        let frame = encode_response(version, 5, &response).unwrap();
        assert_eq!(decode_frame::<MetadataResponse>(version, &frame), response);
    }
}

#[test]
fn large_plain_integers_are_not_taken_for_counts() {
    let response = OffsetForLeaderEpochResponse::default().with_throttle_time_ms(i32::MAX);
    for version in 2..=4 {
        let frame = encode_response(version, 5, &response).unwrap();
        let decoded: OffsetForLeaderEpochResponse = decode_frame(version, &frame);
        assert_eq!(decoded.throttle_time_ms, i32::MAX);
    }
}

#[test]
fn a_count_of_billions_is_refused_without_room_for_them() {
    // Throttle time, then the array: brokers in version 8, with four bytes behind the count.
    let old = [&0_i32.to_be_bytes()[..], &i32::MAX.to_be_bytes(), &[0; 4]].concat();
    let refused = decode_body::<MetadataResponse>(8, old.into()).unwrap_err();
    assert!(matches!(refused, MessageError::Malformed { message: "MetadataResponse", .. }));
    let flexible = [&0_i32.to_be_bytes()[..], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0; 4]].concat();
    let refused = decode_body::<MetadataResponse>(12, flexible.into()).unwrap_err();
    assert!(matches!(refused, MessageError::Malformed { version: 12, .. }));
}

#[test]
fn bytes_behind_the_message_are_refused() {
    let frame = encode_response(4, 5, &ListOffsetsResponse::default()).unwrap();
    let longer = [&frame[SIZE_BYTES..], &[1, 2]].concat();
    let refused = decode_response::<ListOffsetsResponse>(4, 5, longer.into()).unwrap_err();
    let expected =
        MessageError::TrailingBytes { message: "ListOffsetsResponse", version: 4, bytes: 2 };
    assert_eq!(refused, expected);
}

#[test]
fn another_correlation_id_is_refused() {
    let frame = encode_response(4, 6, &ListOffsetsResponse::default()).unwrap();
    let refused = decode_response::<ListOffsetsResponse>(4, 5, frame.slice(SIZE_BYTES..));
    assert_eq!(refused, Err(MessageError::CorrelationId { expected: 5, found: 6 }));
}

#[test]
fn an_unknown_version_is_refused() {
    let head = RequestHead { version: 99, ..HEAD };
    let refused = encode_request(&head, &MetadataRequest::default()).unwrap_err();
    assert!(matches!(refused, MessageError::Encode { version: 99, .. }), "{refused}");
}

#[test]
fn frame_sizes_are_bounded() {
    assert_eq!(frame_size(&[0, 0, 1], 100), Ok(None));
    assert_eq!(frame_size(&[0, 0, 0, 100, 7], 100), Ok(Some(100)));
    let refused = MessageError::FrameSize { found: 101, frame_bytes_max: 100 };
    assert_eq!(frame_size(&[0, 0, 0, 101], 100), Err(refused));
    let refused = MessageError::FrameSize { found: -1, frame_bytes_max: 100 };
    assert_eq!(frame_size(&[0xff; 4], 100), Err(refused));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(
        version in 0..14_i16,
        body in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let body = Bytes::from(body);
        let _ = decode_body::<MetadataResponse>(version, body.clone());
        let _ = decode_body::<ApiVersionsResponse>(version, body.clone());
        let _ = decode_body::<ListOffsetsResponse>(version, body.clone());
        let _ = decode_body::<OffsetForLeaderEpochResponse>(version, body);
    }

    #[test]
    fn what_the_guard_lets_through_is_what_was_sent(
        throttle in any::<i32>(),
        version in 2..=4_i16,
    ) {
        let sent = OffsetForLeaderEpochResponse::default().with_throttle_time_ms(throttle);
        let frame = encode_response(version, 5, &sent).unwrap();
        prop_assert_eq!(decode_frame::<OffsetForLeaderEpochResponse>(version, &frame), sent);
    }
}
