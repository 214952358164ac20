//! The section "Fail over and back", command by command as it stands there.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use harness::TempDir;
use harness::ringmirror::{cargo_build, profile_dir, program};

use super::read_the_mirror::Node;
use super::{commands_of, typed};
use crate::mirrored::SOON;

#[test]
fn two_nodes_fail_over_and_back_as_readme_says() -> Result<()> {
    let name = "two_nodes_fail_over_and_back_as_readme_says";
    let commands = commands_of("Fail over and back")?;
    let has_kcat = Command::new("kcat").arg("-V").output().is_ok();
    if harness::kafka_or_skip(name).is_none() || !has_kcat {
        // Not eprintln: the test runner captures that, and a skip must be seen.
        let line = format!("SKIPPED {name}: it needs Kafka's tools and kcat\n");
        std::io::stderr().write_all(line.as_bytes())?;
        return Ok(());
    }
    cargo_build(&["-p", "xtask", "--bin", "xtask"])?;
    let directories = [TempDir::new("readme")?, TempDir::new("readme")?];
    let here = Here::prepare(&directories)?;
    let mut nodes = Vec::new();
    for command in &commands {
        if command.starts_with("target/release/ringmirror node ") {
            let at = usize::from(!command.contains("localhost:19093"));
            let mut node = Node::start(&here.command(command), &directories[at])?;
            node.wait_listening(&here.addresses[at])?;
            nodes.push(node);
        } else if command.contains(" status ") {
            here.await_success(command)?;
        } else {
            typed(&here.command(command))?;
        }
    }
    ensure!(nodes.len() == 2, "README starts {} nodes", nodes.len());
    let described = &commands[commands.len() - 1];
    here.await_success(&described.replace("--describe", "--describe --json"))?;
    let deadline = Instant::now() + SOON;
    let read = "kcat -b localhost:19094 -t orders -C -o beginning -e -q | sort -n | uniq | wc -l";
    while typed(&here.command(read))?.trim() != "1010" {
        ensure!(Instant::now() < deadline, "{}", typed(&here.command(described))?);
        thread::sleep(PAUSE);
    }
    let states = typed(&here.command(described))?;
    ensure!(states.matches("MIRRORING").count() == 2, "{states}");
    nodes.into_iter().try_for_each(Node::stop)
}

/// How the commands of README run on this machine, beside other tests.
struct Here {
    /// Where the nodes listen.
    addresses: [String; 2],
    replacements: Vec<(&'static str, String)>,
}

impl Here {
    fn prepare(directories: &[TempDir; 2]) -> Result<Self> {
        let free = [TcpListener::bind("localhost:0")?, TcpListener::bind("localhost:0")?];
        let [a, b] = &free;
        let addresses = [a.local_addr()?.port(), b.local_addr()?.port()]
            .map(|port| format!("localhost:{port}"));
        let replacements = vec![
            ("localhost:19093", addresses[0].clone()),
            ("localhost:19094", addresses[1].clone()),
            ("/tmp/from-a", directories[0].join("from-a").display().to_string()),
            ("--data-dir /tmp/a", format!("--data-dir {}", directories[0].join("a").display())),
            ("--data-dir /tmp/b", format!("--data-dir {}", directories[1].join("b").display())),
            ("target/release/ringmirror", program()?.display().to_string()),
            ("cargo xtask", profile_dir()?.join("xtask").display().to_string()),
        ];
        Ok(Self { addresses, replacements })
    }

    /// The command for this machine; nobody is there to answer its question.
    fn command(&self, command: &str) -> String {
        let mut here = command.to_owned();
        for (theirs, ours) in &self.replacements {
            here = here.replace(theirs, ours);
        }
        if command.contains(" failover ") || command.contains(" failback ") {
            here.push_str(" --yes");
        }
        here
    }

    /// Types a command until it succeeds: a reader looks again.
    fn await_success(&self, command: &str) -> Result<()> {
        let deadline = Instant::now() + SOON;
        while let Err(error) = typed(&self.command(command)) {
            ensure!(Instant::now() < deadline, "{error:#}");
            thread::sleep(PAUSE);
        }
        Ok(())
    }
}

const PAUSE: Duration = Duration::from_millis(200);
