#!/bin/sh
# The mirrors of migration.properties, made by ringmirror import-mm2.
# Look through it and set NODE, the address of the node that takes the target's place.
set -e

# On the node that takes the place of target.eu:
NODE='node-1:19092'

# old core -> target.eu
cat > './old_core-to-target.eu.properties' <<'END_OF_SETTINGS'
acls.include=
bootstrap.servers=broker-1.old.example:9092
fetch.max.bytes=2097152
fetch.response.max.bytes=33554432
groups.exclude=console-.*
groups.include=.*
request.timeout.ms=40000
topic.properties.exclude=min.insync.replicas,retention.bytes,mirror.replication.throttled.replicas,mirror.support.unclean.leader.election
topics.exclude=app\\.orders\\.tmp.*,mm2.*\\.internal,.*checkpoints\\.internal,__.*
END_OF_SETTINGS
ringmirror cluster-mirrors --bootstrap-server "$NODE" --create --mirror='old_core' --mirror-config './old_core-to-target.eu.properties'
ringmirror cluster-mirrors --bootstrap-server "$NODE" --start --mirror='old_core' --topics='app\.orders\..*,it'\''s'

# Keys without a counterpart:
#   line 7: old core.consumer.isolation.level: the source is read by the engine and not by a Java consumer
#   line 8: old core.topics: MirrorMaker 2 reads it as topics or as a key of a direction (A->B.topics); of a cluster it never had an effect
#   line 9: old core.security.protocol: TLS and SASL are not supported yet: name a PLAINTEXT listener of the source in bootstrap.servers
#   line 10: old core.sasl.jaas.config: TLS and SASL are not supported yet: name a PLAINTEXT listener of the source in bootstrap.servers; its value is a secret and is not repeated
#   line 11: old core.ssl.truststore.password: TLS and SASL are not supported yet: name a PLAINTEXT listener of the source in bootstrap.servers; its value is a secret and is not repeated; its value comes from a config provider, which is not resolved
#   line 12: target.eu.bootstrap.servers: the node takes the place of this cluster: where it listens is listen and advertised in its node.toml
#   line 13: target.eu.producer.compression.type: there is no producer: batches are written to the log as they came
#   line 16: config.providers: providers of values are not asked: write the values themselves
#   line 17: config.providers.file.class: providers of values are not asked: write the values themselves
#   line 27: old core->target.eu.sync.group.offsets.interval.seconds: one interval for all mirrors: the node's setting mirror.group.offsets.refresh.interval.ms, 5000 unless set
#   line 29: old core->target.eu.transforms: records are copied byte for byte and never looked at
#   line 33: nowhere->lab.enabled: names no two clusters of the key clusters
