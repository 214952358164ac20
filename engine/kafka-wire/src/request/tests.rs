use std::collections::BTreeMap;

use bytes::BytesMut;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::TopicProduceData;
use kafka_protocol::messages::{
    ApiVersionsResponse, MetadataRequest, MetadataResponse, ProduceRequest, ResponseHeader,
    ResponseKind, TopicName,
};
use kafka_protocol::protocol::Encodable as _;
use proptest::prelude::*;

use super::samples::{SERVED, requests, served, text};
use super::*;
use crate::byte_cursor::push_unsigned_varint;
use crate::message::{SIZE_BYTES, decode_body, encode_response_kind};

fn frame(version: i16, request: &RequestKind, api: ApiKey) -> Bytes {
    let mut frame = head(api as i16, version);
    request.encode(&mut frame, version).unwrap();
    frame.freeze()
}

fn head(api_key: i16, version: i16) -> BytesMut {
    let header_version =
        ApiKey::try_from(api_key).map_or(2, |api| api.request_header_version(version));
    let mut frame = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(api_key)
        .with_request_api_version(version)
        .with_correlation_id(77)
        .with_client_id(Some(text("kcat")))
        .encode(&mut frame, header_version)
        .unwrap();
    frame
}

fn decode(frame: Bytes) -> Result<RequestKind, RequestError> {
    RequestFrame::parse(frame)?.decode(served)
}

/// First and last version of every API served, with every sample.
fn every_sample() -> impl Iterator<Item = (ApiKey, i16, RequestKind)> {
    let versions = SERVED.iter().flat_map(|&(api, min, max)| [(api, min), (api, max)]);
    versions.flat_map(|(api, version)| {
        requests(api, version).into_iter().map(move |request| (api, version, request))
    })
}

#[test]
fn every_request_in_every_version_comes_back_as_it_was_sent() {
    for (api, min, max) in SERVED {
        for version in min..=max {
            for request in requests(api, version) {
                let received = RequestFrame::parse(frame(version, &request, api)).unwrap();
                assert_eq!((received.api_key, received.api_version), (api as i16, version));
                assert_eq!(
                    (received.correlation_id, received.client_id.as_deref()),
                    (77, Some("kcat"))
                );
                assert_eq!(received.decode(served), Ok(request), "{api:?} version {version}");
            }
        }
    }
}

#[test]
fn a_frame_cut_anywhere_is_refused() {
    for (api, version, request) in every_sample() {
        let whole = frame(version, &request, api);
        for length in 0..whole.len() {
            let refused = decode(whole.slice(..length));
            assert!(
                refused.is_err(),
                "{api:?} version {version}, {length} of {} bytes",
                whole.len()
            );
        }
    }
}

#[test]
fn bytes_behind_the_body_are_ignored() {
    for (api, version, request) in every_sample() {
        let longer = [&frame(version, &request, api)[..], &[0]].concat();
        assert_eq!(decode(longer.into()), Ok(request), "{api:?} version {version}");
    }
}

/// As librdkafka 2.16 sends it: a null array of four bytes where one would do.
#[test]
fn librdkafka_asks_for_all_topics() {
    let head = b"\0\x03\0\x0d\0\0\0\x03\0\x07rdkafka\0";
    let sent = [&head[..], &[0, 0, 0, 0, 1, 0, 0]].concat();
    let asked = MetadataRequest::default().with_topics(None).with_allow_auto_topic_creation(false);
    assert_eq!(decode(sent.into()), Ok(RequestKind::Metadata(asked)));
}

#[test]
fn unknown_tagged_fields_are_skipped_in_header_and_body() {
    let tags = BTreeMap::from([(900, Bytes::from_static(b"news")), (901, Bytes::new())]);
    let mut sent = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(3)
        .with_request_api_version(12)
        .with_correlation_id(5)
        .with_unknown_tagged_fields(tags.clone())
        .encode(&mut sent, 2)
        .unwrap();
    let request = MetadataRequest::default().with_unknown_tagged_fields(tags);
    request.encode(&mut sent, 12).unwrap();
    assert_eq!(decode(sent.freeze()), Ok(RequestKind::Metadata(request)));
}

