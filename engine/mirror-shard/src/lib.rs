//! One core's mirroring state: completions in, operations out.

pub mod bridge;
pub mod buffer_pool;
pub mod limits;
pub mod op;
