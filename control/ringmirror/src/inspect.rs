//! `ringmirror inspect`: what files say, in words, and whether it holds together.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use kafka_wire::partition::TopicPartition;
use mirror_node::directory;
use mirror_node::local_log::LocalLog;
use mirror_node::partition_check::{self, PartitionCheck};
use mirror_node::recycled_files;
use serde::Serialize;

use crate::cli::InspectArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;

mod metadata_batches;
mod open_log;
mod partition_file;
mod root_file;
mod segment_file;

/// What one file or directory says.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Inspected {
    /// Where it is.
    path: PathBuf,
    /// What it is.
    kind: String,
    /// What it says.
    facts: Vec<String>,
    /// Every entry, when wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    entries: Vec<String>,
    /// What is wrong with it.
    problems: Vec<String>,
}

impl Inspected {
    pub(crate) fn new(path: &Path, kind: impl Into<String>) -> Self {
        Self { path: path.to_owned(), kind: kind.into(), ..Self::default() }
    }

    pub(crate) fn fact(&mut self, text: impl ToString) {
        self.facts.push(text.to_string());
    }

    pub(crate) fn problem(&mut self, text: impl ToString) {
        self.problems.push(text.to_string());
    }
}

pub(crate) fn run(args: &InspectArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let mut reporter = Reporter { output, entries: args.entries, seen: Vec::new(), problems: 0 };
    for path in &args.paths {
        reporter.inspect(path)?;
        if reporter.output.reader_left() {
            break;
        }
    }
    let (problems, seen) = (reporter.problems, std::mem::take(&mut reporter.seen));
    if output.json {
        let verdict = if problems == 0 { "ok" } else { "problems" };
        output.document(&serde_json::json!({ "verdict": verdict, "inspected": seen }))?;
    } else if problems > 0 {
        output.line(format_args!("{problems} problems"))?;
    }
    Ok(if problems == 0 { ExitCode::Done } else { ExitCode::Failed })
}

struct Reporter<'a> {
    output: &'a mut Output,
    entries: bool,
    /// Kept for JSON only.
    seen: Vec<Inspected>,
    problems: usize,
}

