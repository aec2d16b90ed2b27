//! How fast a sink is, in real time: what the program `bench` runs.
//!
//! Producers write numbered records through a real sink, on a runtime with two workers as a user
//! would have, to a destination in the same process that checks each record and ticks it off: a run
//! with a missing, duplicated or altered record has failed, however fast it was.
//!
//! - [`plan`] is what to run; [`args`] is how it is asked for.
//! - [`source`] writes [`record`]s, [`service`] takes them, as [`judge`] decides; [`far`] is the
//!   destination that needs time to answer; [`ledger`] knows what arrived.
//! - [`run`] does one run and makes the [`report`] of it, with [`usage`] and [`histogram`].
//! - [`state`] measures snapshots of [`kept`] payloads; [`suite`] lists what the [`page`](crate::page) shows, [`rounds`]
//!   runs it, and a [`flink`] harness in turn with it.

pub mod args;
pub mod far;
pub mod flink;
pub mod histogram;
pub mod judge;
pub mod kept;
pub mod ledger;
pub mod plan;
pub mod record;
pub mod report;
pub mod rounds;
pub mod run;
pub mod service;
pub mod source;
pub mod state;
pub mod suite;
pub mod usage;
