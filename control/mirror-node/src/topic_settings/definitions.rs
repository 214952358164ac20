//! The table of topic settings, by name.

use super::SettingKind::{Boolean, Double, Int, List, Long, String};
use super::SettingRule::{Any, Between, BetweenOr, Off, OneOf, Replicas, Share};
use super::TopicSetting;

/// Every setting, in the order of their names.
pub static SETTINGS: [TopicSetting; 33] = [
    TopicSetting {
        name: "cleanup.policy",
        kind: List,
        default: "delete",
        rule: OneOf(&["compact", "delete"]),
        broker_name: Some("log.cleanup.policy"),
        documentation: "\
            How old segments go. delete: by retention.ms and retention.bytes. compact: the last \
            record of each key is kept; this node does not compact, and takes delete or \
            nothing.",
    },
    TopicSetting {
        name: "compression.gzip.level",
        kind: Int,
        default: "-1",
        rule: BetweenOr(1, 9, -1),
        broker_name: Some("compression.gzip.level"),
        documentation: "\
            Level of gzip where a broker compresses. This node keeps batches as producers \
            send them.",
    },
    TopicSetting {
        name: "compression.lz4.level",
        kind: Int,
        default: "9",
        rule: Between(1, 17),
        broker_name: Some("compression.lz4.level"),
        documentation: "\
            Level of lz4 where a broker compresses. This node keeps batches as producers \
            send them.",
    },
    TopicSetting {
        name: "compression.type",
        kind: String,
        default: "producer",
        rule: OneOf(&["uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"]),
        broker_name: Some("compression.type"),
        documentation: "\
            How a broker compresses batches; producer: as they come. This node keeps batches \
            as producers send them, and takes nothing else.",
    },
    TopicSetting {
        name: "compression.zstd.level",
        kind: Int,
        default: "3",
        rule: Between(-131_072, 22),
        broker_name: Some("compression.zstd.level"),
        documentation: "\
            Level of zstd where a broker compresses. This node keeps batches as producers \
            send them.",
    },
    TopicSetting {
        name: "delete.retention.ms",
        kind: Long,
        default: "86400000",
        rule: Between(0, i64::MAX),
        broker_name: Some("log.cleaner.delete.retention.ms"),
        documentation: "\
            How long compaction keeps the mark of a deleted key. This node does not compact.",
    },
    TopicSetting {
        name: "file.delete.delay.ms",
        kind: Long,
        default: "60000",
        rule: Between(0, i64::MAX),
        broker_name: Some("log.segment.delete.delay.ms"),
        documentation: "\
            How long a broker keeps the files of a deleted segment. This node deletes them \
            at once (who has them open reads on), and takes 0 or the default.",
    },
    TopicSetting {
        name: "flush.messages",
        kind: Long,
        default: "9223372036854775807",
        rule: Between(1, i64::MAX),
        broker_name: Some("log.flush.interval.messages"),
        documentation: "\
            After how many records a broker forces a log to disk. This node does so every \
            five seconds, and takes the default only.",
    },
    TopicSetting {
        name: "flush.ms",
        kind: Long,
        default: "9223372036854775807",
        rule: Between(0, i64::MAX),
        broker_name: None,
        documentation: "\
            After how long a broker forces records to disk. This node does so every five \
            seconds, and takes nothing shorter.",
    },
    TopicSetting {
        name: "follower.replication.throttled.replicas",
        kind: List,
        default: "",
        rule: Replicas,
        broker_name: None,
        documentation: "Replicas whose following is slowed down. One replica follows nobody.",
    },
    TopicSetting {
        name: "index.interval.bytes",
        kind: Int,
        default: "4096",
        rule: Between(0, i64::MAX),
        broker_name: Some("log.index.interval.bytes"),
        documentation: "How many bytes of records lie between two entries of an offset index.",
    },
    TopicSetting {
        name: "leader.replication.throttled.replicas",
        kind: List,
        default: "",
        rule: Replicas,
        broker_name: None,
        documentation: "Replicas whose followers are slowed down. One replica has none.",
    },
    TopicSetting {
        name: "local.retention.bytes",
        kind: Long,
        default: "-2",
        rule: Between(-2, i64::MAX),
        broker_name: Some("log.local.retention.bytes"),
        documentation: "\
            How many bytes stay here of a partition in tiered storage; -2: as \
            retention.bytes.",
    },
    TopicSetting {
        name: "local.retention.ms",
        kind: Long,
        default: "-2",
        rule: Between(-2, i64::MAX),
        broker_name: Some("log.local.retention.ms"),
        documentation: "\
            How long records of a partition in tiered storage stay here; -2: as \
            retention.ms.",
    },
    TopicSetting {
        name: "max.compaction.lag.ms",
        kind: Long,
        default: "9223372036854775807",
        rule: Between(1, i64::MAX),
        broker_name: Some("log.cleaner.max.compaction.lag.ms"),
        documentation: "\
            After how long a record can be compacted at the latest. This node does not \
            compact.",
    },
    TopicSetting {
        name: "max.message.bytes",
        kind: Int,
        default: "1048588",
        rule: Between(0, i64::MAX),
        broker_name: Some("message.max.bytes"),
        documentation: "Largest record batch that is taken, compressed, in bytes.",
    },
    TopicSetting {
        name: "message.timestamp.after.max.ms",
        kind: Long,
        default: "3600000",
        rule: Between(0, i64::MAX),
        broker_name: Some("log.message.timestamp.after.max.ms"),
        documentation: "\
            How far a record's timestamp may be ahead of the node's clock when it is \
            written. Not looked at with LogAppendTime.",
    },
    TopicSetting {
        name: "message.timestamp.before.max.ms",
        kind: Long,
        default: "9223372036854775807",
        rule: Between(0, i64::MAX),
        broker_name: Some("log.message.timestamp.before.max.ms"),
        documentation: "\
            How far a record's timestamp may be behind the node's clock when it is written. \
            Not looked at with LogAppendTime.",
    },
    TopicSetting {
        name: "message.timestamp.type",
        kind: String,
        default: "CreateTime",
        rule: OneOf(&["CreateTime", "LogAppendTime"]),
        broker_name: Some("log.message.timestamp.type"),
        documentation: "\
            Whose clock a record's timestamp is of. CreateTime: the producer's. \
            LogAppendTime: the node's, when it writes the record.",
    },
    TopicSetting {
        name: "min.cleanable.dirty.ratio",
        kind: Double,
        default: "0.5",
        rule: Share,
        broker_name: Some("log.cleaner.min.cleanable.ratio"),
        documentation: "\
            Which share of a log has to be new before it is compacted. This node does not \
            compact.",
    },
    TopicSetting {
        name: "min.compaction.lag.ms",
        kind: Long,
        default: "0",
        rule: Between(0, i64::MAX),
        broker_name: Some("log.cleaner.min.compaction.lag.ms"),
        documentation: "For how long a record is not compacted. This node does not compact.",
    },
    TopicSetting {
        name: "min.insync.replicas",
        kind: Int,
        default: "1",
        rule: Between(1, i64::MAX),
        broker_name: Some("min.insync.replicas"),
        documentation: "\
            How many replicas must have a record before a producer with acks=all is \
            answered. Here one is all there are: nothing else is taken.",
    },
    TopicSetting {
        name: "preallocate",
        kind: Boolean,
        default: "false",
        rule: Any,
        broker_name: Some("log.preallocate"),
        documentation: "\
            Whether a broker gives a segment all its space when it begins. This node does \
            not: only false is taken.",
    },
    TopicSetting {
        name: "remote.log.copy.disable",
        kind: Boolean,
        default: "false",
        rule: Any,
        broker_name: None,
        documentation: "\
            Whether no more segments go to tiered storage. This node has no tiered storage.",
    },
    TopicSetting {
        name: "remote.log.delete.on.disable",
        kind: Boolean,
        default: "false",
        rule: Any,
        broker_name: None,
        documentation: "\
            Whether tiered segments go when tiered storage is turned off. This node has no \
            tiered storage.",
    },
    TopicSetting {
        name: "remote.storage.enable",
        kind: Boolean,
        default: "false",
        rule: Off,
        broker_name: None,
        documentation: "\
            Whether segments go to tiered storage. This node has none: only false is taken.",
    },
    TopicSetting {
        name: "retention.bytes",
        kind: Long,
        default: "-1",
        rule: Any,
        broker_name: Some("log.retention.bytes"),
        documentation: "\
            How many bytes of a partition are kept; whole segments go, the oldest first. -1: \
            all.",
    },
    TopicSetting {
        name: "retention.ms",
        kind: Long,
        default: "604800000",
        rule: Between(-1, i64::MAX),
        broker_name: None,
        documentation: "\
            For how long records are kept; whole segments go, the oldest first. -1: for \
            ever.",
    },
    TopicSetting {
        name: "segment.bytes",
        kind: Int,
        default: "1073741824",
        rule: Between(1_048_576, i64::MAX),
        broker_name: Some("log.segment.bytes"),
        documentation: "At how many bytes a new segment begins.",
    },
    TopicSetting {
        name: "segment.index.bytes",
        kind: Int,
        default: "10485760",
        rule: Between(4, i64::MAX),
        broker_name: Some("log.index.size.max.bytes"),
        documentation: "\
            Largest offset index of a segment, in bytes; a new segment begins when it is \
            full.",
    },
    TopicSetting {
        name: "segment.jitter.ms",
        kind: Long,
        default: "0",
        rule: Between(0, i64::MAX),
        broker_name: None,
        documentation: "\
            By how much, at most and by chance, a broker shortens segment.ms. This node does \
            not: only 0 is taken.",
    },
    TopicSetting {
        name: "segment.ms",
        kind: Long,
        default: "604800000",
        rule: Between(1, i64::MAX),
        broker_name: None,
        documentation: "\
            At what age a new segment begins, full or not, by the timestamps of its records.",
    },
    TopicSetting {
        name: "unclean.leader.election.enable",
        kind: Boolean,
        default: "false",
        rule: Any,
        broker_name: Some("unclean.leader.election.enable"),
        documentation: "\
            Whether a replica that lacks records may become leader. One replica lacks none.",
    },
];
