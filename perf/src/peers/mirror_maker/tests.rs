use std::net::SocketAddr;
use std::path::Path;

use super::*;

fn properties_of(is_tuned: bool) -> String {
    let plan = CopyPlan {
        source: SocketAddr::from(([127, 0, 0, 1], 9092)),
        topic: "8-partitions",
        partitions: 8,
        records: 1,
        end_offsets: &[1, 0, 0, 0, 0, 0, 0, 0],
        bytes: 1024,
        response_bytes_max: None,
        directory: Path::new("copy"),
        spent: Path::new("/spent"),
        needed: &[],
        compare_with: None,
    };
    let settings = MirrorMakerSettings { is_tuned, compression: "zstd", source_process: 1 };
    let addresses = ["127.0.0.1:9092", "127.0.0.1:9093"].map(str::to_owned);
    properties(&plan, &settings, "source7", &addresses)
}

#[test]
fn by_default_clients_are_as_shipped() {
    let text = properties_of(false);
    let has = |line: &str| text.lines().any(|found| found == line);
    assert!(has("clusters = source7,target"), "{text}");
    assert!(has("source7->target.topics = 8-partitions"), "{text}");
    assert!(has("tasks.max = 4") && has("replication.factor = 1"), "{text}");
    assert!(has("emit.heartbeats.enabled = false"), "{text}");
    assert!(!text.contains("producer.") && !text.contains("consumer."), "{text}");
}

#[test]
fn tuned_clients_compress_as_the_source_does() {
    let text = properties_of(true);
    let has = |line: &str| text.lines().any(|found| found == line);
    assert!(has("target.producer.batch.size = 262144"), "{text}");
    assert!(has("target.producer.compression.type = zstd"), "{text}");
    assert!(has("source7.consumer.fetch.max.bytes = 33554432"), "{text}");
}

#[test]
fn a_dead_task_is_found_in_the_log() {
    let quiet = "[main] INFO started\n[task-0] WARN slow\n";
    assert_eq!(dead_task(quiet), None);
    let killed = "ERROR WorkerSourceTask{id=x-0} Task threw an uncaught and unrecoverable \
                  exception. Task is being killed and will not recover until manually restarted";
    assert_eq!(dead_task(&format!("{quiet}{killed}\n")), Some(killed));
    let memory = "java.lang.OutOfMemoryError: Java heap space";
    assert_eq!(dead_task(&format!("{quiet}{memory}\n")), Some(memory));
}
