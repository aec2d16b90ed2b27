//! Seeded chance.

use std::{sync::Mutex, time::Duration};

use crate::server::lock;

/// Draws by a seed: one seed and one order of requests give one series of faults.
#[derive(Debug)]
pub(crate) struct Chance(Mutex<fastrand::Rng>);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Mutex::new(fastrand::Rng::with_seed(seed)))
    }

    /// True with this probability: 0 never, 1 always.
    pub(crate) fn happens(&self, probability: f64) -> bool {
        probability > 0.0 && lock(&self.0).f64() < probability
    }

    /// A duration up to this one.
    pub(crate) fn up_to(&self, most: Duration) -> Duration {
        most.mul_f64(lock(&self.0).f64())
    }
}
