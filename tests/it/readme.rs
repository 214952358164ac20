//! What README tells people to type works when typed.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::ringmirror::program;
use harness::{ClusterOptions, KafkaRelease, TempDir};

use crate::source_tree::root;

mod read_the_mirror;

#[test]
fn a_real_cluster_is_mirrored_as_readme_says() -> Result<()> {
    let commands = commands_of("Mirror a real cluster")?;
    let names = ["cargo build", "mirror", "verify", "inspect", "handover"];
    for name in names {
        let named = commands.iter().any(|command| command.contains(name));
        ensure!(named, "README does not show {name}: {commands:?}");
    }
    let Some(kafka) = harness::kafka_or_skip("a_real_cluster_is_mirrored_as_readme_says") else {
        return Ok(());
    };
    let source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    for topic in ["orders", "payments-cards"] {
        source.driver().create_topic(&CreateTopic::new(topic, 2))?;
        source.driver().produce(&Produce::new(topic, 1, 500))?;
    }
    let directory = TempDir::new("readme")?;
    let mirror = directory.join("mirror").display().to_string();
    let program = program()?.display().to_string();
    let mut last = String::new();
    for command in commands {
        if command.starts_with("cargo build") {
            continue; // the program of this test run is built already
        }
        let command = command
            .replace("localhost:9092", &source.bootstrap_servers())
            .replace("/tmp/mirror", &mirror)
            .replace("target/release/ringmirror", &program);
        last = typed(&command)?;
    }
    let properties = directory.join("server.properties");
    std::fs::write(&properties, last)?;
    let broker = kafka.start_on_directory(KafkaRelease::V4, &properties)?;
    let described = broker.driver().describe_topic("payments-cards")?;
    assert_eq!(described, {
        let mut theirs = source.driver().describe_topic("payments-cards")?;
        // Ours leads in an epoch above all that are in the log.
        for (theirs, ours) in theirs.partitions.iter_mut().zip(&described.partitions) {
            assert!(ours.leader_epoch > theirs.leader_epoch, "{ours:?}");
            theirs.leader_epoch = ours.leader_epoch;
        }
        theirs
    });
    Ok(())
}

/// Runs a command line as a shell does and returns what it printed.
fn typed(command: &str) -> Result<String> {
    let output = Command::new("timeout")
        .args(["--kill-after=5", "120", "sh", "-c", command])
        .stdin(Stdio::null())
        .output()?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command}\n{}\n{stderr}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

/// The command lines in the code blocks of one section, continuation lines joined.
fn commands_of(section: &str) -> Result<Vec<String>> {
    let readme = std::fs::read_to_string(root().join("README.md"))?;
    let begin = readme.find(&format!("## {section}\n")).context("no such section")?;
    let text = &readme[begin + 3..];
    let text = &text[..text.find("\n## ").unwrap_or(text.len())];
    let blocks = text.split("```").skip(1).step_by(2).collect::<Vec<_>>().join("\n");
    let lines = blocks.replace("\\\n", " ");
    Ok(lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect())
}
