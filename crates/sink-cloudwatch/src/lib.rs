#![doc = include_str!("../README.md")]

mod aggregate;
mod config;
mod converter;
mod failures;
mod metric;
mod request;
mod state;
#[cfg(test)]
mod testing;
mod unit;

// Not called: see Cargo.toml.
use flate2 as _;

pub use config::{CloudWatchSink, CloudWatchSinkConfig, Namespace};
pub use converter::{MetricDatum, MetricValue, StatisticSet, as_is};
pub use failures::CODES;
pub use metric::{Metric, MetricBuilder, Resolution};
pub use request::CloudWatchDestination;
pub use unit::Unit;
