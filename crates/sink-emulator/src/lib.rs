#![doc = include_str!("../README.md")]

mod api;
mod codec;
mod faults;
pub mod kinesis;
mod random;
mod server;
mod socket;
mod token_bucket;

pub use self::{
    faults::{Fault, Faults, RecordError},
    kinesis::Kinesis,
    server::{Emulator, EmulatorBuilder},
};
