use proptest::prelude::*;

use self::samples::{requests, responses};
use super::mirror_topic::MirrorTopic;
use super::write_mirror_states::WrittenPartition;
use super::*;
use crate::byte_cursor::{CursorError, push_unsigned_varint};
use crate::message::SIZE_BYTES;
use crate::request::{REQUEST_BYTES_MAX, RequestError, RequestFrame};

mod golden;
mod samples;

/// Bytes in front of the body of a request from "t", and of a response.
const REQUEST_HEAD_BYTES: usize = SIZE_BYTES + 12;
const RESPONSE_HEAD_BYTES: usize = SIZE_BYTES + 5;

fn received(frame: &[u8]) -> Result<RequestFrame, RequestError> {
    RequestFrame::parse(Bytes::copy_from_slice(&frame[SIZE_BYTES..]))
}

fn answered(key: MirrorApiKey, frame: &[u8]) -> Result<MirrorResponse, MessageError> {
    MirrorResponse::decode_frame(key, 77, Bytes::copy_from_slice(&frame[SIZE_BYTES..]))
}

/// Requests and responses without their headers.
fn request_bodies() -> impl Iterator<Item = (MirrorApiKey, Vec<u8>)> {
    let body = |request: &MirrorRequest| request.encode_frame(77, "t").unwrap();
    requests().into_iter().map(move |it| (it.key(), body(&it)[REQUEST_HEAD_BYTES..].to_vec()))
}

fn response_bodies() -> impl Iterator<Item = (MirrorApiKey, Vec<u8>)> {
    let body = |response: &MirrorResponse| response.encode_frame(77).unwrap();
    responses().into_iter().map(move |it| (it.key(), body(&it)[RESPONSE_HEAD_BYTES..].to_vec()))
}

#[test]
fn keys_are_those_of_the_kip() {
    let keys = MirrorApiKey::ALL.map(|key| (key.get(), key.to_string()));
    let expected = [
        (94, "CreateClusterMirror"),
        (95, "StartMirrorTopics"),
        (96, "StopMirrorTopics"),
        (98, "ListClusterMirrors"),
        (99, "DescribeClusterMirrors"),
        (100, "ReadMirrorStates"),
        (101, "WriteMirrorStates"),
        (102, "PauseMirrorTopics"),
        (103, "ResumeMirrorTopics"),
        (104, "DeleteClusterMirror"),
        (105, "BumpLeaderEpochs"),
        (106, "ReadMirrorOffsets"),
        (107, "RecoverMirrorTopics"),
    ];
    assert_eq!(keys, expected.map(|(key, name)| (key, name.to_owned())));
    for raw in i16::MIN..=i16::MAX {
        let key = MirrorApiKey::from_wire(raw);
        assert_eq!(key.is_some(), (94..=107).contains(&raw) && raw != 97, "key {raw}");
        assert!(key.is_none_or(|key| key.get() == raw));
    }
}

#[test]
fn every_request_comes_back_as_it_was_sent() {
    let keys: Vec<MirrorApiKey> = requests().iter().map(MirrorRequest::key).collect();
    assert_eq!(keys, MirrorApiKey::ALL);
    for request in requests() {
        let frame = request.encode_frame(77, "t").unwrap();
        let received = received(&frame).unwrap();
        assert_eq!((received.api_key, received.api_version), (request.key().get(), VERSION));
        assert_eq!((received.correlation_id, received.client_id.as_deref()), (77, Some("t")));
        assert_eq!(received.decode_mirror(), Ok(request));
    }
}

#[test]
fn every_response_comes_back_as_it_was_sent() {
    let mut keys: Vec<MirrorApiKey> = responses().iter().map(MirrorResponse::key).collect();
    keys.sort_unstable();
    assert_eq!(keys, MirrorApiKey::ALL);
    for response in responses() {
        let frame = response.encode_frame(77).unwrap();
        assert_eq!(answered(response.key(), &frame), Ok(response));
    }
}

#[test]
fn a_refusal_is_an_answer_of_its_api_that_says_nothing_else() {
    for key in MirrorApiKey::ALL {
        let refusal = MirrorResponse::refusal(key, 35, "off");
        assert_eq!((refusal.key(), refusal.outcome()), (key, (35, Some("off"))));
        let frame = refusal.encode_frame(77).unwrap();
        assert_eq!(answered(key, &frame), Ok(refusal));
    }
    let sent = responses().iter().map(|response| response.outcome().0).sum::<i16>();
    assert_eq!(sent, 145 * 4 + 136 + 16);
}

#[test]
fn a_frame_cut_anywhere_is_refused() {
    for request in requests() {
        let frame = request.encode_frame(77, "t").unwrap();
        for length in SIZE_BYTES..frame.len() {
            let cut = received(&frame[..length]).and_then(|frame| frame.decode_mirror());
            assert!(cut.is_err(), "{length} of {} bytes of {request:?}", frame.len());
        }
    }
    for response in responses() {
        let frame = response.encode_frame(77).unwrap();
        for length in SIZE_BYTES..frame.len() {
            let cut = answered(response.key(), &frame[..length]);
            assert!(cut.is_err(), "{length} of {} bytes of {response:?}", frame.len());
        }
    }
}

