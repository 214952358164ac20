#!/bin/sh
# The mirrors of refused.properties, made by ringmirror import-mm2.
# Look through it and set NODE, the address of the node that takes the target's place.
set -e

# On the node that takes the place of f:
NODE='node-1:19092'

# d -> f
cat > './d-to-f.properties' <<'END_OF_SETTINGS'
acls.include=TOPIC
bootstrap.servers=d:9092
groups.exclude=console-consumer-.*,connect-.*,__.*
groups.include=
topics.exclude=d_(?:mm2.*\\.internal),d_(?:.*\\.replica),d_(?:.*checkpoints\\.internal),d_(?:(?:.*_)?f_.*)
topics.prefix=d_
END_OF_SETTINGS
ringmirror cluster-mirrors --bootstrap-server "$NODE" --create --mirror='d' --mirror-config './d-to-f.properties'
# MirrorMaker 2 mirrors no topic there: nothing is started.

# Not taken over:
#   a -> f: topics: "a\\.(?:look(?!ahead))" is not a regular expression: look-around, including look-ahead and look-behind, is not supported
#   b -> f: the value of b.bootstrap.servers (line 4) comes from a config provider, which is not resolved: write it into the file
#   c -> f: replication.policy.class OurPolicy is not known: which names it makes cannot be said; set it to IdentityReplicationPolicy in the file for equal names, or to DefaultReplicationPolicy for source.topic
#   e -> f: bootstrap.servers cannot be "e:0": expected host:port, or [ipv6]:port

# To know:
#   topics are called source.topic, as DefaultReplicationPolicy calls them (topics.prefix). What is mirrored under another name cannot be failed back: for that, take the line topics.prefix out and use the names of the source
#   acls.include=TOPIC copies all ACLs of topics; MirrorMaker 2 left WRITE out and made READ of ALL

# Keys without a counterpart:
#   line 17: d->f.sync.topic.configs.enabled: settings of topics are always copied; those named in topic.properties.exclude are not
#   line 18: d->f.some.thing?rm: neither MirrorMaker 2's documentation nor ringmirror knows it
