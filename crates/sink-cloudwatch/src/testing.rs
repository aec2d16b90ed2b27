//! Random data for the property tests.

use proptest::prelude::*;

use crate::datum::{Metric, MetricDatum, Resolution, StatisticSet, Unit};

/// Any metric that CloudWatch takes, its lengths on both sides of where CBOR's heads grow.
pub(crate) fn any_metric() -> impl Strategy<Value = Metric> {
    let dimensions = prop::collection::btree_map(
        "[!-9;-~][ -~]{0,30}|[a-z]{200,255}",
        "[!-~][ -~]{0,30}|[a-z]{230,300}|[a-z]{1000,1024}",
        0..=30,
    );
    let unit = prop::sample::select(Unit::values()).prop_map(Unit::from);
    ("[a-z]{1,30}|.{1,255}", dimensions, unit, any::<bool>()).prop_map(
        |(name, dimensions, unit, is_fine)| {
            let builder = Metric::builder(name).unit(unit).resolution(if is_fine {
                Resolution::Second
            } else {
                Resolution::Minute
            });
            let builder = dimensions
                .into_iter()
                .fold(builder, |builder, (name, value)| builder.dimension(name, value));
            builder.build().unwrap()
        },
    )
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![(-1000_i32..1000).prop_map(f64::from), -1e100..1e100]
}

/// Any datum that CloudWatch takes, at any time at all.
pub(crate) fn any_datum() -> impl Strategy<Value = MetricDatum> {
    (any_metric(), any::<i64>()).prop_flat_map(|(metric, timestamp)| {
        let (of_one, of_many, of_set) = (metric.clone(), metric.clone(), metric);
        let count = prop_oneof![(1_i32..1000).prop_map(f64::from), 1e-3..1e100];
        prop_oneof![
            number().prop_map(move |value| of_one.value(value).unwrap()),
            prop::collection::vec((number(), count), 1..=150)
                .prop_map(move |values| of_many.values(values).unwrap()),
            (1.0..1e9, number(), number(), number()).prop_map(move |(count, sum, a, b)| {
                of_set
                    .statistics(StatisticSet {
                        sample_count: count,
                        sum,
                        minimum: a.min(b),
                        maximum: a.max(b),
                    })
                    .unwrap()
            }),
        ]
        .prop_map(move |datum| MetricDatum { timestamp, ..datum })
    })
}
