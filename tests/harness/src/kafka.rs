//! The permission to use real Kafka in a test, or the visible word that the test was skipped.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, OnceLock};
use std::{env, io};

use anyhow::Result;

use crate::kafka_cluster::{ClusterOptions, KafkaCluster};
use crate::kafka_release::KafkaRelease;
use crate::server_properties::ServerProperties;

/// How many tests may use Kafka at the same time in one process: each brings two or three virtual
/// machines of half a GiB.
pub const KAFKA_TESTS_MAX: usize = 2;

/// The right to start Kafka clusters; as long as it or a cluster of it lives it counts against
/// [`KAFKA_TESTS_MAX`].
///
/// One test takes one and starts as many clusters as it needs from it, one after the other or at
/// once. (Were the count by cluster, two tests with one cluster each could wait for each other.)
#[derive(Clone, Debug)]
pub struct Kafka {
    _slot: Arc<Slot>,
}

/// Why real Kafka cannot be used on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skip {
    /// What is missing.
    pub reason: String,
}

/// For tests that need real Kafka: the right to use it, or nothing after one visible line.
///
/// ```no_run
/// let Some(kafka) = harness::kafka_or_skip("the log end is the source's") else { return };
/// ```
///
/// # Panics
/// When Kafka cannot be used and `RINGMIRROR_REQUIRE_KAFKA=1`.
#[must_use]
pub fn kafka_or_skip(test: &str) -> Option<Kafka> {
    match java_and_maven() {
        Ok(()) => Some(Kafka::acquire()),
        Err(Skip { reason }) => {
            let required = env::var("RINGMIRROR_REQUIRE_KAFKA").is_ok_and(|value| value == "1");
            assert!(!required, "{test} needs real Kafka: {reason}");
            // Not eprintln: the test runner captures that, and a skip must be seen.
            let line = format!("SKIPPED {test}: {reason}\n");
            let _ = io::stderr().write_all(line.as_bytes());
            None
        }
    }
}

/// Whether this machine has what real Kafka needs.
///
/// # Errors
/// What is missing. `RINGMIRROR_NO_KAFKA=1` makes it look as if all were.
pub fn java_and_maven() -> Result<(), Skip> {
    static OUTCOME: OnceLock<Result<(), Skip>> = OnceLock::new();
    OUTCOME.get_or_init(look_for_java_and_maven).clone()
}

fn look_for_java_and_maven() -> Result<(), Skip> {
    if env::var("RINGMIRROR_NO_KAFKA").is_ok_and(|value| value == "1") {
        return Err(Skip { reason: "RINGMIRROR_NO_KAFKA=1".to_owned() });
    }
    for (program, argument) in
        [("java", "-version"), ("javac", "-version"), ("mvn", "-version"), ("setpriv", "--version")]
    {
        let found = Command::new(program)
            .arg(argument)
            .stdin(Stdio::null())
            .output()
            .is_ok_and(|output| output.status.success());
        if !found {
            return Err(Skip { reason: format!("{program} is not here (Java 17 and Maven are)") });
        }
    }
    check_java_version()
}

fn check_java_version() -> Result<(), Skip> {
    let output = Command::new("java")
        .arg("-version")
        .output()
        .map_err(|error| Skip { reason: format!("java does not run: {error}") })?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split('"').nth(1).unwrap_or("unknown");
    let major: u32 = version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0);
    if major < JAVA_MAJOR_MIN {
        return Err(Skip { reason: format!("java is {version}, {JAVA_MAJOR_MIN} is needed") });
    }
    Ok(())
}

impl Kafka {
    /// Waits for a free place.
    #[must_use]
    pub fn acquire() -> Self {
        Self { _slot: Arc::new(Slot::take()) }
    }

    /// Formats and starts a new cluster and waits until all its brokers answer.
    ///
    /// # Errors
    /// When a broker does not come up; the end of its output is in the error.
    pub fn start(&self, release: KafkaRelease, options: ClusterOptions) -> Result<KafkaCluster> {
        KafkaCluster::start(self, release, options)
    }

    /// Starts one stock broker on a directory that somebody else has filled, formatting nothing:
    /// the judge of what ringmirror hands over.
    ///
    /// `properties` is that directory's server.properties; listeners in it are replaced by free
    /// loopback ports. The broker changes the directory: hand it a copy to keep the original.
    ///
    /// # Errors
    /// When the broker does not come up; the end of its output is in the error.
    pub fn start_on_directory(
        &self,
        release: KafkaRelease,
        properties: &Path,
    ) -> Result<KafkaCluster> {
        KafkaCluster::start_on(self, release, ServerProperties::read(properties)?, false)
    }

    /// As [`Self::start_on_directory`] with an authorizer; see [`crate::authorizer`].
    ///
    /// # Errors
    /// As [`Self::start_on_directory`].
    pub fn start_on_directory_with_authorizer(
        &self,
        release: KafkaRelease,
        properties: &Path,
    ) -> Result<KafkaCluster> {
        KafkaCluster::start_on(self, release, ServerProperties::read(properties)?, true)
    }
}

#[derive(Debug)]
struct Slot;

static SLOTS_TAKEN: Mutex<usize> = Mutex::new(0);
static SLOT_FREED: Condvar = Condvar::new();

impl Slot {
    fn take() -> Self {
        let taken = SLOTS_TAKEN.lock().expect(NO_PANIC);
        let mut taken =
            SLOT_FREED.wait_while(taken, |taken| *taken >= KAFKA_TESTS_MAX).expect(NO_PANIC);
        *taken += 1;
        Self
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        *SLOTS_TAKEN.lock().expect(NO_PANIC) -= 1;
        SLOT_FREED.notify_one();
    }
}

const NO_PANIC: &str = "nothing panics while the slot count is locked";
const JAVA_MAJOR_MIN: u32 = 17;