#[test]
fn an_unknown_version_can_be_answered_and_is_not_decoded() {
    let mut sent = head(18, 9);
    sent.extend_from_slice(&[0xff; 20]);
    let received = RequestFrame::parse(sent.freeze()).unwrap();
    assert_eq!((received.api_version, received.correlation_id), (9, 77));
    let api = ApiKey::ApiVersions;
    let refused = RequestError::UnknownVersion { api, api_version: 9, min: 0, max: 4 };
    assert_eq!(received.decode(served), Err(refused));
    // Kafka's own range is no reason to take a version that is not served.
    let fetch = RequestFrame::parse(head(1, 18).freeze()).unwrap();
    let refused = fetch.decode(served).unwrap_err();
    assert_eq!(refused.to_string(), "Fetch request has version 18, served are 4 to 17");
}

#[test]
fn an_api_that_is_unknown_or_not_served_can_be_answered() {
    for api_key in [-1, 9999, ApiKey::ShareFetch as i16] {
        let received = RequestFrame::parse(head(api_key, 1).freeze()).unwrap();
        assert_eq!((received.api_key, received.correlation_id), (api_key, 77));
        assert_eq!(received.decode(served), Err(RequestError::UnknownApi { api_key }));
    }
}

#[test]
fn a_frame_without_correlation_id_is_refused() {
    for frame_bytes in 0..8 {
        let refused = RequestFrame::parse(Bytes::from(vec![0; frame_bytes]));
        assert_eq!(refused, Err(RequestError::Head { frame_bytes }));
    }
}

#[test]
fn a_count_of_billions_anywhere_is_refused_without_room_for_them() {
    for (api, version, request) in every_sample() {
        let whole = frame(version, &request, api);
        for count in [&i32::MAX.to_be_bytes()[..], &[0xff, 0xff, 0xff, 0xff, 0x07]] {
            for position in head(api as i16, version).len()..whole.len() {
                let mut changed = whole.to_vec();
                let end = changed.len().min(position + count.len());
                changed[position..end].copy_from_slice(&count[..end - position]);
                let _ = decode(changed.into());
            }
        }
    }
}

#[test]
fn a_body_that_decodes_to_far_more_than_its_bytes_is_refused() {
    let mut sent = head(3, 12);
    sent.resize(sent.len() + REQUEST_BYTES_MAX + 1, 0);
    let body_bytes = REQUEST_BYTES_MAX + 1;
    let refused = RequestError::TooLarge { api: ApiKey::Metadata, body_bytes };
    assert_eq!(decode(sent.freeze()), Err(refused));
}

#[test]
fn a_body_of_too_many_elements_is_refused_though_its_bytes_are_few() {
    let topic = |name| MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
    // Length and bytes of the name, tags: three reads of a topic, two without a name's bytes.
    let most = REQUEST_READS_MAX as usize / 3 - 10;
    for (count, fits) in [(most, true), (most + 20, false)] {
        let request = MetadataRequest::default().with_topics(Some(vec![topic("t"); count]));
        let request = RequestKind::Metadata(request);
        let decoded = decode(frame(9, &request, ApiKey::Metadata));
        assert_eq!(decoded.is_ok(), fits, "{count} topics");
        if let Err(refused) = decoded {
            let message = "MetadataRequest";
            let reads_max = REQUEST_READS_MAX;
            let expected = MessageError::TooManyReads { message, version: 9, reads_max };
            assert_eq!(refused, RequestError::Malformed(expected));
        }
    }
}

#[test]
fn a_header_of_many_tags_is_refused_whatever_it_asks_for() {
    for api in [ApiKey::Metadata, ApiKey::Produce] {
        let tags = (0..1000).map(|tag| (tag, Bytes::new())).collect();
        let mut sent = BytesMut::new();
        RequestHeader::default()
            .with_request_api_key(api as i16)
            .with_request_api_version(9)
            .with_unknown_tagged_fields(tags)
            .encode(&mut sent, 2)
            .unwrap();
        let refused = RequestFrame::parse(sent.freeze()).unwrap_err();
        assert!(
            matches!(refused, RequestError::Malformed(MessageError::TooManyReads { .. })),
            "{refused}"
        );
    }
}

