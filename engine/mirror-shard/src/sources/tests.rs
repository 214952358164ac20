use crate::bridge::{EngineCommand, EngineReport, NewPartition, PartitionEvent};
use crate::limits::{ShardLimits, SourceLimits};
use crate::op::{BrokerAddress, Completion, ConnectionId, Op, Tick};
use crate::shard::Shard;
use crate::test_shard::{broker, loaded_empty, shard_with, spec, spec_of, step_ops};
use kafka_wire::partition::SourceId;

fn address(host: &str) -> BrokerAddress {
    BrokerAddress { host: host.into(), port: 9092 }
}

fn two_places() -> Shard {
    shard_with(ShardLimits {
        record_buffer_count: 8,
        connection_count_max: 2,
        ..ShardLimits::STANDARD
    })
}

/// Partition 0 of source 0 and partition 1 of source 1, loaded; both brokers have the id 1.
fn shard_of_two_sources() -> (Shard, Vec<(ConnectionId, String)>) {
    let mut shard = two_places();
    let mut commands = Vec::new();
    for source in [0, 1] {
        let (broker, address) = (broker(source, 1), address(&format!("source{source}")));
        commands.push(EngineCommand::SetBroker { broker, address });
        let new = NewPartition { leader: broker, ..spec_of(i32::try_from(source).unwrap()) };
        commands.push(EngineCommand::AddPartition(Box::new(new)));
    }
    step_ops(&mut shard, Tick(0), &commands, Vec::new());
    let loads = vec![loaded_empty(0), loaded_empty(1)];
    let (ops, _) = step_ops(&mut shard, Tick(1), &[], loads);
    let connects = ops.into_iter().filter_map(|op| match op {
        Op::Connect { connection, address } => Some((connection, address.host.to_string())),
        _ => None,
    });
    let mut connects: Vec<_> = connects.collect();
    connects.sort_by(|one, other| one.1.cmp(&other.1));
    (shard, connects)
}

fn remove(index: i32) -> EngineCommand {
    EngineCommand::Remove { partition: spec_of(index).id, delete: false }
}

#[test]
fn brokers_of_two_sources_with_one_id_get_connections_of_their_own() {
    let (_, connects) = shard_of_two_sources();
    let hosts: Vec<&str> = connects.iter().map(|(_, host)| host.as_str()).collect();
    assert_eq!(hosts, ["source0", "source1"]);
}

#[test]
fn reports_tell_which_of_two_brokers_with_one_id_is_unreachable() {
    let (mut shard, connects) = shard_of_two_sources();
    let result = Err(std::io::ErrorKind::ConnectionRefused.into());
    let refused = Completion::Connected { connection: connects[1].0, result };
    let (_, reports) = step_ops(&mut shard, Tick(3), &[], vec![refused]);
    let [EngineReport::BrokerUnreachable { broker: named, attempt: 1, .. }] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert_eq!(*named, broker(1, 1));
}

#[test]
fn connections_of_a_removed_source_end_with_its_last_partition() {
    let (mut shard, connects) = shard_of_two_sources();
    let up = |(connection, _): &(ConnectionId, String)| Completion::Connected {
        connection: *connection,
        result: Ok(()),
    };
    step_ops(&mut shard, Tick(3), &[], connects.iter().map(up).collect());
    let disconnects = |ops: Vec<Op>| -> Vec<ConnectionId> {
        let ends = ops.into_iter().filter_map(|op| match op {
            Op::Disconnect { connection } => Some(connection),
            _ => None,
        });
        ends.collect()
    };
    let order = EngineCommand::RemoveSource(SourceId::new(1));
    let (ops, _) = step_ops(&mut shard, Tick(4), &[order], Vec::new());
    assert_eq!(disconnects(ops), [], "a partition of it is left");
    let (ops, _) = step_ops(&mut shard, Tick(5), &[remove(1)], Vec::new());
    assert_eq!(disconnects(ops), [connects[1].0]);
    assert!(shard.brokers.contains_key(&broker(0, 1)), "the other source stays");
}

