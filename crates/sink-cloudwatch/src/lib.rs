#![doc = include_str!("../README.md")]

mod body;
mod config;
mod converter;
mod datum;
mod failures;
mod request;
mod state;
#[cfg(test)]
mod testing;

// Not called: see Cargo.toml.
use flate2 as _;

pub use config::{CloudWatchSink, CloudWatchSinkConfig, Namespace};
pub use converter::as_is;
pub use datum::{
    Metric, MetricBuilder, MetricDatum, MetricValue, Resolution, StatisticSet, Unit, parse_unit,
};
pub use failures::CODES;
pub use request::CloudWatchDestination;
