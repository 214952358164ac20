//! What one client is asked, and what it must answer.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Client;
use super::matrix::{self, GroupProtocol, Listed, Matrix, Reference, Refusal};
use super::program::{About, Program, Read};
use crate::driver::Isolation;

/// The outcome of one check.
#[derive(Clone, Debug)]
pub struct Finding {
    /// What was asked, the same words for every client.
    pub check: String,
    /// How it went.
    pub outcome: Outcome,
}

/// How a check went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it must be.
    Passed,
    /// Otherwise; why.
    Failed(String),
    /// The client cannot do it.
    Unsupported,
}

/// One client before its questions.
struct Examined<'a> {
    program: &'a mut Program,
    client: Client,
    matrix: &'a Matrix,
    reference: &'a Reference,
    findings: Vec<Finding>,
}

/// Runs every check of `matrix` with one client.
pub(super) fn all(
    program: &mut Program,
    about: &About,
    client: Client,
    matrix: &Matrix,
    reference: &Reference,
) -> Vec<Finding> {
    let mut examined = Examined { program, client, matrix, reference, findings: Vec::new() };
    if !matrix.read_topics.is_empty() {
        examined.check("list", Examined::list);
    }
    for topic in &matrix.read_topics {
        for isolation in Isolation::ALL {
            let name = format!("{} {topic}", isolation.name());
            examined.check(&name, |one| one.consume(topic, isolation));
        }
    }
    for protocol in &matrix.group_protocols {
        let (resume, share) = (
            format!("{} group resumes", protocol.name()),
            format!("{} group shares", protocol.name()),
        );
        if about.group_protocols.iter().any(|known| known == protocol.name()) {
            examined.check(&resume, |one| one.resume_group(*protocol));
            examined.check(&share, |one| one.share_group(*protocol));
        } else {
            examined.note(&resume, Outcome::Unsupported);
            examined.note(&share, Outcome::Unsupported);
        }
    }
    if let Some(topic) = &matrix.write_topic {
        examined.produce_all(topic, about);
    }
    if let Some(refusal) = &matrix.refused {
        for idempotent in [false, true] {
            let kind = if idempotent { "idempotent" } else { "plain" };
            let name = format!("refused {kind} ({})", refusal.code);
            examined.check(&name, |one| one.refused(refusal, idempotent));
        }
    }
    examined.findings
}

