use std::net::TcpListener;

use super::*;
use crate::cli::mirrors::ClusterArgs;

#[test]
fn a_node_that_hangs_is_waited_for_no_longer_than_was_asked() {
    // The system takes the connection; nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bootstrap_server = vec![silent.local_addr().unwrap().to_string()];
    let mut node = NodeClient::of(&ClusterArgs { bootstrap_server, command_config: None }).unwrap();
    let topics = ["orders".to_owned()];
    let wish = StateWish { mirror: "m", topics: &topics, state: "STOPPED", seconds_max: 0 };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let waited = runtime.block_on(wait(&mut node, &wish)).unwrap();
    let error = waited.error.unwrap();
    assert_eq!(error.code, ExitCode::Source);
    // Not that of a request that ran into its own deadline, which is longer.
    assert!(error.error.to_string().contains("before the end of --wait"), "{error:?}");
}
