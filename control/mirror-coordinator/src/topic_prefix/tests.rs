use super::*;

fn topic(name: &str) -> TopicName {
    TopicName::parse(name).unwrap()
}

#[test]
fn a_topic_has_the_prefix_here_and_loses_it_on_the_way_back() {
    for (prefix, at_source, here) in [
        ("", "orders", "orders"),
        ("a.", "orders", "a.orders"),
        (".", "b.x", ".b.x"),
        ("_", "x", "_x"),
    ] {
        let prefix = TopicPrefix::parse(prefix).unwrap();
        assert_eq!(prefix.name_here(at_source), Ok(topic(here)));
        assert_eq!(prefix.name_at_source(&topic(here)), Some(topic(at_source)));
    }
}

#[test]
fn names_that_no_topic_of_the_mirror_has_are_none() {
    let prefix = TopicPrefix::parse("a.").unwrap();
    for name in ["orders", "a.", "a", "b.orders", "a.__offsets", "a..", "a..."] {
        assert_eq!(prefix.name_at_source(&topic(name)), None, "{name}");
    }
}

#[test]
fn topics_of_the_source_itself_are_not_mirrored_under_a_prefix() {
    let none = TopicPrefix::default();
    assert_eq!(none.name_here("__schemas"), Ok(topic("__schemas")), "without one they may be");
    for (prefix, at_source) in [("a.", "__schemas"), ("_", "_schemas")] {
        let prefix = TopicPrefix::parse(prefix).unwrap();
        assert_eq!(prefix.name_here(at_source), Err(NoName::Internal), "{at_source}");
    }
    let prefix = TopicPrefix::parse("a.").unwrap();
    assert_eq!(prefix.name_here("../etc"), Err(NoName::Illegal));
    assert_eq!(prefix.name_here("."), Err(NoName::Illegal));
    assert_eq!(none.name_here(""), Err(NoName::Illegal));
}

#[test]
fn the_whole_name_is_no_longer_than_names_may_be() {
    let prefix = TopicPrefix::parse("from-a.").unwrap();
    let longest = "x".repeat(TopicName::BYTES_MAX - 7);
    assert!(prefix.name_here(&longest).is_ok());
    assert_eq!(prefix.name_here(&format!("{longest}x")), Err(NoName::TooLong));
    assert!(TopicPrefix::parse(&"p".repeat(TopicName::BYTES_MAX - 1)).is_some());
    assert!(TopicPrefix::parse(&"p".repeat(TopicName::BYTES_MAX)).is_none());
}

#[test]
fn a_prefix_has_the_signs_of_topic_names() {
    for text in ["a b.", "a/", "\u{e4}.", "a,b", "__a.", "__"] {
        assert!(TopicPrefix::parse(text).is_none(), "{text}");
    }
    assert!(TopicPrefix::parse("_a-1.").is_some() && TopicPrefix::parse("").is_some());
}