impl Examined<'_> {
    fn note(&mut self, check: &str, outcome: Outcome) {
        self.findings.push(Finding { check: check.to_owned(), outcome });
    }

    fn check(&mut self, name: &str, ask: impl FnOnce(&mut Self) -> Result<()>) {
        let outcome = match ask(self) {
            Ok(()) => Outcome::Passed,
            Err(error) => Outcome::Failed(format!("{error:#}")),
        };
        self.note(name, outcome);
    }

    fn list(&mut self) -> Result<()> {
        let listed: Listed = self.program.ask(&json!({"action": "list"}))?;
        for (topic, count) in &self.reference.partitions {
            let found = listed.topics.get(topic);
            ensure!(found == Some(count), "{topic}: {found:?} partitions listed, not {count}");
        }
        Ok(())
    }

    fn consume(&mut self, topic: &str, isolation: Isolation) -> Result<()> {
        let expected = self.reference.expected(topic, isolation);
        let read = Read { counts: expected.counts(), ..Read::whole(topic, isolation) };
        let got = self.program.consume(&read)?;
        matrix::compare(expected, &got)
    }

    fn group_name(&self, protocol: GroupProtocol, what: &str) -> String {
        format!("{what}-{}-{}-{}", self.client, protocol.name(), self.reference.run)
    }

    /// Half of a topic, commit, leave; then a new member takes the other half.
    fn resume_group(&mut self, protocol: GroupProtocol) -> Result<()> {
        let topic = &self.matrix.read_topics[0];
        let total = self.reference.expected(topic, Isolation::ReadCommitted).counts();
        let all: u64 = total.values().sum();
        let group = self.group_name(protocol, "resumes");
        let run = |program: &mut Program, count: u64| -> Result<GroupRun> {
            program.ask(&json!({
                "action": "group", "topic": topic, "group": group, "count": count,
                "protocol": protocol.name(),
            }))
        };
        let begun = run(self.program, all / 2).context("first run")?;
        ensure!(begun.consumed == all / 2, "{} records, not {}", begun.consumed, all / 2);
        let resumed = run(self.program, all - begun.consumed).context("second run")?;
        let consumed = begun.consumed + resumed.consumed;
        ensure!(consumed == all, "{consumed} records in two runs, not {all}");
        begun.check_continued_by(&resumed)?;
        let found = self.reference.group_type(&group)?;
        ensure!(found == protocol.name(), "group {group} is of type {found}");
        Ok(())
    }

    /// Two members, each with partitions that the other has not.
    fn share_group(&mut self, protocol: GroupProtocol) -> Result<()> {
        let topic = &self.matrix.read_topics[0];
        let partitions = self.reference.partitions[topic];
        let count = self.reference.expected(topic, Isolation::ReadCommitted).count();
        let shared: Shared = self.program.ask(&json!({
            "action": "share", "topic": topic, "group": self.group_name(protocol, "shares"),
            "count": count, "partitions": partitions, "protocol": protocol.name(),
        }))?;
        let held: Vec<i32> = shared.members.iter().flatten().copied().collect();
        let different: BTreeSet<i32> = held.iter().copied().collect();
        let members = &shared.members;
        ensure!(members.len() == 2, "{} members", members.len());
        ensure!(members.iter().all(|one| !one.is_empty()), "one has nothing: {members:?}");
        ensure!(held.len() == different.len(), "some have two owners: {members:?}");
        ensure!(different.len() == partitions, "some have no owner: {members:?}");
        ensure!(shared.consumed == count, "{} records of {count}", shared.consumed);
        Ok(())
    }

    fn produce_all(&mut self, topic: &str, about: &About) {
        let mut wanted = Vec::new();
        for (name, acks, codec, idempotent) in PRODUCTIONS {
            let check = format!("produce {name}");
            if !about.codecs.iter().any(|known| known == codec) {
                self.note(&check, Outcome::Unsupported);
                continue;
            }
            let prefix = format!("{}/{}/{name}/", self.reference.run, self.client);
            let request = produce(topic, &prefix, acks, codec, idempotent);
            self.check(&check, |one| {
                let offsets = match one.program.ask(&request)? {
                    Produced { offsets: Some(offsets), refused: None } => offsets,
                    other => bail!("{other:?}"),
                };
                for index in 0..RECORDS {
                    let known = offsets.get(index).copied().flatten();
                    // Without acknowledgements clients make up what they say.
                    let offset = known.filter(|_| acks != "0");
                    ensure!(offset.is_some() || acks == "0", "offsets: {offsets:?}");
                    wanted.push((offset, format!("{prefix}{index}")));
                }
                Ok(())
            });
        }
        self.check("reads back its own", |one| one.read_back(topic, &wanted));
    }

    /// Every produced value is at its offset, for Kafka's own client and then for this one.
    fn read_back(&mut self, topic: &str, wanted: &[(Option<i64>, String)]) -> Result<()> {
        let prefix = format!("{}/{}/", self.reference.run, self.client);
        let isolation = Isolation::ReadCommitted;
        let values = Some(prefix.as_str());
        let mut read = Read { values, lines: false, ..Read::whole(topic, isolation) };
        let deadline = Instant::now() + ARRIVAL_WAIT;
        loop {
            // Nobody has said when records without acknowledgement arrive.
            let got = self.reference.consume(&read)?;
            read.counts = got.counts();
            match check_values(&got.values, wanted) {
                Ok(()) => break,
                Err(error) if Instant::now() > deadline => return Err(error.context("java")),
                Err(_) => {}
            }
        }
        check_values(&self.program.consume(&read)?.values, wanted)
    }

    fn refused(&mut self, refusal: &Refusal, idempotent: bool) -> Result<()> {
        let request = produce(&refusal.topic, "refused", "all", "none", idempotent);
        let Produced { refused: Some(told), .. } = self.program.ask(&request)? else {
            bail!("records were taken by {}", refusal.topic);
        };
        let code = told.code.with_context(|| format!("no code for '{}'", told.name))?;
        // A code that a client does not know becomes its own word for that.
        let unknown = refusal.code == READ_ONLY_TOPIC && UNKNOWN_ERRORS.contains(&code);
        ensure!(
            code == i32::from(refusal.code) || unknown,
            "refused as {} ({code}), not as {}",
            told.name,
            refusal.code
        );
        Ok(())
    }
}

