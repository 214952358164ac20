use std::collections::BTreeMap;

use super::config_change::{ConfigChange, ConfigOperation, altered};
use super::definitions::{ConfigKind, ConfigRule, DEFINITIONS};
use super::described::described;
use super::security_names;
use super::{MirrorConfig, SourceAddress, change_reconnects, list};
use crate::cluster_metadata::limits::CONFIG_VALUE_BYTES_MAX;

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn with(name: &str, value: &str) -> Result<MirrorConfig, String> {
    let configs = configs(&[("bootstrap.servers", "h:1"), (name, value)]);
    MirrorConfig::parse_whole(&configs).map_err(|error| error.to_string())
}

fn change(name: &str, operation: ConfigOperation, value: &str) -> ConfigChange {
    ConfigChange { name: name.to_owned(), operation, value: Some(value.to_owned()) }
}

#[test]
fn what_is_not_set_has_the_default_of_the_proposal() {
    let config = with("security.protocol", "PLAINTEXT").unwrap();
    assert_eq!(config.bootstrap_servers, [SourceAddress { host: "h".into(), port: 1 }]);
    assert_eq!((config.request_timeout_ms, config.connection_setup_timeout_ms), (30_000, 10_000));
    assert_eq!((config.fetch_wait_ms, config.fetch_backoff_ms), (None, None));
    assert!(config.topics.include.patterns().is_empty() && config.topic_prefix.is_empty());
    assert_eq!(config.topics.exclude.patterns(), ["__.*"]);
    assert_eq!(config.topic_properties_exclude.len(), 10);
    assert!(config.groups_include.matches("any group"));
    assert!(config.groups_exclude.patterns().is_empty());
    assert_eq!(config.acls_include, ["*"]);
}

#[test]
fn what_is_set_holds() {
    let config = MirrorConfig::parse_whole(&configs(&[
        ("bootstrap.servers", " a.example:9092 , [::1]:9093 "),
        ("request.timeout.ms", "1"),
        ("socket.connection.setup.timeout.ms", " 250 "),
        ("fetch.wait.max.ms", "77"),
        ("fetch.backoff.ms", "78"),
        ("fetch.response.max.bytes", "2048"),
        ("fetch.max.bytes", "1024"),
        ("topics.include", "[orders-.*,payments]"),
        ("topics.exclude", ""),
        ("topics.prefix", " a. "),
        ("topic.properties.exclude", "retention.bytes"),
        ("groups.include", "app-.*"),
        ("groups.exclude", "app-x"),
        ("acls.include", "TOPIC;a"),
    ]))
    .unwrap();
    let servers: Vec<_> = config.bootstrap_servers.iter().map(ToString::to_string).collect();
    assert_eq!(servers, ["a.example:9092", "[::1]:9093"]);
    assert_eq!((config.request_timeout_ms, config.connection_setup_timeout_ms), (1, 250));
    assert_eq!((config.fetch_wait_ms, config.fetch_backoff_ms), (Some(77), Some(78)));
    assert_eq!(config.fetch_response_bytes_max, Some(2048));
    assert_eq!(config.fetch_partition_bytes_max, Some(1024));
    assert!(config.topics.selects("orders-eu") && config.topics.selects("payments"));
    assert!(!config.topics.selects("orders"));
    assert_eq!(config.topic_prefix.as_str(), "a.");
    assert_eq!(config.topic_properties_exclude, ["retention.bytes"]);
    assert!(config.groups_include.matches("app-x") && config.groups_exclude.matches("app-x"));
    assert_eq!(config.acls_include, ["TOPIC;a"]);
}

