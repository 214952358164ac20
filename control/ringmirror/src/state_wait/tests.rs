use std::net::TcpListener;

use super::*;
use crate::cli::mirrors::ClusterArgs;

fn waited_of_a_silent_node(topics: &[String]) -> Waited {
    // The system takes the connection; nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bootstrap_server = vec![silent.local_addr().unwrap().to_string()];
    let mut node = NodeClient::of(&ClusterArgs { bootstrap_server, command_config: None }).unwrap();
    let wish = StateWish { mirror: "m", topics, state: "STOPPED", seconds_max: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(wait(&mut node, &wish)).unwrap()
}

#[test]
fn of_no_topics_nothing_is_waited_for() {
    let waited = waited_of_a_silent_node(&[]);
    assert!(waited.error.is_none() && waited.partitions.is_empty(), "{waited:?}");
}

#[test]
fn a_node_that_hangs_is_waited_for_no_longer_than_was_asked() {
    let waited = waited_of_a_silent_node(&["orders".to_owned()]);
    let error = waited.error.unwrap();
    assert_eq!(error.code, ExitCode::Source);
    // Not that of a request that ran into its own deadline, which is longer.
    assert!(error.error.to_string().contains("before the end of --wait"), "{error:?}");
}
