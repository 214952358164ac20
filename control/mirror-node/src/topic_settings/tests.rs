use super::*;

fn configs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_default_is_legal_and_the_table_is_in_order() {
    for setting in &SETTINGS {
        assert_eq!(setting.normal(setting.default).as_deref(), Ok(setting.default), "{setting:?}");
        assert!(!setting.documentation.is_empty());
    }
    assert!(SETTINGS.is_sorted_by(|one, next| one.name < next.name));
}

#[test]
fn values_are_shown_without_blanks() {
    for (name, value, shown) in [
        ("segment.bytes", " 2097152 ", "2097152"),
        ("cleanup.policy", "delete, compact", "delete,compact"),
        ("cleanup.policy", "", ""),
        ("preallocate", "TRUE", "true"),
        ("min.cleanable.dirty.ratio", "1", "1.0"),
        ("retention.ms", "-1", "-1"),
        ("compression.gzip.level", "-1", "-1"),
        ("leader.replication.throttled.replicas", "0:1, 1:2", "0:1,1:2"),
        ("follower.replication.throttled.replicas", "*", "*"),
        ("message.timestamp.type", "LogAppendTime", "LogAppendTime"),
    ] {
        let setting = find(name).expect("the setting exists");
        assert_eq!(setting.normal(value).as_deref(), Ok(shown), "{name}={value}");
    }
}

#[test]
fn what_a_stock_broker_refuses_is_refused() {
    for (name, value, expected) in [
        ("foo", "1", "Unknown topic config name: foo"),
        ("segment.bytes", "1", "for configuration segment.bytes: Value must be at least 1048576"),
        ("segment.bytes", "2147483648", "Not a number of type INT"),
        ("segment.bytes", "x", "Not a number of type INT"),
        ("retention.ms", "", "Not a number of type LONG"),
        ("retention.ms", "-2", "Value must be at least -1"),
        ("compression.lz4.level", "18", "Value must be no more than 17"),
        ("compression.gzip.level", "0", "Value must be between 1 and 9 or equal to -1"),
        ("cleanup.policy", "foo", "String must be one of: compact, delete"),
        ("cleanup.policy", "delete,,compact", "String must be one of"),
        ("message.timestamp.type", "foo", "String must be one of: CreateTime, LogAppendTime"),
        ("preallocate", "yes", "Expected value to be either true or false"),
        ("min.cleanable.dirty.ratio", "1.5", "Value must be between 0 and 1"),
        ("min.cleanable.dirty.ratio", "NaN", "Value must be between 0 and 1"),
        ("leader.replication.throttled.replicas", "x", "expected * or a list"),
        ("leader.replication.throttled.replicas", "0:-1", "expected * or a list"),
        ("remote.storage.enable", "true", "this node has no tiered storage"),
    ] {
        let error = check(&configs(&[(name, value)])).expect_err(name).to_string();
        assert!(error.contains(expected), "{name}={value}: {error}");
    }
}

#[test]
fn what_would_do_nothing_here_is_refused_with_the_reason() {
    for (name, value, reason) in [
        ("cleanup.policy", "compact", "does not compact"),
        ("cleanup.policy", "delete, compact", "does not compact"),
        ("compression.type", "zstd", "keeps batches as producers send them"),
        ("compression.type", "uncompressed", "keeps batches as producers send them"),
        ("file.delete.delay.ms", "1000", "deletes files at once"),
        ("flush.messages", "1", "every five seconds"),
        ("flush.ms", "4999", "every five seconds"),
        ("min.insync.replicas", "2", "only replica"),
        ("preallocate", "true", "as it grows"),
        ("segment.jitter.ms", "1", "without jitter"),
    ] {
        let error = check(&configs(&[(name, value)])).expect_err(name).to_string();
        assert!(error.starts_with(&format!("{name} cannot be set to ")), "{error}");
        assert!(error.contains(reason) && error.contains("no effect"), "{error}");
    }
}

#[test]
fn what_means_what_this_node_does_anyway_is_taken() {
    for (name, value) in [
        ("cleanup.policy", "delete"),
        ("cleanup.policy", ""),
        ("compression.type", " producer "),
        ("file.delete.delay.ms", "0"),
        ("flush.ms", "5000"),
        ("min.insync.replicas", "1"),
        ("preallocate", "False"),
        ("unclean.leader.election.enable", "true"),
        ("compression.gzip.level", "9"),
    ] {
        assert_eq!(check(&configs(&[(name, value)])), Ok(()), "{name}={value}");
    }
    for setting in &SETTINGS {
        assert_eq!(check_one(setting.name, setting.default), Ok(()), "{setting:?}");
    }
}

#[test]
fn a_topic_that_has_what_would_do_nothing_keeps_it() {
    let own = configs(&[(CLEANUP_POLICY, "compact"), ("compression.type", "zstd")]);
    for (name, value) in &own {
        assert_eq!(effective(&own, find(name).expect("the setting exists")), *value);
    }
}

#[test]
fn a_shortest_time_to_compaction_above_the_longest_is_refused() {
    let both = configs(&[("min.compaction.lag.ms", "10"), ("max.compaction.lag.ms", "5")]);
    assert_eq!(check(&both), Err(SettingError::CompactionLag { min: 10, max: 5 }));
}

#[test]
fn a_value_that_is_not_legal_here_leaves_the_default() {
    let own = configs(&[("segment.bytes", "16384"), ("retention.ms", "60000")]);
    assert_eq!(long(&own, SEGMENT_BYTES), 1 << 30);
    assert_eq!(long(&own, RETENTION_MS), 60_000);
    assert!(has(&own, CLEANUP_POLICY, "delete"));
    assert!(!has(&configs(&[(CLEANUP_POLICY, "compact")]), CLEANUP_POLICY, "delete"));
}

#[test]
fn how_a_topic_is_mirrored_is_said_here_and_checked_as_a_whole() {
    const UNCLEAN: &str = "mirror.support.unclean.leader.election";
    assert_eq!(check_one(UNCLEAN, "true"), Ok(()));
    assert_eq!(check_one("mirror.replication.throttled.replicas", "0:1,1:1"), Ok(()));
    assert!(matches!(check_one(UNCLEAN, "perhaps"), Err(SettingError::Mirrored(_))));
    let of = |pairs: &[(&str, &str)]| {
        let pairs = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        check(&pairs.collect())
    };
    let other = "mirror.unclean.leader.election.enable";
    assert_eq!(of(&[(UNCLEAN, "true"), (other, "true")]), Ok(()));
    let at_odds = of(&[(UNCLEAN, "true"), (other, "false")]);
    assert!(matches!(at_odds, Err(SettingError::Mirrored(_))), "{at_odds:?}");
}
