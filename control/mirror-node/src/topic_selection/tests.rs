use std::collections::BTreeMap;

use mirror_coordinator::mirror_config::MirrorConfig;

use super::*;

#[test]
fn no_expression_takes_a_topic_that_every_cluster_keeps_for_itself() {
    let configs = [("topics.include", ".*"), ("topics.exclude", "secret")];
    let configs: BTreeMap<_, _> =
        configs.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let patterns = Some(MirrorConfig::parse(&configs).unwrap().topics);
    let selection = TopicSelection { patterns, filter: None };
    let selects = |name: &str| selection.selects(&TopicName::parse(name).unwrap());
    assert!(selects("orders") && selects("__ours"));
    assert!(!selects("secret"));
    for own in NEVER_MIRRORED {
        assert!(!selects(own), "{own}");
    }
}
