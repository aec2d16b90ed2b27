//! What the default limiter promises, in simulated time: the same on any machine.

use sink_benchmarks::{
    limiters::{DEFAULT, Limiter},
    scenarios::{BURST, change, fairness, lanes, steady},
    targets::{FAIRNESS, GOODPUT, OTHER_LANES, RECOVERY, WASTE},
};

/// Whose promises these are.
const LIMITER: &Limiter = &DEFAULT;

/// A promise that holds by luck holds for one seed.
const SEEDS: [u64; 3] = [1, 2, 3];

#[test]
fn a_steady_destination_is_used_fully_and_few_sends_are_wasted() {
    for seed in SEEDS {
        let steady = steady(LIMITER, BURST, 0.0, seed).unwrap();
        assert!(steady.goodput >= GOODPUT, "seed {seed}: {steady:?}");
        assert!(steady.wasted <= WASTE, "seed {seed}: {steady:?}");
    }
}

#[test]
fn what_is_refused_whatever_the_rate_costs_no_throughput() {
    for seed in SEEDS {
        let steady = steady(LIMITER, BURST, 0.1, seed).unwrap();
        assert!(steady.goodput >= GOODPUT, "seed {seed}: {steady:?}");
        assert!(steady.wasted <= 0.1 + WASTE, "seed {seed}: {steady:?}");
    }
}

#[test]
fn a_halved_capacity_is_found() {
    for seed in SEEDS {
        let change = change(LIMITER, seed).unwrap();
        for (what, time) in [("used", change.halved), ("few wasted", change.halved_waste)] {
            assert!(
                time.is_some_and(|time| time.as_secs_f64() <= RECOVERY),
                "seed {seed}: {what}: {time:?}"
            );
        }
    }
}

#[test]
fn a_doubled_capacity_is_found() {
    for seed in SEEDS {
        let time = change(LIMITER, seed).unwrap().doubled;
        assert!(time.is_some_and(|time| time.as_secs_f64() <= RECOVERY), "seed {seed}: {time:?}");
    }
}

#[test]
fn sinks_that_share_a_destination_share_it_fairly() {
    for seed in SEEDS {
        let index = fairness(LIMITER, seed).unwrap();
        assert!(index >= FAIRNESS, "seed {seed}: {index:.3}");
    }
}

#[test]
fn a_throttled_lane_costs_the_others_nothing_while_the_buffer_has_room() {
    for seed in SEEDS {
        let lanes = lanes(LIMITER, seed).unwrap();
        assert!(lanes.with_room >= OTHER_LANES, "seed {seed}: {lanes:?}");
    }
}

#[test]
fn a_throttled_lane_costs_the_others_nothing_when_its_backlog_fills_the_buffer() {
    for seed in SEEDS {
        let lanes = lanes(LIMITER, seed).unwrap();
        assert!(lanes.when_full >= OTHER_LANES, "seed {seed}: {lanes:?}");
    }
}

#[test]
fn one_seed_gives_one_result() {
    let once = format!("{:?}", change(LIMITER, 1).unwrap());
    assert_eq!(once, format!("{:?}", change(LIMITER, 1).unwrap()));
}
