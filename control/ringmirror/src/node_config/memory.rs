//! `memory_bytes_max`: the most memory that a node takes, shared out among what needs it.

use mirror_node::control_loop::EngineSettings;
use mirror_node::memory_cap::MemoryCap;

use super::effective::Effective;
use super::raw::Bytes;
use crate::exit_code::CommandError;

/// Shares the cap out for an engine; `recent_is_asked` when the file says how much the records
/// written last may take, which then stays.
///
/// # Errors
/// When the cap does not hold the buffers: the least that does.
pub(super) fn resolve(
    (command_line, file): (Option<u64>, Option<Bytes>),
    engine: &EngineSettings,
    recent_is_asked: bool,
    effective: &mut Effective,
) -> Result<MemoryCap, CommandError> {
    let by_default = MemoryCap::default_bytes(engine);
    let file = file.map(|size| size.0);
    let bytes_max = effective.pick("memory_bytes_max", command_line, file, by_default);
    let recent_bytes_min = if recent_is_asked { engine.recent_bytes } else { 0 };
    MemoryCap::share_out(bytes_max, engine, recent_bytes_min)
        .map_err(|error| CommandError::usage(format_args!("{error}: {HINT}")))
}

const HINT: &str = "raise it, or lower slab_bytes, recent_bytes or the number of cores in the \
                    section [mirror]";
