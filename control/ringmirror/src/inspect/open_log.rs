//! A log that is being written, or whose writer was killed: what its end may look like.
//!
//! Without a clean-shutdown marker the last segment and its indexes may end in reserved space, and
//! the next start cuts and rebuilds what is not whole. None of that is damage.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use kafka_log::partition_files::{FileKind, FileName};
use kafka_log::{offset_index, time_index};
use kafka_wire::offset::Offset;
use mirror_node::directory::was_closed;
use mirror_node::local_log::{LocalLog, LocalLogError, LocalSegment};
use mirror_node::partition_check::{PartitionCheck, Problem, SegmentCheck};

use super::{partition_file, partition_of};

/// True for a file of the last segment of a partition whose log was not closed.
pub(super) fn is_of_last_segment(path: &Path, base: Offset) -> bool {
    let Ok(path) = fs::canonicalize(path) else { return false };
    let Some((root, name)) = path.parent().and_then(partition_of) else { return false };
    let last = LocalLog::open(root, &name).ok().and_then(|log| log.segments.last().cloned());
    !was_closed(root) && last.is_some_and(|last| last.base == base)
}

/// Says what lies behind the last batch, from `position` on.
pub(super) fn tail_text(path: &Path, position: u64, bytes: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(position))?;
    let left = bytes - position;
    let mut rest = file.take(left);
    let mut chunk = vec![0; READ_BYTES];
    loop {
        let count = rest.read(&mut chunk)?;
        if count == 0 {
            return Ok(format!("{left} bytes reserved behind the last batch"));
        }
        if chunk[..count].iter().any(|byte| *byte != 0) {
            return Ok(format!(
                "{left} bytes behind the last batch belong to no batch (a log being written, or \
                 torn; the next start cuts them)"
            ));
        }
    }
}

/// An index without the zero entries reserved at its end.
pub(super) fn without_reserved(kind: FileKind, contents: &[u8]) -> &[u8] {
    let entry_bytes = match kind {
        FileKind::OffsetIndex => offset_index::ENTRY_BYTES,
        FileKind::TimeIndex => time_index::ENTRY_BYTES,
        _ => return contents,
    };
    if !contents.len().is_multiple_of(entry_bytes) {
        return contents;
    }
    let used = contents.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    &contents[..used.next_multiple_of(entry_bytes)]
}

/// Takes out of `check` what is no damage in an open log, and says it in words instead.
pub(super) fn forgive(directory: &Path, log: &LocalLog, check: &mut PartitionCheck) -> Vec<String> {
    let mut notes = Vec::new();
    let Some(last) = log.segments.last() else { return notes };
    let walked = Walked::walk(log, last);
    if walked.ends_in_no_batch
        && follows(check, last)
        && let Some(at) = tail_problem(directory, last, check)
        && let Ok(text) = tail_text(&last.path, walked.bytes, last.bytes)
    {
        check.problems.remove(at);
        notes.push(format!("segment {}: {text}", last.base));
        check_the_rest(directory, last, &walked, check);
    }
    for name in [FileName::offset_index(last.base), FileName::time_index(last.base)] {
        let path = directory.join(name.text());
        notes.extend(if path.exists() {
            forgive_index(path, name, &walked, check)
        } else {
            forgive_missing_index(&path, name, check)
        });
    }
    let before = check.problems.len();
    check.problems.retain(|problem| !is_missing_snapshot(problem));
    if check.problems.len() < before {
        notes.push("no producer snapshot at the end: the log was not closed".to_owned());
    }
    notes
}

/// The last segment, up to the first bytes that are no batch.
#[derive(Default)]
struct Walked {
    bytes: u64,
    end: i64,
    /// Where each batch begins, and the offsets in it.
    places: BTreeMap<u64, (Offset, Offset)>,
    ends_in_no_batch: bool,
}

impl Walked {
    fn walk(log: &LocalLog, last: &LocalSegment) -> Self {
        let segments = vec![last.clone()];
        let mut batches = LocalLog { name: log.name.clone(), segments }.batches(last.base);
        let mut walked = Self { end: last.base.get(), ..Self::default() };
        loop {
            match batches.next_batch() {
                Ok(Some(batch)) => {
                    let header = &batch.header;
                    let offsets = (header.base_offset, header.last_offset());
                    walked.places.insert(batch.place.position, offsets);
                    walked.bytes = batch.place.position + u64::from(header.batch_bytes);
                    walked.end = header.next_offset().get();
                }
                Ok(None) | Err(LocalLogError::Io { .. }) => return walked,
                Err(_) => {
                    walked.ends_in_no_batch = true;
                    return walked;
                }
            }
        }
    }

