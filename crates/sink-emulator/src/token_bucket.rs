//! The services' rate limits: so much a second, with one second's worth at once.

use tokio::time::Instant;

/// Admits `rate` tokens a second, and up to one second's worth at once.
#[derive(Debug)]
pub(crate) struct TokenBucket {
    rate: f64,
    tokens: f64,
    counted_at: Instant,
}

#[allow(clippy::cast_precision_loss)] // rates are far below 2^52
impl TokenBucket {
    /// A full bucket.
    pub(crate) fn new(rate: u64) -> Self {
        Self { rate: rate as f64, tokens: rate as f64, counted_at: Instant::now() }
    }

    /// Whether so many tokens are there now.
    pub(crate) fn has(&mut self, tokens: usize) -> bool {
        let now = Instant::now();
        let since = now.duration_since(self.counted_at).as_secs_f64();
        self.tokens = (self.tokens + since * self.rate).min(self.rate);
        self.counted_at = now;
        // A single record larger than the whole bucket may pass a full one, into debt: Kinesis
        // takes records of up to 10 MiB on shards of 1 MiB a second.
        self.rate > 0.0 && self.tokens >= (tokens as f64).min(self.rate)
    }

    /// Takes tokens that were there.
    pub(crate) fn take(&mut self, tokens: usize) {
        self.tokens -= tokens as f64;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn take_all(bucket: &mut TokenBucket) -> usize {
        (0..).take_while(|_| bucket.has(1).then(|| bucket.take(1)).is_some()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_bucket_gives_its_rate_and_one_second_at_once() {
        let mut bucket = TokenBucket::new(1000);
        assert_eq!(take_all(&mut bucket), 1000);
        tokio::time::advance(Duration::from_millis(250)).await;
        assert_eq!(take_all(&mut bucket), 250);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(take_all(&mut bucket), 1000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rate_of_zero_lets_nothing_pass() {
        let mut bucket = TokenBucket::new(0);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(take_all(&mut bucket), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_larger_than_the_bucket_passes_a_full_one_and_is_paid_for() {
        let mut bucket = TokenBucket::new(1000);
        assert!(bucket.has(5000));
        bucket.take(5000);
        tokio::time::advance(Duration::from_secs(4)).await;
        assert!(!bucket.has(1));
        tokio::time::advance(Duration::from_millis(1001)).await;
        assert!(bucket.has(1));
    }
}
