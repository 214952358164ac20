//! Mirror lifecycle: inputs in, actions out.
