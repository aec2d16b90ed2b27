#![doc = include_str!("../README.md")]

mod api;
pub mod cloudwatch;
mod codec;
mod counts;
mod dispatch;
mod faults;
pub mod firehose;
pub mod kinesis;
mod no_cbor;
mod random;
mod server;
mod socket;
mod token_bucket;

pub use self::{
    cloudwatch::CloudWatch,
    faults::{Fault, Faults, RecordError},
    firehose::Firehose,
    kinesis::Kinesis,
    no_cbor::NoCbor,
    server::{Emulator, EmulatorBuilder},
};
