//! A window that never changes.

use super::ScalingStrategy;

/// Leaves the window as it is, whatever happens (Flink's `NoOpScalingStrategy`):
/// `CongestionControl::with_strategy(Fixed, …).initial_window(2000)` keeps 2,000 entries in flight.
#[derive(Debug, Clone, Copy, Default)]
pub struct Fixed;

impl ScalingStrategy for Fixed {
    fn scale_up(&mut self, window: f64) -> f64 {
        window
    }

    fn scale_down(&mut self, window: f64) -> f64 {
        window
    }
}
