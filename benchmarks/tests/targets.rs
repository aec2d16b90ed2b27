//! What the default limiter promises, in simulated time: the same on any machine.

use sink_benchmarks::{
    limiters::{DEFAULT, Limiter},
    scenarios::{BURST, change, fairness, lanes, steady},
    targets::{FAIRNESS, GOODPUT, OTHER_LANES, RECOVERY, WASTE},
};

/// Whose promises these are.
const LIMITER: &Limiter = &DEFAULT;

#[test]
fn a_steady_destination_is_used_fully_and_few_sends_are_wasted() {
    let steady = steady(LIMITER, BURST).unwrap();
    assert!(steady.goodput >= GOODPUT, "{steady:?}");
    assert!(steady.wasted <= WASTE, "{steady:?}");
}

#[test]
fn a_halved_capacity_is_found() {
    let change = change(LIMITER).unwrap();
    for (what, time) in [("used", change.halved), ("few wasted", change.halved_waste)] {
        assert!(time.is_some_and(|time| time.as_secs_f64() <= RECOVERY), "{what}: {time:?}");
    }
}

#[test]
fn a_doubled_capacity_is_found() {
    let time = change(LIMITER).unwrap().doubled;
    assert!(time.is_some_and(|time| time.as_secs_f64() <= RECOVERY), "{time:?}");
}

#[test]
fn sinks_that_share_a_destination_share_it_fairly() {
    let index = fairness(LIMITER).unwrap();
    assert!(index >= FAIRNESS, "{index:.3}");
}

#[test]
fn a_throttled_lane_costs_the_others_nothing_while_the_buffer_has_room() {
    let lanes = lanes(LIMITER).unwrap();
    assert!(lanes.with_room >= OTHER_LANES, "{lanes:?}");
}

#[test]
fn a_throttled_lane_costs_the_others_nothing_when_its_backlog_fills_the_buffer() {
    let lanes = lanes(LIMITER).unwrap();
    assert!(lanes.when_full >= OTHER_LANES, "{lanes:?}");
}

#[test]
fn one_seed_gives_one_result() {
    let once = format!("{:?}", change(LIMITER).unwrap());
    assert_eq!(once, format!("{:?}", change(LIMITER).unwrap()));
}