fn produce(topic: &str, prefix: &str, acks: &str, codec: &str, idempotent: bool) -> Value {
    json!({
        "action": "produce", "topic": topic, "partition": 0, "prefix": prefix, "count": RECORDS,
        "acks": acks, "codec": codec, "idempotent": idempotent,
    })
}

fn check_values(found: &[(i32, i64, String)], wanted: &[(Option<i64>, String)]) -> Result<()> {
    let mut places: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (_, offset, value) in found {
        places.entry(value).or_default().push(*offset);
    }
    for (offset, value) in wanted {
        let at = places.get(value.as_str()).with_context(|| format!("{value} is not there"))?;
        ensure!(at.len() == 1, "{value} is there more than once: {at:?}");
        let right = offset.is_none_or(|offset| at[0] == offset);
        ensure!(right, "{value} is at {}, produced at {offset:?}", at[0]);
    }
    ensure!(found.len() == wanted.len(), "{} values, not {}", found.len(), wanted.len());
    Ok(())
}

/// Answer to `group`.
#[derive(Debug, Deserialize)]
pub(super) struct GroupRun {
    pub(super) consumed: u64,
    /// Offsets of the records by partition, as they came.
    pub(super) offsets: BTreeMap<i32, Vec<i64>>,
    /// Committed offset by partition, if the client can tell.
    pub(super) committed: Option<BTreeMap<i32, i64>>,
}

impl GroupRun {
    fn check_continued_by(&self, next: &Self) -> Result<()> {
        for (partition, offsets) in &next.offsets {
            let Some(first) = offsets.first() else { continue };
            let before = self.offsets.get(partition).and_then(|offsets| offsets.first());
            ensure!(
                before.is_none_or(|before| before < first),
                "partition {partition} begins at {first} again"
            );
            let committed = self.committed.as_ref().and_then(|all| all.get(partition));
            ensure!(
                committed.is_none_or(|committed| committed <= first),
                "partition {partition} resumes at {first}, before its commit {committed:?}"
            );
        }
        Ok(())
    }
}

/// Answer to `share`.
#[derive(Debug, Deserialize)]
struct Shared {
    members: Vec<Vec<i32>>,
    consumed: u64,
}

/// Answer to `produce`: one or the other.
#[derive(Debug, Deserialize)]
struct Produced {
    offsets: Option<Vec<Option<i64>>>,
    refused: Option<Refused>,
}

#[derive(Debug, Deserialize)]
struct Refused {
    name: String,
    code: Option<i32>,
}

/// Name, acks, codec, idempotence.
const PRODUCTIONS: [(&str, &str, &str, bool); 8] = [
    ("acks=0", "0", "none", false),
    ("acks=1", "1", "none", false),
    ("acks=all", "all", "none", false),
    ("idempotent", "all", "none", true),
    ("gzip", "all", "gzip", true),
    ("snappy", "all", "snappy", false),
    ("lz4", "1", "lz4", false),
    ("zstd", "all", "zstd", true),
];

/// Records of one production.
const RECORDS: usize = 20;
const ARRIVAL_WAIT: Duration = Duration::from_secs(10);

/// The error of KIP-1279, younger than the clients.
const READ_ONLY_TOPIC: i16 = 134;
/// What clients make of it: unknown server error, and kafkajs' own number for unknown codes.
const UNKNOWN_ERRORS: [i32; 2] = [-1, -99];
