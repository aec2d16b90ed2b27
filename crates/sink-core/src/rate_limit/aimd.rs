//! Additive increase, multiplicative decrease.

use super::ScalingStrategy;

/// Flink's `AIMDScalingStrategy`: each request that went well adds to the window, each request of
/// which anything was throttled multiplies it.
///
/// The defaults are Flink's (+10 entries, × 0.5). One throttled record of five hundred halves the
/// window as much as five hundred would; [`AdaptiveRate`](super::AdaptiveRate) does better.
#[derive(Debug, Clone, PartialEq)]
pub struct Aimd {
    increase_rate: f64,
    decrease_factor: f64,
    rate_threshold: f64,
}

impl Default for Aimd {
    fn default() -> Self {
        Self::flink()
    }
}

impl Aimd {
    /// What Flink's `AsyncSinkWriter` uses where a connector says nothing: +10 entries for a
    /// request, × 0.5.
    pub fn flink() -> Self {
        Self { increase_rate: 10.0, decrease_factor: 0.5, rate_threshold: f64::INFINITY }
    }

    /// What Flink's Kinesis connector uses: +10 entries for a request, × 0.99.
    pub fn flink_kinesis() -> Self {
        Self::flink().decrease_factor(0.99)
    }

    /// Entries that a request adds that was delivered whole. Default: 10; at least 1. More finds
    /// new capacity sooner and is throttled more often.
    #[must_use]
    pub fn increase_rate(mut self, entries: u32) -> Self {
        self.increase_rate = f64::from(entries.max(1));
        self
    }

    /// What is left of the window after a request of which something was throttled. Default: 0.5;
    /// kept within 0.01 and 0.99. Nearer to 1 is throttled more often.
    #[must_use]
    pub fn decrease_factor(mut self, factor: f64) -> Self {
        self.decrease_factor = if factor.is_nan() { 0.5 } else { factor.clamp(0.01, 0.99) };
        self
    }

    /// Entries that the window never passes. Default: what fills `max_in_flight_requests`
    /// requests; at least 1.
    #[must_use]
    pub fn rate_threshold(mut self, entries: u32) -> Self {
        self.rate_threshold = f64::from(entries.max(1));
        self
    }
}

impl ScalingStrategy for Aimd {
    fn scale_up(&mut self, window: f64) -> f64 {
        (window + self.increase_rate).min(self.rate_threshold)
    }

    fn scale_down(&mut self, window: f64) -> f64 {
        window * self.decrease_factor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_window_grows_by_steps_up_to_its_threshold() {
        let mut aimd = Aimd::flink().rate_threshold(1015);
        assert!(near(aimd.scale_up(1000.0), 1010.0));
        assert!(near(aimd.scale_up(1010.0), 1015.0));
        assert!(near(aimd.scale_up(1015.0), 1015.0));
        assert!(near(Aimd::flink().increase_rate(0).scale_up(1.0), 2.0));
    }

    #[test]
    fn the_window_shrinks_by_a_factor_that_is_neither_nothing_nor_all() {
        assert!(near(Aimd::default().scale_down(1000.0), 500.0));
        assert!(near(Aimd::flink_kinesis().scale_down(1000.0), 990.0));
        for (factor, left) in [(f64::NAN, 500.0), (7.0, 990.0), (-1.0, 10.0)] {
            assert!(near(Aimd::flink().decrease_factor(factor).scale_down(1000.0), left));
        }
    }
}
