#![doc = include_str!("../README.md")]

mod config;
mod converter;
mod failures;
mod request;
mod state;

pub use config::{DeliveryStream, DeliveryStreams, FirehoseSink, FirehoseSinkConfig};
pub use converter::{FirehoseConverter, FirehoseEntry, as_is};
pub use failures::CODES;
pub use request::FirehoseDestination;
