//! What a destination said of a request, and of each of its entries.

use std::{fmt, time::Duration};

use crate::error::Error;

/// What became of a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// Every entry is stored.
    Delivered,
    /// Some entries are stored and some are not; see [`Outcome::per_entry`].
    PerEntry(Verdicts),
    /// No entry is known to be stored; all are sent again after a delay.
    RetryAll(Cause, Reason),
    /// The destination will never store any of these entries.
    RejectAll(Reason),
    /// The destination refused the whole request because of some entry in it, and does not say
    /// which (one bad datum in CloudWatch's `PutMetricData`). The engine halves the request until
    /// the bad entry stands alone and is rejected; all the good ones are delivered. One bad entry
    /// of a thousand costs some twenty requests.
    Bisect(Reason),
    /// The destination cannot be used until somebody changes something: credentials, permissions,
    /// a missing stream. The sink stops and keeps every entry.
    Fatal(Error),
}

impl Outcome {
    /// The outcome of a request whose answer speaks of each entry.
    ///
    /// `verdicts` must give exactly `sent` verdicts, in the order of the batch. Where it gives
    /// more or fewer, the answer cannot be trusted: nobody knows which entry it is silent about,
    /// so the whole batch is sent again ([`Cause::Unavailable`], code `WrongAnswerLength`).
    pub fn per_entry(sent: usize, verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        let mut answered = 0_usize;
        let mut failures = Vec::new();
        for verdict in verdicts {
            if !matches!(verdict, Verdict::Delivered) {
                failures.push((answered, verdict));
            }
            answered += 1;
        }
        if answered != sent {
            return Self::RetryAll(
                Cause::Unavailable,
                Reason::new(
                    "WrongAnswerLength",
                    format!("the destination answered for {answered} entries of {sent}"),
                ),
            );
        }
        if failures.is_empty() {
            Self::Delivered
        } else {
            Self::PerEntry(Verdicts { sent, failures })
        }
    }

    /// Whether the destination asked for less: for an entry, or for all.
    #[cfg(any(test, feature = "tokio"))] // for the driver
    pub(crate) fn is_throttled(&self) -> bool {
        match self {
            Self::RetryAll(cause, _) => matches!(cause, Cause::Throttled { .. }),
            Self::PerEntry(verdicts) => {
                let is_throttled =
                    |verdict: &Verdict| matches!(verdict, Verdict::Retry(Cause::Throttled { .. }));
                verdicts.failures.iter().any(|(_, verdict)| is_throttled(verdict))
            }
            Self::Delivered | Self::RejectAll(_) | Self::Bisect(_) | Self::Fatal(_) => false,
        }
    }
}

/// Exactly one verdict for each entry of a request. Made only by [`Outcome::per_entry`].
#[derive(Debug)]
pub struct Verdicts {
    sent: usize,
    /// Position and verdict of each entry that was not delivered, positions rising.
    failures: Vec<(usize, Verdict)>,
}

impl Verdicts {
    /// How many entries the verdicts speak of.
    pub fn sent(&self) -> usize {
        self.sent
    }

    /// Position in the batch and verdict of each entry that was not delivered, positions rising.
    pub fn failures(&self) -> &[(usize, Verdict)] {
        &self.failures
    }

    pub(crate) fn into_failures(self) -> Vec<(usize, Verdict)> {
        self.failures
    }
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// It is stored.
    Delivered,
    /// It is not stored; it is sent again after a delay.
    Retry(Cause),
    /// It will never be stored.
    Reject(Reason),
}

/// Why an entry is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The destination asked for less. The only cause that narrows the rate limiter's window.
    Throttled {
        /// How long the destination asked to wait, where it did.
        retry_after: Option<Duration>,
    },
    /// The destination, or the way to it, failed: 5xx, a reset connection, an unknown code.
    Unavailable,
    /// No answer came in time. The destination may have stored the entry: a retry may duplicate it.
    Timeout,
}

impl Cause {
    /// Throttled, without a hint of how long to wait.
    pub const THROTTLED: Self = Self::Throttled { retry_after: None };
}

/// How an entry left the sink.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// The destination stored it.
    Delivered,
    /// The destination will never store it; the dead-letter handler has it, for this reason.
    Rejected(Reason),
}

/// What the destination said: its code and its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    code: String,
    message: String,
}

impl Reason {
    /// A reason with the destination's code, such as `InternalFailure`, and its message.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), message: message.into() }
    }

    /// The destination's code.
    pub fn code(&self) -> &str {
        &self.code
    }

    /// The destination's message; may be empty.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.message.is_empty() {
            f.write_str(&self.code)
        } else {
            write!(f, "{}: {}", self.code, self.message)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_about_an_entry_is_never_success() {
        for (sent, answered) in [(3, 2), (3, 4), (1, 0), (0, 1)] {
            let outcome =
                Outcome::per_entry(sent, std::iter::repeat_n(Verdict::Delivered, answered));
            assert!(
                matches!(&outcome, Outcome::RetryAll(Cause::Unavailable, reason)
                    if reason.code() == "WrongAnswerLength"),
                "{sent} sent, {answered} answered: {outcome:?}"
            );
        }
    }

    #[test]
    fn an_answer_without_failures_is_delivered() {
        assert!(matches!(
            Outcome::per_entry(2, [Verdict::Delivered, Verdict::Delivered]),
            Outcome::Delivered
        ));
    }

    #[test]
    fn failures_keep_their_position() {
        let throttled = Verdict::Retry(Cause::THROTTLED);
        let rejected = Verdict::Reject(Reason::new("TooOld", ""));
        let Outcome::PerEntry(verdicts) = Outcome::per_entry(
            4,
            [Verdict::Delivered, throttled.clone(), Verdict::Delivered, rejected.clone()],
        ) else {
            panic!("not per entry")
        };
        assert_eq!(verdicts.sent(), 4);
        assert_eq!(verdicts.failures(), [(1, throttled), (3, rejected)]);
    }
}
