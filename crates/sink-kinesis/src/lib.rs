#![doc = include_str!("../README.md")]

mod config;
mod converter;
mod failures;
mod refresh;
mod request;
mod schedule;
mod shards;
mod state;

pub use config::{KinesisSink, KinesisSinkConfig, Stream};
pub use converter::{KinesisConverter, KinesisEntry, as_is, keyed};
pub use failures::CODES;
pub use request::KinesisDestination;