    /// True when an index entry points at a batch that holds its offset, or behind all of them.
    fn fits(&self, entry: &offset_index::OffsetIndexEntry) -> bool {
        let position = u64::from(entry.position);
        let batch = self.places.get(&position);
        position >= self.bytes
            || batch.is_some_and(|(first, last)| (*first..=*last).contains(&entry.offset))
    }
}

/// True when the segments before the last one end where it begins, or earlier.
fn follows(check: &PartitionCheck, last: &LocalSegment) -> bool {
    let base = last.base.get();
    check.segments.iter().all(|segment| segment.base >= base || segment.end <= base)
}

/// The problem that ended the walk, when it was met in the last segment.
fn tail_problem(directory: &Path, last: &LocalSegment, check: &PartitionCheck) -> Option<usize> {
    let place = format!("{} at ", last.path.display());
    let of_tail = |problem: &Problem| problem.path == directory && problem.what.starts_with(&place);
    check.problems.iter().position(of_tail)
}

/// What the check leaves out when it meets bytes that are no batch: the last segment's sums, and
/// whether the files beside the batches can be read.
fn check_the_rest(
    directory: &Path,
    last: &LocalSegment,
    walked: &Walked,
    check: &mut PartitionCheck,
) {
    let base = last.base.get();
    check.segments.retain(|segment| segment.base != base);
    check.segments.push(SegmentCheck {
        base,
        end: walked.end,
        bytes: walked.bytes,
        batches: walked.places.len() as u64,
        ..SegmentCheck::default()
    });
    if let Some(end) = Offset::from_wire(walked.end) {
        check.log_end = end;
    }
    let files = fs::read_dir(directory).into_iter().flatten().flatten();
    for path in files.map(|file| file.path()) {
        let name = path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse);
        let known = check.problems.iter().any(|problem| problem.path == path);
        if known || name.is_none_or(|name| name.kind == FileKind::Log) {
            continue;
        }
        let problems = partition_file::inspect(&path, false).map(|file| file.problems);
        let problems = problems.into_iter().flatten();
        check.problems.extend(problems.map(|what| Problem { path: path.clone(), what }));
    }
}

/// Reads an index of the last segment again, without its reserved end.
fn forgive_index(
    path: PathBuf,
    name: FileName,
    walked: &Walked,
    check: &mut PartitionCheck,
) -> Option<String> {
    let contents = partition_file::read(&path).ok().filter(|contents| !contents.is_empty());
    let contents = contents.unwrap_or_default();
    let used = without_reserved(name.kind, &contents);
    let count = if name.kind == FileKind::OffsetIndex {
        let entries = offset_index::parse(name.offset, used).ok()?;
        if let Some(stray) = entries.iter().find(|entry| !walked.fits(entry)) {
            if check.problems.iter().all(|problem| problem.path != path) {
                let what = format!(
                    "entry for offset {} at position {} points at no batch that holds it",
                    stray.offset, stray.position
                );
                check.problems.push(Problem { path, what });
            }
            return None;
        }
        entries.len()
    } else {
        time_index::parse(name.offset, used).ok()?.len()
    };
    check.problems.retain(|problem| problem.path != path);
    if let Some(segment) = check.segments.last_mut() {
        let entries = match name.kind {
            FileKind::OffsetIndex => &mut segment.offset_index_entries,
            _ => &mut segment.time_index_entries,
        };
        *entries = Some(count);
    }
    let reserved = contents.len() - used.len();
    (reserved > 0).then(|| format!("{}: {reserved} bytes reserved at its end", name.text()))
}

/// Takes note of an index of the last segment that was not written yet.
fn forgive_missing_index(
    path: &Path,
    name: FileName,
    check: &mut PartitionCheck,
) -> Option<String> {
    let before = check.problems.len();
    check.problems.retain(|problem| problem.path != path);
    (check.problems.len() < before).then(|| {
        let name = name.text();
        format!("no {name} yet: the log was not closed, the next ringmirror mirror writes it")
    })
}

fn is_missing_snapshot(problem: &Problem) -> bool {
    let name = problem.path.file_name().and_then(|name| name.to_str()).and_then(FileName::parse);
    let snapshot = name.is_some_and(|name| name.kind == FileKind::ProducerSnapshot);
    snapshot && problem.what.starts_with("is missing") && !problem.path.exists()
}

const READ_BYTES: usize = 1 << 20;
