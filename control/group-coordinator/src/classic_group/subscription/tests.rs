use super::subscribed_topics;

fn subscription(version: i16, topics: &[&str]) -> Vec<u8> {
    let mut bytes = version.to_be_bytes().to_vec();
    bytes.extend(i32::try_from(topics.len()).unwrap().to_be_bytes());
    for topic in topics {
        bytes.extend(i16::try_from(topic.len()).unwrap().to_be_bytes());
        bytes.extend(topic.as_bytes());
    }
    bytes
}

#[test]
fn topics_are_read_from_every_version_and_what_follows_them_is_not() {
    for version in [0, 1, 3] {
        let mut bytes = subscription(version, &["orders", "payments"]);
        bytes.extend([0xff; 9]);
        let topics = subscribed_topics(&bytes).unwrap();
        assert_eq!(topics, ["orders", "payments"], "version {version}");
    }
}

#[test]
fn a_subscription_that_ends_early_or_claims_too_much_is_not_understood() {
    let whole = subscription(1, &["orders", "payments"]);
    for length in 0..whole.len() {
        assert_eq!(subscribed_topics(&whole[..length]), None, "{length} bytes");
    }
    let mut absurd = subscription(1, &[]);
    absurd[2..6].copy_from_slice(&i32::MAX.to_be_bytes());
    assert_eq!(subscribed_topics(&absurd), None);
    absurd[2..6].copy_from_slice(&(-1_i32).to_be_bytes());
    assert_eq!(subscribed_topics(&absurd), None);
}
