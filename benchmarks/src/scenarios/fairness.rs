//! Several sinks that know nothing of each other share a destination.

use std::{ops::RangeInclusive, time::Duration};

use super::{BURST, CAPACITY, seconds};
use crate::{
    Result,
    limiters::Limiter,
    simulation::{World, run},
    token_bucket::{Capacity, TokenBucket},
};

/// When each sink starts: the last finds everything taken.
const STARTS: [Duration; 4] = [seconds(0), seconds(0), seconds(0), seconds(5)];
/// The last has had ten seconds to get its share.
const SETTLED: Duration = seconds(15);
const END: Duration = seconds(35);

/// Networks are not exact. If this one were, the sinks would go in step, and who comes first would
/// always be the same one.
const ONE_WAY: RangeInclusive<u64> = 7..=13;

/// Jain's fairness index of what four sinks deliver to one destination, one of them late.
///
/// # Errors
///
/// When a sink fails.
pub fn fairness(limiter: &Limiter, seed: u64) -> Result<f64> {
    let bucket = TokenBucket::new(Capacity::steady(CAPACITY), BURST);
    let world = World { buckets: vec![(0, bucket)], ill: 0.0, one_way: ONE_WAY, length: END, seed };
    let recorder = run(world, |simulation| {
        for from in STARTS {
            let sink = simulation.sink(limiter)?;
            simulation.saturate(sink, from);
        }
        Ok(())
    })?;
    Ok(jain((0..STARTS.len()).map(|sink| recorder.of_sink(sink, SETTLED..END).delivered as f64)))
}

/// (Σx)² / (n Σx²): 1 when all are equal, 1/n when one has it all.
fn jain(shares: impl Iterator<Item = f64>) -> f64 {
    let (mut count, mut sum, mut squares) = (0.0, 0.0, 0.0);
    for share in shares {
        count += 1.0;
        sum += share;
        squares += share * share;
    }
    sum * sum / (count * squares)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_for_equals_and_a_quarter_for_one_of_four() {
        for (shares, index) in
            [([5.0; 4], 1.0), ([8.0, 0.0, 0.0, 0.0], 0.25), ([3.0, 3.0, 0.0, 0.0], 0.5)]
        {
            assert_eq!(jain(shares.into_iter()), index);
        }
    }
}
