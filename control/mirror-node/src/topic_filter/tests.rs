use kafka_wire::partition::TopicName;

use super::TopicFilter;

fn selected(include: &str, exclude: Option<&str>, names: &[&str]) -> Vec<String> {
    let filter = TopicFilter::new(include, exclude).unwrap();
    let names = names.iter().filter(|name| filter.selects(&TopicName::parse(name).unwrap()));
    names.map(|name| (*name).to_owned()).collect()
}

#[test]
fn expressions_match_whole_names() {
    assert_eq!(selected("orders", None, &["orders", "orders-2", "my-orders"]), ["orders"]);
    assert_eq!(selected("a|b.*", None, &["a", "ab", "b", "bc"]), ["a", "b", "bc"]);
}

#[test]
fn exclusion_wins() {
    assert_eq!(selected(".*", Some("tmp-.*"), &["a", "tmp-a", "b-tmp-"]), ["a", "b-tmp-"]);
}

#[test]
fn internal_topics_are_mirrored_only_when_named() {
    let names = ["a", "__consumer_offsets", "__transaction_state"];
    assert_eq!(selected(".*", None, &names), ["a"]);
    assert_eq!(selected("_.*", None, &names), Vec::<String>::new());
    assert_eq!(selected("a|__consumer_offsets", None, &names), ["a", "__consumer_offsets"]);
    assert_eq!(selected("__.*", None, &names), ["__consumer_offsets", "__transaction_state"]);
}

#[test]
fn an_expression_that_does_not_compile_is_named() {
    for text in ["(", "a{", "[z-a]", "a)(b"] {
        let error = TopicFilter::new(text, None).unwrap_err().to_string();
        assert!(error.contains("is not a regular expression"), "{error}");
        assert!(TopicFilter::new("a", Some(text)).is_err());
    }
}

#[test]
fn of_a_long_expression_a_message_repeats_the_beginning() {
    let error = TopicFilter::new(&"ä".repeat(80_000).replacen('ä', "(", 1), None).unwrap_err();
    let told = error.to_string();
    assert!(told.starts_with(&format!("\"({}...\" is not", "ä".repeat(79))), "{told}");
    assert!(told.ends_with("unclosed group"), "{told}");
    let whole = "[".repeat(80);
    let told = TopicFilter::new(&whole, None).unwrap_err().to_string();
    assert!(told.starts_with(&format!("{whole:?} is not")), "{told}");
}
