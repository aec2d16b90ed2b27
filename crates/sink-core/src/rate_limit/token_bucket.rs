//! A known quota: so many records and bytes a second.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Answer, RateLimiter};

/// Sends so many records, and bytes, a second, and no more: for a quota that is known, or one that
/// other programs must have their part of.
///
/// Clones share one bucket, so several sinks of a process keep to one quota together:
///
/// ```
/// use sink_core::rate_limit::TokenBucket;
///
/// let quota = TokenBucket::new(5_000).bytes_per_second(5 << 20);
/// let (for_orders, for_clicks) = (quota.clone(), quota);
/// # let _ = (for_orders, for_clicks);
/// ```
///
/// A request may go as soon as the bucket holds what it needs, or is full: a request that is larger
/// than the bucket leaves a debt, which the time that follows pays off.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    shared: Arc<Mutex<Bucket>>,
    max_batch_size: usize,
}

#[derive(Debug)]
struct Bucket {
    records: Tokens,
    bytes: Option<Tokens>,
}

/// Tokens that come at a rate, up to a burst. Below zero after a request that took more.
#[derive(Debug)]
struct Tokens {
    per_second: f64,
    burst: f64,
    held: f64,
    /// `None` before the first look: the bucket is full then.
    counted_at: Option<Instant>,
}

impl Tokens {
    #[allow(clippy::cast_precision_loss)] // quotas are far below 2^52
    fn new(per_second: u64) -> Self {
        let per_second = per_second.max(1) as f64;
        // A tenth of a second's worth: requests may be full, and nobody sees a second's burst.
        let burst = (per_second / 10.0).max(1.0);
        Self { per_second, burst, held: burst, counted_at: None }
    }

    fn count(&mut self, now: Instant) {
        let since = self.counted_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.held = (self.held + self.per_second * since.as_secs_f64()).min(self.burst);
        self.counted_at = Some(self.counted_at.map_or(now, |at| at.max(now)));
    }

    fn take(&mut self, amount: usize, now: Instant) {
        self.count(now);
        #[allow(clippy::cast_precision_loss)]
        {
            self.held -= amount as f64;
        }
    }

    /// When this many will be there.
    fn ready_at(&self, amount: f64) -> Option<Instant> {
        let missing = (amount.min(self.burst) - self.held).max(0.0);
        Some(self.counted_at? + Duration::from_secs_f64(missing / self.per_second))
    }
}

impl TokenBucket {
    /// So many records a second; at least 1. A tenth of that may go at once after a pause.
    pub fn new(records_per_second: u64) -> Self {
        let records = Tokens::new(records_per_second);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // at least 1
        let max_batch_size = records.burst as usize;
        let shared = Arc::new(Mutex::new(Bucket { records, bytes: None }));
        Self { shared, max_batch_size }
    }

    /// And so many bytes a second ([`Entry::size_bytes`](crate::Entry::size_bytes)); at least 1.
    /// Default: no limit of bytes. Set it before cloning or after: clones share it.
    #[must_use]
    pub fn bytes_per_second(self, bytes: u64) -> Self {
        self.lock().bytes = Some(Tokens::new(bytes));
        self
    }

    fn lock(&self) -> MutexGuard<'_, Bucket> {
        // Arithmetic alone runs under the lock.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RateLimiter for TokenBucket {
    fn allowance(&mut self, now: Instant) -> usize {
        let mut bucket = self.lock();
        bucket.records.count(now);
        if let Some(bytes) = &mut bucket.bytes {
            bytes.count(now);
            // How many bytes a request has shows when it is cut: it may go into debt, once.
            if bytes.held < 1.0 {
                return 0;
            }
        }
        // A wake-up is some nanoseconds early at times; that must not cost an entry.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates at 0
        {
            (bucket.records.held + 1e-3) as usize
        }
    }

    /// What the bucket holds when it is full: a larger request would have to wait for ever.
    fn max_batch_size(&self) -> usize {
        self.max_batch_size
    }

    fn on_issue(&mut self, entries: usize, bytes: usize, now: Instant) {
        let mut bucket = self.lock();
        bucket.records.take(entries, now);
        if let Some(tokens) = &mut bucket.bytes {
            tokens.take(bytes, now);
        }
    }

    fn on_settle(&mut self, _answer: &Answer, _now: Instant) {}

    /// When the bucket is full of records, and its bytes are out of debt. Others that share it may
    /// have been first then; the next look says so.
    fn poll_timeout(&self) -> Option<Instant> {
        let bucket = self.lock();
        let records = bucket.records.ready_at(bucket.records.burst);
        let bytes = bucket.bytes.as_ref().and_then(|tokens| tokens.ready_at(1.0));
        records.max(bytes)
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods)] // a test starts its own clock
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_full_bucket_lets_its_burst_go_and_then_the_rate() {
        let start = Instant::now();
        let mut limiter = TokenBucket::new(1000);
        assert_eq!((limiter.allowance(start), limiter.max_batch_size()), (100, 100));
        limiter.on_issue(100, 0, start);
        assert_eq!(limiter.allowance(start), 0);
        assert_eq!(limiter.allowance(start + 7 * MS), 7);
        assert_eq!(limiter.poll_timeout(), Some(start + 100 * MS));
        assert_eq!(limiter.allowance(start + 100 * MS), 100);
        assert_eq!(limiter.allowance(start + 5000 * MS), 100, "a pause earns one burst");
    }

    #[test]
    fn clones_share_one_quota() {
        let start = Instant::now();
        let mut one = TokenBucket::new(1000);
        let mut other = one.clone();
        one.on_issue(60, 0, start);
        assert_eq!(other.allowance(start), 40);
    }

    #[test]
    fn bytes_may_go_into_debt_once_and_are_paid_off() {
        let start = Instant::now();
        let mut limiter = TokenBucket::new(1_000_000).bytes_per_second(1000);
        assert!(limiter.allowance(start) > 0);
        limiter.on_issue(1, 600, start); // 100 were there
        assert_eq!(limiter.allowance(start + 499 * MS), 0);
        assert_eq!(limiter.poll_timeout(), Some(start + 501 * MS));
        assert!(limiter.allowance(start + 501 * MS) > 0);
    }

    #[test]
    fn over_ten_seconds_exactly_the_quota_goes() {
        let start = Instant::now();
        let mut limiter = TokenBucket::new(333);
        let (mut now, mut sent) = (start, 0);
        while now < start + 10_000 * MS {
            let allowed = limiter.allowance(now).min(limiter.max_batch_size());
            if allowed == limiter.max_batch_size() {
                limiter.on_issue(allowed, 0, now);
                sent += allowed;
            } else {
                now = limiter.poll_timeout().unwrap();
            }
        }
        assert!((3330..=3330 + 33).contains(&sent), "{sent}");
    }

    #[test]
    fn the_smallest_quota_still_lets_something_go() {
        let start = Instant::now();
        let mut limiter = TokenBucket::new(0).bytes_per_second(0);
        assert_eq!(limiter.allowance(start), 1);
        limiter.on_issue(1, 10, start);
        assert_eq!(limiter.allowance(start + 9_000 * MS), 0);
        assert_eq!(limiter.allowance(start + 10_000 * MS), 1);
    }
}
