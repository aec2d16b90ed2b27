//! A rate limiter of your own: an API whose plan allows so many entries an hour, and does not mind
//! when in the hour. (`TokenBucket` spreads a quota evenly; here it may be used up at once.)
//! `cargo run -p examples --bin custom_limiter`

use std::{
    convert::Infallible,
    error::Error,
    time::{Duration, Instant},
};

use sink_core::{
    Batch, ConvertError, Destination, Entry, Limits, Outcome, RateLimiter, Sink, rate_limit::Answer,
};

/// So many entries in each window of time, as fast as they come.
#[derive(Debug)]
struct FixedWindow {
    quota: usize,
    length: Duration,
    /// When the window began: with its first request. `None` while none is open.
    began: Option<Instant>,
    used: usize,
}

impl FixedWindow {
    fn new(quota: usize, length: Duration) -> Self {
        Self { quota, length, began: None, used: 0 }
    }

    fn ends_at(&self) -> Option<Instant> {
        self.began.map(|began| began + self.length)
    }
}

// A limiter never reads a clock and never waits: it is told the time. So its test needs no time.
impl RateLimiter for FixedWindow {
    fn allowance(&mut self, now: Instant) -> usize {
        if self.ends_at().is_some_and(|end| end <= now) {
            (self.began, self.used) = (None, 0);
        }
        self.quota.saturating_sub(self.used)
    }

    /// What is left, so that the last request of a window is smaller rather than too large.
    fn max_batch_size(&self) -> usize {
        match self.quota.saturating_sub(self.used) {
            0 => self.quota,
            left => left,
        }
    }

    /// Each attempt costs quota, so it is counted when it goes, not when it is delivered.
    fn on_issue(&mut self, entries: usize, _bytes: usize, now: Instant) {
        self.began.get_or_insert(now);
        self.used += entries;
    }

    fn on_settle(&mut self, _answer: &Answer, _now: Instant) {}

    /// Without it, the sink would not know when to ask again.
    fn poll_timeout(&self) -> Option<Instant> {
        self.ends_at()
    }
}

/// Yours.
struct Line(String);

impl Entry for Line {
    fn size_bytes(&self) -> usize {
        self.0.len()
    }
}

/// The API; yours would do I/O.
struct Api;

impl Destination for Api {
    type Entry = Line;
    type Request = String;
    type Response = ();
    type Error = Infallible;
    const KIND: &'static str = "api";
    const LIMITS: Limits = Limits {
        max_batch_size: 100,
        max_batch_size_in_bytes: 1 << 20,
        max_record_size_in_bytes: 1 << 10,
    };

    fn build_request(&self, batch: &Batch<'_, Line>) -> String {
        batch.iter().map(|line| &*line.0).collect::<Vec<_>>().join("\n")
    }

    async fn send(&self, _lines: String) -> Result<(), Infallible> {
        Ok(())
    }

    fn extract_failures(&self, _answer: Result<(), Infallible>, _sent: usize) -> Outcome {
        Outcome::Delivered
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let converter = |number: u64| Ok::<_, ConvertError>(Line(format!("line {number}")));
    // A tenth of a second stands for the hour.
    let limiter = FixedWindow::new(250, Duration::from_millis(100));
    let sink = Sink::builder(converter, Api).rate_limiter(limiter).build()?;
    for number in 0..1_000 {
        sink.write(number).await?;
    }
    let summary = sink.close().await?;
    #[allow(clippy::print_stdout)] // a program may speak
    {
        let delivered = summary.counters.delivered.entries;
        println!("{delivered} delivered in {} ms", summary.elapsed.as_millis());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_its_quota_and_the_next_one_begins_with_its_first_request() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut limiter = FixedWindow::new(250, second);
        assert_eq!((limiter.allowance(start), limiter.poll_timeout()), (250, None));
        limiter.on_issue(200, 0, start);
        assert_eq!((limiter.allowance(start), limiter.max_batch_size()), (50, 50));
        limiter.on_issue(50, 0, start + second / 2);
        assert_eq!((limiter.allowance(start + second / 2), limiter.max_batch_size()), (0, 250));
        assert_eq!(limiter.poll_timeout(), Some(start + second));
        assert_eq!(limiter.allowance(start + second), 250);
        limiter.on_issue(1, 0, start + 5 * second);
        assert_eq!(limiter.poll_timeout(), Some(start + 6 * second));
    }
}
