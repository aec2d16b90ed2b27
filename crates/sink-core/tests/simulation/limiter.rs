//! The limiter of a seed, and in it a watchdog for drivers that spin.

use std::{cell::Cell, time::Instant};

use sink_core::{
    AdaptiveRate, Aimd, CongestionControl, RateLimiter, Settings, TokenBucket, Unlimited,
    rate_limit::Answer,
};

#[derive(Debug, Clone, Copy)]
pub(crate) enum Limiter {
    Default,
    Flink,
    Tokens(u64),
    Unlimited,
}

impl Limiter {
    pub(crate) fn build(self, settings: &Settings) -> Watched {
        let batch = settings.max_batch_size.unwrap();
        let requests = settings.max_in_flight_requests.unwrap();
        let limiter: Box<dyn RateLimiter> = match self {
            // As the builder does it.
            Self::Default => Box::new(AdaptiveRate::new(batch, requests)),
            Self::Flink => {
                Box::new(CongestionControl::with_strategy(Aimd::flink(), batch, requests))
            }
            Self::Tokens(rate) => Box::new(TokenBucket::new(rate)),
            Self::Unlimited => Box::new(Unlimited),
        };
        Watched { limiter, steps: Cell::new((tokio::time::Instant::now().into_std(), 0)) }
    }
}

/// A limiter, and how many steps the driver took at one instant: it asks for the window once a
/// step. On paused time a driver that wakes itself for nothing would go on for ever.
#[derive(Debug)]
pub(crate) struct Watched {
    limiter: Box<dyn RateLimiter>,
    steps: Cell<(Instant, u32)>,
}

impl Watched {
    const MOST_STEPS: u32 = 10_000;
}

impl RateLimiter for Watched {
    fn allowance(&mut self, now: Instant) -> usize {
        self.limiter.allowance(now)
    }

    fn max_batch_size(&self) -> usize {
        self.limiter.max_batch_size()
    }

    fn on_issue(&mut self, entries: usize, bytes: usize, now: Instant) {
        self.limiter.on_issue(entries, bytes, now);
    }

    fn on_settle(&mut self, answer: &Answer, now: Instant) {
        self.limiter.on_settle(answer, now);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.limiter.poll_timeout()
    }

    fn window(&self) -> Option<usize> {
        let now = tokio::time::Instant::now().into_std();
        let (at, steps) = self.steps.get();
        self.steps.set(if at == now { (at, steps + 1) } else { (now, 0) });
        assert!(steps < Self::MOST_STEPS, "the driver spins: {steps} steps and no time has passed");
        self.limiter.window()
    }
}
