#!/bin/sh
# The mirrors of both_ways.properties, made by ringmirror import-mm2.
# Look through it and set NODE, the address of the node that takes the target's place.
set -e

# On the node that takes the place of east:
NODE='node-1:19092'

# west -> east
cat > './west-to-east.properties' <<'END_OF_SETTINGS'
acls.include=TOPIC
bootstrap.servers=west-1:9092
groups.exclude=console-consumer-.*,connect-.*,__.*
groups.include=.*
topics.exclude=west\\.(?:mm2.*\\.internal),west\\.(?:.*\\.replica),west\\.(?:.*checkpoints\\.internal),west\\.(?:(?:.*\\.)?east\\..*)
topics.prefix=west.
END_OF_SETTINGS
ringmirror cluster-mirrors --bootstrap-server "$NODE" --create --mirror='west' --mirror-config './west-to-east.properties'
ringmirror cluster-mirrors --bootstrap-server "$NODE" --start --mirror='west' --topics='west\..*'

# On the node that takes the place of west:
NODE='node-1:19092'

# east -> west
cat > './east-to-west.properties' <<'END_OF_SETTINGS'
acls.include=TOPIC
bootstrap.servers=east-1:9092,east-2:9092,east-3:9092
groups.exclude=console-consumer-.*,connect-.*,__.*
groups.include=.*
topics.exclude=east\\.(?:mm2.*\\.internal),east\\.(?:.*\\.replica),east\\.(?:.*checkpoints\\.internal),east\\.(?:(?:.*\\.)?west\\..*)
topics.prefix=east.
END_OF_SETTINGS
ringmirror cluster-mirrors --bootstrap-server "$NODE" --create --mirror='east' --mirror-config './east-to-west.properties'
ringmirror cluster-mirrors --bootstrap-server "$NODE" --start --mirror='east' --topics='east\.orders,east\.(?:payments-.*)'

# To know:
#   topics are called source.topic, as DefaultReplicationPolicy calls them (topics.prefix). What is mirrored under another name cannot be failed back: for that, take the line topics.prefix out and use the names of the source
#   acls.include=TOPIC copies all ACLs of topics; MirrorMaker 2 left WRITE out and made READ of ALL

# Keys without a counterpart:
#   line 14: replication.factor: a node is the only replica of what it has
#   line 15: checkpoints.topic.replication.factor: offsets are the same on both sides, so nothing is translated
#   line 16: heartbeats.topic.replication.factor: no heartbeats are written
#   line 17: offset-syncs.topic.replication.factor: offsets are the same on both sides, so nothing is translated
#   line 18: offset.storage.replication.factor: there is no Kafka Connect: a node keeps what it knows in its directory
#   line 19: status.storage.replication.factor: there is no Kafka Connect: a node keeps what it knows in its directory
#   line 20: config.storage.replication.factor: there is no Kafka Connect: a node keeps what it knows in its directory
#   line 22: tasks.max: a node spreads partitions over its CPUs by itself: cores and connections_per_broker in the section [mirror] of node.toml
#   line 23: emit.heartbeats.interval.seconds: no heartbeats are needed: `ringmirror status` says how old the last sign of life of a source is
