use super::{PatternError, PatternList, TopicPatterns, is_plain_name};
use crate::cluster_metadata::limits::{EXPRESSIONS_MAX, PATTERN_BYTES_MAX, PATTERNS_MAX};

fn list(patterns: &[&str]) -> PatternList {
    PatternList::parse(patterns).unwrap()
}

fn refused(patterns: &[&str]) -> String {
    PatternList::parse(patterns).unwrap_err().to_string()
}

#[test]
fn a_pattern_means_whole_names() {
    let cases: [(&[&str], &[&str], &[&str]); 6] = [
        (&[], &[], &["", "a"]),
        (&["orders"], &["orders"], &["orders-eu", "my-orders", "Orders"]),
        (&["orders-.*"], &["orders-", "orders-eu"], &["orders", "x-orders-eu"]),
        (&["a|b", "c"], &["a", "b", "c"], &["ab", "a|b", "xb", "ax"]),
        (&["a.b"], &["a.b", "axb"], &["a", "xa.b"]),
        (&["(?i)x", "Y"], &["x", "X", "Y"], &["y"]),
    ];
    for (patterns, matching, others) in cases {
        let list = list(patterns);
        for name in matching {
            assert!(list.matches(name), "{patterns:?} {name}");
        }
        for name in others {
            assert!(!list.matches(name), "{patterns:?} {name}");
        }
    }
}

#[test]
fn exclusion_wins() {
    let patterns = TopicPatterns { include: list(&["orders.*"]), exclude: list(&["orders-x"]) };
    assert!(patterns.selects("orders-y") && !patterns.selects("orders-x"));
    assert!(!patterns.selects("payments"));
    assert_eq!(patterns.exclude.matching("orders-x"), Some("orders-x"));
    assert_eq!(patterns.exclude.matching("orders-y"), None);
}

#[test]
fn what_is_no_expression_is_named_with_the_reason() {
    for pattern in ["(", "a)(b", "[z-a]", "*", "(?P<x>", "\\q", "a{99999999}", "(?<=a)b", "(a)\\1"]
    {
        let error = refused(&["fine", pattern]);
        assert!(error.contains("is not a regular expression"), "{pattern}: {error}");
        assert!(error.contains(&format!("{pattern:?}")), "{error}");
    }
    let error = refused(&["(?x)a#"]);
    assert!(error.contains("is not a regular expression"), "{error}");
}

#[test]
fn what_cannot_stand_in_a_list_is_refused() {
    for pattern in ["", "a{1,2}", " a", "a\n"] {
        let error = refused(&[pattern]);
        assert!(error.contains("cannot be an entry of a list"), "{pattern:?}: {error}");
    }
}

#[test]
fn every_limit_refuses_and_names_itself() {
    let long = "x".repeat(PATTERN_BYTES_MAX + 1);
    assert!(refused(&[&long]).contains("4097 bytes, at most 4096"));
    let many = vec!["x"; PATTERNS_MAX + 1];
    assert_eq!(refused(&many), "10001 patterns in one list, at most 10000 are taken");
    let expressions: Vec<_> = (0..=EXPRESSIONS_MAX).map(|number| format!("a{number}.*")).collect();
    let error = PatternList::parse(&expressions).unwrap_err();
    assert_eq!(error, PatternError::TooManyExpressions { count: EXPRESSIONS_MAX + 1 });
    // Each compiles; all together are too much.
    let large: Vec<_> = (0..40).map(|number| format!("{number}\\w{{150}}")).collect();
    let error = PatternList::parse(&large).unwrap_err();
    assert_eq!(error, PatternError::TooLarge { count: 40 });
    // Hundreds of bytes that would be gigabytes.
    let error = refused(&["((((\\w{100}){100}){100}){100})"]);
    assert!(error.contains("is not a regular expression"), "{error}");
}

#[test]
fn plain_names_are_not_compiled() {
    let names: Vec<_> = (0..PATTERNS_MAX).map(|number| format!("topic-{number}")).collect();
    let list = PatternList::parse(&names).unwrap();
    assert!(list.matches("topic-9999") && !list.matches("topic-10000"));
    assert!(list.expressions.is_none());
    assert!(is_plain_name("a_b-C9") && !is_plain_name("a.b") && !is_plain_name(""));
}
