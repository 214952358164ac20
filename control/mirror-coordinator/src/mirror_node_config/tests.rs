use std::collections::BTreeMap;

use super::{DEFINITIONS, MirrorNodeConfig, altered};
use crate::mirror_config::config_change::{ConfigChange, ConfigOperation};

fn one(name: &str, value: &str) -> Result<MirrorNodeConfig, String> {
    let configs = BTreeMap::from([(name.to_owned(), value.to_owned())]);
    MirrorNodeConfig::parse(&configs).map_err(|error| error.to_string())
}

fn change(name: &str, operation: ConfigOperation, value: &str) -> ConfigChange {
    ConfigChange { name: name.to_owned(), operation, value: Some(value.to_owned()) }
}

#[test]
fn what_is_not_set_has_the_default_of_the_proposal() {
    let parsed = MirrorNodeConfig::parse(&BTreeMap::new()).unwrap();
    assert_eq!(parsed, MirrorNodeConfig::default());
    assert_eq!(parsed.metadata_refresh_ms, 60_000);
    assert_eq!((parsed.retry.initial_ms, parsed.retry.max_ms), (100, 300_000));
    assert_eq!(parsed.retry.attempts_max, 20);
    assert_eq!(parsed.throttled_bytes_per_second, None);
}

#[test]
fn what_is_set_holds() {
    let refresh = one("mirror.metadata.refresh.interval.ms", "5000").unwrap();
    assert_eq!(refresh.metadata_refresh_ms, 5_000);
    assert_eq!(one("mirror.failed.retry.initial.backoff.ms", "7").unwrap().retry.initial_ms, 7);
    assert_eq!(one("mirror.failed.retry.max.backoff.ms", "8").unwrap().retry.max_ms, 8);
    assert_eq!(one("mirror.failed.retry.max.attempts", "0").unwrap().retry.attempts_max, 0);
    let rate = |text| one("mirror.replication.throttled.rate", text).unwrap();
    assert_eq!(rate("1048576").throttled_bytes_per_second, Some(1_048_576));
    assert_eq!(rate("0").throttled_bytes_per_second, Some(0));
    assert_eq!(rate("9223372036854775807").throttled_bytes_per_second, None);
}

#[test]
fn every_setting_takes_what_lies_within_its_limits_and_does_something() {
    for definition in &DEFINITIONS {
        let name = definition.name;
        one(name, definition.default).unwrap();
        let below = (i128::from(definition.least) - 1).to_string();
        let above = (i128::from(definition.most) + 1).to_string();
        for value in [below.as_str(), above.as_str(), "many", ""] {
            let error = one(name, value).unwrap_err();
            assert!(error.contains(name) && error.contains("a number between"), "{error}");
        }
        match definition.without_effect {
            None => drop(one(name, &definition.most.to_string()).unwrap()),
            Some(why) => {
                let error = one(name, &definition.most.to_string()).unwrap_err();
                assert!(error.contains(why) && error.contains("no effect"), "{error}");
            }
        }
    }
    assert!(one("mirror.frobnicate", "1").unwrap_err().contains("unknown setting"));
}

#[test]
fn settings_are_changed_one_by_one() {
    use ConfigOperation::{Append, Delete, Set, Subtract};
    let name = "mirror.replication.throttled.rate";
    let set = altered(&BTreeMap::new(), &[change(name, Set, " 5 ")]).unwrap();
    assert_eq!(set.get(name).map(String::as_str), Some("5"));
    assert!(altered(&set, &[change(name, Delete, "")]).unwrap().is_empty());
    for (changes, word) in [
        (vec![change(name, Append, "5")], "not a list"),
        (vec![change(name, Subtract, "5")], "not a list"),
        (vec![change(name, Set, "-1")], "between 0"),
        (vec![change("log.dirs", Set, "x")], "unknown setting"),
        (vec![change(name, Set, "1"), change(name, Delete, "")], "named twice"),
    ] {
        let error = altered(&set, &changes).unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    }
}
