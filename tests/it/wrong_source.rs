//! Addresses that are no source, or not the one meant: refused with the reason, nothing lost.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::thread;
use std::time::Instant;

use anyhow::Result;
use harness::{Ended, Ringmirror, TempDir};

use crate::mirrored::SOON;
use crate::synthetic;

#[test]
fn a_source_nobody_listens_at_is_named() -> Result<()> {
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let told = refused(&address.to_string())?;
    let words = ["cannot connect to", &address.to_string(), "refused"];
    told.expect_refusal(SOURCE, &words)?;
    Ok(())
}

#[test]
fn servers_that_are_not_kafka_are_recognised() -> Result<()> {
    let answers = |bytes: &'static [u8], words: &[&str]| {
        refused(&stranger(Some(bytes))?)?.expect_refusal(SOURCE, words)
    };
    answers(b"HTTP/1.1 400 Bad Request\r\n\r\n", &["not a Kafka broker", "it answers HTTP"])?;
    answers(b"\x15\x03\x03\x00\x02\x02\x28", &["not a Kafka broker", "TLS"])?;
    answers(b"", &["closed the connection during the handshake", "Kafka"])?;
    answers(b"\x00\x00\x00\x06garbag", &["not a Kafka broker", "something else"])?;
    answers(b"\x7f\xff\xff\xffgarbage", &["not a Kafka broker", "2147483647 bytes"])?;
    answers(b"\xff\xff\xff\xffgarbage", &["not a Kafka broker", "-1 bytes"])?;
    Ok(())
}

#[test]
fn a_server_that_never_answers_is_given_up() -> Result<()> {
    let directory = TempDir::new("mirror")?;
    let config = directory.join("client.properties");
    std::fs::write(&config, "request.timeout.ms=300\n")?;
    let ended = Ringmirror::mirror(&stranger(None)?, "orders", &directory.join("mirror"))
        .option("--command-config", &config.display().to_string())
        .run()?;
    ended.expect_refusal(SOURCE, &["did not answer ApiVersions within 300 ms"])?;
    Ok(())
}

#[test]
fn another_cluster_behind_the_address_is_refused() -> Result<()> {
    let ours = synthetic::source(1, 1 << 20)?;
    let theirs = synthetic::source_with(1, 1 << 20, |spec| {
        spec.cluster_id = "another-cluster-000000".to_owned();
        spec.seed = 2;
    })?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&ours, &mirror)?;
    let words = [ours.cluster_id(), theirs.cluster_id(), "wrong address, or wrong directory"];
    synthetic::mirror(&theirs, &mirror).until_caught_up().run()?.expect_refusal(SOURCE, &words)?;
    synthetic::expect_equal(&ours, &mirror)?;
    Ringmirror::verify(&theirs.bootstrap(), &mirror).run()?.expect_refusal(SOURCE, &words)?;
    Ok(())
}

#[test]
fn topics_that_match_nothing_are_told_and_waited_for_only_when_wanted() -> Result<()> {
    let source = synthetic::source(1, 1 << 20)?;
    let directory = TempDir::new("mirror")?;
    let nothing =
        |name: &str| Ringmirror::mirror(&source.bootstrap(), "nothing-.*", &directory.join(name));
    let ended = nothing("once").until_caught_up().run()?.expect_code(1)?;
    assert_eq!(ended.events_named("nothing_selected")?[0]["topics_at_source"], 1, "{ended}");
    assert_eq!(ended.events_named("ended")?[0]["outcome"]["end"], "nothing_selected", "{ended}");

    let mut watching = nothing("watching").spawn()?;
    watching.wait_for_event("nothing_selected", SOON)?;
    watching.wait_for_event("progress", SOON)?;
    watching.terminate()?.expect_code(0)?;
    Ok(())
}

#[test]
fn a_topic_id_that_is_not_ours_stops_the_topic() -> Result<()> {
    let source = synthetic::source(1, 1 << 20)?;
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    synthetic::catch_up(&source, &mirror)?;
    let before = crate::mirrored::segment_bytes(&mirror.join("orders-0"))?;
    change_topic_id(&mirror)?;
    let ended = synthetic::mirror(&source, &mirror).until_caught_up().run()?.expect_code(1)?;
    let failed = &ended.events_named("ended")?[0]["outcome"]["failed"][0];
    let reason = failed["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("deleted and recreated") && reason.contains(OTHER_ID), "{ended}");
    assert!(before == crate::mirrored::segment_bytes(&mirror.join("orders-0"))?, "log changed");
    Ok(())
}

/// Makes the directory remember another id, as if it had mirrored an earlier topic.
fn change_topic_id(mirror: &Path) -> Result<()> {
    let path = mirror.join("ringmirror.json");
    let mut state: serde_json::Value = serde_json::from_slice(&std::fs::read(&path)?)?;
    state["topics"]["orders"]["topic_id"] = OTHER_ID.into();
    std::fs::write(&path, state.to_string())?;
    let metadata = format!("version: 0\ntopic_id: {OTHER_ID}");
    std::fs::write(mirror.join("orders-0/partition.metadata"), metadata)?;
    Ok(())
}

#[test]
fn a_first_start_that_fails_leaves_only_what_it_found() -> Result<()> {
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.to_string();
    let directory = TempDir::new("mirror")?;
    let failed = |mirror: &Path| {
        Ringmirror::mirror(&nobody, "orders", mirror).run()?.expect_refusal(SOURCE, &["refused"])
    };
    let empty = directory.join("empty");
    std::fs::create_dir(&empty)?;
    failed(&empty)?;
    assert_eq!(names(&empty)?, [""; 0]);
    failed(&empty.join("new/below"))?;
    assert_eq!(names(&empty)?, [""; 0]);

    // One that was begun stays as it is.
    let begun = directory.join("begun");
    let source = synthetic::source(1, 1 << 20)?;
    synthetic::catch_up(&source, &begun)?;
    let before = names(&begun)?;
    failed(&begun)?;
    assert_eq!(names(&begun)?, before);
    synthetic::catch_up(&source, &begun)?;
    Ok(())
}

#[test]
fn a_first_start_stopped_before_the_source_answers_leaves_nothing() -> Result<()> {
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let running = Ringmirror::mirror(&stranger(None)?, "orders", &mirror).spawn()?;
    let deadline = Instant::now() + SOON;
    while !mirror.join("ringmirror.json").exists() {
        assert!(Instant::now() < deadline, "no directory was made");
        thread::yield_now();
    }
    running.terminate()?.expect_code(0)?;
    assert_eq!(names(directory.path())?, [""; 0]);
    Ok(())
}

/// The names in a directory, in order.
fn names(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

fn refused(bootstrap: &str) -> Result<Ended> {
    let directory = TempDir::new("mirror")?;
    let mirror = directory.join("mirror");
    let ended = Ringmirror::mirror(bootstrap, "orders", &mirror).until_caught_up().run()?;
    assert!(!mirror.exists(), "a failed start left its directory: {ended}");
    Ok(ended)
}

/// A server that answers whatever it is asked with `answer` and closes, or with silence. It ends
/// with its first connection.
fn stranger(answer: Option<&'static [u8]>) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?.to_string();
    thread::spawn(move || -> std::io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let mut request = [0; 1024];
        let _ = stream.read(&mut request)?;
        match answer {
            Some(bytes) => stream.write_all(bytes),
            // Until the other side has had enough.
            None => stream.read(&mut request).map(|_| ()),
        }
    });
    Ok(address)
}

const SOURCE: i32 = 3;
const OTHER_ID: &str = "46r_7FZsSB2NSZZF0fRnlw";
