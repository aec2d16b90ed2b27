//! What the log hears of failing requests.

use std::{collections::HashMap, time::Duration};

use tokio::time::Instant;

use crate::outcome::Outcome;

/// Warns of failing requests once for each of the destination's codes, and again while they go on
/// failing: a destination that is away for an hour must neither be silent nor fill the log.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    /// When each code was last warned of.
    warned: HashMap<String, Instant>,
}

impl Warnings {
    const EVERY: Duration = Duration::from_secs(30);
    /// A destination that makes up codes must not fill the memory either.
    const MOST_CODES: usize = 100;

    pub(super) fn note(&mut self, kind: &'static str, outcome: &Outcome) {
        match outcome {
            Outcome::RetryAll(cause, reason) => {
                let now = Instant::now();
                let warned = self.warned.get(reason.code());
                if warned.is_none_or(|at| now.duration_since(*at) >= Self::EVERY) {
                    if self.warned.len() >= Self::MOST_CODES {
                        self.warned.clear();
                    }
                    self.warned.insert(reason.code().to_owned(), now);
                    let cause = cause.as_str();
                    tracing::warn!(kind, cause, %reason, "request failed and will be retried");
                }
            }
            Outcome::Fatal(error) => tracing::error!(kind, %error, "request failed for good"),
            Outcome::Delivered
            | Outcome::PerEntry(_)
            | Outcome::RejectAll(_)
            | Outcome::Bisect(_) => {}
        }
    }
}
