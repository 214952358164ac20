//! `ringmirror handover`: the directory becomes a stock broker's.

use std::io::{self, Write as _};

use kafka_wire::partition::BrokerId;
use mirror_node::handover::{
    self, HandedMirror, HandoverError, HandoverReport, KafkaRelease, RELEASES,
};

use crate::cli::HandoverArgs;
use crate::exit_code::{CommandError, ExitCode};
use crate::output::Output;

pub(crate) fn run(args: &HandoverArgs, output: &mut Output) -> Result<ExitCode, CommandError> {
    let node_id = BrokerId::from_wire(args.node_id)
        .ok_or_else(|| CommandError::usage("a node id is a number from 0"))?;
    let release = KafkaRelease::parse(&args.kafka_version).ok_or_else(|| {
        let known: Vec<&str> = RELEASES.iter().map(|release| release.name).collect();
        let (asked, known) = (&args.kafka_version, known.join(", "));
        CommandError::usage(format!("Kafka {asked} is not one of those known: {known}"))
    })?;
    let report = handover::hand_over(&args.data_dir, node_id, release)?;
    if output.json {
        output.document(&report)?;
    } else {
        tell(&report)?;
        output.line(report.server_properties.trim_end())?;
    }
    Ok(ExitCode::Done)
}

/// The facts go to standard error, so that standard output is a server.properties.
fn tell(report: &HandoverReport) -> io::Result<()> {
    let mut out = io::stderr().lock();
    for part in &report.partitions {
        writeln!(
            out,
            "{}: offsets {} to {}, {} batches checked, next leader epoch {}",
            part.partition, part.log_start, part.log_end, part.batches, part.leader_epoch
        )?;
        if let Some(mirror) = &part.mirror {
            let HandedMirror { name, state, last_mirror_epoch, last_mirror_offset, .. } = mirror;
            writeln!(
                out,
                "{}: {state} in mirror {name}, last mirrored epoch {last_mirror_epoch}, offset \
                 {last_mirror_offset}",
                part.partition
            )?;
        }
    }
    for note in &report.notes {
        writeln!(out, "note: {note}")?;
    }
    writeln!(
        out,
        "ready for Kafka {} as node {} of cluster {}; start it with:",
        report.kafka_version, report.node_id, report.cluster_id
    )
}

impl From<HandoverError> for CommandError {
    fn from(error: HandoverError) -> Self {
        match error {
            HandoverError::Directory(error) => error.into(),
            error @ (HandoverError::Foreign { .. } | HandoverError::Empty { .. }) => {
                Self::new(ExitCode::DataDirectory, error)
            }
            error => Self::new(ExitCode::Failed, error),
        }
    }
}
