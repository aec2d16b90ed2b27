//! Additive increase, multiplicative decrease.

use super::ScalingStrategy;

/// Additive increase, multiplicative decrease, in proportion: what Flink's `AIMDScalingStrategy`
/// does for a whole request, this does for each entry of it.
///
/// - A full request that was delivered adds `increase_rate` entries to the window; half a request
///   adds half of that.
/// - A window's worth of throttled entries multiplies the window by `decrease_factor`; one
///   throttled entry of five hundred takes away only its share. (Flink halves the window for it.)
/// - Until the first throttle the window doubles with each round trip (slow start), so that a fast
///   destination is used fully after a few requests.
#[derive(Debug, Clone)]
pub struct Aimd {
    increase_rate: f64,
    decrease_factor: f64,
    slow_start: bool,
}

impl Default for Aimd {
    /// Flink's numbers: 10 entries more for a request, half for a throttled window.
    fn default() -> Self {
        Self { increase_rate: 10.0, decrease_factor: 0.5, slow_start: true }
    }
}

impl Aimd {
    /// How many entries a full, delivered request adds. Default: 10; at least 1. More finds new
    /// capacity sooner and is throttled more often.
    #[must_use]
    pub fn increase_rate(mut self, entries: u32) -> Self {
        self.increase_rate = f64::from(entries.max(1));
        self
    }

    /// What is left of the window after all of it was throttled. Default: 0.5; kept within
    /// 0.01 and 0.99. Nearer to 1 is throttled more often.
    #[must_use]
    pub fn decrease_factor(mut self, factor: f64) -> Self {
        self.decrease_factor = if factor.is_nan() { 0.5 } else { factor.clamp(0.01, 0.99) };
        self
    }

    /// Whether the window doubles until the first throttle. Default: yes.
    #[must_use]
    pub fn slow_start(mut self, slow_start: bool) -> Self {
        self.slow_start = slow_start;
        self
    }
}

// Windows are far below 2^52, where an f64 still counts single entries.
#[allow(clippy::cast_precision_loss)]
impl ScalingStrategy for Aimd {
    fn scale_up(&mut self, window: f64, delivered: f64, max_batch_size: usize) -> f64 {
        if self.slow_start {
            window + delivered
        } else {
            window + self.increase_rate * delivered / max_batch_size as f64
        }
    }

    fn scale_down(&mut self, window: f64, throttled: f64) -> f64 {
        self.slow_start = false;
        window - throttled * (1.0 - self.decrease_factor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn the_window_doubles_a_round_trip_until_the_first_throttle() {
        let mut aimd = Aimd::default();
        let mut window = 500.0;
        for expected in [1000.0, 2000.0, 4000.0] {
            window = aimd.scale_up(window, window, 500);
            assert!(near(window, expected), "{window}");
        }
        window = aimd.scale_down(window, 1.0);
        assert!(near(aimd.scale_up(window, 500.0, 500), window + 10.0));
    }

    #[test]
    fn growth_is_additive_and_in_proportion_to_what_was_delivered() {
        let mut aimd = Aimd::default().slow_start(false);
        assert!(near(aimd.scale_up(1000.0, 500.0, 500), 1010.0));
        assert!(near(aimd.scale_up(1000.0, 50.0, 500), 1001.0));
        assert!(near(
            Aimd::default().slow_start(false).increase_rate(0).scale_up(1.0, 5.0, 5),
            2.0
        ));
    }

    #[test]
    fn a_throttled_window_is_multiplied_and_a_throttled_entry_costs_its_share() {
        let mut aimd = Aimd::default();
        assert!(near(aimd.scale_down(1000.0, 1000.0), 500.0));
        assert!(near(aimd.scale_down(1000.0, 1.0), 999.5));
        assert!(near(Aimd::default().decrease_factor(0.99).scale_down(1000.0, 1000.0), 990.0));
        assert!(near(Aimd::default().decrease_factor(f64::NAN).scale_down(1000.0, 1000.0), 500.0));
        assert!(near(Aimd::default().decrease_factor(7.0).scale_down(1000.0, 1000.0), 990.0));
    }
}
