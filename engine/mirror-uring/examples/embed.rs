//! A host program: mirrors a topic's partitions until nothing has happened for five seconds.
//! Pauses partition 0 when it first moves, and cuts partition 1 in half when it has records:
//! `cargo run -p mirror-uring --example embed -- HOST PORT DIRECTORY TOPIC TOPIC_ID PARTITIONS`

use kafka_wire::partition::{BrokerId, SourceBroker, SourceId};
use kafka_wire::partition::{TopicId, TopicIdPartition, TopicPartition};
use kafka_wire::{epoch::LeaderEpoch, offset::Offset};
use mirror_uring::{
    BrokerAddress, DivergencePolicy, Engine, EngineCommand, EngineConfig, EngineReport, LogConfig,
    NewPartition, PartitionEvent,
};
use std::{env, error::Error, mem::take, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = env::args().skip(1);
    let mut next = || args.next().ok_or("HOST PORT DIRECTORY TOPIC TOPIC_ID PARTITIONS");
    let address = BrokerAddress { host: next()?.into(), port: next()?.parse()? };
    let (engine, mut reports) = Engine::start(EngineConfig::new(next()?))?;
    let broker = BrokerId::from_wire(1).ok_or("negative id")?;
    let broker = SourceBroker { source: SourceId::new(0), broker };
    engine.send_blocking(EngineCommand::SetBroker { broker, address })?;
    let (topic, topic_id) = (next()?, TopicId::parse(&next()?).ok_or("illegal topic id")?);
    for index in 0..next()?.parse::<u32>()? {
        let name = TopicPartition::parse_directory(&format!("{topic}-{index}")).ok_or("name")?;
        engine.send_blocking(EngineCommand::AddPartition(Box::new(NewPartition {
            id: TopicIdPartition { topic_id, partition: name.partition },
            name,
            source_topic: None,
            source_has_topic_ids: true,
            leader: broker,
            source_epoch: None,
            leader_epoch: LeaderEpoch::ZERO, // raised below when a batch asks for more
            log_config: LogConfig::default(),
            recovery_point: None,
            log_start: None,
            clean: false,
            on_divergence: DivergencePolicy::Truncate,
        })))?;
    }
    let (mut pause, mut to_cut) = (true, true);
    while let Some(report) = reports.recv_timeout(Duration::from_secs(5)) {
        eprintln!("{report:?}"); // says also how far others may read the log files
        let EngineReport::Partition { partition, event } = report else { continue };
        engine.send_blocking(match (event, partition.partition.get()) {
            (PartitionEvent::Fenced { batch_epoch, .. }, _) => {
                let epoch = LeaderEpoch::from_wire(batch_epoch.get()).ok_or("negative epoch")?;
                EngineCommand::SetLeaderEpoch { partition, epoch }
            }
            (PartitionEvent::Progress(now), _) if now.log_end.offset() == Offset::ZERO => continue,
            (PartitionEvent::Progress(_), 0) if take(&mut pause) => EngineCommand::Pause(partition),
            (PartitionEvent::Progress(now), 1) if take(&mut to_cut) => {
                let to = Offset::from_wire(now.log_end.offset().get() / 2).ok_or("negative")?;
                EngineCommand::Truncate { partition, to }
            }
            _ => continue,
        })?;
    }
    Ok(engine.stop()?)
}
