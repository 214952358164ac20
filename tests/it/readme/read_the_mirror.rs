//! The section "Read the mirror", command by command as it stands there.

use std::fs::File;
use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use harness::driver::{CreateTopic, Produce};
use harness::java_process::terminate;
use harness::ringmirror::{cargo_build, profile_dir, program};
use harness::{ClusterOptions, Driver, KafkaRelease, TempDir};

use super::{commands_of, typed};
use crate::mirrored::SOON;

#[test]
fn a_mirror_is_read_as_readme_says() -> Result<()> {
    let name = "a_mirror_is_read_as_readme_says";
    let commands = commands_of("Read the mirror")?;
    let [node, list, consume, join, refused, create, produce] = &commands[..] else {
        bail!("README shows other commands than this test knows: {commands:#?}");
    };
    ensure!(node.starts_with("target/release/ringmirror node "), "{node}");
    ensure!(refused.ends_with(" # refused"), "README does not say so: {refused}");
    let Some(kafka) = harness::kafka_or_skip(name) else { return Ok(()) };
    let source = kafka.start(KafkaRelease::V4, ClusterOptions::default())?;
    for topic in ["orders", "payments-cards"] {
        source.driver().create_topic(&CreateTopic::new(topic, 2))?;
        source.driver().produce(&Produce::new(topic, 1, RECORDS))?;
    }
    let directory = TempDir::new("readme")?;
    let readme = Readme::prepare(&source.bootstrap_servers(), &directory)?;
    let mut running = Node::start(&readme.here(node)?, &directory)?;
    running.wait_listening(&readme.address)?;
    let driver = Driver::start(KafkaRelease::V4, &readme.address, directory.path())?;
    // A reader of README types no faster than this.
    running.wait_mirrored(&driver, ["orders", "payments-cards"])?;

    if let Some(printed) = readme.kcat(list)? {
        let topics = ["topic \"orders\" with 2 partitions", "topic \"payments-cards\" with 2"];
        ensure!(topics.iter().all(|topic| printed.contains(topic)), "{printed}");
    }
    if let Some(printed) = readme.kcat(consume)? {
        ensure!(lines_of(&printed) == RECORDS, "{} lines", lines_of(&printed));
    }
    if let Some(printed) = readme.kcat(join)? {
        ensure!(lines_of(&printed) == RECORDS, "{} lines", lines_of(&printed));
        let committed = driver.group_offsets("analysts")?;
        ensure!(committed.get("orders-1") == Some(&OFFSETS), "{committed:?}");
        let again = readme.kcat(join)?.unwrap_or_default();
        ensure!(again.is_empty(), "the group begins anew: {again}");
    }
    if readme.has_kcat {
        let told = typed(&readme.here(refused)?).expect_err("the topic is read-only").to_string();
        ensure!(told.contains("Delivery failed"), "{told}");
    }
    driver.await_high_watermark("orders", 1, OFFSETS)?;
    let told = typed(&readme.here(create)?)?;
    ensure!(told.contains("Created topic notes."), "{told}");
    ensure!(driver.describe_topic("notes")?.partitions.len() == 3, "{create}");
    if readme.kcat(produce)?.is_some() {
        let ends = driver.describe_topic("notes")?.partitions.into_iter();
        ensure!(ends.map(|one| one.high_watermark).sum::<i64>() == 1, "{produce}");
    }
    drop(driver);
    running.stop()
}

fn lines_of(printed: &str) -> u64 {
    printed.lines().map(|_| 1).sum()
}

/// How the commands of README run on this machine, beside other tests.
struct Readme {
    /// Where the node listens.
    address: String,
    has_kcat: bool,
    replacements: Vec<(&'static str, String)>,
}

impl Readme {
    fn prepare(source: &str, directory: &TempDir) -> Result<Self> {
        let free = TcpListener::bind("localhost:0")?.local_addr()?.port();
        let address = format!("localhost:{free}");
        cargo_build(&["-p", "xtask", "--bin", "xtask"])?;
        let has_kcat = Command::new("kcat").arg("-V").output().is_ok();
        if !has_kcat {
            // Not eprintln: the test runner captures that, and a skip must be seen.
            let line = "SKIPPED the lines of README with kcat: it is not installed\n";
            std::io::stderr().write_all(line.as_bytes())?;
        }
        let replacements = vec![
            ("localhost:9092", source.to_owned()),
            ("localhost:19092", address.clone()),
            ("/tmp/node", directory.join("node").display().to_string()),
            ("target/release/ringmirror", program()?.display().to_string()),
            ("cargo xtask", profile_dir()?.join("xtask").display().to_string()),
        ];
        Ok(Self { address, has_kcat, replacements })
    }

    /// The command for this machine.
    fn here(&self, command: &str) -> Result<String> {
        ensure!(command.contains("localhost:19092"), "not a command to the node: {command}");
        let mut here = command.to_owned();
        for (theirs, ours) in &self.replacements {
            here = here.replace(theirs, ours);
        }
        Ok(here)
    }

    /// What a command with kcat prints; nothing when that is not installed.
    fn kcat(&self, command: &str) -> Result<Option<String>> {
        ensure!(command.contains("kcat -b localhost:19092 "), "not kcat: {command}");
        self.has_kcat.then(|| typed(&self.here(command)?)).transpose()
    }
}

/// The node that README starts; killed when dropped.
struct Node {
    child: Child,
    printed: std::path::PathBuf,
}

impl Node {
    fn start(command: &str, directory: &TempDir) -> Result<Self> {
        let printed = directory.join("node.out");
        let output = File::create(&printed)?;
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "sh", "-c", &format!("exec {command}")])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("start the node")?;
        Ok(Self { child, printed })
    }

    fn wait_listening(&mut self, address: &str) -> Result<()> {
        let deadline = Instant::now() + SOON;
        while TcpStream::connect(address).is_err() {
            let ended = self.child.try_wait()?;
            ensure!(ended.is_none(), "the node ended: {ended:?}\n{}", self.printed()?);
            ensure!(Instant::now() < deadline, "nobody listens\n{}", self.printed()?);
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    fn wait_mirrored(&self, driver: &Driver, topics: [&str; 2]) -> Result<()> {
        let deadline = Instant::now() + SOON;
        while !topics
            .iter()
            .all(|topic| driver.list_topics().is_ok_and(|all| all.contains_key(*topic)))
        {
            ensure!(Instant::now() < deadline, "no topics\n{}", self.printed()?);
            thread::sleep(Duration::from_millis(50));
        }
        for topic in topics {
            driver.await_high_watermark(topic, 1, OFFSETS)?;
        }
        Ok(())
    }

    fn stop(mut self) -> Result<()> {
        terminate(self.child.id())?;
        let status = self.child.wait()?;
        ensure!(status.success(), "{status}\n{}", self.printed()?);
        Ok(())
    }

    fn printed(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.printed)?)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const RECORDS: u64 = 500;
const OFFSETS: i64 = 500;
