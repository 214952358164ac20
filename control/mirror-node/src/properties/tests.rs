use super::{PropertiesError, parse};

fn check(text: &str, expected: &[(&str, &str)]) {
    let pairs: Vec<(String, String)> =
        parse(text).unwrap().into_iter().map(|pair| (pair.key, pair.value)).collect();
    let expected: Vec<(String, String)> =
        expected.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    assert_eq!(pairs, expected, "{text:?}");
}

#[test]
fn every_separator_of_java_is_understood() {
    check(
        "a=1\nb:2\nc 3\nd\t=\t4\n  e = 5\nf\n",
        &[("a", "1"), ("b", "2"), ("c", "3"), ("d", "4"), ("e", "5"), ("f", "")],
    );
}

#[test]
fn comments_and_blank_lines_are_skipped() {
    check("# one\n ! two\n\n   \na=1\r\n", &[("a", "1")]);
    check("a=1 # part of the value\n", &[("a", "1 # part of the value")]);
}

#[test]
fn a_backslash_at_the_end_joins_lines_and_two_do_not() {
    check("a=1,\\\n    2,\\\n  3\nb=4", &[("a", "1,2,3"), ("b", "4")]);
    check("a=c:\\\\\nb=1", &[("a", "c:\\"), ("b", "1")]);
    check("a=1\\", &[("a", "1")]);
    check("a=1\\\n# not a comment", &[("a", "1# not a comment")]);
}

#[test]
fn escapes_are_taken_out_of_keys_and_values() {
    check("a\\=b\\ c=\\t\\u00e9\\x", &[("a=b c", "\t\u{e9}x")]);
}

#[test]
fn a_broken_unicode_escape_names_its_line() {
    assert_eq!(parse("a=1\nb=\\u00g0"), Err(PropertiesError::BadUnicodeEscape { line: 2 }));
    assert_eq!(parse("b=\\ud800"), Err(PropertiesError::BadUnicodeEscape { line: 1 }));
    assert_eq!(parse("b=\\u12"), Err(PropertiesError::BadUnicodeEscape { line: 1 }));
}

#[test]
fn absurdly_long_texts_are_refused() {
    let text = "#".repeat(super::PROPERTIES_BYTES_MAX + 1);
    assert!(matches!(parse(&text), Err(PropertiesError::TooLong { .. })));
}
