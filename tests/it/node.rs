//! A node over a mirrored directory: it serves what it has, whatever the source does, and stops in
//! time.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::{ClusterOptions, Ended, KafkaRelease, Ringmirror, Running, TempDir, run_tool};
use serde_json::Value;

use crate::mirrored::{SOON, catch_up};
use crate::synthetic;

#[test]
fn kafkas_tools_see_a_mirror_whose_source_is_gone() -> Result<()> {
    let Some(kafka) = harness::kafka_or_skip("kafkas_tools_see_a_mirror_whose_source_is_gone")
    else {
        return Ok(());
    };
    let release = KafkaRelease::V4;
    let mut source = kafka.start(release, ClusterOptions::default())?;
    let id = source.driver().create_topic(&CreateTopic::new("orders", 2))?;
    source.driver().produce(&Produce::new("orders", 1, 20))?;
    let directory = TempDir::new("node")?;
    let mirror = directory.join("mirror");
    catch_up(&source, "orders", &mirror)?;
    let gone = source.bootstrap_servers();
    source.stop()?;

    let mut node = Ringmirror::node(&mirror).mirror_from(&gone, "orders").spawn()?;
    let address = node.wait_serving(SOON)?;
    node.wait_for_event("source_unreachable", SOON)?;
    let topics = |args: &[&str]| {
        let args = [&["--bootstrap-server", &address], args].concat();
        run_tool(release, TOPIC_COMMAND, &args)
    };
    assert_eq!(topics(&["--list", "--exclude-internal"])?.trim(), "orders");
    let described = topics(&["--describe"])?;
    for words in [&format!("TopicId: {id}"), "PartitionCount: 2", "Leader: 1", "Isr: 1"] {
        assert!(described.contains(words), "no {words:?} in {described}");
    }
    ends_in_time(node, &mirror)?;
    Ok(())
}

#[test]
fn a_node_goes_on_after_a_stop_and_after_a_kill() -> Result<()> {
    let source = synthetic::source(2, 8 << 20)?;
    let directory = TempDir::new("node")?;
    let mirror = directory.join("mirror");
    let start = || Ringmirror::node(&mirror).mirror_from(&source.bootstrap(), "orders").spawn();

    let mut node = start()?;
    node.wait_serving(SOON)?;
    wait_caught_up(&mut node, 2)?;
    node.kill()?;
    let first = leader_epochs(&mirror)?;
    assert!(first.iter().all(|epoch| *epoch > 0), "{first:?}");

    let mut node = start()?;
    node.wait_serving(SOON)?;
    wait_caught_up(&mut node, 2)?;
    ends_in_time(node, &mirror)?;
    synthetic::expect_equal(&source, &mirror)?;
    let second = leader_epochs(&mirror)?;
    let rose = first.iter().zip(&second).all(|(before, after)| before <= after);
    assert!(rose, "clients were told {first:?}, then {second:?}");

    // The marker is honoured and written again by a node that has nothing to mirror.
    let mut node = Ringmirror::node(&mirror).spawn()?;
    let serving = node.wait_for_event("serving", SOON)?;
    // With the topic in which the states of mirrors are kept.
    assert_eq!((&serving["topics"], &serving["partitions"]), (&2.into(), &52.into()));
    let ended = ends_in_time(node, &mirror)?;
    assert_eq!(ended.events_named("repaired")?, [] as [Value; 0], "{ended}");
    assert_eq!(leader_epochs(&mirror)?, second);
    Ok(())
}

#[test]
fn a_node_that_was_killed_repairs_its_logs_before_it_serves_them() -> Result<()> {
    let source = synthetic::source(1, 6 << 20)?;
    let directory = TempDir::new("node")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    fs::remove_file(mirror.join(MARKER))?;
    let segment = synthetic_segments(&mirror)?.pop().context("a segment")?;
    let whole = fs::read(&segment)?;
    fs::write(&segment, [&whole, &[7; 100][..]].concat())?;

    let mut node = Ringmirror::node(&mirror).spawn()?;
    let repaired = node.wait_for_event("repaired", SOON)?;
    assert_eq!(repaired["partition"], "orders-0", "{repaired}");
    node.wait_serving(SOON)?;
    assert_eq!(fs::read(&segment)?, whole);
    ends_in_time(node, &mirror)?;
    Ok(())
}

#[test]
fn a_node_stops_in_time_whatever_its_clients_and_its_source_do() -> Result<()> {
    let source = synthetic::source(1, 4 << 20)?;
    let directory = TempDir::new("node")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    source.stall();
    let mut node = Ringmirror::node(&mirror).mirror_from(&source.bootstrap(), "orders").spawn()?;
    let address = node.wait_serving(SOON)?;
    let mut idle = TcpStream::connect(&address)?;
    let mut half = TcpStream::connect(&address)?;
    half.write_all(&[0, 0, 1, 0, 0, 18])?;
    ends_in_time(node, &mirror)?;
    // One that was never accepted is reset.
    let left = idle.read(&mut [0; 9]);
    assert!(matches!(left, Ok(0) | Err(_)), "the connection was not closed");
    source.resume();
    Ok(())
}