#[test]
fn a_produce_request_may_be_large_but_not_of_many_elements() {
    let api = ApiKey::Produce;
    let topic = TopicProduceData::default();
    let limit = PRODUCE_ELEMENTS_MAX as usize;
    for (version, count) in [(3, limit), (12, limit - 1), (13, limit)] {
        let request = ProduceRequest::default().with_topic_data(vec![topic.clone(); count]);
        let tags = BTreeMap::from([(0, Bytes::from(vec![0; 2 * REQUEST_BYTES_MAX]))]);
        let fits = if version == 12 { request.with_unknown_tagged_fields(tags) } else { request };
        let mut more = fits.clone();
        more.topic_data.push(topic.clone());
        let (fits, more) = (RequestKind::Produce(fits), RequestKind::Produce(more));
        assert_eq!(decode(frame(version, &more, api)), Err(RequestError::ProduceElements));
        assert_eq!(decode(frame(version, &fits, api)), Ok(fits));
    }
    // A count alone says nothing yet; the bytes for it are missing.
    let mut lie = Vec::from([1, 0, 1, 0, 0, 0, 0]);
    push_unsigned_varint(&mut lie, u32::MAX);
    let lie = [&head(0, 12)[..], &lie].concat();
    assert!(matches!(decode(lie.into()), Err(RequestError::Malformed(_))));
}

#[test]
fn responses_are_framed_with_the_header_of_their_version() {
    let metadata = ResponseKind::Metadata(MetadataResponse::default());
    for (version, header_version) in [(8, 0), (9, 1)] {
        let sent = encode_response_kind(version, 77, &metadata).unwrap();
        let size = i32::from_be_bytes(*sent.first_chunk().unwrap());
        assert_eq!(usize::try_from(size).unwrap(), sent.len() - SIZE_BYTES);
        let (header, body) =
            decode_prefix::<ResponseHeader>(header_version, sent.slice(SIZE_BYTES..)).unwrap();
        assert_eq!(header.correlation_id, 77);
        assert_eq!(decode_body(version, body), Ok(MetadataResponse::default()));
    }
    // Its client does not know yet which header we would write.
    let versions = ResponseKind::ApiVersions(ApiVersionsResponse::default());
    let sent = encode_response_kind(4, 77, &versions).unwrap();
    let (_, body) = decode_prefix::<ResponseHeader>(0, sent.slice(SIZE_BYTES..)).unwrap();
    assert_eq!(decode_body(4, body), Ok(ApiVersionsResponse::default()));
}

#[test]
fn a_response_in_an_unknown_version_is_refused_with_the_reason() {
    let response = ResponseKind::Metadata(MetadataResponse::default());
    let refused = encode_response_kind(99, 77, &response).unwrap_err();
    let MessageError::Encode { version: 99, reason, .. } = refused else { panic!("{refused}") };
    assert!(reason.contains("version not supported"), "{reason}");
}

proptest! {
    #[test]
    fn changed_requests_are_decoded_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        for (api, version, request) in every_sample() {
            let mut changed = frame(version, &request, api).to_vec();
            let body = head(api as i16, version).len();
            for (index, byte) in &changes {
                if changed.len() > body {
                    let position = body + index.index(changed.len() - body);
                    changed[position] = *byte;
                }
            }
            // What is taken has no count that lies: it decodes without a guard, to the same.
            if let Ok(taken) = decode(changed.clone().into()) {
                let mut unguarded = Bytes::from(changed).slice(body..);
                let expected = RequestKind::decode(api, &mut unguarded, version).unwrap();
                prop_assert_eq!(taken, expected, "{:?} version {}", api, version);
            }
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        api_key in 0_i16..80,
        version in -1_i16..15,
    ) {
        let _ = decode(bytes.clone().into());
        let mut framed = head(api_key, version.max(0));
        framed.extend_from_slice(&bytes);
        let _ = decode(framed.freeze());
    }
}