#[test]
fn every_setting_takes_its_default_and_what_its_rule_allows_and_nothing_else() {
    for definition in &DEFINITIONS {
        let name = definition.name;
        if let Some(default) = definition.default {
            with(name, default).unwrap();
        }
        let refused: Vec<(String, &str)> = match definition.rule {
            ConfigRule::Any => Vec::new(),
            ConfigRule::AclRules => {
                vec![("TOPIC;a,TROPIC".to_owned(), "\"TROPIC\" is no resource type")]
            }
            ConfigRule::Between(least, most) => vec![
                ((least - 1).to_string(), "a number between"),
                ((i128::from(most) + 1).to_string(), "a number between"),
                ("ten".to_owned(), "a number between"),
                (String::new(), "a number between"),
                ("1.5".to_owned(), "a number between"),
            ],
            ConfigRule::OnlyDefault { least, why } => vec![
                ((least - 1).to_string(), "a number between"),
                ("x".to_owned(), "a number between"),
                ((least + 2).to_string(), why),
            ],
            ConfigRule::Addresses => vec![
                (String::new(), "host:port"),
                ("kafka".to_owned(), "host:port"),
                ("a:1,b:0".to_owned(), "\"b:0\""),
                ("a:65536".to_owned(), "host:port"),
                ("::1:9092".to_owned(), "[ipv6]:port"),
                ("a b:1".to_owned(), "host:port"),
            ],
            ConfigRule::Patterns => {
                vec![("fine,(".to_owned(), "\"(\" is not a regular expression")]
            }
            ConfigRule::TopicPrefix => vec![
                ("a b.".to_owned(), "letters, digits"),
                ("__a.".to_owned(), "do not begin with"),
                ("p".repeat(249), "up to 248"),
            ],
            ConfigRule::Plaintext => vec![
                ("SSL".to_owned(), "not supported here"),
                ("SASL_SSL".to_owned(), "not supported here"),
                ("SASL_PLAINTEXT".to_owned(), "not supported here"),
                ("plain".to_owned(), "PLAINTEXT"),
            ],
            ConfigRule::SetByTheNode => vec![("abc".to_owned(), "set by the node itself")],
        };
        for (value, word) in refused {
            let error = with(name, &value).unwrap_err();
            assert!(error.contains(name) && error.contains(word), "{name}={value}: {error}");
        }
    }
}

#[test]
fn unknown_names_are_refused_with_the_known_ones() {
    for name in ["bootstrap.server", "max.poll.records", "ssl.frobnicate", "sasl.password", ""] {
        let error = with(name, "1").unwrap_err();
        assert!(error.contains("unknown setting") && error.contains("fetch.max.bytes"), "{error}");
    }
    let error = with(&"x".repeat(10_000), "1").unwrap_err();
    assert!(error.len() < 1_000, "only its beginning is told");
}

#[test]
fn a_mirror_has_a_source() {
    let error = MirrorConfig::parse_whole(&BTreeMap::new()).unwrap_err().to_string();
    assert!(error.contains("bootstrap.servers must be set"), "{error}");
    assert!(MirrorConfig::parse(&BTreeMap::new()).unwrap().bootstrap_servers.is_empty());
}

#[test]
fn security_settings_are_known_refused_by_name_and_never_repeated() {
    let secret = "hunter2";
    for name in ["sasl.jaas.config", "ssl.keystore.password", "sasl.mechanism", "ssl.protocol"] {
        let error = with(name, secret).unwrap_err();
        assert!(error.contains(name) && error.contains("PLAINTEXT only"), "{error}");
        assert!(!error.contains(secret), "{error}");
    }
    let unknown = with("ssl.my.password", secret).unwrap_err();
    assert!(!unknown.contains(secret), "{unknown}");
    let too_long = secret.repeat(CONFIG_VALUE_BYTES_MAX);
    let error = with("ssl.key.password", &too_long).unwrap_err();
    assert!(error.contains("at most 1048576") && !error.contains(secret), "{error}");
}

#[test]
fn secrets_are_neither_described_nor_in_debug_texts() {
    let secret = "hunter2";
    for name in ["ssl.key.password", "sasl.jaas.config", "some.newer.token"] {
        assert!(security_names::is_sensitive(name));
        let stored = configs(&[("bootstrap.servers", "h:1"), (name, secret)]);
        let shown = described(&stored, None);
        let one = shown.iter().find(|config| config.name == name).unwrap();
        assert_eq!((one.value.as_deref(), one.is_sensitive), (None, true));
        assert_eq!(one.kind, ConfigKind::Password);
        assert!(!format!("{shown:?}").contains(secret));
        let change = change(name, ConfigOperation::Set, secret);
        assert!(!format!("{change:?}").contains(secret));
    }
    let open = change("topics.include", ConfigOperation::Set, "orders");
    assert!(format!("{open:?}").contains("orders"), "only what may be a secret is hidden");
}

#[test]
fn describing_shows_every_setting_where_it_came_from_and_the_source() {
    let stored = configs(&[("bootstrap.servers", "h:1"), ("fetch.max.bytes", "2048")]);
    let shown = described(&stored, Some("abc"));
    assert_eq!(shown.len(), DEFINITIONS.len());
    let of = |name: &str| {
        let config = shown.iter().find(|config| config.name == name).unwrap();
        (config.value.as_deref(), config.is_default, config.is_read_only)
    };
    assert_eq!(of("fetch.max.bytes"), (Some("2048"), false, false));
    assert_eq!(of("fetch.min.bytes"), (Some("1"), true, false));
    assert_eq!(of("source.cluster.id"), (Some("abc"), false, true));
    assert!(shown.is_sorted_by(|one, other| one.name < other.name));
}

