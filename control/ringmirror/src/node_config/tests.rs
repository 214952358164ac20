use std::fs;

use clap::Parser as _;
use mirror_coordinator::mirror_node_config::MirrorNodeConfig;
use mirror_node::random_id::random_id;
use mirror_node::server::limits::ServerLimits;
use serde_json::Value;

use super::effective::Origin;
use super::{EXAMPLE, Resolved, resolve};
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
    assert_eq!(resolved.config.engine.limits.sync_bytes, 1 << 20);
}

#[test]
fn a_node_may_mirror_nothing() {
    let resolved = resolve(&args(&["--data-dir", "d"])).unwrap();
    assert!(resolved.config.mirror.is_none() && resolved.topics.is_none());
    assert!(resolved.effective.settings.iter().all(|setting| !setting.key.contains("mirror.")));
}

#[test]
fn how_often_group_offsets_are_mirrored_is_a_setting_of_the_broker() {
    let key = "groups.mirrored_offsets_interval_ms";
    let resolved = resolve(&args(&["--data-dir", "d"])).unwrap();
    assert_eq!(shown(&resolved, key), (5000.into(), Origin::Default));
    assert!(resolved.config.broker_settings.is_empty());
    let file = "data_dir = \"a\"\n[groups]\nmirrored_offsets_interval_ms = 700";
    let resolved = with_file(file, &[]).unwrap();
    assert_eq!(shown(&resolved, key), (700.into(), Origin::File));
    let parsed = MirrorNodeConfig::parse(&resolved.config.broker_settings).unwrap();
    assert_eq!(parsed.group_offsets_ms, 700);
}

#[test]
fn a_cap_on_memory_takes_from_the_records_written_last_unless_the_file_sets_them() {
    let mirror = "[mirror]\nbootstrap_servers = [\"h:1\"]\ntopics = \"t\"\ncores = \"0\"";
    // 96 MiB, 96 + 8.5 and 32 of buffers, 781.25 of a hundred thousand partitions: 10 MiB are left.
    let cap = "memory_bytes_max = \"1024MiB\"\n";
    let resolved = with_file(&format!("data_dir = \"a\"\n{cap}{mirror}"), &[]).unwrap();
    assert_eq!(shown(&resolved, "memory_bytes_max"), ((1_u64 << 30).into(), Origin::File));
    let (recent, from) = shown(&resolved, "mirror.recent_bytes");
    assert_eq!((recent.as_u64().map(|bytes| bytes >> 20), from), (Some(10), Origin::Default));
    assert_eq!(resolved.config.memory.partition_count_max, 100_000);

    let asked = format!("data_dir = \"a\"\n{mirror}\nrecent_bytes = \"64MiB\"");
    let resolved = with_file(&asked, &["--memory-bytes-max", "1GiB"]).unwrap();
    assert_eq!(shown(&resolved, "memory_bytes_max"), ((1_u64 << 30).into(), Origin::CommandLine));
    assert_eq!(shown(&resolved, "mirror.recent_bytes"), ((64_u64 << 20).into(), Origin::File));
    assert_eq!(resolved.config.memory.partition_count_max, 93_120);
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
fn every_limit_of_the_server_can_be_set_and_is_shown_under_its_name() {
    let limits = format!("{:#?}", ServerLimits::default());
    let names = limits.lines().filter_map(|line| line.trim().split_once(": "));
    let key = |(name, value): (&str, &str)| match name.strip_suffix("_max") {
        Some(time) if value.ends_with("s,") => format!("{time}_ms_max"),
        _ => name.to_owned(),
    };
    let mut expected: Vec<_> = names.map(key).collect();
    let resolved = resolve(&args(&["--data-dir", "d"])).unwrap();
    let settings = resolved.effective.settings.iter();
    let keys = settings.filter_map(|setting| setting.key.strip_prefix("limits."));
    let mut keys: Vec<_> = keys.map(str::to_owned).collect();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);

    let lines: Vec<_> = keys.iter().map(|key| format!("{key} = 1234")).collect();
    let file = format!("data_dir = \"a\"\n[limits]\n{}", lines.join("\n"));
    let resolved = with_file(&file, &[]).unwrap();
    for key in keys {
        let key = format!("limits.{key}");
        assert_eq!(shown(&resolved, &key), (1234.into(), Origin::File), "{key}");
    }
    let set = format!("{:#?}", resolved.config.limits);
    let values = set.lines().filter_map(|line| line.trim().split_once(": "));
    let values: Vec<_> = values.filter(|(_, value)| !value.starts_with("1.234s")).collect();
    assert!(values.iter().all(|(_, value)| *value == "1234,"), "{values:?}");
}

