use kafka_protocol::messages::api_versions_response::ApiVersion;

use super::*;
use crate::message::{SIZE_BYTES, encode_response};

fn response(error_code: i16) -> ApiVersionsResponse {
    let api = |key, min, max| {
        ApiVersion::default().with_api_key(key).with_min_version(min).with_max_version(max)
    };
    let keys = vec![api(18, 0, 3), api(1, 4, 16)];
    ApiVersionsResponse::default().with_error_code(error_code).with_api_keys(keys)
}

fn answer(asked: i16, answered: i16, error_code: i16) -> ApiVersionsAnswer {
    let frame = encode_response(answered, 9, &response(error_code)).unwrap();
    decode_api_versions(asked, 9, frame.slice(SIZE_BYTES..)).unwrap()
}

#[test]
fn ranges_are_read_in_every_version_and_negotiated() {
    for version in 0..=4 {
        let ApiVersionsAnswer::Ranges(ranges) = answer(version, version, 0) else { panic!() };
        assert_eq!(ranges.get(1), Some(ApiVersionRange { key: 1, min: 4, max: 16 }));
        assert_eq!(ranges.negotiate(1, 4, 17), Some(16));
        assert_eq!(ranges.negotiate(1, 4, 12), Some(12));
        assert_eq!(ranges.negotiate(1, 17, 18), None);
        assert_eq!(ranges.negotiate(1, 0, 3), None);
        assert_eq!(ranges.negotiate(99, 0, 9), None);
    }
}

#[test]
fn a_broker_that_does_not_know_the_version_names_one() {
    assert_eq!(answer(4, 0, 35), ApiVersionsAnswer::RetryWith { version: 3 });
    let bare = ApiVersionsResponse::default().with_error_code(35);
    let frame = encode_response(0, 9, &bare).unwrap().slice(SIZE_BYTES..);
    let retry = ApiVersionsAnswer::RetryWith { version: 0 };
    assert_eq!(decode_api_versions(4, 9, frame.clone()), Ok(retry));
    let refused = MessageError::CorrelationId { expected: 8, found: 9 };
    assert_eq!(decode_api_versions(4, 8, frame), Err(refused));
}

#[test]
fn another_error_is_a_refusal() {
    assert_eq!(answer(3, 3, 58), ApiVersionsAnswer::Refused { error_code: 58 });
}

#[test]
fn the_request_names_the_software() {
    for version in 0..=4 {
        let head = RequestHead { version, correlation_id: 9, client_id: "c" };
        let frame = encode_api_versions(&head).unwrap();
        let named = frame.windows(10).any(|bytes| bytes == b"ringmirror");
        assert_eq!(named, version >= 3);
    }
}
