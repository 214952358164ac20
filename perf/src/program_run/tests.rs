use super::*;

#[test]
fn a_copy_counts_when_it_is_whole() {
    let line = |end: &str, closed: bool| {
        let outcome = serde_json::json!({
            "end": end, "closed": closed, "progress": { "bytes_written": 4096 }
        });
        serde_json::json!({ "event": "ended", "outcome": outcome }).to_string()
    };
    let whole = Told::parse(&line("caught_up", true)).unwrap();
    assert_eq!(whole, Told::Ended { bytes_written: 4096 });
    for less in [line("stopped", true), line("caught_up", false)] {
        let refused = Told::parse(&less).unwrap_err().to_string();
        assert!(refused.contains("less than all"), "{refused}");
    }
}

#[test]
fn lines_that_say_nothing_of_the_clock_are_passed_over() {
    assert_eq!(Told::parse(r#"{"event":"started","shards":1}"#).unwrap(), Told::Started);
    assert_eq!(Told::parse(r#"{"event":"stopping"}"#).unwrap(), Told::Stopping);
    assert_eq!(Told::parse(r#"{"event":"progress","offsets_done":7}"#).unwrap(), Told::Other);
    let refused = Told::parse("orders: 7 MB/s").unwrap_err().to_string();
    assert!(refused.contains("orders: 7 MB/s"), "{refused}");
}