#[test]
fn a_removed_source_without_partitions_is_forgotten_at_once() {
    let (mut shard, _) = shard_of_two_sources();
    let third = SourceId::new(2);
    let commands = [
        EngineCommand::SetBroker { broker: broker(2, 1), address: address("source2") },
        EngineCommand::SetSource { source: third, limits: ShardLimits::STANDARD.source() },
        EngineCommand::RemoveSource(third),
    ];
    step_ops(&mut shard, Tick(3), &commands, Vec::new());
    assert!(!shard.brokers.contains_key(&broker(2, 1)));
    assert!(!shard.sources.contains_key(&third));
}

#[test]
fn a_source_told_again_keeps_its_connections() {
    let (mut shard, connects) = shard_of_two_sources();
    let source = SourceId::new(1);
    let again = EngineCommand::SetBroker { broker: broker(1, 1), address: address("source1") };
    let orders = [EngineCommand::RemoveSource(source), again, remove(1)];
    step_ops(&mut shard, Tick(3), &orders, Vec::new());
    let place = connects[1].0.index as usize;
    assert!(!shard.brokers[&broker(1, 1)].is_gone);
    assert_eq!(shard.connections[place].broker, broker(1, 1));
}

#[test]
fn each_source_is_waited_for_as_long_as_it_is_to_be() {
    let mut shard = two_places();
    let own = SourceLimits { request_timeout_ms: 7, ..ShardLimits::STANDARD.source() };
    let commands = [
        EngineCommand::SetSource { source: SourceId::new(0), limits: own },
        EngineCommand::SetBroker { broker: broker(0, 1), address: address("source0") },
        EngineCommand::AddPartition(Box::new(spec())),
    ];
    step_ops(&mut shard, Tick(0), &commands, Vec::new());
    step_ops(&mut shard, Tick(1), &[], vec![loaded_empty(0)]);
    assert_eq!(shard.connections[0].deadline, Some(Tick(1).after_ms(7)));
    let limits = ShardLimits::STANDARD.source();
    step_ops(
        &mut shard,
        Tick(3),
        &[EngineCommand::SetSource { source: SourceId::new(0), limits }],
        Vec::new(),
    );
    assert_eq!(shard.connections[0].limits, limits, "it changes while it is used");
}

#[test]
fn an_order_that_names_a_leader_in_another_source_is_not_about_the_partition() {
    let (mut shard, _) = shard_of_two_sources();
    let partition = spec_of(0).id;
    let epoch = kafka_wire::epoch::SourceLeaderEpoch::from_wire(9).unwrap();
    let leader = broker(1, 1);
    let order = EngineCommand::SetSourceLeader { partition, leader, epoch };
    let (_, reports) = step_ops(&mut shard, Tick(3), &[order], Vec::new());
    assert!(reports.is_empty());
    let slot = shard.partitions.find(&partition).unwrap();
    assert_eq!(shard.partitions.get(slot).unwrap().leader(), broker(0, 1));
}

#[test]
fn removing_a_partition_that_was_never_taken_is_answered() {
    let mut shard = two_places();
    let (_, reports) = step_ops(&mut shard, Tick(0), &[remove(5)], Vec::new());
    let [EngineReport::Partition { event: PartitionEvent::Removed(None), .. }] = &reports[..]
    else {
        panic!("{reports:?}")
    };
}

#[test]
fn a_connection_that_does_not_come_up_is_tried_again_long_before_a_request_is_given_up() {
    let (mut shard, connects) = shard_of_two_sources();
    let late = Tick(1).after_ms(crate::limits::CONNECT_TIMEOUT_MS);
    let (ops, reports) = step_ops(&mut shard, late, &[], Vec::new());
    let ended =
        |op: &Op| matches!(op, Op::Disconnect { connection } if *connection == connects[0].0);
    assert!(ops.iter().any(ended), "{ops:?}");
    let [EngineReport::BrokerUnreachable { reason, .. }, _] = &reports[..] else {
        panic!("{reports:?}")
    };
    assert!(reason.ends_with("no connection after 5000 ms"), "{reason}");
}
