use super::*;

#[test]
fn the_file_names_version_and_topic_id() {
    let id = TopicId::parse("46r_7FZsSB2NSZZF0fRnlw").unwrap();
    let text = b"version: 0\ntopic_id: 46r_7FZsSB2NSZZF0fRnlw";
    assert_eq!(encode(id), text);
    assert_eq!(parse(text), Ok(id));
    assert_eq!(parse(b"version: 0\ntopic_id: 46r_7FZsSB2NSZZF0fRnlw\n"), Ok(id));
    assert_eq!(parse(b"topic_id: 46r_7FZsSB2NSZZF0fRnlw\nversion: 0"), Ok(id));
}

#[test]
fn what_names_no_topic_is_refused() {
    use PartitionMetadataError as Error;
    let check = |text: &[u8], error| assert_eq!(parse(text), Err(error));
    check(b"", Error::Version);
    check(b"version: 1\ntopic_id: 46r_7FZsSB2NSZZF0fRnlw", Error::Version);
    check(b"version: 0\n", Error::TopicId);
    check(b"version: 0\ntopic_id: short", Error::TopicId);
    check(b"version: 0\ntopic_id: AAAAAAAAAAAAAAAAAAAAAA", Error::TopicId);
    check(b"\xff\xfe", Error::NotText);
}
