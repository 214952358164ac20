//! Whatever is asked for in whatever order: nothing panics, and what holds always holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::{Node, StartRequest, id, source, texts};
use crate::cluster_metadata::hold::TopicsRequest;
use crate::cluster_metadata::{ClusterMetadata, Planned, StopRequest};
use crate::desired_state::DesiredState;
use crate::mirror_config::config_change::{ConfigChange, ConfigOperation};
use crate::partition_state::MirrorPartitionState;

#[derive(Clone, Debug)]
enum Command {
    Create(String),
    Start {
        mirror: String,
        include: Vec<String>,
        exclude: Vec<String>,
        by_name: bool,
        stale: bool,
    },
    Stop {
        mirror: String,
        topics: Vec<String>,
        patterns: Vec<String>,
    },
    Pause(String, Vec<String>),
    Resume(String, Vec<String>),
    Delete(String),
    Exclude(String, String),
    /// All partitions of all topics get where their topics are to be, or fail.
    Settle {
        fails: bool,
    },
}

const SOURCE: [(&str, u8); 6] =
    [("a", 1), ("b", 2), ("ab", 3), ("a.b", 4), ("twin", 4), ("__consumer_offsets", 5)];

fn mirror() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["m", "n", "o", "..", ""]).prop_map(str::to_owned)
}

fn patterns() -> impl Strategy<Value = Vec<String>> {
    let one =
        prop::sample::select(vec!["a", "b", "ab", "a.b", ".*", "a.*", "[ab]", "(", "x", "a,b"]);
    prop::collection::vec(one, 0..3).prop_map(|list| texts(&list))
}

fn command() -> impl Strategy<Value = Command> {
    let started = (mirror(), patterns(), patterns(), any::<bool>(), any::<bool>());
    prop_oneof![
        2 => mirror().prop_map(Command::Create),
        6 => started.prop_map(|(mirror, include, exclude, by_name, stale)| {
            Command::Start { mirror, include, exclude, by_name, stale }
        }),
        4 => (mirror(), patterns(), patterns()).prop_map(|(mirror, topics, patterns)| {
            Command::Stop { mirror, topics, patterns }
        }),
        2 => (mirror(), patterns()).prop_map(|(mirror, topics)| Command::Pause(mirror, topics)),
        2 => (mirror(), patterns()).prop_map(|(mirror, topics)| Command::Resume(mirror, topics)),
        2 => mirror().prop_map(Command::Delete),
        1 => (mirror(), patterns()).prop_map(|(mirror, list)| {
            Command::Exclude(mirror, list.join(","))
        }),
        5 => any::<bool>().prop_map(|fails| Command::Settle { fails }),
    ]
}

fn settle(node: &mut Node, fails: bool) {
    let topics = node.metadata.topics().clone();
    for (number, bound) in topics.values().enumerate() {
        let state = match bound.desired {
            _ if fails && number % 2 == 0 => MirrorPartitionState::Failed,
            DesiredState::Mirroring => MirrorPartitionState::Mirroring,
            DesiredState::Paused => MirrorPartitionState::Paused,
            DesiredState::Stopped => MirrorPartitionState::Stopped,
        };
        node.states.insert((bound.mirror.clone(), bound.topic_id), vec![state; 2]);
    }
}

/// What the command plans; nothing when it is refused as a whole, or is none.
fn plan(node: &mut Node, command: Command) -> Option<Planned> {
    let of_change = |change| Planned { change, outcomes: Vec::new(), also_stopped: Vec::new() };
    match command {
        Command::Create(name) => {
            let configs = [("bootstrap.servers".to_owned(), Some("h:1".to_owned()))];
            node.metadata.plan_create(&name, &configs).ok().map(of_change)
        }
        Command::Start { mirror, include, exclude, by_name, stale } => {
            let topics = SOURCE.map(|(topic, number)| source(topic, number)).to_vec();
            let (found, named) = if by_name { (Vec::new(), topics) } else { (topics, Vec::new()) };
            let state_offset = stale.then(|| node.metadata.offset() - 1);
            let refused = BTreeMap::new();
            let request =
                StartRequest { mirror, include, exclude, found, named, refused, state_offset };
            node.plan_start(&request).ok()
        }
        Command::Stop { mirror, topics, patterns } => {
            node.plan_stop(&StopRequest { mirror, topics, patterns, state_offset: None }).ok()
        }
        Command::Pause(mirror, topics) => {
            node.plan_pause(&TopicsRequest { mirror, topics, state_offset: None }).ok()
        }
        Command::Resume(mirror, topics) => {
            node.plan_resume(&TopicsRequest { mirror, topics, state_offset: None }).ok()
        }
        Command::Delete(mirror) => node.plan_delete(&mirror, None).ok(),
        Command::Exclude(mirror, list) => {
            let (name, value) = ("topics.exclude".to_owned(), Some(list));
            let change = ConfigChange { name, operation: ConfigOperation::Set, value };
            node.metadata.plan_alter_configs(&mirror, &[change]).ok()
        }
        Command::Settle { fails } => {
            settle(node, fails);
            None
        }
    }
}

fn check_invariants(before: &ClusterMetadata, planned: &Planned, after: &ClusterMetadata) {
    let rises = i64::from(!planned.change.is_empty());
    assert_eq!(after.offset(), before.offset() + rises);
    let ids: BTreeSet<_> = after.topics().values().map(|topic| topic.topic_id).collect();
    assert_eq!(ids.len(), after.topics().len(), "one id, one topic");
    for (topic, bound) in after.topics() {
        assert!(after.mirrors().contains_key(&bound.mirror), "{topic} belongs to a mirror");
        assert!(bound.changed_at <= after.offset());
        assert_ne!(bound.topic_id, id(5), "{topic} is never mirrored");
        let was = before.topics().get(topic);
        let is_same = was.is_some_and(|was| was == bound);
        assert!(is_same || bound.changed_at == after.offset(), "{topic} changed now");
        if let Some(was) = was.filter(|was| was.mirror != bound.mirror) {
            assert_eq!(was.desired, DesiredState::Stopped, "{topic} was let go of first");
        }
    }
    for (topic, was) in
        before.topics().iter().filter(|(topic, _)| !after.topics().contains_key(*topic))
    {
        assert_eq!(was.desired, DesiredState::Stopped, "{topic} was unbound");
        assert!(!after.mirrors().contains_key(&was.mirror));
    }
    for outcome in planned.outcomes.iter().filter_map(|outcome| outcome.result.as_ref().err()) {
        assert!(outcome.message.starts_with("mirror "), "{outcome}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_commands_in_any_order_keep_what_holds(
        commands in prop::collection::vec(command(), 0..40),
    ) {
        let mut node = Node::default();
        for command in commands {
            let before = node.metadata.clone();
            let Some(planned) = plan(&mut node, command) else { continue };
            prop_assert_eq!(&node.metadata, &before, "a plan changes nothing");
            node.done(&planned);
            check_invariants(&before, &planned, &node.metadata);
            let restored = ClusterMetadata::restored(
                node.metadata.offset(),
                node.metadata.mirrors().clone(),
                node.metadata.topics().clone(),
                node.metadata.node_configs().clone(),
            );
            prop_assert_eq!(restored.as_ref(), Ok(&node.metadata));
        }
    }
}
