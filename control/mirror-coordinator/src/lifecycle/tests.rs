//! The lifecycle, one row of the proposal at a time.

mod rig;
mod starting_and_stopping;
