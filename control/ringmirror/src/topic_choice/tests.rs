use super::*;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn names_and_expressions_choose_among_what_is_known() {
    let known = owned(&["orders-us", "orders-eu", "pay.ments", "payXments", "orders"]);
    let among = |text: &str| TopicChoice::parse(text).unwrap().among(&known);
    assert_eq!(among("orders-.*"), ["orders-eu", "orders-us"]);
    assert_eq!(among("orders"), ["orders"]);
    assert_eq!(among("[orders, pay.ments]"), ["orders", "pay.ments", "payXments"]);
    assert_eq!(among("nothing"), [""; 0]);
}

#[test]
fn a_name_that_matches_nothing_is_left_for_the_node_to_judge() {
    let known = owned(&["orders", "payments"]);
    let known: BTreeSet<&String> = known.iter().collect();
    let without = |text| TopicChoice::parse(text).unwrap().names_without(&known);
    assert_eq!(without("orders,missing,pay.*,none-.*"), ["missing"]);
    assert_eq!(without("p.yments"), [""; 0]);
}

#[test]
fn what_is_no_list_of_topics_is_refused_with_the_reason() {
    let refused = |text| TopicChoice::parse(text).unwrap_err().error.to_string();
    assert!(refused(" , ").contains("--topics '.*'"));
    let excluded = TopicChoice::parse_of("--exclude", "(").unwrap_err().error.to_string();
    assert!(excluded.starts_with("--exclude: \"(\" is not"), "{excluded}");
    assert!(refused("a(b").starts_with("--topics: \"a(b\" is not a regular expression"));
}

#[test]
fn patterns_for_just_these_topics_match_no_others() {
    let topics = owned(&["orders", "pay.ments", "a.b"]);
    assert_eq!(exactly(&topics), ["orders", "pay\\.ments|a\\.b"]);
    let known = owned(&["payXments", "pay.ments", "a.b", "aXb", "xa.b", "orders", "orders2"]);
    let choice = TopicChoice::parse(&exactly(&topics).join(",")).unwrap();
    assert_eq!(choice.among(&known), ["a.b", "orders", "pay.ments"]);
    assert_eq!(exactly(&[]), [""; 0]);
}

#[test]
fn thousands_of_names_are_few_expressions_none_of_them_too_long() {
    let topics: Vec<String> = (0..5_000).map(|number| format!("team.topic-{number}")).collect();
    let patterns = exactly(&topics);
    assert!(patterns.len() < 100 && patterns.iter().all(|pattern| pattern.len() <= 2_048));
    let choice = TopicChoice::parse(&patterns.join(",")).unwrap();
    assert_eq!(choice.among(&topics).len(), topics.len());
}
