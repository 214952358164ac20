use super::*;

/// The script that a file becomes.
fn script(text: &str, file: &str, target: Option<&str>) -> String {
    let file_read = Mm2File::parse(text).unwrap();
    let import = Import::of(&file_read, target).unwrap();
    script::lines(&import, file, "node-1:19092").join("\n") + "\n"
}

#[test]
fn files_become_these_scripts() {
    for (file, text, target, expected) in [
        (
            "both_ways.properties",
            include_str!("tests/both_ways.properties"),
            None,
            include_str!("tests/both_ways.sh"),
        ),
        (
            "migration.properties",
            include_str!("tests/migration.properties"),
            Some("target.eu"),
            include_str!("tests/migration.sh"),
        ),
        (
            "refused.properties",
            include_str!("tests/refused.properties"),
            Some("f"),
            include_str!("tests/refused.sh"),
        ),
    ] {
        let made = script(text, file, target);
        if made != expected {
            let first =
                made.lines().zip(expected.lines()).find(|(made, expected)| made != expected);
            panic!("{file}: {first:?}\n{made}");
        }
    }
}

#[test]
fn a_target_is_chosen_among_those_there_are() {
    let file = Mm2File::parse(include_str!("tests/both_ways.properties")).unwrap();
    let import = Import::of(&file, Some("west")).unwrap();
    let sources: Vec<_> = import.mirrors.iter().map(|one| one.source.as_str()).collect();
    assert_eq!(sources, ["east"]);
    let error = Import::of(&file, Some("north")).unwrap_err();
    assert_eq!(error, "no cluster \"north\" in clusters: east, west");
}

#[test]
fn a_setting_of_a_direction_counts_before_one_of_the_whole_file() {
    let text = "clusters=a,b\nbootstrap.servers=all:1\na.bootstrap.servers=a:1\ntopics=x\n\
                groups=g\na->b.enabled=true\na->b.groups=h\na.topics=y\n\
                replication.policy.class=IdentityReplicationPolicy";
    let file = Mm2File::parse(text).unwrap();
    let import = Import::of(&file, None).unwrap();
    let mirror = &import.mirrors[0];
    assert_eq!(mirror.settings["bootstrap.servers"], "a:1");
    assert_eq!(mirror.settings["groups.include"], "h");
    assert_eq!(mirror.topics, ["x"]);
    let [told] = &import.without_counterpart[..] else { panic!("{import:?}") };
    assert!(told.key == "a.topics" && told.reason.contains("never had an effect"), "{told:?}");
    let text = text.replace("a.bootstrap.servers", "a->b.source.cluster.bootstrap.servers");
    let import = Import::of(&Mm2File::parse(&text).unwrap(), None).unwrap();
    assert_eq!(import.mirrors[0].settings["bootstrap.servers"], "a:1");
}

#[test]
fn old_names_of_lists_are_taken_over_and_offsets_are_not_where_the_file_says_no() {
    let text = "clusters=a,b\na.bootstrap.servers=a:1\na->b.enabled=true\n\
                a->b.topics.whitelist=x\na->b.groups.whitelist=g\n\
                a->b.replication.policy.class=IdentityReplicationPolicy";
    let import = Import::of(&Mm2File::parse(text).unwrap(), None).unwrap();
    assert_eq!(import.mirrors[0].topics, ["x"]);
    assert_eq!(import.mirrors[0].settings["groups.include"], "g");
    assert!(import.without_counterpart.is_empty(), "{import:?}");
    let text = format!("{text}\na->b.sync.group.offsets.enabled=false");
    let import = Import::of(&Mm2File::parse(&text).unwrap(), None).unwrap();
    assert_eq!(import.mirrors[0].settings["groups.include"], "");
}

#[test]
fn of_a_key_that_is_there_twice_the_last_one_counts() {
    let text = "clusters=a,b\na.bootstrap.servers=x:1\na->b.enabled=false\n\
                a.bootstrap.servers=y:2\na->b.enabled=true";
    let import = Import::of(&Mm2File::parse(text).unwrap(), None).unwrap();
    assert_eq!(import.mirrors[0].settings["bootstrap.servers"], "y:2");
}

#[test]
fn topics_that_came_from_the_target_do_not_go_back() {
    let text = "clusters=a.1,b\na.1.bootstrap.servers=x:1\na.1->b.enabled=true\n";
    let import = Import::of(&Mm2File::parse(text).unwrap(), None).unwrap();
    let mirror = &import.mirrors[0];
    let settings = mirror.settings.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let mut settings: std::collections::BTreeMap<String, String> = settings.collect();
    settings.insert("topics.include".to_owned(), mirror.topics.join(","));
    let topics = mirror_coordinator::mirror_config::topic_patterns(&settings).unwrap();
    for (name, expected) in [
        ("a.1.orders", true),
        ("a.1.c.orders", true),
        ("a.1.bb.orders", true),
        ("a.1.b.orders", false),
        ("a.1.c.b.orders", false),
        ("a.1.mm2-offsets.b.internal", false),
        ("a.1.c.checkpoints.internal", false),
        ("a.1.x.replica", false),
        ("orders", false),
        ("a-1.orders", false),
    ] {
        assert_eq!(topics.selects(name), expected, "{name}");
    }
}

#[test]
fn no_secret_is_printed_in_either_form() {
    let text = "clusters=a,b\na.bootstrap.servers=x:1\na->b.enabled=true\n\
                a.sasl.jaas.config=hunter2\nssl.key.password=hunter2\n\
                a->b.producer.ssl.keystore.password=hunter2\na.consumer.sasl.jaas.config=hunter2\n\
                a->b.source.admin.sasl.client.secret=hunter2\nx.y=hunter2\n\
                b.ssl.keystore.key=hunter2";
    let import = Import::of(&Mm2File::parse(text).unwrap(), None).unwrap();
    let json = serde_json::to_string(&import).unwrap();
    assert!(!json.contains("hunter2"), "{json}");
    assert_eq!(import.without_counterpart.len(), 7);
    assert_eq!(json.matches("is a secret").count(), 6, "{json}");
    assert!(!script(text, "f", None).contains("hunter2"));
}

#[test]
fn a_file_that_is_something_else_is_refused() {
    for (text, word) in [
        ("", "no key clusters"),
        ("bootstrap.servers=a:1", "no key clusters"),
        ("clusters=", "clusters names 0"),
        ("clusters=a\\u12", "hexadecimal"),
    ] {
        let error = Mm2File::parse(text).unwrap_err();
        assert!(error.contains(word), "{text:?}: {error}");
    }
    let many: Vec<String> = (0..101).map(|number| format!("c{number}")).collect();
    let error = Mm2File::parse(&format!("clusters={}", many.join(","))).unwrap_err();
    assert!(error.contains("101"), "{error}");
}

#[test]
fn a_file_is_read_up_to_a_size_and_need_not_be_utf_8() {
    let directory = std::env::temp_dir().join(format!("import-mm2-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("f.properties");
    std::fs::write(&path, b"clusters=caf\xe9").unwrap();
    assert_eq!(read(&path).unwrap(), "clusters=caf\u{e9}");
    std::fs::write(&path, vec![b'#'; PROPERTIES_BYTES_MAX + 1]).unwrap();
    assert!(read(&path).unwrap_err().contains("larger than"));
    std::fs::remove_dir_all(&directory).unwrap();
}
