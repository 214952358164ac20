use std::fs;

use clap::Parser as _;
use mirror_node::random_id::random_id;
use serde_json::Value;

use super::effective::Origin;
use super::{Resolved, resolve};
use crate::cli::{Cli, Command, NodeArgs};

fn args(line: &[&str]) -> NodeArgs {
    let line = ["ringmirror", "node"].iter().chain(line);
    match Cli::try_parse_from(line).unwrap().command {
        Command::Node(args) => args,
        other => panic!("{other:?}"),
    }
}

/// Resolves a command line whose `--config` file holds `file`.
fn with_file(file: &str, line: &[&str]) -> Result<Resolved, String> {
    let path = std::env::temp_dir().join(format!("ringmirror-{}.toml", random_id().unwrap()));
    fs::write(&path, file).unwrap();
    let mut args = args(line);
    args.config = Some(path.clone());
    let resolved = resolve(&args).map_err(|error| format!("{:#}", error.error));
    fs::remove_file(path).unwrap();
    resolved
}

fn shown(resolved: &Resolved, key: &str) -> (Value, Origin) {
    let of = |setting: &&super::effective::EffectiveSetting| setting.key == key;
    let setting = resolved.effective.settings.iter().find(of).unwrap();
    (setting.value.clone(), setting.from)
}

#[test]
fn the_command_line_counts_before_the_file_before_the_defaults() {
    let file = "data_dir = \"a\"\nlisten = \"0.0.0.0:9\"\n[mirror]\ntopics = \"t\"\n\
                bootstrap_servers = [\"h:1\"]\nsync_bytes = \"1MiB\"\n[limits]\nidle_ms_max = 5";
    let resolved = with_file(file, &["--listen", "localhost:0", "--node-id", "4"]).unwrap();
    assert_eq!(shown(&resolved, "data_dir"), ("a".into(), Origin::File));
    assert_eq!(shown(&resolved, "listen"), ("localhost:0".into(), Origin::CommandLine));
    assert_eq!(shown(&resolved, "node_id"), (4.into(), Origin::CommandLine));
    assert_eq!(shown(&resolved, "mirror.sync_bytes"), ((1 << 20).into(), Origin::File));
    assert_eq!(shown(&resolved, "mirror.exclude"), (Value::Null, Origin::Default));
    assert_eq!(shown(&resolved, "limits.idle_ms_max"), (5.into(), Origin::File));
    assert_eq!(resolved.config.limits.idle_max.as_millis(), 5);
    assert_eq!(resolved.config.advertised, None, "known only when it listens");
    assert_eq!(resolved.config.mirror.unwrap().limits.sync_bytes, 1 << 20);
}

#[test]
fn a_node_may_mirror_nothing() {
    let resolved = resolve(&args(&["--data-dir", "d"])).unwrap();
    assert!(resolved.config.mirror.is_none() && resolved.topics.is_none());
    assert!(resolved.effective.settings.iter().all(|setting| !setting.key.contains("mirror.")));
}

#[test]
fn what_is_shown_is_a_file_that_says_the_same() {
    let first = with_file(
        "data_dir = \"a\"\n[mirror]\nbootstrap_servers = [\"h:1\", \"[::1]:2\"]\n\
                           topics = 'a\\..*'\ncores = \"0-1\"\non_unclean_election = \"fail\"",
        &[],
    )
    .unwrap();
    let mut file = String::new();
    let mut section = String::new();
    for setting in &first.effective.settings {
        let (of, key) = setting.key.rsplit_once('.').unwrap_or(("", &setting.key));
        if of != section {
            section = of.to_owned();
            file.push_str(&format!("[{section}]\n"));
        }
        if !setting.value.is_null() {
            file.push_str(&format!("{key} = {}\n", setting.value));
        }
    }
    let second = with_file(&file, &[]).unwrap();
    for (ours, theirs) in first.effective.settings.iter().zip(&second.effective.settings) {
        assert_eq!((&ours.key, &ours.value), (&theirs.key, &theirs.value));
    }
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_would_be_right() {
    let wrong = [
        ("data_dir = \"a\"\nlissten = \"h:1\"", &["line 2", "lissten", "listen"][..]),
        ("data_dir = \"a\"\nlisten = \"9092\"", &["line 2", "9092", "host:port"]),
        ("data_dir = \"a\"\nnode_id = -1", &["line 2", "-1", "between 0"]),
        (
            "data_dir = \"a\"\n[limits]\nfetch_bytes_max = \"9 apples\"",
            &["line 3", "apples", "MiB"],
        ),
        ("data_dir = \"a\"\n[mirror]\ntopic = \"x\"", &["line 3", "topic", "topics"]),
        ("data_dir = \"a\"\n[mirror]\ntopics = \"x\"", &["--mirror-from", "bootstrap_servers"]),
        ("data_dir = \"a\"\n[mirror]\nbootstrap_servers = [\"h:1\"]", &["--topics", "[mirror]"]),
        (
            "data_dir = \"a\"\n[groups]\nconsumer_session_timeout_ms = 5000",
            &["consumer_heartbeat_interval_ms", "consumer_session_timeout_ms"],
        ),
        ("listen = \"h:1\"", &["--data-dir", "data_dir"]),
        ("data_dir = \"a\"\nmirrored_write_error = \"NO\"", &["line 2", "NO", "POLICY_VIOLATION"]),
        ("data_dir = \"a\"\ndata_dir = \"b\"", &["line 2", "duplicate"]),
        (
            "data_dir = \"a\"\n[mirror]\nbootstrap_servers = [\"h:1\"]\ntopics = \"x\"\n\
             connections_per_broker = 65",
            &["mirror.connections_per_broker", "65", "64"],
        ),
    ];
    for (file, words) in wrong {
        let error = with_file(file, &[]).unwrap_err();
        for word in words {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    }
}
