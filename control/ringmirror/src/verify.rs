//! `ringmirror verify`: byte equality with the source, or the first difference.

use std::io;

use mirror_node::topic_filter::TopicFilter;
use mirror_node::verify::{self, PartitionReport, VerifyConfig, VerifyError, VerifyReport};

use crate::cli::VerifyArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;
use crate::source_options::client_properties;

pub(crate) fn run(args: VerifyArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let config = VerifyConfig {
        properties: client_properties(&args.source)?,
        data_dir: args.data_dir,
        filter: TopicFilter::new(&args.topics, None)?,
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut printed = Ok(());
    let report = runtime.block_on(verify::verify(config, &mut |partition| {
        if !output.json && printed.is_ok() {
            printed = print_partition(partition, output);
        }
    }))?;
    printed?;
    if output.json {
        output.document(&report)?;
    } else {
        print_sum(&report, output)?;
    }
    Ok(if report.equal && !report.partitions.is_empty() {
        ExitCode::Done
    } else {
        ExitCode::Failed
    })
}

fn print_partition(report: &PartitionReport, output: &mut Output) -> io::Result<()> {
    let name = &report.partition;
    match &report.difference {
        None => {
            let bytes: u64 = report.ranges.iter().map(|range| range.bytes).sum();
            let batches: u64 = report.ranges.iter().map(|range| range.batches).sum();
            output.line(format_args!(
                "{name}: equal, {batches} batches, {}",
                indicatif::BinaryBytes(bytes)
            ))?;
        }
        Some(difference) => {
            output.line(format_args!(
                "{name}: DIFFERS at offset {}: {}",
                difference.offset, difference.what
            ))?;
            if let (Some(file), Some(position)) = (&difference.file, difference.position) {
                output.line(format_args!("  in {} at {position}", file.display()))?;
            }
        }
    }
    for range in &report.ranges {
        output.line(format_args!(
            "  offsets {} to {}: {} bytes, crc64 {}",
            range.from, range.to, range.bytes, range.crc64
        ))?;
    }
    for note in &report.notes {
        output.line(format_args!("  note: {note}"))?;
    }
    output.flush()
}

fn print_sum(report: &VerifyReport, output: &mut Output) -> io::Result<()> {
    let differing = report.partitions.iter().filter(|partition| !partition.equal).count();
    let count = report.partitions.len();
    if count == 0 {
        return output.line("nothing to compare: the directory holds no selected partition");
    }
    if !report.of_other_sources.is_empty() {
        let topics = report.of_other_sources.join(", ");
        output.line(format_args!("not compared, as mirrored from other clusters: {topics}"))?;
    }
    let bytes = indicatif::BinaryBytes(report.bytes);
    if differing == 0 {
        output.line(format_args!("equal: {count} partitions, {} batches, {bytes}", report.batches))
    } else {
        output.line(format_args!("DIFFERENT: {differing} of {count} partitions; {bytes} are equal"))
    }
}

impl From<VerifyError> for CommandError {
    fn from(error: VerifyError) -> Self {
        match error {
            VerifyError::Directory(error) => error.into(),
            VerifyError::Source(error) => error.into(),
        }
    }
}
