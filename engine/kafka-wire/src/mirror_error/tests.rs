use kafka_protocol::error::ResponseError;

use super::*;

#[test]
fn codes_and_names_are_those_of_the_kip() {
    let table: Vec<(i16, String)> =
        MirrorError::ALL.map(|error| (error.code(), error.to_string())).into();
    let expected = [
        (134, "READ_ONLY_TOPIC"),
        (135, "INVALID_CLUSTER_MIRROR_NAME"),
        (136, "CLUSTER_MIRROR_ALREADY_EXISTS"),
        (137, "UNKNOWN_CLUSTER_MIRROR"),
        (138, "TOPIC_ALREADY_IN_CLUSTER_MIRROR"),
        (139, "TOPIC_NOT_IN_CLUSTER_MIRROR"),
        (140, "MIRROR_TOPIC_ALREADY_PAUSED"),
        (141, "MIRROR_TOPIC_NOT_PAUSED"),
        (142, "MIRROR_TOPIC_BEING_STOPPED"),
        (143, "CLUSTER_MIRROR_NOT_EMPTY"),
        (144, "CLUSTER_MIRROR_AUTHORIZATION_FAILED"),
        (145, "INVALID_CLUSTER_MIRROR_STATE"),
        (146, "MIRROR_TOPIC_NOT_STOPPED"),
    ];
    assert_eq!(table, expected.map(|(code, name)| (code, name.to_owned())));
}

#[test]
fn a_code_is_read_as_its_error_and_no_other_code_is() {
    for code in i16::MIN..=i16::MAX {
        let error = MirrorError::from_code(code);
        assert_eq!(error.is_some(), (134..=146).contains(&code), "code {code}");
        assert!(error.is_none_or(|error| error.code() == code));
    }
}

#[test]
fn no_code_is_one_that_kafka_has_given_to_another_error() {
    for error in MirrorError::ALL {
        let code = error.code();
        assert_eq!(ResponseError::try_from_code(code), Some(ResponseError::Unknown(code)));
    }
}
