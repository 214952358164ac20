//! The lifecycle, one row of the proposal at a time.

mod failing;
mod interrupting;
mod rig;
mod simulation;
mod starting_and_stopping;
mod state_events;
