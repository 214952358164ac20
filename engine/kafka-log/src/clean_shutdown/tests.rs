use super::*;

#[test]
fn the_marker_carries_the_broker_epoch() {
    assert_eq!(encode(-1), b"{\"version\":0,\"brokerEpoch\":-1}");
    assert_eq!(parse(&encode(-1)), -1);
    assert_eq!(parse(b"{ \"brokerEpoch\" : 42, \"version\": 0 }"), 42);
}

#[test]
fn an_unreadable_marker_carries_none() {
    for contents in [b"".as_slice(), b"{}", b"\xff", b"{\"brokerEpoch\":x}", b"{\"brokerEpoch\""] {
        assert_eq!(parse(contents), NO_BROKER_EPOCH);
    }
}
