//! What we claim about rate limiters and about speed.
//!
//! Rate limiters are measured in simulated time: a real sink writes to a fake destination that takes
//! so many records a second and throttles the surplus, as Kinesis and its like do. Time is tokio's
//! paused clock: half a minute passes in a second or two, on a busy machine as on a quiet one, and
//! one seed gives one result.
//!
//! - [`throttled`] is the destination, [`token_bucket`] what it takes, [`recorder`] what it saw.
//! - [`simulation`] runs sinks and their producers against it.
//! - [`limiters`] lists what is compared, [`scenarios`] how, [`targets`] what is good enough.
//! - [`figures`] runs every scenario for a limiter; [`table`] and [`chart`] show them.
//!
//! Speed is measured in real time by [`speed`], and counted in instructions and allocations of the
//! [`hot_path`]. [`page`] shows the figures.
//!
//! With the feature `aws`, the module `wire` measures the AWS connectors beside the bare SDK.

pub mod chart;
pub mod figures;
pub mod hot_path;
pub mod limiters;
pub mod page;
pub mod recorder;
pub mod scenarios;
pub mod simulation;
pub mod speed;
pub mod table;
pub mod targets;
pub mod throttled;
pub mod token_bucket;
#[cfg(feature = "sdk")]
pub mod wire;

/// The limits of the destinations in here: as PutRecords, with the bytes that Flink's sink allows.
pub const LIMITS: sink_core::Limits = sink_core::Limits {
    max_batch_size: 500,
    max_batch_size_in_bytes: 5 << 20,
    max_record_size_in_bytes: 1 << 20,
};

/// A scenario that could not be run is a mistake here, whatever the error: it only has to be told.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;
