//! Random histories, with what a hostile peer does among them.

use proptest::prelude::*;

use super::{
    history::{Limiting, op},
    model::{Model, Setup},
};
use crate::settings::Ordering;

fn setup() -> impl Strategy<Value = Setup> {
    (
        prop_oneof![
            6 => Just(Limiting::Adaptive),
            3 => Just(Limiting::CongestionControl),
            2 => Just(Limiting::TokenBucket),
            1 => Just(Limiting::Nothing),
            1 => Just(Limiting::EveryHundredMs),
        ],
        prop_oneof![2 => Just(Ordering::None), 1 => Just(Ordering::PerLane)],
        proptest::bool::weighted(0.7),
        prop_oneof![3 => Just(None), 1 => (1..5_u32).prop_map(Some)],
        prop_oneof![3 => Just(None), 1 => (1..5000_u64).prop_map(Some)],
        any::<bool>(),
    )
        .prop_map(|(limiting, ordering, dead_letters, max_attempts, max_age_ms, asks_late)| {
            Setup { limiting, ordering, dead_letters, max_attempts, max_age_ms, asks_late }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    #[test]
    fn the_engine_loses_nothing_reorders_nothing_and_always_drains(
        setup in setup(),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut model = Model::new(setup);
        for op in &ops {
            model.apply(op);
        }
        if model.bench.engine.fatal().is_none() {
            model.drain();
        } else {
            model.give_back();
        }
    }
}

/// 10,000 histories, or as many as `PROPTEST_CASES` says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(10_000)
}
