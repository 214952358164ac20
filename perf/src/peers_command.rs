//! The commands that compare ringmirror with its peers.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, value_parser};
use harness::kafka_jars;
use perf::measurement::TRIES_MAX;
use perf::peers::agreement::Comparison;
use perf::peers::chart;
use perf::peers::contender::Contender;
use perf::peers::figures::Figures;
use perf::peers::goals::{Goal, goals};
use perf::peers::librdkafka::LibrdkafkaPeer;
use perf::peers::markdown;
use perf::peers::record::{PeersRecord, ScenarioRecord, Sitting};
use perf::peers::rounds::{self, PeersPlan};
use perf::peers::scenario::{SCENARIOS, Scenario};
use perf::private_network;
use perf::server_process::ringmirror_program;
use perf::stock_broker::RELEASE;
use serde::Serialize;

/// peers.json: what was measured, and what follows from it.
#[derive(Serialize)]
struct PeersFile<'a> {
    scenarios: &'a [ScenarioRecord],
    figures: BTreeMap<String, Vec<Figures>>,
    goals: Vec<Goal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<&'a Comparison>,
}

#[derive(Args)]
pub(crate) struct PeersArgs {
    /// Only these scenarios, like 8-partitions or synthetic; all by default.
    #[arg(long = "scenario", value_delimiter = ',')]
    scenarios: Vec<String>,
    /// Only these contenders; by default all but librdkafka-crc, the slow ones where they say
    /// something.
    #[arg(long = "contender", value_enum, value_delimiter = ',')]
    contenders: Vec<Contender>,
    /// Rounds of every scenario, interleaved.
    #[arg(long, default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    rounds: u32,
    /// Rounds before them that do not count; one at most from the second scenario on.
    #[arg(long, default_value_t = 2)]
    warm_up_rounds: u32,
    /// Bytes of every topic, instead of what is right for its scenario.
    #[arg(long, value_parser = value_parser!(u64).range(1..))]
    bytes: Option<u64>,
    /// A setting of the source broker beside those it is shipped with, like
    /// socket.send.buffer.bytes=-1; may be given several times.
    #[arg(long = "source-setting", value_name = "NAME=VALUE", value_parser = setting)]
    source_settings: Vec<(String, String)>,
    /// Tries at a round that other work disturbs, before it is taken after all.
    #[arg(long, default_value_t = TRIES_MAX, value_parser = value_parser!(u32).range(1..))]
    tries: u32,
    /// The ringmirror to measure; the one beside this program by default.
    #[arg(long)]
    ringmirror: Option<PathBuf>,
    /// Directory on the disk to write to; what is written is removed.
    #[arg(long, default_value = "target/tmp")]
    directory: PathBuf,
    /// Directory for peers.json, peers.md and peers.svg.
    #[arg(long, default_value = "target/perf/peers")]
    out: PathBuf,
    /// Use the machine's loopback with the congestion control it has, instead of one of our own
    /// with cubic.
    #[arg(long)]
    system_network: bool,
}

#[derive(Args)]
pub(crate) struct PeersReportArgs {
    /// What `peers` wrote: peers.json; of a scenario that several have, the last one counts.
    #[arg(required = true)]
    records: Vec<PathBuf>,
    /// What another sitting wrote, on another machine, say: tells of each ratio that both have
    /// whether they agree within their ranges.
    #[arg(long, value_name = "RECORD")]
    against: Option<PathBuf>,
    /// Directory for peers.json, peers.md and peers.svg of all of it.
    #[arg(long, default_value = "target/perf/peers")]
    out: PathBuf,
}