impl Reporter<'_> {
    fn inspect(&mut self, path: &Path) -> Result<(), CommandError> {
        let failed = |error: io::Error| CommandError::usage(format!("{}: {error}", path.display()));
        let metadata = fs::metadata(path).map_err(failed)?;
        if !metadata.is_dir() {
            let inspected = self.file(path);
            return Ok(self.report(inspected)?);
        }
        let absolute = fs::canonicalize(path).map_err(failed)?;
        match partition_of(&absolute) {
            Some((root, name)) => Ok(self.partition(root, &name)?),
            None => self.data_directory(&absolute),
        }
    }

    /// A whole data directory: files at its root, then every partition.
    fn data_directory(&mut self, root: &Path) -> Result<(), CommandError> {
        let mut names = BTreeSet::new();
        let failed = |error: io::Error| {
            let text = anyhow::anyhow!("{}: cannot list it: {error}", root.display());
            CommandError::new(ExitCode::DataDirectory, text)
        };
        for entry in fs::read_dir(root).map_err(failed)? {
            names.insert(entry.map_err(failed)?.path());
        }
        for path in names {
            if !path.is_dir() {
                if root_file::is_known(&path) {
                    let inspected = self.file(&path);
                    self.report(inspected)?;
                }
            } else if let Some((root, name)) = partition_of(&path) {
                self.partition(root, &name)?;
            } else {
                let mut inspected = Inspected::new(&path, "directory");
                inspected.problem("not a partition: a broker refuses to start on it");
                self.report(inspected)?;
            }
            if self.output.reader_left() {
                break;
            }
        }
        Ok(())
    }

    /// A partition: all its files against each other; then each one, when entries are wanted.
    fn partition(&mut self, root: &Path, name: &TopicPartition) -> io::Result<()> {
        let path = root.join(name.to_string());
        let mut inspected = Inspected::new(&path, "partition");
        // Listed before it is checked: a segment that is begun meanwhile is not the last one here.
        let listed = LocalLog::open(root, name);
        match listed.and_then(|log| Ok((log, partition_check::check(root, name)?))) {
            Ok((log, mut check)) => {
                let open = !directory::was_closed(root);
                let notes =
                    if open { open_log::forgive(&path, &log, &mut check) } else { Vec::new() };
                describe_partition(&check, &mut inspected);
                inspected.facts.extend(notes);
            }
            Err(error) => inspected.problem(error),
        }
        for (file, bytes) in recycled_files::list(&path).unwrap_or_default() {
            let name = file.file_name().unwrap_or_default().display().to_string();
            inspected.fact(format_args!("{name}: {bytes} bytes; {RECYCLED}"));
        }
        self.report(inspected)?;
        if self.entries {
            let mut files = BTreeSet::new();
            for entry in fs::read_dir(&path)? {
                files.insert(entry?.path());
            }
            for file in files {
                let inspected = self.file(&file);
                self.report(inspected)?;
            }
        }
        Ok(())
    }

    fn file(&self, path: &Path) -> Inspected {
        partition_file::inspect(path, self.entries)
            .or_else(|| root_file::inspect(path, self.entries))
            .unwrap_or_else(|| {
                if recycled_files::is_recycled(path) {
                    let mut inspected = Inspected::new(path, "retired segment");
                    inspected.fact(RECYCLED);
                    return inspected;
                }
                let mut inspected = Inspected::new(path, "unknown file");
                inspected.fact("not a file of a Kafka log directory; a broker ignores it");
                inspected
            })
    }

    fn report(&mut self, inspected: Inspected) -> io::Result<()> {
        self.problems += inspected.problems.len();
        if self.output.json {
            self.seen.push(inspected);
            return Ok(());
        }
        self.output.line(format_args!("{}: {}", inspected.path.display(), inspected.kind))?;
        for fact in &inspected.facts {
            self.output.line(format_args!("  {fact}"))?;
        }
        for entry in &inspected.entries {
            self.output.line(format_args!("    {entry}"))?;
        }
        for problem in &inspected.problems {
            self.output.line(format_args!("  PROBLEM: {problem}"))?;
        }
        Ok(())
    }
}

/// The root and the partition, when a directory is named like one and is not a root itself.
fn partition_of(path: &Path) -> Option<(&Path, TopicPartition)> {
    let name = TopicPartition::parse_directory(path.file_name()?.to_str()?)?;
    let is_root = path.join("meta.properties").exists();
    (!is_root).then_some((path.parent()?, name))
}

fn describe_partition(check: &PartitionCheck, inspected: &mut Inspected) {
    match check.topic_id {
        Some(id) => inspected.fact(format_args!("topic id {id}")),
        None => inspected.fact("no topic id"),
    }
    inspected.fact(format_args!(
        "{} segments, offsets {} to {}",
        check.segments.len(),
        check.first_base,
        check.log_end
    ));
    for segment in &check.segments {
        let entries =
            |count: Option<usize>| count.map_or_else(|| "no".to_owned(), |count| count.to_string());
        inspected.fact(format_args!(
            "segment {}: offsets to {}, {} batches, {} bytes; {} index entries, {} time index \
             entries, {} aborted transactions",
            segment.base,
            segment.end,
            segment.batches,
            segment.bytes,
            entries(segment.offset_index_entries),
            entries(segment.time_index_entries),
            entries(segment.aborted_transactions),
        ));
    }
    for (epoch, start) in &check.epochs {
        inspected.fact(format_args!("leader epoch {epoch} begins at offset {start}"));
    }
    if let Some(id) = check.producer_id_max {
        inspected.fact(format_args!("largest producer id {id}"));
    }
    for (first, producer) in &check.open_transactions {
        inspected.fact(format_args!("open transaction of producer {producer} from {first}"));
    }
    for problem in &check.problems {
        inspected.problem(format_args!("{}: {}", problem.path.display(), problem.what));
    }
}

const RECYCLED: &str = "a retired segment kept to become the next one; holds no data of the \
                        mirror, handover deletes it";

#[cfg(test)]
mod tests;
