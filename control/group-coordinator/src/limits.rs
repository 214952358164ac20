//! Every limit of the coordinator, and how they relate.

/// Longest regular expression of a subscription.
pub const EXPRESSION_BYTES_MAX: usize = 4_096;
/// Most memory a regular expression may take when compiled.
pub const EXPRESSION_COMPILED_BYTES_MAX: usize = 256 << 10;
/// What the topics one member of a consumer group names may take: they are kept as one record.
pub const MEMBER_SUBSCRIPTION_BYTES_MAX: usize = 500_000;
/// What regular expressions of one group and the topics they mean may take to be kept; what does
/// not fit is found out anew by whoever reads the group.
pub const EXPRESSIONS_KEPT_BYTES_MAX: usize = 250_000;
/// Longest name of a group: what a 16-bit length in a record key can say.
pub const GROUP_ID_BYTES_MAX: usize = 32_767;
/// Longest member id, instance id, client id, host, rack or protocol name.
pub const NAME_BYTES_MAX: usize = 4_096;
/// Groups kept at one time.
pub const GROUPS_MAX: usize = 100_000;
/// Members and expected members of one group (`group.max.size`).
pub const GROUP_MEMBERS_MAX: usize = 2_000;
/// Members of a consumer group that are gone but could not be forgotten in its log yet.
pub const UNFORGOTTEN_MEMBERS_MAX: usize = 10_000;
/// Protocols one member may offer.
pub const MEMBER_PROTOCOLS_MAX: usize = 64;
/// What the members of one group may say of themselves, and their assignments, together: a group
/// is kept as one record, and Kafka's largest batch is 1 MiB.
pub const GROUP_METADATA_BYTES_MAX: usize = 1_000_000;
/// Longest metadata of one committed offset, in UTF-16 units as Java counts them
/// (`offset.metadata.max.bytes`).
pub const OFFSET_METADATA_UNITS_MAX: usize = 4_096;
/// Offsets one group may have committed.
pub const GROUP_OFFSETS_MAX: usize = 200_000;
/// All groups with all they hold, in bytes of memory as [`OFFSET_BYTES`] and its like count them.
/// What would add more is refused: groups, members, what members say, offsets and their metadata.
/// Partitions that members are given, and names that a regular expression means, are counted, but
/// only what comes after them is refused.
pub const COORDINATOR_BYTES_MAX: usize = 512 << 20;
/// What a name in a table costs beside its text.
pub const NAME_ENTRY_BYTES: usize = 64;
/// What a committed offset costs beside its metadata.
pub const OFFSET_BYTES: usize = 256;
/// What a group costs without its name, members and offsets.
pub const GROUP_BYTES: usize = 1_024;
/// Offsets committed in one request.
pub const OFFSETS_PER_COMMIT_MAX: usize = 100_000;
/// Writes asked for and not reported yet.
pub const PENDING_WRITES_MAX: usize = 10_000;

/// Shortest session a classic member may ask for (`group.min.session.timeout.ms`).
pub const SESSION_TIMEOUT_MS_MIN: i32 = 6_000;
/// Longest session a classic member may ask for (`group.max.session.timeout.ms`).
pub const SESSION_TIMEOUT_MS_MAX: i32 = 1_800_000;
/// A new member whose join is not answered for so long is given up, session or not.
pub const NEW_MEMBER_JOIN_TIMEOUT_MS: u64 = 300_000;
/// How often expired offsets are looked for (`offsets.retention.check.interval.ms`).
pub const OFFSETS_RETENTION_CHECK_INTERVAL_MS: u64 = 600_000;

const _: () =
    assert!(MEMBER_SUBSCRIPTION_BYTES_MAX + EXPRESSIONS_KEPT_BYTES_MAX <= GROUP_METADATA_BYTES_MAX);
const _: () = assert!(NAME_BYTES_MAX <= GROUP_ID_BYTES_MAX);
const _: () = assert!(OFFSET_METADATA_UNITS_MAX * 3 <= i16::MAX as usize);
const _: () = assert!(OFFSETS_PER_COMMIT_MAX <= GROUP_OFFSETS_MAX);
const _: () = assert!(GROUPS_MAX * GROUP_BYTES <= COORDINATOR_BYTES_MAX);