pub(crate) fn peers(args: &PeersArgs) -> Result<()> {
    let ringmirror = ringmirror_program(args.ringmirror.as_deref())?;
    // There is no way out of a network of our own.
    kafka_jars::fetch(RELEASE)?;
    let scenarios = chosen(&args.scenarios)?;
    let takes_part = |is_meant: fn(Contender) -> bool| match args.contenders.as_slice() {
        [] => true,
        asked => asked.iter().any(|contender| is_meant(*contender)),
    };
    if takes_part(Contender::warms_up_by_itself) {
        kafka_jars::fetch_mirror_maker(RELEASE)?;
    }
    let librdkafka = if takes_part(Contender::is_librdkafka) { librdkafka() } else { None };
    if !args.system_network {
        private_network::enter()?;
    }
    let mut sitting = Sitting::now(&ringmirror, &args.directory)?;
    if let Some(LibrdkafkaPeer { version, .. }) = &librdkafka {
        sitting.versions.push_str(&format!(", librdkafka {version}"));
    }
    let plan = PeersPlan {
        directory: args.directory.clone(),
        sitting,
        ringmirror,
        scenarios,
        contenders: args.contenders.clone(),
        librdkafka,
        rounds: args.rounds,
        warm_up_rounds: args.warm_up_rounds,
        bytes: args.bytes,
        source_settings: args.source_settings.clone(),
        tries_max: args.tries,
    };
    let keep = |record: &PeersRecord| write(record, None, &args.out);
    let record = rounds::measure(&plan, |line| eprintln!("{line}"), keep)?;
    print(&record, None, &args.out)
}

/// `NAME=VALUE` in two.
fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE, as in server.properties".to_owned()),
    }
}

/// The program over librdkafka; without it, those who need it are left out.
fn librdkafka() -> Option<LibrdkafkaPeer> {
    let prepared = LibrdkafkaPeer::prepare(Path::new(LIBRDKAFKA_DIRECTORY), false);
    prepared.inspect_err(|error| eprintln!("librdkafka is left out: {error:#}")).ok()
}

pub(crate) fn peers_report(args: &PeersReportArgs) -> Result<()> {
    let mut record = PeersRecord::default();
    for path in &args.records {
        record.merge(read(path)?);
    }
    let recorded = args.against.as_deref().map(read).transpose()?;
    let against = recorded.map(|recorded| Comparison::of(&record, &recorded));
    ensure!(
        against.as_ref().is_none_or(|against| !against.agreements.is_empty()),
        "nothing to hold against --against: no ratio of two rounds or more that both records have"
    );
    write(&record, against.as_ref(), &args.out)?;
    print(&record, against.as_ref(), &args.out)
}

fn read(path: &Path) -> Result<PeersRecord> {
    let text = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("what {} says", path.display()))
}

fn chosen(names: &[String]) -> Result<Vec<Scenario>> {
    let known = SCENARIOS.map(|scenario| scenario.name);
    for name in names {
        ensure!(known.contains(&name.as_str()), "no scenario {name}; there are {known:?}");
    }
    let is_chosen =
        |each: &Scenario| names.is_empty() || names.iter().any(|name| name == each.name);
    Ok(SCENARIOS.into_iter().filter(is_chosen).collect())
}

fn write(record: &PeersRecord, against: Option<&Comparison>, out: &Path) -> Result<()> {
    fs::create_dir_all(out).with_context(|| format!("creating {}", out.display()))?;
    let scenarios = &record.scenarios;
    let figures = scenarios
        .iter()
        .map(|scenario| {
            let of = |contender| scenario.figures(contender);
            (scenario.name.clone(), scenario.contenders().into_iter().filter_map(of).collect())
        })
        .collect();
    let file = PeersFile { scenarios, figures, goals: goals(record), against };
    let mut json = serde_json::to_string_pretty(&file)?;
    json.push('\n');
    fs::write(out.join("peers.json"), json)?;
    fs::write(out.join("peers.md"), report(record, against))?;
    fs::write(out.join("peers.svg"), chart::draw(record))?;
    Ok(())
}

/// The tables, and how they agree with others where that was asked.
fn report(record: &PeersRecord, against: Option<&Comparison>) -> String {
    let against = against.map(|against| format!("\n{}", against.report()));
    markdown::report(record) + &against.unwrap_or_default()
}

fn print(record: &PeersRecord, against: Option<&Comparison>, out: &Path) -> Result<()> {
    write!(io::stdout(), "{}", report(record, against))?;
    eprintln!("peers.json, peers.md and peers.svg are in {}", out.display());
    Ok(())
}

/// What is fetched and compiled for it, and kept.
const LIBRDKAFKA_DIRECTORY: &str = "target/perf/librdkafka";
