#![doc = include_str!("../README.md")]

mod config;
mod converter;
mod failures;
mod partition_key;
mod request;
mod shards;
mod state;

pub use config::{KinesisSink, KinesisSinkConfig, Stream, Streams};
pub use converter::{KinesisConverter, KinesisEntry, as_is, keyed};
pub use failures::CODES;
pub use partition_key::{PartitionKey, RandomKeys};
pub use request::KinesisDestination;
