use proptest::prelude::*;
use sink_core::{Entry as _, SnapshotEntry as _};

use super::*;
use crate::{
    datum::{Metric, Resolution, Unit},
    testing::any_datum,
};

const MINUTE: i64 = 60_000;

fn metric(name: &str) -> Metric {
    Metric::builder(name).dimension("Host", "a").unit(Unit::Count).build().unwrap()
}

fn at(timestamp: i64, datum: MetricDatum) -> MetricDatum {
    MetricDatum { timestamp, ..datum }
}

fn value(timestamp: i64, value: f64) -> MetricDatum {
    at(timestamp, metric("m").value(value).unwrap())
}

fn set(sample_count: f64, sum: f64, minimum: f64, maximum: f64) -> StatisticSet {
    StatisticSet { sample_count, sum, minimum, maximum }
}

fn summary(set: StatisticSet) -> MetricDatum {
    at(0, metric("m").statistics(set).unwrap())
}

#[test]
fn equal_values_are_counted_and_others_stand_beside_them() {
    let mut datum = value(61_500, 2.0);
    for (timestamp, number) in [(60_000, 2.0), (119_999, -1.0), (90_000, 2.0)] {
        datum.merge(value(timestamp, number)).unwrap();
    }
    datum.merge(at(60_001, metric("m").values([(2.0, 7.0), (0.5, 1.0)]).unwrap())).unwrap();
    assert_eq!(datum.value, MetricValue::Counted(vec![(2.0, 10.0), (-1.0, 1.0), (0.5, 1.0)]));
    assert_eq!(datum.timestamp, MINUTE, "the begin of the period");
}

#[test]
fn only_data_of_one_metric_and_one_period_are_merged() {
    let second = || Metric::builder("s").resolution(Resolution::Second).build().unwrap();
    let one = |metric: Metric, timestamp| at(timestamp, metric.value(1.0).unwrap());
    for (datum, same, others) in [
        (
            one(metric("m"), 0),
            one(metric("m"), MINUTE - 1),
            vec![one(metric("m"), MINUTE), one(metric("m"), -1), one(metric("n"), 0)],
        ),
        (one(metric("m"), -1), one(metric("m"), -MINUTE), vec![one(metric("m"), 0)]),
        (one(second(), 1000), one(second(), 1999), vec![one(second(), 2000), one(second(), 999)]),
    ] {
        assert_eq!(datum.merge_key(), same.merge_key());
        datum.clone().merge(same).unwrap();
        for other in others {
            assert_ne!(datum.merge_key(), other.merge_key());
            let mut unchanged = datum.clone();
            assert_eq!(unchanged.merge(other.clone()), Err(other));
            assert_eq!(unchanged, datum);
        }
    }
}

#[test]
fn the_151st_value_is_given_back_and_nothing_becomes_a_summary() {
    let mut full = at(0, metric("m").values((0..150).map(|n| (f64::from(n), 1.0))).unwrap());
    let before = full.clone();
    // One that fits does not go in without the other.
    let newer = at(0, metric("m").values([(3.0, 1.0), (150.0, 1.0)]).unwrap());
    assert_eq!(full.merge(newer.clone()), Err(newer));
    assert_eq!(full, before);
    full.merge(value(0, 3.0)).unwrap();
    assert_eq!(full.size_bytes(), before.size_bytes());
    let newer = value(0, 150.0);
    assert_eq!(full.merge_key(), newer.merge_key());
    assert_eq!(full.merge(newer.clone()), Err(newer));
}

#[test]
fn summaries_are_merged_with_summaries_only() {
    let mut datum = summary(set(2.0, 5.0, 1.0, 4.0));
    datum.merge(summary(set(3.0, -7.0, -5.0, 2.0))).unwrap();
    assert_eq!(datum.value, MetricValue::Statistics(set(5.0, -2.0, -5.0, 4.0)));
    for (mut one, other) in [(datum.clone(), value(0, 1.0)), (value(0, 1.0), datum)] {
        assert_ne!(one.merge_key(), other.merge_key());
        assert_eq!(one.merge(other.clone()), Err(other));
    }
}

#[test]
fn what_would_no_longer_be_exact_or_valid_is_given_back() {
    let counted = |count: f64| at(0, metric("m").values([(1.0, count)]).unwrap());
    counted(MAX_EXACT - 2.0).merge(counted(1.0)).unwrap();
    let largest = 2_f64.powi(360);
    for (mut one, other) in [
        (counted(MAX_EXACT - 1.0), value(0, 1.0)),
        (counted(1e100), counted(1.0)),
        (summary(set(MAX_EXACT - 1.0, 1.0, 1.0, 1.0)), summary(set(1.0, 1.0, 1.0, 1.0))),
        (summary(set(1.0, largest, 1.0, largest)), summary(set(1.0, largest, 1.0, largest))),
    ] {
        let before = one.clone();
        assert_eq!(one.merge(other.clone()), Err(other));
        assert_eq!(one, before);
    }
}