#[test]
fn two_nodes_do_not_share_a_directory_or_a_port() -> Result<()> {
    let directory = TempDir::new("node")?;
    let data_dir = directory.join("data");
    let mut node = Ringmirror::node(&data_dir).spawn()?;
    let address = node.wait_serving(SOON)?;
    Ringmirror::node(&data_dir).run()?.expect_refusal(4, &["in use by another process"])?;
    let other = directory.join("other");
    let args = ["node", "--listen", &address, "--data-dir", &other.display().to_string()];
    Ringmirror::new(&args).run()?.expect_refusal(1, &[&address, "listen", "in use"])?;
    assert!(!other.exists(), "a refusal left files");
    ends_in_time(node, &data_dir)?;
    Ok(())
}

#[test]
fn a_wrong_configuration_is_told_with_key_place_and_cure() -> Result<()> {
    let directory = TempDir::new("node")?;
    let file = directory.join("node.toml");
    let path = file.display().to_string();
    let refused = |text: &str, words: &[&str]| -> Result<()> {
        fs::write(&file, text)?;
        Ringmirror::new(&["node", "--config", &path]).run()?.expect_refusal(2, words)?;
        Ok(())
    };
    refused("data_dirs = \"x\"", &[&path, "line 1", "data_dirs", "data_dir"])?;
    refused("listen = \"x:1\"", &["data_dir", "--data-dir"])?;
    refused("data_dir = \"x\"\n[mirror]\ntopics = \"(\"", &["bootstrap_servers"])?;
    refused(
        "data_dir = \"x\"\n[mirror]\ntopics = \"(\"\nbootstrap_servers = [\"h:1\"]",
        &["\"(\""],
    )?;
    let missing = directory.join("missing.toml").display().to_string();
    Ringmirror::new(&["node", "--config", &missing]).run()?.expect_refusal(2, &[&missing])?;
    assert!(!Path::new("x").exists(), "a refusal left files");
    Ok(())
}

#[test]
fn the_values_of_a_configuration_are_told_with_where_they_came_from() -> Result<()> {
    let directory = TempDir::new("node")?;
    let file = directory.join("node.toml");
    let data_dir = directory.join("data");
    fs::write(&file, format!("data_dir = {:?}\nnode_id = 3", data_dir.display().to_string()))?;
    let check = |args: &[&str]| {
        let path = file.display().to_string();
        let args = [&["node", "--config", &path, "--check-config"], args].concat();
        Ringmirror::new(&args).run()?.expect_code(0)
    };
    let text = check(&["--listen", "127.0.0.1:7"])?.stdout;
    for line in [
        "node_id = 3  # file",
        "listen = \"127.0.0.1:7\"  # command line",
        "advertised = \"127.0.0.1:7\"  # default",
    ] {
        assert!(text.lines().any(|told| told == line), "no {line:?} in {text}");
    }
    let document = check(&["--json"])?.document()?;
    let settings = document["settings"].as_array().context("settings")?;
    let of: BTreeMap<&str, &Value> =
        settings.iter().filter_map(|one| Some((one["key"].as_str()?, one))).collect();
    assert_eq!((&of["node_id"]["value"], &of["node_id"]["from"]), (&3.into(), &"file".into()));
    assert_eq!(of["limits.connections_max"]["from"], "default");
    assert!(!data_dir.exists(), "looking at a configuration starts nothing");
    Ok(())
}

/// Asks the node to end; it must do so in less than a service manager's patience, and leave every
/// log closed.
pub(crate) fn ends_in_time(node: Running, data_dir: &Path) -> Result<Ended> {
    let asked = Instant::now();
    let ended = node.terminate()?.expect_code(0)?;
    let took = asked.elapsed();
    ensure!(took < Duration::from_secs(10), "it took {took:?}: {ended}");
    ensure!(data_dir.join(MARKER).exists(), "no clean-shutdown marker: {ended}");
    Ok(ended)
}

fn wait_caught_up(node: &mut Running, partitions: u64) -> Result<Value> {
    node.wait_for(SOON, |event| {
        event["event"] == "progress" && event["partitions_caught_up"] == partitions
    })
}

/// What clients were told last of the partitions of `orders`.
pub(crate) fn leader_epochs(data_dir: &Path) -> Result<Vec<i64>> {
    let state: Value = serde_json::from_slice(&fs::read(data_dir.join("ringmirror.json"))?)?;
    let epochs = state["topics"]["orders"]["leader_epochs"].as_array().context("leader epochs")?;
    Ok(epochs.iter().filter_map(Value::as_i64).collect())
}

/// The segment files of `orders-0`, in order.
fn synthetic_segments(data_dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut segments = Vec::new();
    for entry in fs::read_dir(data_dir.join("orders-0"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            segments.push(path);
        }
    }
    segments.sort();
    Ok(segments)
}

const MARKER: &str = ".kafka_cleanshutdown";
const TOPIC_COMMAND: &str = "org.apache.kafka.tools.TopicCommand";
