//! One lane of sixteen is throttled hard, and the others are not.

use std::{
    ops::{Range, RangeInclusive},
    time::Duration,
};

use super::{ONE_WAY, seconds};
use crate::{
    Result,
    limiters::Limiter,
    simulation::{World, run},
    token_bucket::{Capacity, TokenBucket},
};

const HOT: u8 = 1;
const OTHERS: RangeInclusive<u8> = 2..=16;

/// Records a second that each lane takes.
const CAPACITY: f64 = 4000.0;
/// Records a second that are written to each.
const OFFERED: u32 = 3000;
/// A lane's bucket holds a second's, as a Kinesis shard's does.
const BURST: f64 = CAPACITY;

const BEFORE: Range<Duration> = seconds(5)..FALL;
/// When the hot lane falls to a hundredth.
const FALL: Duration = seconds(10);
/// What is written to the hot lane and not taken fills a budget of 10,000 entries in 3.4 s; its
/// bucket delays that by up to a second.
const ROOM: Range<Duration> = FALL..seconds(13);
const FULL: Range<Duration> = seconds(16)..END;
const END: Duration = seconds(21);

/// The lowest share that is left of another lane's rate when one lane takes a hundredth.
#[derive(Debug, Clone, Copy)]
pub struct Lanes {
    /// While the buffer has room: this is the limiter's doing, and the engine's.
    pub with_room: f64,
    /// Once the hot lane's backlog has filled the buffer: this is back pressure's doing.
    pub when_full: f64,
}

/// One sink, and a producer for each of sixteen lanes that offers three quarters of what it takes.
///
/// # Errors
///
/// When the sink fails.
pub fn lanes(limiter: &Limiter, seed: u64) -> Result<Lanes> {
    let steady = Capacity::steady(CAPACITY);
    let hot = steady.clone().then(FALL, CAPACITY / 100.0);
    let buckets = OTHERS
        .map(|lane| (lane, TokenBucket::new(steady.clone(), BURST)))
        .chain([(HOT, TokenBucket::new(hot, BURST))])
        .collect();
    let world = World { buckets, ill: 0.0, one_way: ONE_WAY, length: END, seed };
    let recorder = run(world, |simulation| {
        let sink = simulation.sink(limiter)?;
        for lane in OTHERS.chain([HOT]) {
            simulation.offer(sink.clone(), lane, OFFERED);
        }
        Ok(())
    })?;
    let rate = |lane, during: Range<Duration>| {
        let seconds = (during.end - during.start).as_secs_f64();
        recorder.of_lane(lane, during).delivered as f64 / seconds
    };
    let lowest = |during: Range<Duration>| {
        let shares = OTHERS.map(|lane| rate(lane, during.clone()) / rate(lane, BEFORE));
        shares.fold(f64::INFINITY, f64::min)
    };
    Ok(Lanes { with_room: lowest(ROOM), when_full: lowest(FULL) })
}
