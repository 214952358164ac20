use super::*;

#[test]
fn addresses_are_read_as_kafkas_tools_read_them() {
    let read = |text| address(text).map(|read| (read.host.to_string(), read.port));
    assert_eq!(read("node-b:9092").unwrap(), ("node-b".to_owned(), 9092));
    assert_eq!(read(" :9094").unwrap(), ("localhost".to_owned(), 9094));
    assert_eq!(read("node-b").unwrap_err().code, ExitCode::Usage);
}

#[test]
fn a_refusal_says_what_by_which_error_and_what_to_do() {
    let said = |code, message| refused("StopMirrorTopics", code, message).error.to_string();
    assert_eq!(
        said(137, None),
        "StopMirrorTopics: UNKNOWN_CLUSTER_MIRROR (137); `ringmirror cluster-mirrors --list` \
         shows the mirrors there are"
    );
    assert_eq!(
        said(137, Some("no mirror dc1 is here; create it first")),
        "StopMirrorTopics: UNKNOWN_CLUSTER_MIRROR (137): no mirror dc1 is here; create it first",
        "one cure is enough"
    );
    assert_eq!(said(40, Some("")), "StopMirrorTopics: INVALID_CONFIG (40)");
    assert_eq!(unknown_mirror("dc1").code, ExitCode::Failed);
}
