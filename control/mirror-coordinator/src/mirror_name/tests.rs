use super::MirrorName;

#[test]
fn a_name_follows_the_rules_of_topic_names() {
    let longest = "m".repeat(MirrorName::BYTES_MAX);
    for legal in ["a", "my-mirror", "A.b_c-9", "...", longest.as_str()] {
        assert_eq!(MirrorName::parse(legal).map(|name| name.to_string()).as_deref(), Some(legal));
    }
    let too_long = "m".repeat(MirrorName::BYTES_MAX + 1);
    for illegal in ["", ".", "..", "a b", "a/b", "a:b", "ä", "a\n", too_long.as_str()] {
        assert_eq!(MirrorName::parse(illegal), None, "{illegal:?}");
    }
}
