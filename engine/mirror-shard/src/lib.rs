//! One core's mirroring state: completions in, operations out.