#[test]
fn bytes_behind_a_request_are_ignored_and_behind_a_response_refused() {
    for (key, body) in request_bodies() {
        let longer = [&body[..], &[0]].concat();
        assert_eq!(MirrorRequest::decode(key, &longer), MirrorRequest::decode(key, &body));
    }
    for response in responses() {
        let frame = response.encode_frame(77).unwrap();
        let refused = answered(response.key(), &[&frame[..], &[0, 0]].concat()).unwrap_err();
        let expected = format!("2 bytes follow {}Response version 0 in its frame", response.key());
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn a_response_to_another_request_is_refused() {
    let response = responses().remove(0);
    let frame = response.encode_frame(78).unwrap();
    let refused = MessageError::CorrelationId { expected: 77, found: 78 };
    assert_eq!(answered(response.key(), &frame), Err(refused));
}

#[test]
fn an_unknown_version_can_be_answered_and_is_not_decoded() {
    for key in MirrorApiKey::ALL {
        let head = [&key.get().to_be_bytes()[..], &[0, 1, 0, 0, 0, 77], &[0xff; 9]].concat();
        let received = RequestFrame::parse(head.into()).unwrap();
        assert_eq!((received.correlation_id, received.client_id.as_deref()), (77, None));
        let refused = received.decode_mirror().unwrap_err();
        assert_eq!(refused, RequestError::UnknownMirrorVersion { api: key, api_version: 1 });
        assert_eq!(refused.to_string(), format!("{key} request has version 1, served is 0"));
    }
}

#[test]
fn a_request_of_another_api_is_no_request_about_mirrors() {
    for api_key in [3, 93, 97, 108] {
        let head = [&i16::to_be_bytes(api_key)[..], &[0, 0, 0, 0, 0, 77, 0xff, 0xff]].concat();
        let received = RequestFrame::parse(head.into()).unwrap();
        assert_eq!(received.decode_mirror(), Err(RequestError::UnknownApi { api_key }));
    }
}

#[test]
fn what_is_there_for_one_length_is_not_there_for_billions() {
    // As a text, an array, tags, and a size; the last is longer than a varint may be.
    let lengths: [&[u8]; 3] =
        [&[0xff, 0xff, 0xff, 0xff, 0x07], &[0xff, 0xff, 0xff, 0xff, 0x0f], &[0xff; 5]];
    for length in lengths {
        for (key, body) in request_bodies() {
            for position in 0..body.len() {
                let _ = MirrorRequest::decode(key, &overwritten(&body, position, length));
            }
            let cause = MirrorRequest::decode(key, length).map_err(|error| match error {
                MessageError::Fields { cause, .. } => cause,
                other => panic!("{other}"),
            });
            let expected = if length.ends_with(&[0xff]) {
                CursorError::Varint
            } else {
                CursorError::Incomplete
            };
            assert_eq!(cause, Err(FieldError::Cursor(expected)), "{key}");
        }
        for (key, body) in response_bodies() {
            for position in 0..body.len() {
                let _ = MirrorResponse::decode(key, &overwritten(&body, position, length));
            }
        }
    }
}

fn overwritten(bytes: &[u8], position: usize, with: &[u8]) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let end = changed.len().min(position + with.len());
    changed[position..end].copy_from_slice(&with[..end - position]);
    changed
}

#[test]
fn null_where_there_must_be_a_value_is_refused() {
    let name = "unexpected mirror_name";
    for (key, body, field) in [
        (MirrorApiKey::CreateClusterMirror, &b"\0"[..], name),
        (MirrorApiKey::CreateClusterMirror, b"\x02m\0", "unexpected configs"),
        (MirrorApiKey::StopMirrorTopics, b"\x02m\x02\0", "unexpected topic_name"),
        (MirrorApiKey::ListClusterMirrors, b"\0\0\0", "unexpected desired_states"),
        (MirrorApiKey::DeleteClusterMirror, b"\x03m\xff", name),
    ] {
        let refused = MirrorRequest::decode(key, body).unwrap_err().to_string();
        assert_eq!(refused, format!("{key}Request has an {field}"));
    }
}

#[test]
fn a_message_of_too_many_elements_is_refused_though_its_bytes_are_few() {
    let limit = ELEMENTS_MAX as usize;
    let frame = |count| {
        // Topics without a name: a length and no tags.
        let mut body = vec![2, b'm'];
        push_unsigned_varint(&mut body, count + 1);
        body.resize(body.len() + 2 * count as usize, 0);
        for topic in body[5..].chunks_mut(2) {
            topic[0] = 1;
        }
        body.extend([0xff; 8]);
        body.push(0);
        body
    };
    let key = MirrorApiKey::PauseMirrorTopics;
    let MirrorRequest::PauseMirrorTopics(most) =
        MirrorRequest::decode(key, &frame(ELEMENTS_MAX)).unwrap()
    else {
        panic!("another request");
    };
    assert_eq!(most.topics, vec![MirrorTopic { topic_name: String::new() }; limit]);
    let refused = MirrorRequest::decode(key, &frame(ELEMENTS_MAX + 1)).unwrap_err().to_string();
    let expected = "PauseMirrorTopicsRequest has more than 1048576 elements in its arrays";
    assert_eq!(refused, expected);
}

#[test]
fn elements_in_tagged_fields_and_in_each_other_count_too() {
    // So many topics for lookup, each with as many partitions.
    let mut lookups = Vec::new();
    push_unsigned_varint(&mut lookups, 1025 + 1);
    for _topic in 0..1025 {
        lookups.extend([7; 16]);
        push_unsigned_varint(&mut lookups, 1023 + 1);
        lookups.resize(lookups.len() + 4 * 1023 + 1, 0);
    }
    let mut body = vec![0, 0, 0, 0, 0, 1, 1];
    push_unsigned_varint(&mut body, u32::try_from(lookups.len()).unwrap());
    body.extend(lookups);
    let refused = MirrorRequest::decode(MirrorApiKey::DescribeClusterMirrors, &body).unwrap_err();
    let cause = FieldError::TooManyElements { elements_max: ELEMENTS_MAX };
    assert_eq!(refused, MessageError::Fields { message: "DescribeClusterMirrorsRequest", cause });
}

#[test]
fn a_body_too_large_to_decode_is_refused() {
    let body_bytes = REQUEST_BYTES_MAX + 1;
    let mut frame = requests()[0].encode_frame(77, "t").unwrap()[..REQUEST_HEAD_BYTES].to_vec();
    frame.resize(REQUEST_HEAD_BYTES + body_bytes, 0);
    let api = MirrorApiKey::CreateClusterMirror;
    let refused = Err(RequestError::MirrorTooLarge { api, body_bytes });
    assert_eq!(received(&frame).unwrap().decode_mirror(), refused);
}

#[test]
fn a_flag_is_true_for_any_byte_but_zero() {
    let body = [0, 0x80, 0, 2, 0xff, 0];
    let key = MirrorApiKey::DescribeClusterMirrors;
    let Ok(MirrorRequest::DescribeClusterMirrors(read)) = MirrorRequest::decode(key, &body) else {
        panic!("another request");
    };
    assert!(read.include_authorized_operations);
    assert!(read.include_mirror_state);
    assert!(read.include_mirror_offset);
}

#[test]
fn the_values_of_a_configuration_are_not_printed() {
    let printed = format!("{:?}", requests()[0]);
    assert!(printed.contains("bootstrap.servers") && !printed.contains("9092"), "{printed}");
    assert!(printed.contains("(hidden)") && printed.contains("(null)"), "{printed}");
}

proptest! {
    #[test]
    fn changed_messages_are_decoded_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let changed = |mut bytes: Vec<u8>| {
            for (index, byte) in &changes {
                let position = index.index(bytes.len());
                bytes[position] = *byte;
            }
            bytes
        };
        // What is taken can be written, and is then taken as the same.
        for (key, body) in request_bodies() {
            if let Ok(taken) = MirrorRequest::decode(key, &changed(body)) {
                let written = taken.encode().unwrap().bytes;
                prop_assert_eq!(MirrorRequest::decode(key, &written), Ok(taken));
            }
        }
        for (key, body) in response_bodies() {
            if let Ok(taken) = MirrorResponse::decode(key, &changed(body)) {
                let written = taken.encode().unwrap().bytes;
                prop_assert_eq!(MirrorResponse::decode(key, &written), Ok(taken));
            }
        }
    }

    #[test]
    fn any_bytes_are_decoded_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for key in MirrorApiKey::ALL {
            let _ = MirrorRequest::decode(key, &bytes);
            let _ = answered(key, &[&[0; SIZE_BYTES], &77_i32.to_be_bytes()[..], &bytes].concat());
        }
    }

    #[test]
    fn any_state_that_is_written_comes_back(
        numbers in any::<(i32, i8, i32, i32, i32, i64, i32)>(),
        error_message in any::<Option<String>>(),
        non_retryable in any::<bool>(),
        topic_name in ".{0,300}",
    ) {
        let (partition_index, state, leader_epoch, state_epoch, ..) = numbers;
        let (.., last_mirror_epoch, last_mirror_offset, retry_attempt) = numbers;
        let partition = WrittenPartition {
            partition_index,
            state,
            leader_epoch,
            state_epoch,
            last_mirror_epoch,
            last_mirror_offset,
            error_message,
            retry_attempt,
            non_retryable,
        };
        let mut request = samples::write();
        request.topics[0].topic_name = topic_name;
        request.topics[0].partitions.push(partition);
        let request = MirrorRequest::from(request);
        let frame = request.encode_frame(77, "t").unwrap();
        prop_assert_eq!(received(&frame).unwrap().decode_mirror(), Ok(request));
    }
}
