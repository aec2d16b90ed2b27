#![doc = include_str!("../README.md")]

mod api;
mod codec;
mod counts;
mod dispatch;
mod faults;
pub mod firehose;
pub mod kinesis;
mod random;
mod server;
mod socket;
mod token_bucket;

pub use self::{
    faults::{Fault, Faults, RecordError},
    firehose::Firehose,
    kinesis::Kinesis,
    server::{Emulator, EmulatorBuilder},
};
