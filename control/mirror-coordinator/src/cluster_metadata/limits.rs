//! How big anything about mirrors may get that requests decide about.

/// Mirrors of one node. Each has connections, a watcher and a place in every answer.
pub const MIRRORS_MAX: usize = 100;
/// Topics bound to mirrors on one node.
pub const BOUND_TOPICS_MAX: usize = 200_000;
/// Entries of one list of patterns, such as `topics.include`.
pub const PATTERNS_MAX: usize = 10_000;
/// Entries of one list that are expressions and not plain names: each has to be compiled.
pub const EXPRESSIONS_MAX: usize = 1_000;
/// Longest pattern, in bytes; as long as a consumer group's subscription may be.
pub const PATTERN_BYTES_MAX: usize = 4_096;
/// Most memory that the expressions of one list may take when compiled, in bytes.
pub const PATTERNS_COMPILED_BYTES_MAX: usize = 10 << 20;
/// Longest value of a setting, in bytes.
pub const CONFIG_VALUE_BYTES_MAX: usize = 1 << 20;
/// Topics that one request may name, or be answered for.
pub const COMMAND_TOPICS_MAX: usize = BOUND_TOPICS_MAX;
/// Characters of a text of somebody else that a message repeats.
pub const TOLD_CHARS_MAX: usize = 80;

const _: () = assert!(PATTERN_BYTES_MAX < CONFIG_VALUE_BYTES_MAX);
const _: () = assert!(EXPRESSIONS_MAX <= PATTERNS_MAX);
