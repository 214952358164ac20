//! A file of MirrorMaker 2 becomes mirrors of a node.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::ringmirror::program;
use harness::{MirrorNode, Ringmirror};

use crate::mirror_lifecycle::{create_with_records, expect_count, shared_source};

#[test]
fn a_node_takes_what_is_printed_for_a_mirror_maker_file() -> Result<()> {
    let name = "a_node_takes_what_is_printed_for_a_mirror_maker_file";
    let Some(source) = shared_source(name)? else { return Ok(()) };
    let node = MirrorNode::start(source.driver())?;
    create_with_records(source.driver(), "moving-orders", 7)?;
    create_with_records(source.driver(), "moving.it", 3)?;
    source.driver().create_topic(&CreateTopic::new("moving-tmp", 1))?;
    let bootstrap = source.bootstrap_servers();
    let file = node.beside("mm2.properties");
    fs::write(&file, MM2.replace("BOOTSTRAP", &bootstrap))?;

    let file = file.display().to_string();
    let line = Ringmirror::new(&["import-mm2", &file, "--bootstrap-server", node.address()]);
    let script = line.clone().run()?.expect_code(0)?.stdout;
    ensure!(script.contains("tasks.max") && !script.contains("hunter2"), "{script}");
    let document = line.arg("--json").run()?.expect_code(0)?.document()?;
    ensure!(document["mirrors"].as_array().map(Vec::len) == Some(2), "{document}");
    run(&script, &node)?;

    // Under a prefix, and under the same names.
    for topic in ["up.moving-orders", "moving.it"] {
        node.await_state(topic, "MIRRORING")?;
    }
    node.driver().await_high_watermark("up.moving-orders", 0, 7)?;
    node.driver().await_high_watermark("moving.it", 0, 3)?;
    source.driver().produce(&Produce::new("moving-orders", 0, 2).first(7))?;
    node.driver().await_high_watermark("up.moving-orders", 0, 9)?;
    expect_count(node.driver(), "up.moving-orders", 9)?;
    let names: Vec<String> = node.driver().list_topics()?.into_keys().collect();
    ensure!(names == ["moving.it", "up.moving-orders"], "{names:?}");
    Ok(())
}

/// Runs a script that calls ringmirror.
fn run(script: &str, node: &MirrorNode) -> Result<()> {
    let at = program()?.parent().context("the program is in a directory")?;
    let path = std::env::var("PATH").unwrap_or_default();
    let directory = node.beside("imported");
    fs::create_dir_all(&directory)?;
    let output = Command::new("sh")
        .args(["-c", script])
        .current_dir(&directory)
        .env("PATH", format!("{}:{path}", at.display()))
        .stdin(Stdio::null())
        .output()?;
    ensure!(output.status.success(), "{output:?}\n{script}");
    Ok(())
}

const MM2: &str = r"
clusters = up, same, here
up.bootstrap.servers = BOOTSTRAP
same.bootstrap.servers = BOOTSTRAP
here.bootstrap.servers = gone.example:9092
here.sasl.jaas.config = hunter2
up->here.enabled = true
up->here.topics = moving-.*
up->here.topics.exclude = .*-tmp
up->here.sync.topic.acls.enabled = false
up.consumer.fetch.max.wait.ms = 200
same->here.enabled = true
same->here.topics = moving\\.it
same->here.replication.policy.class = org.apache.kafka.connect.mirror.IdentityReplicationPolicy
tasks.max = 4
";
