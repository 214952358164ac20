//! Macro load: machine limits, the synthetic source, end-to-end throughput.
