use super::{ClientProperties, ClientPropertiesError as Error, DisplayAddress, parse_address};

fn refusal(text: &str) -> String {
    ClientProperties::parse(text).unwrap_err().to_string()
}

#[test]
fn what_a_mirror_honours_is_read() {
    let text = "bootstrap.servers=a:1, [::1]:2\nclient.id=me\nrequest.timeout.ms=5\n\
                fetch.max.bytes=100\nsecurity.protocol=PLAINTEXT\nmetadata.max.age.ms=500";
    let settings = ClientProperties::parse(text).unwrap();
    let servers: Vec<String> =
        settings.bootstrap_servers.iter().map(|at| DisplayAddress(at).to_string()).collect();
    assert_eq!(servers, ["a:1", "[::1]:2"]);
    assert_eq!(settings.client_id, "me");
    assert_eq!(settings.request_timeout_ms, 5);
    assert_eq!(settings.fetch_bytes_max, Some(100));
    assert_eq!(settings.metadata_refresh_ms, 500);
}

#[test]
fn an_empty_file_means_the_defaults() {
    assert_eq!(ClientProperties::parse("").unwrap(), ClientProperties::default());
}

#[test]
fn security_that_is_not_spoken_yet_is_refused_by_name() {
    assert!(refusal("security.protocol=SASL_SSL").contains("SASL_SSL is not supported yet"));
    for key in ["ssl.truststore.location", "sasl.mechanism", "security.providers"] {
        let text = refusal(&format!("client.id=x\n{key}=y"));
        assert!(text.contains(key) && text.contains("line 2"), "{text}");
    }
}

#[test]
fn a_key_nobody_honours_is_refused_by_name() {
    let text = refusal("group.id=x");
    assert!(text.contains("group.id") && text.contains("bootstrap.servers"), "{text}");
}

#[test]
fn values_without_a_meaning_are_refused() {
    for text in [
        "request.timeout.ms=soon",
        "request.timeout.ms=0",
        "request.timeout.ms=99999999999999999999",
        "fetch.max.bytes=-1",
        "fetch.max.bytes=2147483648",
        "metadata.max.age.ms=99",
        "bootstrap.servers=nohost",
    ] {
        let error = ClientProperties::parse(text).unwrap_err();
        assert!(matches!(error, Error::BadValue { line: 1, .. }), "{text}: {error}");
    }
}

#[test]
fn a_password_before_an_address_is_not_repeated() {
    for servers in ["user:PW@host:9092", "PW@host:9092", "a:1,user:P,PW@host:9092"] {
        let error = refusal(&format!("bootstrap.servers={servers}"));
        assert!(error.contains("***@host:9092") && !error.contains("PW"), "{error}");
    }
    let error = parse_address("user:PW@host:9092").unwrap_err().to_string();
    assert!(error.contains("***@host:9092") && !error.contains("PW"), "{error}");
}

#[test]
fn a_key_set_twice_is_refused() {
    let error = ClientProperties::parse("client.id=a\nclient.id=b").unwrap_err();
    assert!(matches!(error, Error::Duplicate { line: 2, .. }));
}

#[test]
fn addresses_need_a_host_and_a_port() {
    for text in ["", ":1", "a", "a:", "a:0", "a:65536", "::1:9092", "a b:1", "http://a:1"] {
        assert!(parse_address(text).is_err(), "{text:?}");
    }
    assert_eq!(parse_address(" localhost:9092 ").unwrap().port, 9092);
}

#[test]
fn the_settings_of_a_mirror_are_those_of_its_connections() {
    use mirror_coordinator::mirror_config::MirrorConfig;
    use mirror_coordinator::mirror_node_config::MirrorNodeConfig;
    let of = |pairs: &[(&str, &str)], refresh_ms| {
        let pairs = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        let config = MirrorConfig::parse(&pairs.collect()).unwrap();
        let node = MirrorNodeConfig { metadata_refresh_ms: refresh_ms, ..Default::default() };
        ClientProperties::of_mirror(&config, &node)
    };
    let plain = of(&[("bootstrap.servers", "a:1,[::1]:2")], 60_000);
    let servers: Vec<_> =
        plain.bootstrap_servers.iter().map(|at| DisplayAddress(at).to_string()).collect();
    assert_eq!(servers, ["a:1", "[::1]:2"]);
    let by_default = ClientProperties {
        bootstrap_servers: plain.bootstrap_servers.clone(),
        ..Default::default()
    };
    assert_eq!(plain, ClientProperties { metadata_refresh_ms: 60_000, ..by_default });
    let set = of(
        &[
            ("request.timeout.ms", "1"),
            ("socket.connection.setup.timeout.ms", "2"),
            ("fetch.response.max.bytes", "2000"),
            ("fetch.max.bytes", "1500"),
            ("fetch.wait.max.ms", "5"),
            ("fetch.backoff.ms", "6"),
        ],
        0,
    );
    assert_eq!((set.request_timeout_ms, set.connect_timeout_ms), (1, 2));
    assert_eq!((set.fetch_bytes_max, set.partition_fetch_bytes_max), (Some(2000), Some(1500)));
    assert_eq!(
        (set.fetch_wait_ms, set.backoff_ms, set.backoff_max_ms),
        (Some(5), Some(6), Some(6))
    );
    assert_eq!(set.metadata_refresh_ms, 100, "not without pause");
}
