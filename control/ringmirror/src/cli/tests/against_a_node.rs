//! Commands as they are typed, against a node that is asked over sockets.

use clap::Parser as _;
use kafka_wire::mirror_api::MirrorRequest;
use kafka_wire::mirror_api::stop_mirror_topics::StopMirrorTopicsRequest;

use super::super::Cli;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;
use crate::test_mirrors::TestCluster;

/// Runs a command line; `NODE` stands for the node's address.
fn run(cluster: &TestCluster, line: &str) -> Result<ExitCode, CommandError> {
    let line = format!("ringmirror {}", line.replace("NODE", &cluster.address));
    let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
    crate::run(cli.command, &mut Output::new(cli.json))
}

fn code(cluster: &TestCluster, line: &str) -> ExitCode {
    run(cluster, line).unwrap_or_else(|CommandError { error, .. }| panic!("{line}: {error:#}"))
}

fn refused(cluster: &TestCluster, line: &str) -> (ExitCode, String) {
    let CommandError { code, error } = run(cluster, line).unwrap_err();
    (code, error.to_string())
}

fn topics() -> TestCluster {
    TestCluster::start("B", &[("orders", 3), ("paused", 5), ("stopped", 7)])
}

#[test]
fn a_stop_names_the_topics_that_match_and_keeps_what_it_names_from_being_started() {
    let cluster = topics();
    let line = "cluster-mirrors --bootstrap-server NODE --stop --mirror dc1 --topics .* --yes";
    assert_eq!(code(&cluster, line), ExitCode::Done);
    let asked = cluster.asked();
    let [MirrorRequest::StopMirrorTopics(StopMirrorTopicsRequest { topics, patterns, .. })] =
        &asked[..]
    else {
        panic!("{asked:?}");
    };
    let names: Vec<&str> = topics.iter().map(|topic| topic.topic_name.as_str()).collect();
    assert_eq!((names, &patterns[..]), (vec!["orders", "paused"], &[".*".to_owned()][..]));
    // Again: there is nothing left to stop, and that is no failure.
    assert_eq!(code(&cluster, line), ExitCode::Done);
}

#[test]
fn what_fails_for_one_topic_or_as_a_whole_fails_the_command() {
    let cluster = topics();
    let with = |flags: &str| format!("cluster-mirrors --bootstrap-server NODE {flags}");
    let missing = with("--stop --mirror dc1 --topics orders,missing --yes --json");
    assert_eq!(code(&cluster, &missing), ExitCode::Failed);
    assert_eq!(code(&cluster, &with("--resume --mirror dc1 --topics none-.*")), ExitCode::Failed);
    let (code, said) = refused(&cluster, &with("--delete --mirror dc1 --yes"));
    assert_eq!(code, ExitCode::Failed);
    assert!(said.contains("CLUSTER_MIRROR_NOT_EMPTY (143)"), "{said}");
    assert!(said.ends_with("its topics are not stopped"), "the node's own words: {said}");
    let (code, said) = refused(&cluster, &with("--stop --mirror dc2 --topics a --yes"));
    assert_eq!(code, ExitCode::Failed);
    assert!(said.starts_with("mirror dc2: UNKNOWN_CLUSTER_MIRROR (137)"), "{said}");
}

#[test]
fn looks_end_well_and_status_by_what_it_says() {
    let cluster = topics();
    let with = |flags: &str| format!("cluster-mirrors --bootstrap-server NODE {flags}");
    for flags in ["--list", "--describe", "--describe --mirror dc1 --json", "--describe --failed"] {
        assert_eq!(code(&cluster, &with(flags)), ExitCode::Done, "{flags}");
    }
    assert_eq!(code(&cluster, "status --bootstrap-server NODE"), ExitCode::Failed);
    let safe = TestCluster::start("B", &[("orders", 3), ("stopped", 7)]);
    assert_eq!(code(&safe, "status --bootstrap-server NODE --json"), ExitCode::Done);
}

#[test]
fn a_failover_stops_what_is_not_stopped_and_waits_for_all() {
    let cluster = topics();
    let line = "failover --bootstrap-server NODE --mirror dc1 --all --yes --wait 20";
    assert_eq!(code(&cluster, line), ExitCode::Done);
    assert_eq!(cluster.asked().len(), 1);
    let (code, said) =
        refused(&cluster, "failover --bootstrap-server NODE --mirror dc1 --topics no-.* --yes");
    assert_eq!(code, ExitCode::Failed);
    assert!(said.contains("has no topic that matches"), "{said}");
}

#[test]
fn a_plan_that_needs_confirmation_says_so_by_its_exit_code() {
    let cluster = topics();
    let line = "plan --start --bootstrap-server NODE --mirror dc1 --topics orders";
    assert_eq!(code(&cluster, line), ExitCode::Failed);
    let asked = cluster.asked();
    let [MirrorRequest::StartMirrorTopics(start)] = &asked[..] else { panic!("{asked:?}") };
    assert!(start.plan_only && !start.confirm);
}

#[test]
fn a_failback_goes_to_the_cluster_that_the_topics_came_from_and_wants_confirmation() {
    let old = TestCluster::start("A", &[]);
    let new = TestCluster::start("B", &[("orders.v1", 7)]);
    let line = |flags: &str| {
        let from = &new.address;
        format!("failback --bootstrap-server NODE --from {from} --mirror back --all --yes {flags}")
    };
    let (refusal, said) = refused(&old, &line(""));
    assert_eq!(refusal, ExitCode::Failed);
    assert!(said.contains("--confirm lets them go"), "{said}");
    let asked = old.asked();
    let [MirrorRequest::CreateClusterMirror(made), MirrorRequest::StartMirrorTopics(plan)] =
        &asked[..]
    else {
        panic!("{asked:?}");
    };
    assert_eq!(made.mirror_name, "back");
    assert_eq!(made.configs[0].value.0.as_ref(), Some(&new.address));
    assert_eq!(
        (&plan.include_patterns[..], plan.plan_only),
        (&["orders\\.v1".to_owned()][..], true)
    );
    assert!(new.asked().is_empty(), "the new primary is only looked at");
    // The same cluster twice is a slip of the keyboard.
    let same = "failback --bootstrap-server NODE --from NODE --mirror back --all --yes";
    assert_eq!(refused(&old, same).0, ExitCode::Usage);
    // Topics of another cluster do not go back here.
    let stranger = TestCluster::start("C", &[]);
    assert!(refused(&stranger, &line("")).1.contains("is --from the cluster that took over?"));
}

#[test]
fn an_address_that_is_none_is_refused_before_anybody_is_asked() {
    let cluster = topics();
    let (code, said) = refused(&cluster, "cluster-mirrors --bootstrap-server nowhere --list");
    assert_eq!(code, ExitCode::Usage);
    assert!(said.contains("expected host:port"), "{said}");
    assert!(cluster.asked().is_empty());
}
