//! What the engine is told once, at its start: settings with every default filled in.

use std::time::Duration;

use crate::settings::{OnTimeout, Ordering};

/// Settings with every default filled in and every contradiction refused.
/// Made by [`Settings::resolve`](crate::Settings::resolve); the meanings stand at
/// [`Settings`](crate::Settings).
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)] // each field is documented at `Settings`
#[non_exhaustive]
pub struct EngineConfig {
    pub max_batch_size: usize,
    pub max_batch_size_in_bytes: usize,
    pub max_record_size_in_bytes: usize,
    pub max_in_flight_requests: usize,
    pub max_buffered_requests: usize,
    pub max_buffered_bytes: usize,
    pub max_time_in_buffer: Duration,
    pub request_timeout: Duration,
    pub on_timeout: OnTimeout,
    pub ordering: Ordering,
    pub retry_delay: RetryDelay,
    pub max_attempts: Option<u32>,
    pub max_age: Option<Duration>,
}

/// Bounds of the delay before a retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryDelay {
    /// Longest delay before the first retry.
    pub initial: Duration,
    /// Longest delay before any retry.
    pub max: Duration,
}
