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
    assert_eq!(among(&exactly("pay.ments")), ["pay.ments"]);
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
    assert!(refused("a(b").starts_with("--topics: \"a(b\" is not a regular expression"));
}
