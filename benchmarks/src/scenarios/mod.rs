//! What is tried with each limiter. Each scenario is a function that runs one simulation.

mod change;
mod fairness;
mod lanes;
mod steady;

use std::{ops::RangeInclusive, time::Duration};

pub use self::{
    change::{CHANGES, Change, change},
    fairness::fairness,
    lanes::{Lanes, lanes},
    steady::{Steady, steady},
};

/// Records a second that the shared destination takes.
pub const CAPACITY: f64 = 50_000.0;

/// Records that its bucket holds, where a scenario does not say otherwise: a tenth of a second's.
pub const BURST: f64 = 5000.0;

/// 20 ms to an answer.
const ONE_WAY: RangeInclusive<u64> = 10..=10;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