/// Count, sum, minimum and maximum of what a datum says.
fn statistics(datum: &MetricDatum) -> StatisticSet {
    if let MetricValue::Statistics(set) = datum.value {
        return set;
    }
    datum.value.counted().fold(set(0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY), |all, (v, n)| {
        set(all.sample_count + n, all.sum + v * n, all.minimum.min(v), all.maximum.max(v))
    })
}

/// As an engine merges: each datum is offered to the newest with its key.
fn merge_all(data: Vec<MetricDatum>) -> Vec<MetricDatum> {
    let mut merged: Vec<MetricDatum> = Vec::new();
    for datum in data {
        let key = datum.merge_key();
        match merged.iter_mut().rev().find(|other| other.merge_key() == key) {
            None => merged.push(datum),
            Some(other) => {
                if let Err(datum) = other.merge(datum) {
                    merged.push(datum);
                }
            }
        }
    }
    merged
}

/// Whole numbers, so that every sum is exact.
fn some_data() -> impl Strategy<Value = Vec<MetricDatum>> {
    let number = || prop_oneof![Just(1.0), (-200_i32..200).prop_map(f64::from)];
    let value = prop_oneof![
        4 => number().prop_map(|value| metric("m").value(value).unwrap()),
        2 => prop::collection::vec((number(), (1_i32..50).prop_map(f64::from)), 1..40)
            .prop_map(|values| metric("m").values(values).unwrap()),
        1 => (1_i32..9, number(), number(), number()).prop_map(|(count, sum, a, b)| {
            let of = metric("summary");
            of.statistics(set(f64::from(count), sum, a.min(b), a.max(b))).unwrap()
        }),
    ];
    prop::collection::vec((value, -90_000_i64..90_000).prop_map(|(d, ms)| at(ms, d)), 1..60)
}

/// By metric and period, what all data say together.
fn totals(data: &[MetricDatum]) -> std::collections::BTreeMap<(String, i64), [f64; 4]> {
    let mut totals = std::collections::BTreeMap::new();
    for datum in data {
        let key = (datum.metric.name().to_owned(), datum.period());
        let all = totals.entry(key).or_insert([0.0, 0.0, f64::INFINITY, f64::NEG_INFINITY]);
        let set = statistics(datum);
        *all = [
            all[0] + set.sample_count,
            all[1] + set.sum,
            all[2].min(set.minimum),
            all[3].max(set.maximum),
        ];
    }
    totals
}

proptest! {
    #[test]
    fn merging_changes_no_count_sum_minimum_or_maximum(data in some_data()) {
        let before = totals(&data);
        let merged = merge_all(data);
        prop_assert_eq!(totals(&merged), before);
        for datum in &merged {
            // The checks of every datum, by way of its bytes.
            prop_assert_eq!(&MetricDatum::decode(datum.to_bytes().into()), &Ok(datum.clone()));
            prop_assert!(datum.value.counted().count() <= MAX_VALUES);
        }
    }

    #[test]
    fn a_merge_takes_all_or_changes_nothing_and_needs_equal_keys(
        one in any_datum(),
        other in any_datum(),
    ) {
        // The same metric and time, and any values.
        let other = MetricDatum { metric: one.metric.clone(), timestamp: one.timestamp, ..other };
        let (mut merged, sizes) = (one.clone(), one.size_bytes() + other.size_bytes());
        match merged.merge(other.clone()) {
            Ok(()) => {
                prop_assert_eq!(one.merge_key(), other.merge_key());
                prop_assert_eq!(merged.merge_key(), one.merge_key());
                let (all, a, b) = (statistics(&merged), statistics(&one), statistics(&other));
                let near = |x: f64, y: f64| (x - y).abs() <= 1e-9 * (x.abs() + y.abs());
                prop_assert!(near(all.sample_count, a.sample_count + b.sample_count));
                let scale = merged.value.counted().fold(0.0, |all, (v, n)| all + (v * n).abs());
                prop_assert!((all.sum - a.sum - b.sum).abs() <= 1e-9 * (scale + a.sum.abs() + b.sum.abs()));
                prop_assert_eq!(all.minimum, a.minimum.min(b.minimum));
                prop_assert_eq!(all.maximum, a.maximum.max(b.maximum));
                // Merged, they never take more than apart.
                prop_assert!(merged.size_bytes() <= sizes);
            }
            Err(back) => {
                prop_assert_eq!(back, other);
                prop_assert_eq!(merged, one);
            }
        }
    }
}
