//! Consumer groups: requests in, answers and records to keep out.
//!
//! **What it is.** Groups as Kafka's group coordinator runs them: who is a member, which
//! generation or epoch it is in, what it reads, and which offsets were committed. One call,
//! [`coordinator::GroupCoordinator::step`], takes one input and appends the actions it leads to.
//!
//! **Invariants.** Every request is answered exactly once. An answer that promises something to
//! last is given after the caller reported the record as kept. Generations and epochs only rise.
//! No partition of a topic is given to two members at one time. Nothing grows beyond a limit that
//! has a name in [`limits`].
//!
//! **What it does not know.** Sockets, files, threads, clocks and random sources: time and unique
//! ids are arguments. It does not know the bytes of a request or a record either, nor which topics
//! exist, but for what it is told.
//!
//! **Reading order.** [`group_state`], [`request`] and [`answer`], [`coordinator`]; then
//! `classic_group`, `consumer_group` with [`assignor`], and `committed_offsets`.

pub mod answer;
pub mod assignment;
pub mod assignor;
mod classic_group;
mod committed_offsets;
mod consumer_group;
pub mod coordinator;
pub mod description;
mod group_deadlines;
pub mod group_id;
pub mod group_state;
pub mod limits;
pub mod refusal;
pub mod request;
mod topic_expression;
pub mod topics;
mod turn;