#[test]
fn the_example_file_has_every_key_with_its_default_and_a_word_before_it() {
    let as_it_is = with_file(EXAMPLE, &[]).unwrap();
    let properties = std::env::temp_dir().join(format!("{}.properties", random_id().unwrap()));
    fs::write(&properties, "").unwrap();
    let taken_in: Vec<_> = EXAMPLE.lines().map(taken_in).collect();
    let taken_in = taken_in.join("\n");
    let taken_in =
        taken_in.replace("/etc/ringmirror/source.properties", &properties.display().to_string());
    let taken_in = with_file(&taken_in, &[]);
    fs::remove_file(properties).unwrap();
    let taken_in = taken_in.unwrap();
    for setting in &taken_in.effective.settings {
        let key = setting.key.as_str();
        assert_eq!(setting.from, Origin::File, "the file has no {key}");
        if !WITHOUT_DEFAULT.contains(&key) {
            let expected = (setting.value.clone(), Origin::Default);
            assert_eq!(shown(&as_it_is, key), expected, "{key}");
        }
    }
    let is_setting = |line: &str| taken_in_key(line).is_some();
    let mut lines = EXAMPLE.lines().zip(EXAMPLE.lines().skip(1));
    let bare = lines.find(|(before, line)| {
        is_setting(line) && !before.starts_with("# ") && !is_setting(before)
    });
    assert_eq!(bare, None, "a key without a word");
}

/// A line of the example file, without the sign that leaves a setting out.
fn taken_in(line: &str) -> &str {
    line.strip_prefix('#').filter(|rest| rest.starts_with(char::is_alphabetic)).unwrap_or(line)
}

fn taken_in_key(line: &str) -> Option<&str> {
    let is_key = |key: &&str| key.chars().all(|letter| letter.is_alphanumeric() || letter == '_');
    taken_in(line).split_once(" = ").map(|(key, _)| key).filter(is_key)
}

/// Keys of the example file whose lines are examples.
const WITHOUT_DEFAULT: [&str; 13] = [
    "memory_bytes_max",
    "metrics.listen",
    "data_dir",
    "advertised",
    "network_threads",
    "authorizer",
    "super_users",
    "mirror.bootstrap_servers",
    "mirror.topics",
    "mirror.exclude",
    "mirror.command_config",
    "mirror.cores",
    "mirror.slab_bytes",
];

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_would_be_right() {
    let wrong = [
        ("data_dir = \"a\"\nlissten = \"h:1\"", &["line 2", "lissten", "listen"][..]),
        ("data_dir = \"a\"\nlisten = \"9092\"", &["line 2", "9092", "host:port"]),
        ("data_dir = \"a\"\nnode_id = -1", &["line 2", "-1", "between 0"]),
        ("data_dir = \"a\"\nnetwork_threads = 0", &["line 2", "0 is not between 1 and 255"]),
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
        ("data_dir = \"a\"\n[mirror]\nname = \"a b\"", &["line 3", "\"a b\"", "no name"]),
        ("listen = \"h:1\"", &["--data-dir", "data_dir"]),
        (
            "data_dir = \"a\"\nmemory_bytes_max = \"100MiB\"",
            &["memory_bytes_max is 100MiB", "the least that works here is", "slab_bytes"],
        ),
        ("data_dir = \"a\"\nmirrored_write_error = \"NO\"", &["line 2", "NO", "POLICY_VIOLATION"]),
        ("data_dir = \"a\"\nauthorizer = \"opa\"", &["line 2", "opa", "acl"]),
        ("data_dir = \"a\"\nsuper_users = [\"User:a\"]", &["super_users", "authorizer = \"acl\""]),
        (
            "data_dir = \"a\"\nauthorizer = \"acl\"\nsuper_users = [\"admin\"]",
            &["super_users", "\"admin\"", "User:admin"],
        ),
        ("data_dir = \"a\"\ndata_dir = \"b\"", &["line 2", "duplicate"]),
        (
            "data_dir = \"a\"\n[limits]\nrequests_bytes_max = \"64MiB\"",
            &["limits.requests_bytes_max", "67108864", "limits.request_bytes_max (104857600)"],
        ),
        (
            "data_dir = \"a\"\n[limits]\nrequest_bytes_max = \"2GiB\"",
            &["limits.request_bytes_max", "2147483648", "2147483647"],
        ),
        (
            "data_dir = \"a\"\n[limits]\ndescribed_partitions_max = 2147483648",
            &["limits.described_partitions_max", "2147483648", "2147483647"],
        ),
        (
            "data_dir = \"a\"\n[mirror]\nbootstrap_servers = [\"h:1\"]\ntopics = \"x\"\n\
             connections_per_broker = 65",
            &["mirror.connections_per_broker", "65", "64"],
        ),
        (
            "data_dir = \"a\"\n[mirror]\nbootstrap_servers = [\"h:1\"]\ntopics = \"x\"\n\
             cores = \"0,1000\"",
            &["mirror.cores", "1000", "[0"],
        ),
        (
            "data_dir = \"a\"\n[mirror]\nbootstrap_servers = [\"h:1\"]\ntopics = \"x\"\n\
             exclude = \"(\"",
            &["mirror.exclude", "\"(\"", "regular expression"],
        ),
    ];
    for (file, words) in wrong {
        let error = with_file(file, &[]).unwrap_err();
        for word in words {
            assert!(error.contains(word), "no {word:?} in {error}");
        }
    }
}

#[test]
fn a_password_before_an_address_is_not_repeated() {
    for servers in ["[\"user:PW@h:1\"]", "[\"a:1\", \"PW@h:1\"]", "['user:PW@h:1']"] {
        let file =
            format!("data_dir = \"a\"\n[mirror]\ntopics = 't'\nbootstrap_servers = {servers}");
        let error = with_file(&file, &[]).map(|_| ()).unwrap_err();
        assert!(error.contains("is not an address"), "{error}");
        assert!(error.contains("***@h:1") && !error.contains("PW"), "{error}");
    }
}
