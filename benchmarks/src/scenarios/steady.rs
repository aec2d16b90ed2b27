//! A destination that always takes the same.

use std::time::Duration;

use super::{CAPACITY, ONE_WAY, seconds};
use crate::{
    Result,
    limiters::Limiter,
    recorder::Counts,
    simulation::{World, run},
    token_bucket::{Capacity, TokenBucket},
};

/// When the start is over.
const SETTLED: Duration = seconds(5);
const END: Duration = seconds(25);

/// How a limiter does at a destination that always takes the same.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    /// Delivered after the start, as a share of what the destination takes in that time. Can pass
    /// 1 by what was in the bucket before: 0.005 with the usual burst.
    pub goodput: f64,
    /// Throttled sends after the start, as a share of all sends.
    pub wasted: f64,
    /// The first five seconds.
    pub start: Counts,
}

/// One sink, always with more to write, to a destination whose bucket holds `burst` records. It
/// refuses the share `ill` by chance, whatever the rate.
///
/// # Errors
///
/// When the sink fails.
pub fn steady(limiter: &Limiter, burst: f64, ill: f64, seed: u64) -> Result<Steady> {
    let capacity = Capacity::steady(CAPACITY);
    let bucket = TokenBucket::new(capacity.clone(), burst);
    let world = World { buckets: vec![(0, bucket)], ill, one_way: ONE_WAY, length: END, seed };
    let recorder = run(world, |simulation| {
        let sink = simulation.sink(limiter)?;
        simulation.saturate(sink, Duration::ZERO);
        Ok(())
    })?;
    let settled = recorder.all(SETTLED..END);
    Ok(Steady {
        goodput: settled.delivered as f64 / capacity.records(SETTLED..END),
        wasted: settled.wasted_share(),
        start: recorder.all(Duration::ZERO..SETTLED),
    })
}
