use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use anyhow::bail;

use super::{once_in, pom};
use crate::kafka_release::KafkaRelease;
use crate::temp_dir::TempDir;

#[test]
fn a_cache_entry_is_made_once_however_many_ask() {
    let cache = TempDir::new("cache").unwrap();
    let fills = AtomicU32::new(0);
    let ask = || {
        once_in(cache.path(), "entry", |fresh| {
            fills.fetch_add(1, Ordering::Relaxed);
            Ok(fs::write(fresh.join("file"), "whole")?)
        })
    };
    thread::scope(|scope| {
        for asking in [(); 4].map(|()| scope.spawn(ask)) {
            let entry = asking.join().unwrap().unwrap();
            assert_eq!(fs::read_to_string(entry.join("file")).unwrap(), "whole");
        }
    });
    assert_eq!(fills.into_inner(), 1);
}

#[test]
fn a_failed_fill_leaves_no_entry_and_may_be_tried_again() {
    let cache = TempDir::new("cache").unwrap();
    let failed = once_in(cache.path(), "entry", |fresh| {
        fs::write(fresh.join("file"), "half")?;
        bail!("no network")
    });
    assert_eq!(failed.unwrap_err().to_string(), "no network");
    assert!(!cache.join("entry").exists());
    let entry = once_in(cache.path(), "entry", |_| Ok(())).unwrap();
    assert_eq!(fs::read_dir(entry).unwrap().count(), 0);
}

#[test]
fn the_pom_asks_for_the_broker_the_tools_and_a_log_backend() {
    for release in KafkaRelease::ALL {
        let pom = pom(&release.coordinates());
        assert_eq!(pom.matches("<dependency>").count(), 3, "{pom}");
        let broker = format!("<artifactId>kafka_2.13</artifactId><version>{release}</version>");
        assert!(pom.contains(&broker), "{pom}");
    }
}

#[test]
fn the_pom_of_mirror_maker_asks_for_its_connector_and_what_runs_it() {
    let pom = pom(&KafkaRelease::V4.mirror_maker_coordinates());
    for artifact in ["connect-mirror", "connect-runtime", "log4j-slf4j-impl"] {
        assert!(pom.contains(&format!("<artifactId>{artifact}</artifactId>")), "{pom}");
    }
    assert!(!pom.contains("kafka_2.13"), "{pom}");
}
