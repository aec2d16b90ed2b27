#![doc = include_str!("../README.md")]

mod config;
mod converter;
mod failures;
mod request;
mod state;

pub use config::{KeyValueSink, KeyValueSinkConfig};
pub use converter::KeyValueEntry;
pub use failures::{CODES, Class, KeyValueError};
pub use request::{KeyValueClient, KeyValueDestination};