#[test]
fn lists_are_between_commas_with_or_without_brackets() {
    for (text, expected) in [
        ("", &[][..]),
        (" , ,", &[]),
        ("a", &["a"]),
        (" a , b,c ", &["a", "b", "c"]),
        ("[a,b]", &["a", "b"]),
        ("[]", &["[]"]),
        ("[ab]", &["[ab]"]),
        ("[a-z],[0-9]", &["[a-z]", "[0-9]"]),
    ] {
        assert_eq!(list(text), expected, "{text:?}");
    }
}

#[test]
fn settings_are_set_deleted_appended_to_and_subtracted_from() {
    use ConfigOperation::{Append, Delete, Set, Subtract};
    let before = configs(&[("bootstrap.servers", "h:1"), ("topics.include", "a,b")]);
    let after = |name: &str, operation, value: &str| {
        let after = altered(&before, &[change(name, operation, value)]).unwrap();
        after.get(name).cloned()
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(after("topics.include", Set, "[c,d]"), some("c,d"));
    assert_eq!(after("topics.include", Append, "b, c"), some("a,b,c"));
    assert_eq!(after("topics.include", Subtract, "[a,x]"), some("b"));
    assert_eq!(after("topics.include", Delete, ""), None);
    assert_eq!(after("topics.exclude", Append, "x"), some("__.*,x"), "joins the default");
    assert_eq!(after("topics.exclude", Subtract, "__.*"), some(""), "of the default");
    assert_eq!(after("fetch.max.bytes", Set, " 2048 "), some("2048"));
    let unset = ConfigChange { name: "topics.include".to_owned(), operation: Set, value: None };
    assert_eq!(altered(&before, &[unset]).unwrap().get("topics.include"), None);
}

#[test]
fn a_refused_change_names_what_is_wrong() {
    use ConfigOperation::{Append, Delete, Set, Subtract};
    let before = configs(&[("bootstrap.servers", "h:1")]);
    let cases = [
        (change("bootstrap.servers", Delete, ""), "bootstrap.servers must be set"),
        (change("bootstrap.servers", Subtract, "h:1"), "host:port"),
        (change("request.timeout.ms", Append, "1"), "not a list"),
        (change("request.timeout.ms", Subtract, "1"), "not a list"),
        (change("topics.include", Append, "("), "not a regular expression"),
        (change("source.cluster.id", Set, "x"), "set by the node"),
        (change("source.cluster.id", Delete, ""), "set by the node"),
        (change("mirror.name", Set, "x"), "unknown setting"),
        (change("sasl.jaas.config", Append, "x"), "not supported here"),
    ];
    for (change, word) in cases {
        let error = altered(&before, &[change]).unwrap_err().to_string();
        assert!(error.contains(word), "{word}: {error}");
    }
    let twice = [change("topics.include", Set, "a"), change("topics.include", Set, "b")];
    let error = altered(&before, &twice).unwrap_err().to_string();
    assert!(error.contains("named twice"), "{error}");
    for (number, operation) in [(0, Set), (1, Delete), (2, Append), (3, Subtract)] {
        assert_eq!(ConfigOperation::from_number(number), Some(operation));
    }
    assert_eq!(ConfigOperation::from_number(4), None);
}

#[test]
fn only_changes_of_what_is_copied_keep_the_connections() {
    let before = configs(&[("bootstrap.servers", "h:1"), ("fetch.max.bytes", "2048")]);
    for (name, value, expected) in [
        ("topics.include", "a", false),
        ("topics.exclude", "a", false),
        ("groups.include", "a", false),
        ("groups.exclude", "a", false),
        ("acls.include", "GROUP", false),
        ("topic.properties.exclude", "a", true),
        ("topics.prefix", "a.", true),
        ("bootstrap.servers", "h:2", true),
        ("bootstrap.servers", "h:1", false),
        ("request.timeout.ms", "5", true),
    ] {
        let mut after = before.clone();
        after.insert(name.to_owned(), value.to_owned());
        assert_eq!(change_reconnects(&before, &after), expected, "{name}={value}");
        assert_eq!(change_reconnects(&after, &before), expected, "{name}={value} back");
    }
}

#[test]
fn no_name_stands_twice() {
    for definition in &DEFINITIONS {
        assert_eq!(security_names::find(definition.name), None, "{}", definition.name);
        let same = DEFINITIONS.iter().filter(|other| other.name == definition.name);
        assert_eq!(same.count(), 1, "{}", definition.name);
    }
}

#[test]
fn a_password_before_an_address_is_not_repeated() {
    for servers in ["user:PW@host:9092", "PW@host:9092", "a:1,user:P,PW@host:9092"] {
        let error = MirrorConfig::parse(&configs(&[("bootstrap.servers", servers)])).unwrap_err();
        let error = error.to_string();
        assert!(error.contains("***@host:9092") && !error.contains("PW"), "{error}");
    }
}
