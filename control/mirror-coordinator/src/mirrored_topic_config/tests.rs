use std::collections::BTreeMap;

use kafka_wire::partition::{BrokerId, PartitionIndex};

use super::{
    MirroredTopicConfig, SUPPORT_UNCLEAN_ELECTION, SUPPORT_UNCLEAN_ELECTION_ALIAS,
    THROTTLED_REPLICAS, ThrottledReplicas,
};

fn parse(pairs: &[(&str, &str)]) -> Result<MirroredTopicConfig, String> {
    let configs: BTreeMap<_, _> =
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    MirroredTopicConfig::parse(&configs).map_err(|error| error.to_string())
}

#[test]
fn unclean_elections_are_not_followed_unless_either_name_says_so() {
    let supports = |pairs: &[(&str, &str)]| parse(pairs).unwrap().supports_unclean_election;
    assert!(!supports(&[]) && !supports(&[("cleanup.policy", "compact")]));
    for name in [SUPPORT_UNCLEAN_ELECTION, SUPPORT_UNCLEAN_ELECTION_ALIAS] {
        assert!(supports(&[(name, " TRUE ")]) && !supports(&[(name, "false")]));
        let error = parse(&[(name, "yes")]).unwrap_err();
        assert!(error.contains(name) && error.contains("true or false"), "{error}");
    }
    let both = |one, other| {
        parse(&[(SUPPORT_UNCLEAN_ELECTION, one), (SUPPORT_UNCLEAN_ELECTION_ALIAS, other)])
    };
    assert!(both("true", "true").unwrap().supports_unclean_election);
    let error = both("true", "false").unwrap_err();
    assert!(error.contains("two names of one setting"), "{error}");
}

#[test]
fn throttled_replicas_are_all_none_or_pairs() {
    let at = |partition, broker| {
        (PartitionIndex::from_wire(partition).unwrap(), BrokerId::from_wire(broker).unwrap())
    };
    let has = |text: &str, partition, broker| {
        let (partition, broker) = at(partition, broker);
        parse(&[(THROTTLED_REPLICAS, text)]).unwrap().throttled.has(partition, broker)
    };
    assert!(!has("", 0, 1) && has("*", 0, 1));
    assert!(has("0:1, 3:2", 0, 1) && has("0:1,3:2", 3, 2) && !has("0:1,3:2", 3, 1));
    assert_eq!(ThrottledReplicas::parse(" "), Ok(ThrottledReplicas::None));
    for wrong in ["0", "0:", ":1", "-1:1", "0:-1", "a:b", "*,0:1", "0:1:2", "0:99999999999"] {
        let error = parse(&[(THROTTLED_REPLICAS, wrong)]).unwrap_err();
        assert!(error.contains(THROTTLED_REPLICAS) && error.contains("0:1"), "{wrong}: {error}");
    }
}
